/**
 * `deno run -A tests/golden/make_data.ts data-N` makes a golden data directory with the program as
 * it is now: a bit of everything, killed at its busiest. One that exists is never overwritten.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { adminClient } from "../../server/cli/client.ts";
import { openKvStore } from "../../server/store/kv_store.ts";
import { socketTransport } from "../../server/ops/socket.ts";
import { Client, rest } from "../process/client.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { delay } from "./delay.ts";
import { describeAll, type Expected, saltOf, signIn, untilDelivered } from "./data.ts";
import type { Json, JsonObject } from "./placeholders.ts";

const DOMAIN = "golden.example";
/** Others that an account may write with, so that one more is owed what it is sent. */
const CONVERSATIONS = 10;
const FLAGS = ["--domain", DOMAIN, "--registration", "invite"];
/** Nothing is delivered to who has so many conversations, and little is checkpointed. */
const MAKING = [
  ...["--set", `limits.conversationsMax=${CONVERSATIONS}`],
  ...["--set", "storage.checkpointIntervalMs=5000"],
];
const PEOPLE = ["ann", "bob", "cid", "dan", "eve", "fay", "gus", "hub"];
const CROWD = Array.from({ length: CONVERSATIONS }, (_, i) => `crowd${i}`);
/** Messages of some 600 bytes: several sealed blocks in each mailbox. */
const LONG = Array.from(
  { length: 27 },
  (_, i) => `${i} ${"Lorem ipsum dolor sit amet. ".repeat(22)}`,
);

type Clients = Readonly<Record<string, Client>>;

const passwordOf = (user: string) => `password of ${user}`;
const adminOf = (server: ServerProcess) =>
  adminClient(socketTransport(join(server.dataDir, "admin.sock"), "tests"));

async function connect(server: ServerProcess, user: string, device: string): Promise<Client> {
  return await Client.connect(server.wsUrl, {
    auth: { user, password: passwordOf(user) },
    device,
    label: `${user}'s ${device}`,
  });
}

async function befriend(clients: Clients, a: string, b: string, both: boolean): Promise<void> {
  const ask = async (from: string, contact: string, type: string) => {
    await clients[from]!.command("subscription", { contact, type });
    await delay(50);
  };
  await ask(a, b, "subscribe");
  await ask(b, a, "subscribed");
  if (!both) return;
  await ask(b, a, "subscribe");
  await ask(a, b, "subscribed");
}

/** Every state that a contact can be in. */
async function fillRosters(clients: Clients): Promise<void> {
  const { ann, gus } = clients;
  await befriend(clients, "ann", "bob", true);
  await befriend(clients, "ann", "cid", false);
  await befriend(clients, "dan", "ann", false);
  await ann!.command("subscription", { contact: "eve", type: "subscribe" });
  await ann!.command("subscription", { contact: "fay", type: "subscribed" });
  await gus!.command("subscription", { contact: "ann", type: "subscribe" });
  await ann!.command("contact", { contact: "bob", label: "Böbchen", groups: ["Friends", "Work"] });
  await ann!.command("contact", { contact: "somebody", label: "Not here" });
  await ann!.command("block", { contact: "mal", blocked: true });
  await clients["bob"]!.command("settings", { messagesFrom: "anyone" });
}

async function talk(clients: Clients): Promise<Pick<Expected, "sent">> {
  const { ann, bob, hub } = clients;
  const request = { to: "bob", key: "a0", body: LONG[0]!, ext: '{"lang":"la"}' };
  const answer = await ann!.command<JsonObject>("send", request);
  for (const [i, body] of LONG.slice(1).entries()) {
    await ann!.command("send", { to: "bob", key: `a${i + 1}`, body });
    if (i % 10 === 0) await bob!.command("send", { to: "ann", key: `b${i}`, body: `Answer ${i}` });
  }
  await bob!.command("ack", { seq: 30 });
  await bob!.command("read", { with: "ann", upTo: 20 });
  await ann!.command("ack", { seq: 10 });
  // Strangers: it is kept by who sent it only.
  await ann!.command("send", { to: "eve", key: "stranger", body: "Hello, stranger" });
  await hub!.command("settings", { messagesFrom: "anyone" });
  return { sent: { from: "ann", request, answer } };
}

type Known = Pick<Expected, "sent" | "shut" | "tokens" | "invites" | "fakeSalt">;

/** The first run, which is stopped in peace: all of it is in checkpoints. */
async function firstRun(
  dataDir: string,
): Promise<{ readonly known: Known; readonly tokens: readonly [ann: string, bob: string] }> {
  const server = await ServerProcess.start({ dataDir, flags: [...FLAGS, ...MAKING] });
  const admin = adminOf(server);
  for (const user of [...PEOPLE, ...CROWD, "off", "gone", "again"]) {
    await admin.addUser(user, passwordOf(user));
  }
  await admin.addUser("issued", null);
  const used = (await admin.createInvite()).code;
  await rest(server.url, "POST", "/v1/register", {
    body: { user: "mal", password: passwordOf("mal"), invite: used },
  });
  const clients: Record<string, Client> = {};
  for (const user of PEOPLE) clients[user] = await connect(server, user, "phone");
  const desk = await connect(server, "ann", "desk");
  const revoked = await connect(server, "ann", "revoked");
  await clients["ann"]!.command("revoke", { device: "revoked" });
  await fillRosters(clients);
  const sent = await talk(clients);
  for (const user of CROWD) {
    const token = await signIn(server.url, user, passwordOf(user));
    const body = { to: "hub", body: `I am ${user}` };
    await rest(server.url, "POST", "/v1/messages", { token, key: "c1", body });
  }
  await clients["ann"]!.command("send", {
    to: "hub",
    key: "owed1",
    body: "Owed from the first run",
  });
  await admin.setDisabled("off", true);
  await admin.removeUser("gone");
  await admin.removeUser("again");
  await admin.releaseUser("again");
  await admin.addUser("again", passwordOf("again"));
  const salt = await saltOf(server.url, "nobody-there");
  await delay(1500);
  assert.equal(await server.stop(), 0);
  const tokenOf = (client: Client) => String(client.welcome["token"]);
  const known: Known = {
    ...sent,
    shut: { off: passwordOf("off"), gone: passwordOf("gone"), issued: "no password at all" },
    tokens: { good: tokenOf(desk), revoked: tokenOf(revoked) },
    invites: { unused: "", used },
    fakeSalt: { name: "nobody-there", salt },
  };
  return { known, tokens: [tokenOf(clients["ann"]!), tokenOf(clients["bob"]!)] };
}

/** Gives the file's free pages back: the directory is kept for ever. */
function compact(dataDir: string): void {
  const database = new DatabaseSync(`${dataDir}/kv.sqlite3`);
  database.exec("VACUUM");
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
}

/** The second run, which is killed before anything of it is in a checkpoint. */
async function secondRun(
  dataDir: string,
  tokens: readonly [ann: string, bob: string],
): Promise<string> {
  const server = await ServerProcess.start({ dataDir, flags: [...FLAGS, ...MAKING] });
  const admin = adminOf(server);
  const ann = await Client.connect(server.wsUrl, { auth: { token: tokens[0] } });
  const bob = await Client.connect(server.wsUrl, { auth: { token: tokens[1] } });
  const [{ code: unused }] = await Promise.all([
    admin.createInvite(),
    admin.addUser("late", passwordOf("late")),
  ]);
  // All at once: few commits make a small directory.
  await Promise.all([
    ann.command("contact", { contact: "cid", label: "Cid" }),
    ann.command("uncontact", { contact: "somebody" }),
    ann.command("block", { contact: "late", blocked: true }),
    ...[0, 1, 2].map((i) =>
      ann.command("send", { to: "bob", key: `z${i}`, body: `In the log only ${i}` })
    ),
  ]);
  await bob.command("read", { with: "ann", upTo: 25 });
  // Long enough for the receipt, too short for a checkpoint.
  await delay(900);
  await ann.command("send", { to: "hub", key: "owed2", body: "Owed from the second run" });
  await server.kill();
  return unused;
}

/** That the store has what a golden directory is for. */
async function checkStore(dataDir: string): Promise<void> {
  using copy = copyOf(dataDir);
  const store = await openKvStore(`${copy.path}/kv.sqlite3`);
  const count = (table: string) =>
    new Promise<number>((done) =>
      store.list({ prefix: [table], after: null, limit: 500 }, (_, rows) => done(rows.length))
    );
  const rows = { log: 0, m: 0, d: 0, o: 0, u: 0 };
  for (const table of Object.keys(rows) as (keyof typeof rows)[]) rows[table] = await count(table);
  await new Promise<void>((done) => store.close(done));
  assert.ok(rows.log > 5 && rows.m > 3 && rows.d > 5 && rows.o > 0, JSON.stringify(rows));
}

function copyOf(dataDir: string) {
  const copy = tempDir();
  for (const { name, isFile } of Deno.readDirSync(dataDir)) {
    if (isFile) Deno.copyFileSync(`${dataDir}/${name}`, `${copy.path}/${name}`);
  }
  return copy;
}

/** Times that a later start decides are placeholders. */
function timeless(value: Json, madeAt: number): Json {
  if (Array.isArray(value)) return value.map((item) => timeless(item, madeAt));
  if (value === null || typeof value !== "object") {
    return typeof value === "number" && value > madeAt && value < madeAt + 3_600_000
      ? "<time>"
      : value;
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, timeless(inner, madeAt)]),
  );
}

const [name] = Deno.args;
if (name === undefined || !/^data-\d+$/.test(name)) throw new Error("say which: data-N");
const folder = new URL(`${name}/`, import.meta.url).pathname;
Deno.mkdirSync(folder);
const dataDir = `${folder}data`;
const { known, tokens } = await firstRun(dataDir);
compact(dataDir);
const unused = await secondRun(dataDir, tokens);
const madeAt = Date.now();
await checkStore(dataDir);
// What a killed server leaves besides files, and what SQLite makes anew.
for (const entry of ["admin.sock", "kv.sqlite3-shm"]) Deno.removeSync(`${dataDir}/${entry}`);
using copy = copyOf(dataDir);
const server = await ServerProcess.start({ dataDir: copy.path, flags: FLAGS });
const users = [...PEOPLE, "crowd0", "again", "mal", "late"];
const partial = {
  madeAt,
  domain: DOMAIN,
  passwords: Object.fromEntries(users.map((user) => [user, passwordOf(user)])),
  ...known,
  invites: { ...known.invites, unused },
  owed: { from: "ann", to: "hub", keys: ["owed1", "owed2"] },
};
await untilDelivered(server.url, { ...partial, accounts: {} });
await delay(2000);
const accounts = timeless(await describeAll(server.url, partial), madeAt);
await server.stop();
Deno.writeTextFileSync(
  `${folder}expected.json`,
  JSON.stringify({ ...partial, accounts }) + "\n",
);
