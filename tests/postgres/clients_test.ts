/** Clients of a cell of two nodes, each with an address of its own, when a node dies or stops. */
import assert from "node:assert/strict";
import { Client } from "../process/client.ts";
import { createClient } from "../../server/web/client.js";
import { next } from "../process/library_talk.ts";
import { rest } from "../process/client.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { startCluster } from "./cluster.ts";
import type { Transport } from "../../server/web/client.d.ts";
import { until } from "../process/until.ts";

const PASSWORD = "correct horse battery";
/** How long after the grace (ms) false absences would be seen. */
const GRACE_MS = 17_000;

const cluster = startCluster();
globalThis.addEventListener("unload", () => cluster.stop());

/** A port that is free now. */
function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/** Two nodes of one cell. */
class Cell {
  readonly nodes: ServerProcess[] = [];
  readonly #dir: string;
  readonly #store: string;
  readonly #ports = [freePort(), freePort()];

  constructor(dir: string, store: string) {
    this.#dir = dir;
    this.#store = store;
    Deno.writeTextFileSync(`${dir}/secret`, "a secret that only the test knows, and its nodes");
  }

  async start(n: number): Promise<void> {
    const address = `127.0.0.1:${this.#ports[n]}`;
    this.nodes[n] = await ServerProcess.start({
      dataDir: `${this.#dir}/node${n}`,
      flags: [
        ...["--store", this.#store, "--cell-listen", "127.0.0.1:0"],
        ...["--cell-secret-file", `${this.#dir}/secret`, "--bind", address],
        ...["--registration", "open", "--set", `cell.publicUrl=http://${address}`],
      ],
    });
  }

  async close(): Promise<void> {
    for (const node of this.nodes) await node.kill();
  }
}

/** A storage of the client library. */
class Stored extends Map<string, string> {
  getItem(key: string): string | null {
    return this.get(key) ?? null;
  }

  setItem(key: string, text: string): void {
    this.set(key, text);
  }

  removeItem(key: string): void {
    this.delete(key);
  }

  /** How many addresses of servers it has. */
  get servers(): number {
    const records = [...this.values()].map((text) => JSON.parse(text));
    return Math.max(0, ...records.map(({ servers }) => servers?.length ?? 0));
  }
}

/** ann by the library at the first node, and bob, who watches her from the second. */
async function watched(cell: Cell, onlyTransport: Transport) {
  const [first, second] = cell.nodes as [ServerProcess, ServerProcess];
  const timing = { backoffBaseMs: 200, pollMs: 5000 };
  const storage = new Stored();
  const ann = createClient({ url: first.url, onlyTransport, timing, device: "phone", storage });
  const names = { ann: `ann.${onlyTransport}`, bob: `bob.${onlyTransport}` };
  await ann.register({ user: names.ann, password: PASSWORD });
  const body = { user: names.bob, password: PASSWORD, device: "desk" };
  const { token } = await rest<{ token: string }>(second.url, "POST", "/v1/register", { body });
  // Her welcome may have named the first server only: she is notified of the second.
  await until("both addresses", () => storage.servers === 2);
  await rest(second.url, "PUT", "/v1/settings", { token, body: { messagesFrom: "anyone" } });
  const shown: string[] = [];
  const bob = await Client.connect(second.wsUrl, { auth: { token } }, (event) => {
    if (event.k === "presence" && event["user"] === names.ann) shown.push(String(event["show"]));
  });
  const asked = next(ann, "request");
  await bob.command("subscription", { contact: names.ann, type: "subscribe" });
  await asked;
  await ann.approve(names.bob);
  await until("her presence", () => shown.at(-1) === "online");
  return { ann, bob, shown, names };
}

const WAYS = [["kill -9", "ws"], ["kill -9", "poll"], ["SIGTERM", "ws"], [
  "SIGTERM",
  "poll",
]] as const;

for (const [way, transport] of WAYS) {
  Deno.test(`11: the client library goes to the other node after ${way} by itself, over ${transport}`, async () => {
    using dir = tempDir();
    const database = `clients_${way === "SIGTERM" ? "stop" : "kill"}_${transport}`;
    const cell = new Cell(dir.path, await cluster.database(database));
    try {
      await cell.start(0);
      await cell.start(1);
      const { ann, bob, shown, names } = await watched(cell, transport);
      const lost = next(ann, "status", ({ status }) => status !== "online");
      const [first] = cell.nodes;
      if (way === "SIGTERM") assert.equal(await first!.stop(), 0);
      else await first!.kill();
      const diedMs = performance.now();
      await lost;
      await until("her return", () => ann.state.status === "online");
      const tookMs = performance.now() - diedMs;
      assert.ok(tookMs < 12_000, `she returned after ${Math.round(tookMs)} ms`);
      const message = next(ann, "message");
      await bob.command("send", { to: names.ann, key: "k", body: "Still there?" });
      assert.equal((await message).body, "Still there?");
      await new Promise((done) => setTimeout(done, GRACE_MS));
      assert.deepEqual(shown.filter((show) => show === "offline"), []);
      // It has remembered where it is, and the first node may return.
      await cell.start(0);
      assert.equal((await ann.send(names.bob, "Yes")).num, 1);
      ann.close();
      await bob.close();
    } finally {
      await cell.close();
    }
  });
}
