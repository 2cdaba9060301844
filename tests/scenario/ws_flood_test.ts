/** The WebSocket transport on real sockets: clients that send or read too much, or nothing. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { idleFrames } from "../../server/v1/ws_frame.ts";
import { masked, PING, PONG, type RawSocket, rawWebSocket, TEXT } from "./raw_socket.ts";
import { withTransport } from "./ws_fixture.ts";

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

Deno.test("a client that ends its side and does not read what is left is terminated as a silent one is", async () => {
  const limits = { pingIntervalMs: 30_000, helloTimeoutMs: 1e9, unreadBytesMax: 1e9 };
  await withTransport(limits, async ({ port, time, counters, echoes }) => {
    const raw = await rawWebSocket(port);
    raw.write(masked(TEXT, "one"));
    await raw.until(() => raw.texts().length === 1);
    const [echo] = echoes;
    raw.socket.pause();
    // More than the system takes of what nobody reads.
    for (let i = 0; i < 64; i++) echo!.sink.send("x".repeat(1_000_000));
    await new Promise((done) => raw.socket.end(() => done(null)));
    let gone = false;
    echo!.gone.then(() => gone = true);
    for (let round = 0; round < 10 && !gone; round++) {
      time.runFor(30_000);
      await new Promise((done) => setTimeout(done, 20));
    }
    assert.ok(gone);
    assert.equal(counters.faults.silent, 1);
    raw.destroy();
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
