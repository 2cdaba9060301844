/** Many requests on one connection, and connections that send without an end. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { freeChunk } from "../../server/http/chunk.ts";
import { RawSocket } from "./raw_socket.ts";
import { withHttpServer } from "./http_fixture.ts";

Deno.test("a connection whose requests pile up unanswered is cut, others are served", async () => {
  await withHttpServer({}, async (fixture) => {
    const { door, counters } = fixture;
    const raw = new RawSocket(door.port);
    raw.write("GET /never HTTP/1.1\r\nHost: x\r\n\r\n".repeat(40));
    await raw.ended();
    assert.equal(counters.pipelined, 1);
    assert.equal(fixture.penalized, 16);
    const patient = new RawSocket(door.port);
    patient.write("GET /address HTTP/1.1\r\nHost: x\r\n\r\n".repeat(10));
    assert.equal(await patient.status(), 200);
    assert.equal(counters.pipelined, 1);
  });
});

Deno.test("issue 10.1: a burst of requests in one write is cut before any is made an object", async () => {
  await withHttpServer({}, async ({ door, counters, served }) => {
    const bursts = Array.from({ length: 20 }, () => new RawSocket(door.port));
    for (const raw of bursts) raw.write("GET /address HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2000));
    await Promise.all(bursts.map((raw) => raw.ended()));
    assert.deepEqual([served, counters.pipelined], [[], 20]);
  });
});

Deno.test("issue 9 A20b: what was read and is not needed any more is freed at once", async () => {
  const chunk = Buffer.from(new Uint8Array(1000));
  freeChunk(chunk);
  assert.equal(chunk.length, 0);
  // Part of a buffer that others use is left alone.
  const part = Buffer.from(new Uint8Array(1000).buffer, 0, 10);
  freeChunk(part);
  assert.equal(part.length, 10);
  await withHttpServer({}, async ({ door, counters }) => {
    const garbage = new Uint8Array(60_000).fill(0xfe);
    const before = Deno.memoryUsage().external;
    let most = 0;
    for (let i = 0; i < 200; i++) {
      const raw = new RawSocket(door.port);
      raw.write(garbage);
      await raw.ended();
      most = Math.max(most, Deno.memoryUsage().external - before);
    }
    assert.equal(counters.malformed, 200);
    assert.ok(most < 4_000_000, `${most} bytes of 200 connections were kept`);
  });
});

Deno.test("issue 10.1: requests behind one without an answer are parsed when it has one", async () => {
  await withHttpServer({}, async ({ door, served }) => {
    const echo = (body: string) =>
      `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    // Empty lines in a body end no request, and a body may be longer than a slice.
    const bodies = ["one", "\r\n\r\n".repeat(100), "x".repeat(50_000), "four"];
    const raw = new RawSocket(door.port);
    raw.write(bodies.map(echo).join("") + "GET /address HTTP/1.1\r\nHost: x\r\n\r\n");
    await raw.until(() => raw.bytes.includes("127.0.0.1"));
    const text = raw.bytes.toString();
    let at = 0;
    for (const body of bodies) {
      at = text.indexOf(`\r\n\r\n${body}`, at);
      assert.ok(at >= 0, body.slice(0, 10));
    }
    assert.deepEqual(served, ["/echo", "/echo", "/echo", "/echo", "/address"]);
    raw.write("GET /never HTTP/1.1\r\nHost: x\r\n\r\n".repeat(10));
    while (!served.includes("/never")) {
      const other = await fetch(`http://127.0.0.1:${door.port}/address`);
      assert.equal(await other.text(), "127.0.0.1");
    }
    assert.equal(served.filter((path) => path === "/never").length, 1);
    raw.destroy();
  });
});

Deno.test("answered requests do not pile up: a connection may have as many as it likes", async () => {
  await withHttpServer({}, async ({ door, counters }) => {
    for (let i = 0; i < 40; i++) {
      const response = await fetch(`http://127.0.0.1:${door.port}/address`);
      assert.equal(await response.text(), "127.0.0.1");
    }
    assert.deepEqual([counters.pipelined, counters.opened], [0, 1]);
  });
});

Deno.test("issue 10.1: a connection that ends without a request costs its address one", async () => {
  await withHttpServer({}, async (fixture) => {
    const { port } = fixture.door;
    const idle = new RawSocket(port);
    idle.write("GET /address HT");
    await new Promise((done) => idle.socket.once("connect", done));
    idle.socket.resetAndDestroy();
    const busy = new RawSocket(port);
    busy.write("GET /address HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    await busy.ended();
    assert.match(busy.bytes.toString("latin1"), /^HTTP\/1\.1 200 /);
    const last = new RawSocket(port);
    last.write("GET /address HTTP/1.1\r\nHost: x\r\n\r\n");
    assert.equal(await last.status(), 200);
    last.destroy();
    assert.deepEqual([fixture.counters.opened, fixture.penalized], [3, 1]);
  });
});
