import assert from "node:assert/strict";
import type { HookAnswer, HookRequest } from "../../server/node/ports.ts";
import { dialFirst, dialOrder } from "../../server/system/dial.ts";
import { allowedAddresses, type Resolve, systemPostHook } from "../../server/system/post_hook.ts";
import { TEST_CERT, TEST_KEY } from "../scenario/test_cert.ts";

function post(
  url: string,
  options: { privateToo?: boolean; timeoutMs?: number; resolve?: Resolve } = {},
): Promise<HookAnswer> {
  const request: HookRequest = {
    url,
    headers: { "content-type": "application/json", "webhook-id": "main.1-1" },
    body: '{"text":"é"}',
    timeoutMs: options.timeoutMs ?? 10_000,
  };
  const hook = systemPostHook(
    { privateToo: options.privateToo ?? true, ports: [] },
    options.resolve,
  );
  return new Promise((done) => hook(request, done));
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

const v4 = (address: string) => ({ address, family: 4 });
const v6 = (address: string) => ({ address, family: 6 });

Deno.test("systemPostHook tries each address of a name until one responds (A10)", async () => {
  const refused = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  refused.close();
  await withRaw(async (conn) => {
    await readRequest(conn);
    await write(conn, "HTTP/1.1 204 No Content\r\n\r\n");
  }, async (url) => {
    const { port } = new URL(url);
    // It takes connections and ends them without a response.
    const mute = Deno.listen({ hostname: "127.0.0.3", port: Number(port) });
    let muted = 0;
    const muting = (async () => {
      for await (const conn of mute) {
        muted++;
        await readRequest(conn);
        conn.close();
      }
    })();
    const found = [v4("127.0.0.2"), v4("127.0.0.3"), v4("127.0.0.1")];
    const resolve = () => Promise.resolve(found);
    try {
      const answer = await post(`http://receiver.example:${port}/`, { resolve });
      assert.deepEqual(answer, { kind: "answered", status: 204, retryAfterMs: null });
      assert.equal(muted, 1);
    } finally {
      mute.close();
      await muting;
    }
    const none = () => Promise.resolve([v4("127.0.0.2"), v4("127.0.0.4")]);
    const failed = await post(`http://receiver.example:${port}/`, { resolve: none });
    assert.match(failed.kind === "failed" ? failed.reason : "", /refused/);
  });
});

Deno.test("allowedAddresses skips private ones, and says so where no other is left (A10)", () => {
  const found = [v4("10.0.0.1"), v4("9.9.9.9"), v6("fe80::1"), v6("2620:fe::fe")];
  assert.deepEqual(allowedAddresses("a.example", found, false), ["9.9.9.9", "2620:fe::fe"]);
  assert.equal(allowedAddresses("a.example", found, true).length, 4);
  assert.throws(
    () => allowedAddresses("a.example", [v4("10.0.0.1"), v6("fe80::1")], false),
    /a\.example leads to a private address: see gateway\.privateTargets/,
  );
  assert.throws(() => allowedAddresses("a.example", [], true), /has no address/);
});

Deno.test("dialOrder alternates between the families, first come first, none twice (A10)", () => {
  const found = [v6("::a"), v6("::b"), v4("1.1.1.1"), v6("::a"), v4("1.1.1.2"), v4("1.1.1.3")];
  assert.deepEqual(dialOrder(found), ["::a", "1.1.1.1", "::b", "1.1.1.2", "1.1.1.3"]);
  assert.equal(dialOrder(Array.from({ length: 99 }, (_, i) => v4(`9.9.9.${i}`))).length, 16);
  assert.deepEqual(dialOrder([]), []);
});

Deno.test("dialFirst goes on when an address is silent, and drops what comes too late (A10)", async () => {
  const late = Promise.withResolvers<string>();
  const dropped: string[] = [];
  const connect = (address: string) =>
    address === "silent" ? late.promise : Promise.resolve(address);
  const { signal } = new AbortController();
  const drop = (conn: string) => void dropped.push(conn);
  const won = await dialFirst(["silent", "quick"], connect, drop, signal);
  assert.deepEqual(won, { address: "quick", conn: "quick" });
  late.resolve("too late");
  await late.promise;
  await Promise.resolve();
  assert.deepEqual(dropped, ["too late"]);
});

Deno.test("dialFirst rejects with the first failure when all failed, or as soon as it is aborted (A10)", async () => {
  const fails = (address: string) => Promise.reject(new Error(`no ${address}`));
  const given = new AbortController();
  const all = dialFirst(["a", "b"], fails, () => {}, given.signal);
  await assert.rejects(all, /no a/);
  await assert.rejects(dialFirst([], fails, () => {}, given.signal), /no address/);
  const silent = dialFirst(["a"], () => new Promise<string>(() => {}), () => {}, given.signal);
  given.abort(new Error("given up"));
  await assert.rejects(silent, /given up/);
});
