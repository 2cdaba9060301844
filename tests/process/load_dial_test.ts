/** The load tool's sockets against real ones. */
import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import type { Target } from "../../server/load/target.ts";
import { socketDial } from "../../server/load/dial.ts";
import { systemTimers } from "../../server/system/timers.ts";

async function listen(server: Server): Promise<Target> {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { readonly port: number };
  return { url: `http://127.0.0.1:${port}`, secure: false, host: "127.0.0.1", port };
}

Deno.test("socketDial keeps the bytes of many sockets apart", async () => {
  const peers: Socket[] = [];
  const server = createServer((socket) => peers.push(socket));
  const target = await listen(server);
  const dial = socketDial(systemTimers());
  const wanted = 2_000_000;
  const all = Array.from({ length: 8 }, (_, i) =>
    new Promise<void>((resolve, reject) => {
      let got = 0;
      const wire = dial(target, `127.0.1.${i + 1}`, {
        opened: () => wire.send(String.fromCharCode(i)),
        data: (chunk) => {
          if (chunk.some((byte) => byte !== i)) reject(new Error(`bytes of another at ${i}`));
          got += chunk.length;
          if (got === wanted) resolve();
        },
        closed: (why) => reject(new Error(why)),
      });
    }));
  server.on(
    "connection",
    (socket) =>
      socket.once(
        "data",
        (first: Uint8Array) => socket.write(new Uint8Array(wanted).fill(first[0]!)),
      ),
  );
  await Promise.all(all);
  for (const peer of peers) peer.destroy();
  await new Promise<void>((done) => void server.close(() => done()));
});

Deno.test("socketDial tells once why a connection ended, and nothing after it was dropped", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (first: Uint8Array) => {
      if (first[0] === 1) socket.end("bye");
      else socket.resetAndDestroy();
    });
  });
  const target = await listen(server);
  const dial = socketDial(systemTimers());
  const run = (first: string) =>
    new Promise<readonly string[]>((resolve) => {
      const heard: string[] = [];
      const wire = dial(target, null, {
        opened: () => {
          if (first === "") wire.destroy();
          else wire.send(first);
        },
        data: (chunk) => heard.push(new TextDecoder().decode(chunk)),
        closed: (why) => resolve([...heard, why]),
      });
    });
  assert.deepEqual(await run("\x01"), ["bye", "the server closed the connection"]);
  assert.match((await run("\x02")).join(), /ECONNRESET/);
  assert.equal((await run("")).length, 1);
  await new Promise<void>((done) => void server.close(() => done()));
  assert.match((await run("\x01")).join(), /ECONNREFUSED/);
});
