/** Users of two cells, each a real server, write to and see each other. */
import assert from "node:assert/strict";
import { Client, type Frame, rest } from "./client.ts";
import { ServerProcess, tempDir } from "./server.ts";
import { roost } from "./cli.ts";

const LIMIT_MS = 30_000;

type Event = Frame & { readonly k: string };

/** Waits until `holds`; fails after half a minute. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const endMs = performance.now() + LIMIT_MS; !await holds();) {
    assert.ok(performance.now() < endMs, `${what} takes too long`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** A user of a cell, with everything that it is sent. */
class User {
  readonly events: Event[] = [];
  client!: Client;

  static async register(server: ServerProcess, user: string): Promise<User> {
    const body = { user, password: "correct horse battery" };
    const { token } = await rest<{ token: string }>(server.url, "POST", "/v1/register", { body });
    const made = new User();
    made.client = await Client.connect(
      server.wsUrl,
      { auth: { token } },
      (e) => made.events.push(e),
    );
    return made;
  }

  /** The texts of others, in the order in which they came. */
  get texts(): readonly unknown[] {
    return this.events.filter((e) => e.k === "message" && e["out"] !== true).map((e) => e["body"]);
  }

  /** What is shown of another user. */
  shows(user: string): unknown {
    return this.events.findLast((e) => e.k === "presence" && e["user"] === user)?.["show"];
  }
}

Deno.test("12: users of two cells become contacts, chat in order, and see each other", async () => {
  using dir = tempDir();
  const secret = `${dir.path}/secret`;
  Deno.writeTextFileSync(secret, "a secret of a federation, which has no other use\n", {
    mode: 0o600,
  });
  const flags = ["--cells-secret-file", secret, "--cells-listen", "127.0.0.1:0"];
  const start = (name: string, ...more: string[]) =>
    ServerProcess.start({
      dataDir: `${dir.path}/${name}`,
      flags: [...flags, "--cells-name", name, ...more],
    });
  const cells = async (server: ServerProcess) => {
    const { out, code } = await roost(["cells", "--json", "--data", server.dataDir]);
    return code === 0 ? JSON.parse(out) : null;
  };
  const a = await start("a");
  const address = (await cells(a)).self.address;
  const b = await start("b", "--cells-join", address);
  await until("the federation", async () => {
    const [one, other] = [await cells(a), await cells(b)];
    return [one, other].every((seen) => seen?.members.version === 2);
  });
  const alice = await User.register(a, "alice");
  const bob = await User.register(b, "bob");
  await assert.rejects(User.register(b, "alice"), /conflict/);
  await alice.client.command("subscription", { contact: "bob", type: "subscribe" });
  await until("the request", () => bob.events.some((e) => e.k === "request"));
  await bob.client.command("subscription", { contact: "alice", type: "subscribed" });
  await bob.client.command("subscription", { contact: "alice", type: "subscribe" });
  await until("the other request", () => alice.events.some((e) => e.k === "request"));
  await alice.client.command("subscription", { contact: "bob", type: "subscribed" });
  await until("presence", () => alice.shows("bob") === "online" && bob.shows("alice") === "online");
  const texts = Array.from({ length: 20 }, (_, i) => `text ${i}`);
  for (const [i, body] of texts.entries()) {
    await alice.client.command("send", { to: "bob", key: `a${i}`, body });
    await bob.client.command("send", { to: "alice", key: `b${i}`, body });
  }
  await until("all messages", () => alice.texts.length >= 20 && bob.texts.length >= 20);
  assert.deepEqual([alice.texts, bob.texts], [texts, texts]);
  await alice.client.command("presence", { show: "dnd" });
  await until("a change", () => bob.shows("alice") === "dnd");
  // What is written while the other cell is down arrives after its start.
  await b.stop();
  await alice.client.command("send", { to: "bob", key: "later", body: "are you back?" });
  const again = await start("b", "--cells-join", address);
  const body = { user: "bob", password: "correct horse battery" };
  const { token } = await rest<{ token: string }>(again.url, "POST", "/v1/auth/password", { body });
  const back = new User();
  back.client = await Client.connect(again.wsUrl, { auth: { token } }, (e) => back.events.push(e));
  await until("the message", async () => {
    const history = await rest<{ events: readonly Event[] }>(
      again.url,
      "GET",
      "/v1/conversations/alice/messages",
      { token },
    );
    return history.events.some((e) => e["body"] === "are you back?");
  });
  await until(
    "presence after a restart",
    () => alice.shows("bob") === "online" && back.shows("alice") === "dnd",
  );
  await Promise.all([alice, back].map(({ client }) => client.close()));
  await Promise.all([a.stop(), again.stop()]);
});
