import assert from "node:assert/strict";
import type { HookAnswer, HookRequest } from "../../server/gateway/hook_sender.ts";
import { systemPostHook } from "../../server/system/post_hook.ts";
import { TEST_CERT, TEST_KEY } from "../scenario/test_cert.ts";

function post(
  url: string,
  options: { privateToo?: boolean; timeoutMs?: number } = {},
): Promise<HookAnswer> {
  const request: HookRequest = {
    url,
    headers: { "content-type": "application/json", "webhook-id": "main.1-1" },
    body: '{"text":"é"}',
    timeoutMs: options.timeoutMs ?? 10_000,
  };
  return new Promise((done) => systemPostHook(options.privateToo ?? true)(request, done));
}

/** Runs `test` with the address of a server that answers what `answer` says to each connection. */
async function withRaw(
  answer: (conn: Deno.Conn) => Promise<void>,
  test: (url: string) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const conn of listener) {
      await answer(conn);
      try {
        conn.close();
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
    }
  })();
  try {
    await test(`http://127.0.0.1:${listener.addr.port}/hook?x=1`);
  } finally {
    listener.close();
    await serving;
  }
}

const write = (conn: Deno.Conn, text: string) => conn.write(new TextEncoder().encode(text));

async function readRequest(conn: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(65_536);
  let text = "";
  while (!text.endsWith("}")) {
    const count = await conn.read(buffer);
    if (count === null) break;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return text;
}

Deno.test("systemPostHook posts the body with its length, and reads the status", async () => {
  let got = "";
  await withRaw(async (conn) => {
    got = await readRequest(conn);
    await write(conn, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
  }, async (url) => {
    assert.deepEqual(await post(url), { kind: "answered", status: 204, retryAfterMs: null });
    const { host } = new URL(url);
    assert.match(got, /^POST \/hook\?x=1 HTTP\/1\.1\r\n/);
    assert.ok(got.includes(`\r\nhost: ${host}\r\n`));
    assert.ok(got.includes("\r\nwebhook-id: main.1-1\r\n"));
    assert.ok(got.includes("\r\ncontent-length: 13\r\n"));
    assert.ok(got.endsWith('\r\n\r\n{"text":"é"}'));
  });
});

Deno.test("systemPostHook does not wait for more when the answer came with an interim one", async () => {
  await withRaw(async (conn) => {
    await readRequest(conn);
    await write(conn, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    // A receiver that leaves it to the other side to close.
    await conn.read(new Uint8Array(1));
  }, async (url) => {
    const answer = await post(url, { timeoutMs: 3000 });
    assert.deepEqual(answer, { kind: "answered", status: 204, retryAfterMs: null });
  });
});

Deno.test("systemPostHook follows no redirect and reads Retry-After", async () => {
  const answers = [
    "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n",
    "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\n",
    "SSH-2.0-OpenSSH\r\n\r\n",
  ];
  await withRaw(async (conn) => {
    await readRequest(conn);
    await write(conn, answers.shift()!);
  }, async (url) => {
    assert.deepEqual(await post(url), { kind: "answered", status: 302, retryAfterMs: null });
    assert.deepEqual(await post(url), { kind: "answered", status: 503, retryAfterMs: 7000 });
    assert.deepEqual(await post(url), { kind: "failed", reason: "the answer is not HTTP" });
  });
});

Deno.test("systemPostHook gives up on a head without end, and on who says nothing", async () => {
  await withRaw(async (conn) => {
    await readRequest(conn);
    try {
      for (;;) await write(conn, "x: y\r\n".repeat(1000));
    } catch {
      // It has hung up, as it should.
    }
  }, async (url) => {
    assert.deepEqual(await post(url), { kind: "failed", reason: "the answer is not HTTP" });
  });
  await withRaw(async (conn) => {
    await readRequest(conn);
    // Until it hangs up.
    await conn.read(new Uint8Array(1));
  }, async (url) => {
    const answer = await post(url, { timeoutMs: 50 });
    assert.deepEqual(answer, { kind: "failed", reason: "no answer within 50 ms" });
  });
});

Deno.test("systemPostHook connects to no private address unless it may", async () => {
  let connections = 0;
  await withRaw((_conn) => {
    connections++;
    return Promise.resolve();
  }, async (url) => {
    const port = new URL(url).port;
    for (const host of ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"]) {
      const answer = await post(`http://${host}:${port}/`, { privateToo: false });
      assert.equal(answer.kind, "failed");
      assert.match(answer.kind === "failed" ? answer.reason : "", /private address/);
    }
  });
  assert.equal(connections, 0);
});

Deno.test("systemPostHook tells nothing to a receiver whose certificate it does not trust", async () => {
  const listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: TEST_CERT,
    key: TEST_KEY,
  });
  const got = (async () => {
    const conn = await listener.accept();
    try {
      return await conn.read(new Uint8Array(4096));
    } catch {
      return null;
    } finally {
      conn.close();
    }
  })();
  try {
    const answer = await post(`https://localhost:${listener.addr.port}/`);
    assert.match(answer.kind === "failed" ? answer.reason : "", /certificate/);
    assert.equal(await got, null);
  } finally {
    listener.close();
  }
});
