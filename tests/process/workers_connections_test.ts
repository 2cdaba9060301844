/** Connections to two workers of one port: of one address, and of one device again and again. */
import { equal, ok } from "node:assert/strict";
import { Client, Refused, rest } from "./client.ts";
import { ServerProcess, tempDir } from "./server.ts";
import { TELL_MS } from "../../server/http/cell_callers.ts";

const MAX = 20;
const FLAGS = ["--workers", "2", "--set", `limits.connectionsPerAddressMax=${MAX}`];
const REQUEST = new TextEncoder().encode("GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");

/** Opens a connection that stays; returns the status of a request over it. */
async function open(port: number, kept: Deno.Conn[]): Promise<number> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  kept.push(connection);
  const bytes = new Uint8Array(4096);
  try {
    await connection.write(REQUEST);
    const length = await connection.read(bytes) ?? 0;
    return Number(new TextDecoder().decode(bytes.subarray(0, length)).split(" ")[1] ?? 0);
  } catch (error) {
    // It is refused before it has asked.
    if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) {
      return 0;
    }
    throw error;
  }
}

Deno.test("11: the limit of connections of one address is that of all workers together", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path, flags: FLAGS });
  const kept: Deno.Conn[] = [];
  try {
    const port = Number(new URL(server.url).port);
    const results: number[] = [];
    // A part at a time: until the others have been notified, each worker may give all that it has.
    for (let part = 0; part < 4; part++) {
      for (let i = 0; i < MAX / 2; i++) results.push(await open(port, kept));
      await new Promise((done) => setTimeout(done, 4 * TELL_MS));
    }
    const given = results.filter((status) => status === 200).length;
    ok(given >= MAX / 2 && given <= MAX, `${given} of ${results}`);
    equal(results.slice(-MAX / 2).includes(200), false, `${results}`);
  } finally {
    for (const connection of kept) connection.close();
    await server.kill();
  }
});

Deno.test("11: a device has one rate at all workers together, however often it connects", async () => {
  using dir = tempDir();
  // Two workers apart would give nearly twice as much: a bucket is not full again between two visits.
  const [workers, perSecond, burst, connects] = [2, 5, 20, 10];
  const rate = [`limits.sendsPerSecond=${perSecond}`, `limits.sendsBurst=${burst}`];
  const flags = ["--workers", `${workers}`, ...rate.flatMap((setting) => ["--set", setting])];
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  try {
    const { token } = await rest<{ token: string }>(server.url, "POST", "/v1/register", {
      body: { user: "ann", password: "correct horse battery" },
    });
    let sent = 0;
    const beganMs = performance.now();
    for (let n = 0; n < connects; n++) {
      const client = await Client.connect(server.wsUrl, { auth: { token } });
      for (let i = 0; i < burst; i++) {
        const message = { to: "ann", key: `${n}-${i}`, body: "hello" };
        const refused = await client.command("send", message).then(() => null, (error) => error);
        if (refused instanceof Refused && refused.code === "rate_limited") break;
        equal(refused, null);
        sent++;
      }
      await client.close();
      await new Promise((done) => setTimeout(done, 2 * TELL_MS));
    }
    // Until a worker has been notified it may give its whole burst, and what comes in for two slow seconds.
    const seconds = (performance.now() - beganMs) / 1000 + 2;
    const most = workers * burst + Math.ceil(perSecond * seconds);
    ok(sent >= burst && sent <= most, `${sent} messages, ${most} at most`);
  } finally {
    await server.kill();
  }
});
