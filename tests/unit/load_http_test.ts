import assert from "node:assert/strict";
import fc from "fast-check";
import { type HttpResponse, ResponseParser } from "../../server/load/http_response.ts";

const utf8 = new TextEncoder();

function text({ status, body, last }: HttpResponse): readonly [number, string, boolean] {
  return [status, new TextDecoder().decode(body), last];
}

const STREAM = "HTTP/1.1 100 Continue\r\n\r\n" +
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" +
  "HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n" +
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nwor\r\n2\r\nld\r\n0\r\n\r\n" +
  "HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";

Deno.test("ResponseParser finds the same responses however the bytes are cut", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 });
  fc.assert(fc.property(sizes, (cuts) => {
    const bytes = utf8.encode(STREAM);
    const parser = new ResponseParser();
    const found: (readonly [number, string, boolean])[] = [];
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = cuts[i % cuts.length]!;
      const chunk = bytes.slice(at, at + size);
      assert.equal(parser.feed(chunk, (response) => found.push(text(response))), null);
      chunk.fill(0);
      at += size;
    }
    assert.deepEqual(found, [
      [200, "hello", false],
      [204, "", false],
      [200, "world", false],
      [503, "{}", true],
    ]);
  }));
});

Deno.test("ResponseParser refuses what it cannot delimit", () => {
  for (
    const bad of [
      "SSH-2.0-OpenSSH\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
      `HTTP/1.1 200 OK\r\nx: ${"y".repeat(70_000)}`,
    ]
  ) {
    const fault = new ResponseParser().feed(utf8.encode(bad), () => assert.fail("no response"));
    assert.equal(typeof fault, "string", bad.slice(0, 40));
  }
});
