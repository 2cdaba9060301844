/** A service and its webhook on a server of several processes, whose active worker is killed. */
import assert from "node:assert/strict";
import { rest } from "./client.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

const LIMIT_MS = 60_000;

/** A receiver of a webhook's events. */
class Receiver {
  /** Keys of accepted messages, in the order of the events' positions. */
  readonly keys: string[] = [];
  readonly positions: number[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    this.#server = Deno.serve(options, async (request) => {
      const { events } = await request.json();
      for (const { n, state, key } of events) {
        // A batch may come again.
        if (n <= (this.positions.at(-1) ?? 0)) continue;
        this.positions.push(n);
        if (state === "accepted") this.keys.push(key);
      }
      return new Response(null, { status: 204 });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  close(): Promise<void> {
    return this.#server.shutdown();
  }
}

async function until(holds: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  for (const endMs = performance.now() + LIMIT_MS; !await holds();) {
    assert.ok(performance.now() < endMs, `it takes too long: ${what()}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** The process of the worker with a number that was started last. */
function pidOf(server: ServerProcess, worker: number): number {
  const started = [...server.log.matchAll(/worker started worker=(\d+) pid=(\d+)/g)];
  return Number(started.filter((found) => Number(found[1]) === worker).at(-1)![2]);
}

Deno.test("11: a killed worker's webhooks are sent by another one, each event once and in order", async () => {
  using dir = tempDir();
  const receiver = new Receiver();
  const retry = ["webhookRetryMinMs", "webhookRetryMaxMs"].map((knob) => `gateway.${knob}=200`);
  const sets = ["gateway.privateTargets=true", ...retry];
  const flags = ["--workers", "2", "--registration", "open"];
  const server = await ServerProcess.start({
    dataDir: dir.path,
    flags: [...flags, ...sets.flatMap((set) => ["--set", set])],
  });
  try {
    const scope = ["--scope", "send,outcomes", "--data", dir.path];
    const added = await roost(["service", "add", "mail", ...scope]);
    const token = added.out.trim();
    const body = { user: "ann", password: "correct horse battery" };
    const ann = await rest<{ token: string }>(server.url, "POST", "/v1/register", { body });
    const open = { messagesFrom: "anyone" };
    await rest(server.url, "PUT", "/v1/settings", { token: ann.token, body: open });
    const hook = { url: receiver.url, topics: ["outcomes"] };
    const request = (method: string, path: string, more: object) =>
      rest(server.url, method, `/gateway/v1/${path}`, { token, ...more }).then(() => true, (e) => {
        last = e;
        return false;
      });
    let last: unknown = null;
    await until(() => request("PUT", "webhooks/main", { body: hook }), () => `a webhook: ${last}`);
    const sent: string[] = [];
    const send = async () => {
      const key = `k${sent.length}`;
      const message = { key, body: { to: "ann", body: "hello" } };
      await until(() => request("POST", "messages", message), () => `a message: ${last}`);
      sent.push(key);
    };
    for (const worker of [1, 2, 1]) {
      for (let i = 0; i < 3; i++) await send();
      Deno.kill(pidOf(server, worker), "SIGKILL");
      await send();
      await until(() => receiver.keys.length === sent.length, () => receiver.keys.join());
    }
    assert.deepEqual(receiver.keys, sent);
    assert.deepEqual(receiver.positions, receiver.positions.map((_, i) => i + 1));
    const list = () => roost(["service", "webhooks", "mail", "--data", dir.path]);
    await until(async () => /main +0 +0 /.test((await list()).out), () => "an empty queue");
    assert.equal(await server.stop(), 0);
  } finally {
    await server.kill();
    await receiver.close();
  }
});
