/** The watch of a listener whose port other processes share, with timers that the test fires. */
import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { ListenerWatch } from "../../server/http/listener_watch.ts";

/** Watches a port at which others do `serve`; returns after how many probes it counts as deaf. */
async function probesUntilDeaf(serve: (socket: Socket) => void, probes: number): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    serve(socket);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { readonly port: number };
  const timers: (() => void)[] = [];
  let deaf = 0;
  const watch = new ListenerWatch({
    timers: { after: (_, run) => (timers.push(run), () => {}) },
    host: "127.0.0.1",
    port,
    shared: true,
    // It has accepted some, and none since.
    accepted: () => 5,
    probed: () => {},
    deaf: () => void deaf++,
  });
  let count = 0;
  while (deaf === 0 && count < probes) {
    count++;
    const arrived = new Promise<Socket>((done) => server.once("connection", done));
    // Time for a probe.
    timers.shift()!();
    const socket = await arrived;
    // It asks for something; what replies has replied by the next turns.
    await new Promise<void>((done) => socket.once("data", () => done()));
    const over = timers.shift()!;
    await new Promise<void>((done) => setTimeout(done, 30));
    over();
  }
  watch.stop();
  for (const socket of sockets) socket.destroy();
  await new Promise<void>((done) => server.close(() => done()));
  return deaf === 0 ? Infinity : count;
}

Deno.test("11: a listener whose port is shared counts as deaf after three probes without a reply of anybody", async () => {
  const silent = (socket: Socket) => void socket.on("data", () => {});
  assert.equal(await probesUntilDeaf(silent, 5), 3);
  const replies = (socket: Socket) =>
    void socket.on("data", () => socket.write("HTTP/1.1 200\r\n"));
  assert.equal(await probesUntilDeaf(replies, 5), Infinity);
  const ends = (socket: Socket) => void socket.on("data", () => socket.end());
  assert.equal(await probesUntilDeaf(ends, 5), Infinity);
});
