/**
 * Three cells as peers, one of each kind: two nodes over PostgreSQL, one machine with two workers, and
 * one process. People of all three chat and see each other while a node dies and accounts move.
 */
import assert from "node:assert/strict";
import type { Client } from "../../server/web/client.d.ts";
import { createClient } from "../../server/web/client.js";
import { roost } from "../process/cli.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { startCluster } from "./cluster.ts";
import { until } from "../process/until.ts";

const PASSWORD = "correct horse battery";
/** Between two texts of one sender to one recipient (ms). */
const PAUSE_MS = 50;

const cluster = startCluster();
globalThis.addEventListener("unload", () => cluster.stop());

interface Seen {
  readonly members: { readonly version: number };
  readonly self: { readonly address: string };
  readonly cells: readonly {
    readonly cell: string;
    readonly nodes: readonly { state: string }[];
  }[];
}

async function command(server: ServerProcess, ...args: string[]): Promise<string> {
  const { out, err, code } = await roost([...args, "--data", server.dataDir]);
  assert.equal(code, 0, err);
  return out;
}

/** Which cells a node sees, each with its linked nodes, as `b2 c1`; and the version of the members. */
async function links(server: ServerProcess): Promise<string> {
  const { cells, members }: Seen = JSON.parse(await command(server, "cells", "--json"));
  const counts = cells.map(({ cell, nodes }) =>
    `${cell}${nodes.filter(({ state }) => state === "linked").length}`
  );
  return `${counts.join(" ")} v${members.version}`;
}

/** The nodes of all three cells. */
class Cells {
  readonly #dir: string;
  readonly #store: string;
  readonly #started: ServerProcess[] = [];
  #join: readonly string[] = [];

  constructor(dir: string, store: string) {
    this.#dir = dir;
    this.#store = store;
    for (const name of ["cells", "a"]) {
      Deno.writeTextFileSync(`${dir}/${name}.secret`, `a secret that only nodes of ${name} know\n`);
    }
  }

  /** Resolves when all are linked, and all cells are members. */
  async start() {
    const c = await this.#node("c", "c");
    const { self: { address } }: Seen = JSON.parse(await command(c, "cells", "--json"));
    this.#join = ["--cells-join", address];
    const [a1, a2] = [await this.startA("a1"), await this.startA("a2")];
    const b = await this.#node("b", "b", "--workers", "2");
    const wanted = [[a1, "b2 c1 v3"], [a2, "b2 c1 v3"], [b, "a2 c1 v3"], [c, "a2 b2 v3"]] as const;
    for (const [server, text] of wanted) {
      await until(`the links ${text}`, async () => await links(server) === text);
    }
    return [a1, a2, b, c] as const;
  }

  /** Starts a node of the cell over PostgreSQL. */
  startA(node: string): Promise<ServerProcess> {
    const secret = ["--cell-secret-file", `${this.#dir}/a.secret`];
    const own = ["--store", this.#store, "--cell-listen", "127.0.0.1:0", ...secret];
    return this.#node("a", node, ...own);
  }

  async #node(cell: string, node: string, ...more: string[]): Promise<ServerProcess> {
    const own = ["--cells-name", cell, "--cells-listen", "127.0.0.1:0", ...this.#join, ...more];
    const flags = ["--cells-secret-file", `${this.#dir}/cells.secret`, ...own];
    const server = await ServerProcess.start({ dataDir: `${this.#dir}/${node}`, flags });
    this.#started.push(server);
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#started) await server.kill();
  }
}

/** A user with the texts of others as they came, and what was shown of contacts. */
class User {
  readonly name: string;
  readonly client: Client;
  readonly texts: string[] = [];
  /** Contacts that were shown offline since they write, and when (ms since then). */
  readonly offline: string[] = [];
  #talkedMs = Infinity;
  readonly #sent = new Map<string, string[]>();
  #stopped = false;
  #talks: readonly Promise<void>[] = [];

  private constructor(name: string, client: Client) {
    this.name = name;
    this.client = client;
    client.on("message", ({ out, body }) => out || this.texts.push(body));
    client.on("presence", ({ user, show }) => {
      // One's own name stands for one's other devices, of which there are none.
      if (user === name) return;
      const ms = Math.round(performance.now() - this.#talkedMs);
      if (show === "offline" && ms >= 0) this.offline.push(`${user} after ${ms} ms`);
    });
  }

  static async register(server: ServerProcess, name: string): Promise<User> {
    const user = new User(name, createClient({ url: server.url }));
    await user.client.register({ user: name, password: PASSWORD });
    await user.client.setMessagesFrom("anyone");
    return user;
  }

  async watch(other: User): Promise<void> {
    await this.client.subscribe(other.name);
    await until("the request", () => other.client.requests.has(this.name));
    await other.client.approve(this.name);
    await until(`${other.name} online at ${this.name}`, () => this.sees(other) === "online");
  }

  sees(other: User): string | undefined {
    return this.client.contacts.get(other.name)?.presence.show;
  }

  /** Sends numbered texts to all others until `stop`. */
  talkTo(others: readonly User[]): void {
    this.#talkedMs = performance.now();
    this.#talks = others.map(async ({ name }) => {
      const sent: string[] = [];
      this.#sent.set(name, sent);
      while (!this.#stopped) {
        const text = `${this.name} ${sent.length}`;
        await this.client.send(name, text);
        sent.push(text);
        await new Promise((next) => setTimeout(next, PAUSE_MS));
      }
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#talks);
  }

  /** Throws unless this one got what the other has sent, in order and once. */
  async hasAllOf(other: User): Promise<void> {
    const sent = other.#sent.get(this.name)!;
    const got = () => this.texts.filter((text) => text.startsWith(`${other.name} `));
    await until(`texts of ${other.name} at ${this.name}`, () => got().length >= sent.length);
    assert.deepEqual(got(), sent);
  }
}

/** All write to all others while `meanwhile` goes on; nothing is lost, doubled or reordered. */
async function chatting(users: readonly User[], meanwhile: () => Promise<void>): Promise<void> {
  const others = (user: User) => users.filter((other) => other !== user);
  for (const user of users) user.talkTo(others(user));
  await meanwhile();
  for (const user of users) await user.stop();
  for (const user of users) for (const other of others(user)) await user.hasAllOf(other);
}

/** Ann is sent home from any other node. */
async function signsInFrom(server: ServerProcess): Promise<void> {
  const client = createClient({ url: server.url, device: "second" });
  const account = { user: "ann", password: PASSWORD };
  await until("ann's home", async () => {
    const state = await client.signIn(account).catch(() => null);
    return state?.status === "online";
  });
  await client.signOut();
}

/** Which accounts a cell has. */
async function accounts(server: ServerProcess): Promise<string> {
  const users: { name: string }[] = JSON.parse(await command(server, "user", "list", "--json"));
  return users.map(({ name }) => name).sort().join();
}

Deno.test("12: cells of all three kinds are peers: chat, redirects, moves and the end of a node", async () => {
  using dir = tempDir();
  await using cells = new Cells(dir.path, await cluster.database("cells"));
  const [a1, a2, b, c] = await cells.start();
  const users = [
    await User.register(a1, "ann"),
    await User.register(b, "bob"),
    await User.register(c, "cat"),
  ];
  const pairs = users.flatMap((user) =>
    users.filter((other) => other !== user).map((other) => [user, other] as const)
  );
  for (const [user, other] of pairs) await user.watch(other);
  for (const server of [a2, b, c]) await signsInFrom(server);
  await chatting(users, async () => {
    await command(a2, "cells", "move-user", "ann", "b");
    await command(b, "cells", "move-user", "bob", "a");
    await command(c, "cells", "move-user", "cat", "a");
    await a1.kill();
    const again = await cells.startA("a1");
    // Of the two nodes the one that is asked need not be the one that carries it out.
    for (const node of [again, a2]) {
      await command(node, "cells", "evacuate", "a", "--to", "b", "--rate", "50");
      await command(b, "cells", "evacuate", "b", "--to", "a", "--rate", "50");
    }
    assert.deepEqual([await accounts(a2), await accounts(b)], ["ann,bob,cat", ""]);
    await command(a2, "cells", "move-user", "cat", "c");
  });
  for (const [user, other] of pairs) {
    await until(`${other.name} online at ${user.name}`, () => user.sees(other) === "online");
  }
  for (const { client } of users) client.close();
  assert.deepEqual(users.map(({ name, offline }) => [name, offline.join()]), [
    ["ann", ""],
    ["bob", ""],
    ["cat", ""],
  ]);
});
