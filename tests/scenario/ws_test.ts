/** The WebSocket transport on real sockets, against clients that do what they should not. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { fail } from "../../shard/errors.ts";
import { frameHead, idleFrames } from "../../server/v1/ws_frame.ts";
import {
  BINARY,
  CLOSE,
  masked,
  PING,
  PONG,
  RawSocket,
  rawWebSocket,
  TEXT,
  upgradeRequest,
} from "./raw_socket.ts";
import { withTransport } from "./ws_fixture.ts";

Deno.test("frameHead writes every length as RFC 6455 wants it", () => {
  const bytes = (length: number) => [...Buffer.from(frameHead(length), "latin1")];
  assert.deepEqual(bytes(0), [0x81, 0]);
  assert.deepEqual(bytes(125), [0x81, 125]);
  assert.deepEqual(bytes(126), [0x81, 126, 0, 126]);
  assert.deepEqual(bytes(65_535), [0x81, 126, 255, 255]);
  assert.deepEqual(bytes(65_536), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
  assert.deepEqual(bytes(0x8123_4567), [0x81, 127, 0, 0, 0, 0, 0x81, 0x23, 0x45, 0x67]);
});

Deno.test("frames of every size and alphabet return as they were sent, in order", async () => {
  await withTransport({ frameBytesMax: 300_000 }, async ({ port }) => {
    const raw = await rawWebSocket(port);
    const texts = [
      "",
      "a",
      "x".repeat(125),
      "y".repeat(126),
      "z".repeat(65_535),
      "w".repeat(65_536),
    ]
      .flatMap((text) => [text, `${text}é漢😀`, text]);
    for (const text of texts) raw.write(masked(TEXT, text));
    await raw.until(() => raw.texts().length === texts.length);
    assert.deepEqual(raw.texts(), texts);
    raw.destroy();
  });
});

Deno.test("frames sent in one turn leave in one write, also where alphabets change", async () => {
  await withTransport({}, async ({ port, echoes }) => {
    const raw = await rawWebSocket(port);
    await raw.until(() => echoes.length === 1);
    const { sink } = echoes[0]!;
    for (let i = 0; i < 101; i++) sink.send(i % 10 === 9 ? `ü${i}` : `${i}`);
    assert.ok(sink.bufferedBytes() > 0);
    await raw.until(() => raw.texts().length === 101);
    assert.equal(
      raw.texts().join(),
      Array.from({ length: 101 }, (_, i) => i % 10 === 9 ? `ü${i}` : `${i}`).join(),
    );
    assert.equal(sink.bufferedBytes(), 0);
    raw.destroy();
  });
});

const BROKEN: readonly (readonly [string, Buffer, number])[] = [
  ["binary frames", masked(BINARY, "data"), 1003],
  ["text that is not UTF-8", masked(TEXT, Buffer.from([0xc3, 0x28])), 1007],
  ["frames over the limit", masked(TEXT, "x".repeat(5000)), 1009],
  ["frames that announce too much", Buffer.from("81ff7fffffffffffffff", "hex"), 1009],
  ["unmasked frames", Buffer.from("810161", "hex"), 1002],
  ["reserved bits", masked(TEXT, "x", 0xf1), 1002],
  ["reserved opcodes", masked(3, "x"), 1002],
  ["fragmented control frames", masked(PING, "x", 0x09), 1002],
  ["continuations of nothing", masked(0, "x"), 1002],
  ["rubbish", Buffer.from("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"), 1002],
];

for (const [what, bytes, code] of BROKEN) {
  Deno.test(`${what} end the connection with ${code}`, async () => {
    await withTransport({ frameBytesMax: 4096 }, async ({ port, echoes, counters, ws }) => {
      const raw = await rawWebSocket(port);
      raw.write(bytes);
      await raw.until(() => raw.closeCode() !== 0);
      assert.equal(raw.closeCode(), code);
      raw.write(masked(CLOSE, Buffer.from([code >> 8, code & 255])));
      await raw.ended();
      await echoes[0]!.gone;
      assert.deepEqual(echoes.map(({ frames, closings }) => ({ frames, closings })), [
        { frames: [], closings: 1 },
      ]);
      const { binary, frame, too_large } = counters.faults;
      assert.equal(binary + frame + too_large, 1);
      assert.equal(ws.connections, 0);
    });
  });
}

Deno.test("a client that does not answer the close is cut off", async () => {
  await withTransport({ closeTimeoutMs: 50 }, async ({ port, echoes, ws }) => {
    const raw = await rawWebSocket(port);
    await raw.until(() => echoes.length === 1);
    echoes[0]!.sink.close("revoked", 1500);
    echoes[0]!.sink.send("nothing may follow");
    await raw.ended();
    const texts = [JSON.stringify({ t: "goaway", reason: "revoked", retryAfterMs: 1500 })];
    assert.deepEqual(raw.texts(), texts);
    assert.equal(raw.closeCode(), 1008);
    assert.equal(raw.frames().at(-1)!.payload.subarray(2).toString(), "revoked");
    await echoes[0]!.gone;
    assert.equal(ws.connections, 0);
  });
});

Deno.test("half a frame, byte by byte, becomes a frame when it is whole", async () => {
  await withTransport({}, async ({ port, echoes }) => {
    const raw = await rawWebSocket(port);
    const frame = masked(TEXT, "hello");
    for (const byte of frame.subarray(0, -1)) {
      raw.write(Buffer.from([byte]));
      // Only once all that was written has been taken does the next byte go out.
      await new Promise<void>((done) => raw.socket.write("", () => done()));
    }
    assert.deepEqual(echoes[0]?.frames ?? [], []);
    raw.write(frame.subarray(-1));
    await raw.until(() => raw.texts().length === 1);
    assert.deepEqual(raw.texts(), ["hello"]);
    raw.destroy();
  });
});

Deno.test("a message in very many parts is refused", async () => {
  await withTransport({}, async ({ port }) => {
    const raw = await rawWebSocket(port);
    raw.write(masked(TEXT, "x", 0x01));
    for (let i = 0; i < 1100; i++) raw.write(masked(0, "", 0x00));
    await raw.until(() => raw.closeCode() !== 0);
    assert.equal(raw.closeCode(), 1008);
    raw.destroy();
  });
});

Deno.test("issue 9 A20b: nothing is parsed or kept behind a frame that breaks the protocol", async () => {
  // Parts without end, and a compressed frame where compression was not agreed on.
  const parts = Buffer.concat(Array.from({ length: 1100 }, () => masked(0, "", 0x00)));
  const broken = {
    flood: Buffer.concat([masked(TEXT, "x", 0x01), parts]),
    frame: masked(TEXT, "x", 0xc1),
  };
  for (const [fault, bytes] of Object.entries(broken)) {
    await withTransport({ closeTimeoutMs: 60_000 }, async ({ port, counters, echoes }) => {
      const raw = await rawWebSocket(port);
      raw.write(bytes);
      for (let i = 0; i < 64; i++) raw.write(Buffer.alloc(65_536, parts));
      await raw.ended();
      await echoes[0]!.gone;
      const { late, flood, frame } = counters.faults;
      assert.deepEqual({ late, flood, frame }, { late: 1, flood: 0, frame: 0, [fault]: 1 });
    });
  }
});

Deno.test("pings are answered with what they carry", async () => {
  await withTransport({}, async ({ port }) => {
    const raw = await rawWebSocket(port);
    raw.write(masked(PING, "are you there"));
    await raw.until(() => raw.frames().length === 1);
    const [pong] = raw.frames();
    assert.deepEqual([pong!.opcode, pong!.payload.toString()], [PONG, "are you there"]);
    raw.destroy();
  });
});

Deno.test("a connection that says nothing is closed after the time for a first frame", async () => {
  await withTransport({ helloTimeoutMs: 10_000 }, async ({ port, time, counters, echoes }) => {
    const raw = await rawWebSocket(port);
    const talking = await rawWebSocket(port);
    talking.write(masked(TEXT, "hello"));
    await talking.until(() => talking.texts().length === 1);
    time.runFor(9000);
    assert.equal(counters.faults.no_hello, 0);
    time.runFor(2000);
    await raw.until(() => raw.closeCode() !== 0);
    assert.equal(counters.faults.no_hello, 1);
    raw.destroy();
    await raw.ended();
    assert.equal(talking.closeCode(), 0);
    assert.equal(echoes.length, 2);
    talking.destroy();
  });
});

const pings = (raw: RawSocket) => raw.frames().filter(({ opcode }) => opcode === PING).length;

Deno.test("a connection that answers no ping is terminated, one that does is kept", async () => {
  const limits = { pingIntervalMs: 30_000, helloTimeoutMs: 1e9 };
  await withTransport(limits, async ({ port, time, counters, echoes }) => {
    const [silent, alive] = [await rawWebSocket(port), await rawWebSocket(port)];
    const [mute, echo] = echoes;
    let answered = 0;
    for (let round = 1; round <= 3; round++) {
      time.runFor(30_000);
      await alive.until(() => pings(alive) === round);
      alive.write(masked(PONG, ""));
      // What comes after the pong is seen after it.
      alive.write(masked(TEXT, `${round}`));
      await alive.until(() => alive.texts().length === round || alive.closed);
      answered = echo!.frames.length;
    }
    await silent.ended();
    await mute!.gone;
    assert.equal(counters.faults.silent, 1);
    assert.equal(mute!.closings, 1);
    assert.equal(answered, 3);
    assert.equal(alive.closed, false);
    alive.destroy();
  });
});

Deno.test("a flood is slowed down, not dropped, and ended where it goes on", async () => {
  const limits = { framesPerSecond: 100, framesBurst: 50, floodMs: 5000 };
  await withTransport(limits, async ({ port, time, counters, echoes }) => {
    const raw = await rawWebSocket(port);
    for (let i = 0; i < 80; i++) raw.write(masked(TEXT, `${i}`));
    await raw.until(() => raw.texts().length === 80);
    raw.write(masked(TEXT, "later"));
    assert.equal(counters.faults.flood, 0);
    // Reading is paused until the debt of thirty frames is paid.
    time.runFor(1000);
    await raw.until(() => raw.texts().length === 81);
    assert.equal(echoes[0]!.frames.length, 81);
    for (let i = 0; i < 200; i++) raw.write(masked(TEXT, "flood"));
    await raw.until(() => {
      time.runFor(100);
      return raw.closeCode() !== 0;
    });
    assert.equal(raw.closeCode(), 1008);
    assert.equal(counters.faults.flood, 1);
    raw.destroy();
  });
});

Deno.test("many small frames in one segment do not get past the limit", async () => {
  const limits = { framesPerSecond: 10, framesBurst: 20 };
  await withTransport(limits, async ({ port, counters, echoes }) => {
    const raw = await rawWebSocket(port);
    raw.write(Buffer.concat(Array.from({ length: 5000 }, () => masked(TEXT, "x"))));
    await raw.until(() => raw.closeCode() !== 0);
    assert.ok(echoes[0]!.frames.length <= 41, `${echoes[0]!.frames.length} frames were taken`);
    assert.equal(counters.faults.flood, 1);
    raw.destroy();
  });
});

for (const [what, opcode] of [["pings", PING], ["pongs", PONG]] as const) {
  Deno.test(`a flood of ${what} is a flood too, and its address pays`, async () => {
    const limits = { framesPerSecond: 10, framesBurst: 20 };
    await withTransport(limits, async (fixture) => {
      const raw = await rawWebSocket(fixture.port);
      raw.write(Buffer.concat(Array.from({ length: 5000 }, () => masked(opcode, ""))));
      await raw.ended();
      assert.equal(fixture.counters.faults.flood, 1);
      assert.ok(fixture.penalized >= 100);
    });
  });
}

Deno.test("issue 10.1: pings before the first frame end the connection after a few", async () => {
  await withTransport({}, async (fixture) => {
    const raw = await rawWebSocket(fixture.port);
    raw.write(Buffer.concat(Array.from({ length: 10_900 }, () => masked(PING, ""))));
    await raw.ended();
    const pongs = raw.frames().filter(({ opcode }) => opcode === PONG).length;
    assert.ok(pongs <= 16, `${pongs} pongs`);
    assert.equal(fixture.counters.faults.flood, 1);
  });
});

for (const [what, opcode] of [["pings", PING], ["empty frames", TEXT]] as const) {
  Deno.test(`issue 10.1: ${what} before the first text are cut without taking them apart`, async () => {
    await withTransport({}, async (world) => {
      const raw = await rawWebSocket(world.port);
      raw.write(Buffer.concat(Array.from({ length: 10_900 }, () => masked(opcode, ""))));
      await raw.ended();
      assert.deepEqual([raw.frames(), world.echoes[0]!.frames], [[], []]);
      assert.deepEqual([world.counters.faults.flood, world.counters.faults.late], [1, 0]);
      assert.equal(world.penalized, 100);
    });
  });
}

Deno.test("issue 10.1: a first frame that comes in parts is no flood, whatever its bytes", async () => {
  await withTransport({}, async ({ port, counters, echoes }) => {
    const raw = await rawWebSocket(port);
    // With a mask of zeros the text looks like the heads of empty control frames.
    const text = "I\0\0\0\0\0".repeat(7000);
    const head = Buffer.concat([masked(TEXT, text).subarray(0, 4), Buffer.alloc(4)]);
    raw.write(Buffer.concat([masked(PING, ""), head]));
    await raw.until(() => raw.frames().some(({ opcode }) => opcode === PONG));
    raw.write(Buffer.from(text));
    await raw.until(() => echoes[0]!.frames.length === 1 || raw.closed);
    assert.deepEqual([echoes[0]!.frames, counters.faults.flood], [[text], 0]);
    raw.destroy();
  });
});

Deno.test("idleFrames counts control frames and empty texts before the first other frame", () => {
  const frames = (...parts: readonly Buffer[]) => idleFrames(Buffer.concat(parts), 16);
  const [ping, empty, text] = [masked(PING, "abc"), masked(TEXT, ""), masked(TEXT, "{}")];
  assert.equal(frames(ping, empty, ping, text, ping), 3);
  assert.equal(frames(text, ping), 0);
  // The first part of a message has a reason, and so has what is not complete.
  assert.equal(frames(masked(TEXT, "", TEXT), ping), 0);
  assert.equal(frames(ping.subarray(0, 5)), 0);
  assert.equal(frames(), 0);
  assert.equal(frames(...Array<Buffer>(50).fill(ping)), 17);
});

Deno.test("large frames count for several", async () => {
  const limits = { framesPerSecond: 10, framesBurst: 20, floodMs: 60_000 };
  await withTransport(limits, async ({ port, echoes, time, counters }) => {
    const raw = await rawWebSocket(port);
    // Sixteen each: the second makes a debt of twelve.
    const large = masked(TEXT, "x".repeat(65_000));
    raw.write(large);
    await raw.until(() => raw.texts().length === 1);
    raw.write(large);
    await raw.until(() => raw.texts().length === 2);
    raw.write(masked(TEXT, "later"));
    time.runFor(1000);
    assert.equal(echoes[0]!.frames.length, 2);
    time.runFor(1000);
    await raw.until(() => raw.texts().length === 3);
    assert.equal(counters.faults.flood, 0);
    raw.destroy();
  });
});

Deno.test("a client that goes on sending after it was sent away is cut off", async () => {
  await withTransport({}, async ({ port, counters, echoes }) => {
    const raw = await rawWebSocket(port);
    await raw.until(() => echoes.length === 1);
    echoes[0]!.sink.close("protocol");
    await raw.until(() => raw.closeCode() !== 0);
    for (let i = 0; i < 60; i++) raw.write(masked(TEXT, "late"));
    assert.equal(counters.faults.late, 0);
    for (let i = 0; i < 60; i++) raw.write(masked(TEXT, "too late"));
    await raw.ended();
    assert.equal(counters.faults.late, 1);
    assert.deepEqual(echoes[0]!.frames, []);
  });
});

Deno.test("a client that reads nothing does not make the server keep without end", async () => {
  await withTransport({ unreadBytesMax: 1_000_000 }, async ({ port, echoes, counters, ws }) => {
    const raw = await rawWebSocket(port);
    await raw.until(() => echoes.length === 1);
    raw.socket.pause();
    const { sink } = echoes[0]!;
    for (let sent = 0; sent < 50_000_000 && counters.faults.unread === 0; sent += 10_000) {
      sink.send("x".repeat(10_000));
      assert.ok(sink.bufferedBytes() <= 1_010_010);
      if (sent % 500_000 === 0) await new Promise((done) => setTimeout(done, 0));
    }
    await echoes[0]!.gone;
    assert.equal(counters.faults.unread, 1);
    assert.equal(sink.bufferedBytes(), 0);
    assert.equal(ws.connections, 0);
    raw.destroy();
  });
});

Deno.test("terminate resets the connection at once", async () => {
  await withTransport({}, async ({ port, echoes }) => {
    const raw = await rawWebSocket(port);
    let reset = "";
    raw.socket.on("error", (error: NodeJS.ErrnoException) => reset = error.code ?? "");
    await raw.until(() => echoes.length === 1);
    echoes[0]!.sink.terminate();
    await echoes[0]!.gone;
    await raw.ended();
    assert.equal(reset, "ECONNRESET");
    // The end is not told twice, and nothing is sent any more.
    echoes[0]!.sink.terminate();
    echoes[0]!.sink.send("too late");
    echoes[0]!.sink.close("shutdown");
    assert.equal(echoes[0]!.closings, 1);
  });
});

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

Deno.test("200 connections that misbehave leave those that do not alone", async () => {
  const rogue = [
    (raw: RawSocket) => raw.write(crypto.getRandomValues(new Uint8Array(3000))),
    (raw: RawSocket) => raw.write(masked(TEXT, "x".repeat(40)).subarray(0, 20)),
    (raw: RawSocket) => raw.write(masked(TEXT, "x".repeat(9000))),
    (raw: RawSocket) => raw.write(masked(BINARY, "x")),
    () => {},
    (raw: RawSocket) => raw.destroy(),
    (raw: RawSocket) => raw.socket.end(),
  ];
  const limits = { frameBytesMax: 4096, closeTimeoutMs: 100, helloTimeoutMs: 5000 };
  await withTransport(limits, async ({ port, ws, time, echoes }) => {
    const good = await rawWebSocket(port);
    const raws = await Promise.all(Array.from({ length: 200 }, () => rawWebSocket(port)));
    raws.forEach((raw, i) => rogue[i % rogue.length]!(raw));
    for (let i = 1; i <= 20; i++) {
      good.write(masked(TEXT, `${i}`));
      await good.until(() => good.texts().length === i);
    }
    time.runFor(6000);
    await Promise.all(raws.map((raw, i) => i % rogue.length === 1 ? null : raw.ended()));
    good.write(masked(TEXT, "still here"));
    await good.until(() => good.texts().length === 21);
    // Only those in the middle of a frame are left: they answer no pings, later.
    time.runFor(90_000);
    await Promise.all(raws.map((raw) => raw.ended()));
    await Promise.all(echoes.slice(1).map(({ gone }) => gone));
    assert.ok(echoes.slice(1).every(({ closings }) => closings === 1));
    assert.ok(ws.connections <= 1);
    good.destroy();
  });
});
