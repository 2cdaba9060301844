/** The WebSocket transport on real sockets: which upgrades it takes, and how it ends. */
import assert from "node:assert/strict";
import { fail } from "../../shard/errors.ts";
import { RawSocket, rawWebSocket, upgradeRequest } from "./raw_socket.ts";
import { withTransport } from "./ws_fixture.ts";

const REFUSED: readonly (readonly [string, string, number, string])[] = [
  ["another path", upgradeRequest("/v1/other"), 404, "not_found"],
  ["a missing key", upgradeRequest().replace(/Sec-WebSocket-Key: .*\r\n/, ""), 400, "bad_request"],
  ["another version", upgradeRequest().replace("Version: 13", "Version: 7"), 400, "bad_request"],
  ["another method", upgradeRequest().replace("GET", "POST"), 400, "bad_request"],
  [
    "a page of elsewhere",
    upgradeRequest("/v1/ws", "Origin: https://evil.example\r\n"),
    403,
    "forbidden",
  ],
];

for (const [what, request, status, code] of REFUSED) {
  Deno.test(`an upgrade with ${what} is refused with ${status} and a reason`, async () => {
    await withTransport({}, async ({ port, echoes, counters }) => {
      const raw = new RawSocket(port);
      raw.write(request);
      assert.equal(await raw.status(), status);
      assert.equal((await raw.json())["code"], code);
      assert.deepEqual([echoes.length, counters.refused], [0, 1]);
    });
  });
}

Deno.test("connections beyond the limits are refused before the upgrade, with a wait", async () => {
  const limits = { connectionsMax: 3, connectionsPerAddressMax: 2 };
  await withTransport(limits, async ({ port, ws, echoes }) => {
    const from = async (address: string) => {
      const raw = new RawSocket(port);
      raw.write(upgradeRequest("/v1/ws", `X-Test-Address: ${address}\r\n`));
      return { raw, status: await raw.status() };
    };
    const first = await from("192.0.2.1");
    assert.deepEqual([first.status, (await from("192.0.2.1")).status], [101, 101]);
    const third = await from("192.0.2.1");
    assert.equal(third.status, 503);
    assert.match(third.raw.bytes.toString(), /\r\nRetry-After: [1-9]/);
    assert.equal((await from("192.0.2.2")).status, 101);
    assert.equal((await from("192.0.2.3")).status, 503);
    assert.equal(ws.connections, 3);
    first.raw.destroy();
    await echoes[0]!.gone;
    assert.equal((await from("192.0.2.1")).status, 101);
  });
});

Deno.test("connections are refused while the node takes none", async () => {
  await withTransport({}, async (fixture) => {
    fixture.refusal = fail("busy", "overload", 2500);
    const raw = new RawSocket(fixture.port);
    raw.write(upgradeRequest());
    assert.equal(await raw.status(), 503);
    assert.match(raw.bytes.toString(), /\r\nRetry-After: 3\r\n/);
    assert.deepEqual(await raw.json(), { code: "busy", message: "overload", retryAfterMs: 2500 });
  });
});

Deno.test("close sends all away, refuses who comes, and waits until all are gone", async () => {
  await withTransport({ closeTimeoutMs: 100 }, async ({ port, ws }) => {
    const raws = await Promise.all(Array.from({ length: 5 }, () => rawWebSocket(port)));
    const closing = ws.close(4000);
    const late = new RawSocket(port);
    late.write(upgradeRequest());
    assert.equal(await late.status(), 503);
    await closing;
    assert.equal(ws.connections, 0);
    await Promise.all(raws.map((raw) => raw.ended()));
    for (const raw of raws) {
      assert.deepEqual(raw.texts().map((text) => JSON.parse(text)), [
        { t: "goaway", reason: "shutdown", retryAfterMs: 4000 },
      ]);
    }
  });
});
