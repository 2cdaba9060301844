/** What operators keep and carry over: shards under traffic, backups, exports, imports. */
import assert from "node:assert/strict";
import { type BinaryFixture, type Check, PASSWORD } from "./binary_fixture.ts";
import { Client, type Frame, rest } from "../../process/client.ts";
import { Traffic } from "./traffic.ts";

/** What a new device sees of an account, without what a restored mailbox is known by. */
async function seen(url: string, user: string) {
  const wsUrl = `${url.replace("http", "ws")}/v1/ws`;
  const client = await Client.connect(wsUrl, {
    auth: { user, password: PASSWORD },
    device: "looker",
    presence: null,
  });
  const { snapshot, cursor } = client.welcome as Frame & { snapshot: object; cursor: string };
  const [box, seq] = cursor.split(":");
  const events: unknown[] = [];
  for (let after = `${box}:0`; after !== cursor;) {
    const page = await client.command<{ events: unknown[]; cursor: string }>("events", { after });
    events.push(...page.events);
    after = page.cursor;
  }
  await client.command("bye");
  return { snapshot, events, seq };
}

function shardLines(table: string): readonly string[] {
  return table.trim().split("\n").slice(1);
}

const shards: Check = {
  name: "shards: state, set, split and merge under traffic",
  async run(fixture) {
    const run = (words: string) => fixture.must(["shards", ...words.split(" "), ...fixture.data]);
    const state = async () => shardLines(await fixture.must(["shards", ...fixture.data]));
    assert.equal((await state()).length, 16);
    const names = Array.from({ length: 8 }, (_, i) => `shard.user.${i}`);
    const traffic = await Traffic.start(fixture, names);
    const pauses: number[] = [];
    const change = async (words: string, wanted: number) => {
      const told = await run(words);
      pauses.push(...[...told.matchAll(/([\d.]+) ms/g)].map((m) => Number(m[1])));
      const lines = await state();
      assert.equal(lines.length, wanted, words);
      return lines.map((line) => line.trim().split(/\s+/)[0]!);
    };
    const ids = await change("set 64", 64);
    const cut = await change(`split ${ids[0]}`, 65);
    await change(`merge ${cut[0]} ${cut[1]} ${cut[2]}`, 63);
    await change("set 7", 7);
    await change("set 16", 16);
    const wrong = await fixture.roost(["shards", "split", "99999", ...fixture.data]);
    assert.equal(wrong.code, 1);
    const told = await traffic.stop();
    return `16, 64, 65, 63, 7, 16: ${told}, held up for ${Math.max(...pauses)} ms at most`;
  },
};

/** Everybody whose state is compared. */
const USERS = ["shard.user.0", "shard.user.7", "eve"];

async function seenByAll(url: string) {
  const all: unknown[] = [];
  for (const user of USERS) all.push(await seen(url, user));
  return all;
}

const backup: Check = {
  name: "backup of the running server, restored into another directory, compared there",
  async run(fixture) {
    const was = await seenByAll(fixture.server.url);
    Deno.mkdirSync(fixture.path("backups"));
    const file = (await fixture.must(["backup", "--out", "backups", ...fixture.data])).trim();
    const bytes = Deno.statSync(fixture.path(file)).size;
    const used = await fixture.roost(["restore", file, ...fixture.data]);
    assert.equal(used.code, 1, "a directory in use is refused");
    await fixture.must(["restore", file, "--data", "restored"]);
    const server = await fixture.start("restored");
    assert.deepEqual(await seenByAll(server.url), was);
    await fixture.stop(server);
    // As a server that does not run is copied, too.
    await fixture.must(["backup", "--out", "again", "--data", "restored"]);
    return `${USERS.length} accounts the same, ${Math.round(bytes / 1000)} KB`;
  },
};

const transfer: Check = {
  name: "export of one and of all, import beside a server and without one",
  async run(fixture) {
    const was = await seenByAll(fixture.server.url);
    const all = ["export", "--all", "--with-credentials", "--out", "all", ...fixture.data];
    await fixture.must(all);
    const to = ["--data", "imported"];
    const imported = await fixture.must(["import", "all", ...to]);
    const server = await fixture.start("imported");
    const events = (views: readonly unknown[]) =>
      views.map((view) => (view as { events: unknown }).events);
    assert.deepEqual(events(await seenByAll(server.url)), events(was));
    await fixture.must(["export", "eve", "--out", "eve", ...fixture.data]);
    assert.doesNotMatch(Deno.readTextFileSync(fixture.path("eve")), /storedKey|salt|rt1_/);
    assert.equal((await fixture.roost(["import", "eve", ...to])).code, 1, "the name is taken");
    assert.match(await fixture.must(["import", "eve", "--as", "eva", ...to]), /^1 account is/);
    await fixture.must(["user", "passwd", "eva", "--password-stdin", ...to], PASSWORD);
    assert.deepEqual(events([await seen(server.url, "eva")]), events([was[USERS.indexOf("eve")]]));
    await fixture.stop(server);
    const own = await ownExport(fixture);
    return `${imported.trim()} ${own}`;
  },
};

/** What a person gets of their own. */
async function ownExport({ server: { url } }: BinaryFixture): Promise<string> {
  const body = { user: "eve", password: PASSWORD };
  const { token } = await rest<{ token: string }>(url, "POST", "/v1/auth/password", { body });
  const response = await fetch(`${url}/v1/export`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  assert.match(response.headers.get("content-type") ?? "", /^application\/x-ndjson/);
  const lines = text.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.at(-1), { t: "done", accounts: 1 });
  assert.ok(lines.some(({ body }) => body === "Hello Fay"));
  return `A person's own: ${lines.length} lines.`;
}

/** All of it. */
export const KEEP_CHECKS: readonly Check[] = [shards, backup, transfer];
