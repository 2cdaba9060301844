/** Accounts move between two real servers, and their clients follow: 12. */
import assert from "node:assert/strict";
import { createClient } from "../../server/web/client.js";
import type { Client } from "../../server/web/client.d.ts";
import { ServerProcess, tempDir } from "./server.ts";
import { roost } from "./cli.ts";
import { until } from "./until.ts";

const PASSWORD = "correct horse battery";

/** Runs a command about a server; fails where it fails. */
async function command(server: ServerProcess, ...args: string[]): Promise<string> {
  const { out, err, code } = await roost([...args, "--data", server.dataDir]);
  assert.equal(code, 0, err);
  return out;
}

/** Two cells that are members of one federation. */
async function twoCells(dir: string): Promise<readonly [ServerProcess, ServerProcess]> {
  const secret = `${dir}/secret`;
  Deno.writeTextFileSync(secret, "a secret of a federation, which has no other use\n", {
    mode: 0o600,
  });
  const start = (name: string, ...more: string[]) => {
    const own = ["--cells-name", name, "--cells-listen", "127.0.0.1:0", ...more];
    const flags = ["--cells-secret-file", secret, ...own];
    return ServerProcess.start({ dataDir: `${dir}/${name}`, flags });
  };
  const seen = async (server: ServerProcess) =>
    JSON.parse(await command(server, "cells", "--json"));
  const a = await start("a");
  const { self: { address } } = await seen(a);
  const b = await start("b", "--cells-join", address);
  await until("the federation", async () => {
    const both = [await seen(a), await seen(b)];
    return both.every(({ members }) => members.version === 2);
  });
  return [a, b];
}

/** A client with the texts that it got, and what it was shown of another user. */
function listen(client: Client) {
  const texts: string[] = [];
  const shown: string[] = [];
  let snapshots = 0;
  client.on("message", ({ out, body }) => {
    if (!out) texts.push(body);
  });
  client.on("presence", ({ show }) => void shown.push(show));
  client.on("snapshot", () => void snapshots++);
  return { texts, shown, snapshots: () => snapshots };
}

/** Sends numbered texts one after another until the function that it returns is called. */
function talkTo(client: Client, to: string): () => Promise<readonly string[]> {
  const sent: string[] = [];
  let stopped = false;
  const done = (async () => {
    while (!stopped) {
      const text = `text ${sent.length}`;
      await client.send(to, text);
      sent.push(text);
      await new Promise((next) => setTimeout(next, 20));
    }
  })();
  return async () => {
    stopped = true;
    await done;
    return sent;
  };
}

Deno.test("12: a user moves to another cell while people chat, and the client follows by itself", async () => {
  using dir = tempDir();
  const [a, b] = await twoCells(dir.path);
  const make = (server: ServerProcess) => createClient({ url: server.url });
  const [alice, bob, carl] = [make(a), make(b), make(a)];
  try {
    await alice.register({ user: "alice", password: PASSWORD });
    await bob.register({ user: "bob", password: PASSWORD });
    await carl.register({ user: "carl", password: PASSWORD });
    const clients = [alice, bob, carl];
    for (const client of clients) await client.setMessagesFrom("anyone");
    for (const friend of [bob, carl]) {
      await friend.subscribe("alice");
      const name = friend === bob ? "bob" : "carl";
      await until("the request", () => alice.requests.has(name));
      await alice.approve(name);
    }
    const [ofAlice, ofBob, ofCarl] = clients.map(listen);
    const isShown = (client: Client) => client.contacts.get("alice")?.presence.show === "online";
    await until("presence", () => isShown(bob) && isShown(carl));
    const talks = [talkTo(alice, "bob"), talkTo(bob, "alice"), talkTo(alice, "carl")];
    const moved = await command(a, "cells", "move-user", "alice", "b");
    assert.match(moved, /alice is at home in b now/);
    const ended = () => alice.state.status === "online" && ofAlice!.texts.length > 0;
    await until("alice's return", ended);
    await new Promise((done) => setTimeout(done, 500));
    const [toBob, toAlice, toCarl] = await Promise.all(talks.map((stop) => stop()));
    await until(
      "the last texts",
      () =>
        ofBob!.texts.length >= toBob!.length && ofAlice!.texts.length >= toAlice!.length &&
        ofCarl!.texts.length >= toCarl!.length,
    );
    assert.deepEqual(ofBob!.texts, toBob);
    assert.deepEqual(ofAlice!.texts, toAlice);
    assert.deepEqual(ofCarl!.texts, toCarl);
    assert.equal(ofAlice!.snapshots(), 0, "the cursor was not valid any more");
    for (const { shown } of [ofBob!, ofCarl!]) assert.ok(!shown.includes("offline"), `${shown}`);
    const again = await roost(["cells", "move-user", "alice", "a", "--data", a.dataDir]);
    assert.match(again.err, /at home in cell b: move it from there/);
    const nowhere = await roost(["cells", "move-user", "carl", "x", "--data", a.dataDir]);
    assert.match(nowhere.err, /There is no cell x/);
    // A sign-in by its password at the former home is sent on.
    const second = make(a);
    await second.signIn({ user: "alice", password: PASSWORD });
    second.close();
  } finally {
    for (const client of [alice, bob, carl]) client.close();
    await Promise.all([a.stop(), b.stop()]);
  }
});

Deno.test("12: a cell is evacuated by its command, and what it has begun is not lost", async () => {
  using dir = tempDir();
  const [a, b] = await twoCells(dir.path);
  try {
    const names = Array.from({ length: 12 }, (_, i) => `user${i}`);
    const clients = await Promise.all(names.map(async (user) => {
      const client = createClient({ url: a.url });
      await client.register({ user, password: PASSWORD });
      return client;
    }));
    const wrong = await roost(["cells", "evacuate", "b", "--data", a.dataDir]);
    assert.match(wrong.err, /This is cell a: evacuate b at one of its own nodes/);
    const done = await command(a, "cells", "evacuate", "a", "--rate", "50", "--json");
    const { state, moved, to } = JSON.parse(done);
    assert.deepEqual([state, moved, to], ["done", 12, ["b"]]);
    await until("all clients", () => clients.every(({ state }) => state.status === "online"));
    const counted = async ({ url }: ServerProcess) =>
      (await (await fetch(`${url}/metrics`)).text()).split("\n")
        .filter((line) => /^roost_(moves|evacuation)_/.test(line));
    assert.deepEqual(await counted(a), [
      'roost_moves_total{outcome="left"} 12',
      'roost_moves_total{outcome="arrived"} 0',
      'roost_moves_total{outcome="cancelled"} 0',
      'roost_evacuation_running{cell="a"} 0',
      'roost_evacuation_moved_accounts{cell="a"} 12',
      'roost_evacuation_moving_accounts{cell="a"} 0',
      'roost_evacuation_remaining_accounts{cell="a"} 0',
    ]);
    assert.ok((await counted(b)).includes('roost_moves_total{outcome="arrived"} 12'));
    const listed = JSON.parse(await command(b, "user", "list", "--json"));
    const users = (listed.users ?? listed) as readonly { name: string }[];
    assert.deepEqual(users.map(({ name }) => name).sort(), [...names].sort());
    for (const client of clients) client.close();
  } finally {
    await Promise.all([a.stop(), b.stop()]);
  }
});
