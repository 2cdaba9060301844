/** The WebSocket transport on real sockets: frames, and clients that break the protocol. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { frameHead } from "../../server/v1/ws_frame.ts";
import {
  BINARY,
  CLOSE,
  masked,
  PING,
  PONG,
  type RawSocket,
  rawWebSocket,
  TEXT,
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

Deno.test("9 C3: frames cut anywhere return in order, before ws has the socket and from then on", async () => {
  await withTransport({}, async ({ port, counters, echoes }) => {
    const raw = await rawWebSocket(port);
    const texts: string[] = [];
    for (let cut = 0; cut < 30; cut++) {
      const text = `text ${cut} é`;
      const [half, rest] = [Buffer.from(text).subarray(0, 7), Buffer.from(text).subarray(7)];
      // Behind a ping, and in two fragments.
      const frames = cut % 2 === 0
        ? [masked(PING, "p"), masked(TEXT, text)]
        : [masked(TEXT, half, 0x01), masked(0, rest, 0x80)];
      const bytes = Buffer.concat(frames);
      await new Promise<void>((done) => raw.socket.write(bytes.subarray(0, cut), () => done()));
      raw.write(bytes.subarray(cut));
      texts.push(text);
      await raw.until(() => raw.texts().length === texts.length);
    }
    assert.deepEqual(raw.texts(), texts);
    assert.equal(raw.frames().filter(({ opcode }) => opcode === PONG).length, 15);
    raw.write(masked(CLOSE, Buffer.from([3, 232])));
    await Promise.all([raw.ended(), echoes[0]!.gone]);
    assert.equal(raw.closeCode(), 1000);
    assert.equal(counters.open, 0);
  });
});

Deno.test("9 C3: a client that ends its side, or vanishes, without ws having had its socket is gone", async () => {
  await withTransport({}, async ({ port, counters, echoes }) => {
    const [ends, vanishes] = [await rawWebSocket(port), await rawWebSocket(port)];
    ends.write(masked(TEXT, "one"));
    await ends.until(() => ends.texts().length === 1);
    ends.socket.end();
    vanishes.socket.resetAndDestroy();
    await Promise.all([ends.ended(), ...echoes.map(({ gone }) => gone)]);
    assert.equal(counters.open, 0);
    assert.deepEqual(echoes.map(({ closings }) => closings), [1, 1]);
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
