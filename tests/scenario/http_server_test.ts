/** The HTTP server on real sockets: what a connection may cost before anybody has signed in. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { fail } from "../../shard/errors.ts";
import { type Cidr, parseCidr } from "../../server/config/address.ts";
import { RawSocket } from "./raw_socket.ts";
import { withHttpServer } from "./http_fixture.ts";
import { TEST_CERT, TEST_KEY } from "./test_cert.ts";

const cidrs = (texts: readonly string[]): readonly Cidr[] => texts.map((text) => parseCidr(text)!);

/** Sends bytes and gives the status and the JSON of the answer. */
async function answerTo(port: number, bytes: string): Promise<[number, Record<string, unknown>]> {
  const raw = new RawSocket(port);
  raw.write(bytes);
  return [await raw.status(), await raw.json()];
}

Deno.test("the door serves requests and hands upgrades on with the client's address", async () => {
  await withHttpServer({}, async ({ door, counters, upgrades }) => {
    const response = await fetch(`http://127.0.0.1:${door.port}/echo`, {
      method: "POST",
      body: "hi",
    });
    assert.equal(await response.text(), "hi");
    const raw = new RawSocket(door.port);
    raw.write(
      "GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    );
    await raw.ended();
    assert.deepEqual(upgrades, ["/v1/ws 127.0.0.1"]);
    assert.equal(counters.opened, 2);
    assert.equal(counters.malformed, 0);
  });
});

Deno.test("X-Forwarded-For is believed from trusted proxies only, from the right", async () => {
  const seen = async (trusted: readonly string[], header: string) => {
    let address = "";
    await withHttpServer({ trustedProxies: cidrs(trusted) }, async ({ door }) => {
      const headers = { "x-forwarded-for": header };
      const response = await fetch(`http://127.0.0.1:${door.port}/address`, { headers });
      address = await response.text();
    });
    return address;
  };
  assert.equal(await seen([], "198.51.100.7"), "127.0.0.1");
  assert.equal(await seen(["127.0.0.0/8"], "198.51.100.7"), "198.51.100.7");
  assert.equal(await seen(["127.0.0.0/8"], "203.0.113.9, 198.51.100.7"), "198.51.100.7");
  const chain = ["127.0.0.0/8", "198.51.100.0/24"];
  assert.equal(await seen(chain, "10.9.9.9, 203.0.113.9, 198.51.100.7"), "203.0.113.9");
  assert.equal(await seen(["127.0.0.0/8"], "rubbish"), "127.0.0.1");
});

/** Resolves when something holds; throws where that takes too long. */
async function until(holds: () => boolean): Promise<void> {
  for (const endMs = performance.now() + 20_000; !holds();) {
    assert.ok(performance.now() < endMs, "it takes too long");
    await new Promise((done) => setTimeout(done, 5));
  }
}

Deno.test("10.1: a response is over when it was sent, or its client is gone, whichever is first", async () => {
  await withHttpServer({}, async (fixture) => {
    const { port } = fixture.door;
    const url = `http://127.0.0.1:${port}/large`;
    assert.equal((await (await fetch(`${url}/100000`)).text()).length, 100_000);
    await until(() => fixture.unsent === 0);
    const ask = () => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      socket.write("GET /large/64000000 HTTP/1.1\r\nHost: x\r\n\r\n");
      return socket;
    };
    // More than the system takes of what nobody reads.
    const unread = ask();
    await until(() => fixture.unsent === 1);
    await fetch(`${url}/1`).then((response) => response.text());
    assert.equal(fixture.unsent, 1);
    unread.destroy();
    await until(() => fixture.unsent === 0);
    // Gone before there is a response.
    let respond = () => {};
    fixture.large = () => new Promise<void>((done) => respond = done);
    const others = fixture.door.connections();
    const gone = ask();
    await until(() => fixture.unsent === 1);
    gone.destroy();
    await until(() => fixture.door.connections() === others);
    respond();
    await until(() => fixture.unsent === 0);
    // Behind another response, which its connection never has.
    let asked = 0;
    fixture.large = () =>
      ++asked > 1 ? Promise.resolve() : new Promise<void>((done) => respond = done);
    const both = connect(port, "127.0.0.1");
    both.write("GET /large/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n");
    await until(() => asked === 1);
    both.write("0123456789GET /large/100000 HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => asked === 2);
    both.resetAndDestroy();
    await until(() => fixture.unsent === 1);
    respond();
    await until(() => fixture.unsent === 0);
  });
});

const BROKEN: readonly (readonly [string, string, number, string])[] = [
  ["rubbish", "\x00\x01\x02 rubbish\r\n\r\n", 400, "bad_request"],
  ["TLS on the plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "bad_request"],
  [
    "a length that is none",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: a\r\n\r\n",
    400,
    "bad_request",
  ],
  [
    "two lengths of one body",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n" +
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
    "bad_request",
  ],
  [
    "a host that is none",
    "GET / HTTP/1.1\r\nHost: a b/c\r\nConnection: close\r\n\r\n",
    400,
    "bad_request",
  ],
  [
    "headers without end",
    `GET / HTTP/1.1\r\nHost: x\r\nA: ${"x".repeat(20_000)}\r\n\r\n`,
    431,
    "too_large",
  ],
];

Deno.test("10.12: two Host headers, and none of HTTP/1.1, are refused with 400", async () => {
  await withHttpServer({}, async ({ door }) => {
    const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    for (const hosts of ["Host: x\r\nHost: y\r\n", "Host: x\r\nhost: x\r\n", ""]) {
      for (const more of ["", upgrade]) {
        const [status, body] = await answerTo(door.port, `GET / HTTP/1.1\r\n${hosts}${more}\r\n`);
        assert.deepEqual([status, body["code"]], [400, "bad_request"], hosts + more);
      }
    }
  });
});

for (const [what, bytes, status, code] of BROKEN) {
  Deno.test(`${what} is answered with ${status} and a reason`, async () => {
    await withHttpServer({}, async ({ door, counters }) => {
      const [answered, body] = await answerTo(door.port, bytes);
      assert.deepEqual([answered, body["code"]], [status, code]);
      assert.equal(counters.malformed, 1);
    });
  });
}

Deno.test("connections that send slowly, or nothing, are cut by the request timeout", async () => {
  await withHttpServer({ requestTimeoutMs: 300 }, async ({ door }) => {
    const sent = [
      "",
      "GET / HTTP/1.1\r\nHost: x\r\n",
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this",
    ];
    const answers = await Promise.all(sent.map((bytes) => answerTo(door.port, bytes)));
    for (const [status, { code }] of answers) {
      assert.deepEqual([status, code], [408, "busy"]);
    }
    // A request whose answer takes long is not meant.
    const waiting = new RawSocket(door.port);
    waiting.write("GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
    const silent = new RawSocket(door.port);
    await silent.ended();
    assert.equal(waiting.closed, false);
    waiting.destroy();
  });
});

Deno.test("connections over the limits are refused at once, with a wait", async () => {
  await withHttpServer({ connectionsMax: 2 }, async ({ door, counters }) => {
    const held = [new RawSocket(door.port), new RawSocket(door.port)];
    await Promise.all(held.map((raw) => {
      raw.write("GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
      return new Promise<void>((done) => raw.socket.once("connect", () => done()));
    }));
    const third = new RawSocket(door.port);
    assert.equal(await third.status(), 503);
    assert.match(third.bytes.toString(), /\r\nRetry-After: 5\r\n/);
    assert.equal((await third.json())["code"], "busy");
    assert.equal(counters.refusedFull, 1);
    held.forEach((raw) => raw.destroy());
  });
  await withHttpServer({ connectionsPerAddressMax: 1 }, async ({ door, counters }) => {
    const held = new RawSocket(door.port);
    await new Promise<void>((done) => held.socket.once("connect", () => done()));
    const second = new RawSocket(door.port);
    assert.equal(await second.status(), 429);
    assert.equal(counters.refusedAddress, 1);
    held.destroy();
  });
});

Deno.test("connections are refused while the node takes none", async () => {
  await withHttpServer({}, async (fixture) => {
    fixture.refusal = fail("busy", "overload", 2500);
    const [status, body] = await answerTo(fixture.door.port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert.equal(status, 503);
    assert.deepEqual(body, { code: "busy", message: "overload", retryAfterMs: 2500 });
    assert.equal(fixture.counters.refusedBusy, 1);
  });
});

Deno.test("requests and upgrades for a host that is not admitted are refused, and cost", async () => {
  await withHttpServer({}, async (fixture) => {
    const { door, upgrades } = fixture;
    for (const more of ["", "Upgrade: websocket\r\nConnection: Upgrade\r\n"]) {
      const request = `GET /address HTTP/1.1\r\nHost: stranger\r\n${more}\r\n`;
      const [status, body] = await answerTo(door.port, request);
      assert.deepEqual([status, body], [403, { code: "forbidden", message: "not me" }]);
    }
    assert.deepEqual(upgrades, []);
    assert.equal(fixture.penalized, 2);
  });
});

Deno.test("abortConnection resets the connection of a request", async () => {
  await withHttpServer({}, async ({ door }) => {
    const raw = new RawSocket(door.port);
    let reset = "";
    raw.socket.on("error", (error: NodeJS.ErrnoException) => reset = error.code ?? "");
    raw.write("GET /abort HTTP/1.1\r\nHost: x\r\n\r\n");
    await raw.ended();
    assert.equal(reset, "ECONNRESET");
    assert.equal(raw.bytes.length, 0);
  });
});

Deno.test("the door says what is wrong where it cannot listen", async () => {
  await withHttpServer({}, async ({ door }) => {
    const second = withHttpServer({ port: door.port }, () => Promise.resolve());
    await assert.rejects(second, /^Error: Cannot listen on 127\.0\.0\.1:\d+: /);
  });
});

Deno.test("with a certificate the door speaks TLS, and counts who never begins to", async () => {
  const tls = { cert: TEST_CERT, key: TEST_KEY };
  await withHttpServer(
    { tls, connectionsMax: 2, requestTimeoutMs: 300 },
    async ({ door, counters }) => {
      const silent = new RawSocket(door.port);
      await new Promise<void>((done) => silent.socket.once("connect", () => done()));
      const socket = connectTls({ port: door.port, host: "127.0.0.1", ca: TEST_CERT });
      let text = "";
      socket.on("data", (data) => text += data);
      socket.write(
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
      );
      await new Promise((done) => socket.on("close", done));
      assert.match(text, /^HTTP\/1\.1 200 OK\r\n[^]*hi/);
      await silent.ended();
      assert.equal(counters.opened, 2);
    },
  );
});

Deno.test("issue 9 A9: unknown upgrades are ignored, and HTTP/1.0 needs no Host", async () => {
  await withHttpServer({}, async ({ door, upgrades }) => {
    const host = "Host: x\r\nConnection: close, Upgrade\r\n";
    const answers: [string, number][] = [
      [`GET /address HTTP/1.1\r\n${host}Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n`, 200],
      [`POST /echo HTTP/1.1\r\n${host}Upgrade: TLS/1.0\r\nContent-Length: 2\r\n\r\nhi`, 200],
      [`GET /address HTTP/1.1\r\n${host}Upgrade: \r\n\r\n`, 200],
      ["GET /address HTTP/1.0\r\n\r\n", 200],
      ["GET /address HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
      [`GET /address HTTP/1.1\r\n${host}hOsT: y\r\n\r\n`, 400],
      [`GET /address HTTP/1.0\r\n${host}Host: x\r\n\r\n`, 400],
    ];
    for (const [request, status] of answers) {
      const raw = new RawSocket(door.port);
      raw.write(request);
      assert.equal(await raw.status(), status, request);
      await raw.ended();
    }
    assert.deepEqual(upgrades, []);
  });
});

Deno.test("an address that asks too much is refused at the door, and its connections end", async () => {
  await withHttpServer({}, async (fixture) => {
    const { door, counters } = fixture;
    const request = "GET /address HTTP/1.1\r\nHost: x\r\n\r\n";
    const raw = new RawSocket(door.port);
    raw.write(request);
    assert.equal(await raw.status(), 200);
    fixture.addressRefusal = fail("rate_limited", "Too many requests from this address", 1500);
    const before = raw.bytes.length;
    raw.write(request);
    await raw.ended();
    const answer = raw.bytes.subarray(before).toString("latin1");
    assert.match(answer, /^HTTP\/1\.1 429 /);
    assert.match(answer, /\r\nretry-after: 2\r\n/i);
    assert.match(answer, /\{"code":"rate_limited",/);
    const next = new RawSocket(door.port);
    next.write(request);
    await next.ended();
    assert.deepEqual([next.bytes.length, counters.refusedAddress], [0, 1]);
  });
});
