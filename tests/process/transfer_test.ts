import assert from "node:assert/strict";
import { Client, type Frame, rest } from "./client.ts";
import { roost } from "./cli.ts";
import { SERVER_PROCESSES, ServerProcess, tempDir } from "./server.ts";

async function register(server: ServerProcess, user: string): Promise<string> {
  const body = { user, password: `password of ${user}` };
  return (await rest<{ token: string }>(server.url, "POST", "/v1/register", { body })).token;
}

async function befriend(server: ServerProcess, ann: string, bob: string) {
  const ask = (token: string, contact: string, type: string) =>
    rest(server.url, "POST", `/v1/contacts/${contact}/subscription`, { token, body: { type } });
  await ask(ann, "bob", "subscribe");
  await ask(bob, "ann", "subscribed");
  await ask(bob, "ann", "subscribe");
  await ask(ann, "bob", "subscribed");
}

async function say(server: ServerProcess, token: string, to: string, count: number) {
  for (let i = 0; i < count; i++) {
    const body = { to, body: `${i} ${"é\u0000<".repeat(100)}` };
    await rest(server.url, "POST", "/v1/messages", { token, key: `k${i}`, body });
  }
}

/** A mailbox as a new device with the password sees it. */
async function state(server: ServerProcess, user: string, password = `password of ${user}`) {
  const client = await Client.connect(server.wsUrl, { auth: { user, password } });
  const { snapshot, cursor } = client.welcome as Frame & { snapshot: object; cursor: string };
  const events: Frame[] = [];
  for (let after = `${cursor.split(":")[0]}:0`; after !== cursor;) {
    const page = await client.command<{ events: Frame[]; cursor: string }>("events", { after });
    events.push(...page.events);
    after = page.cursor;
  }
  await client.close();
  return { snapshot, events, seq: cursor.split(":")[1] };
}

async function seesOnline(server: ServerProcess, user: string, other: string): Promise<boolean> {
  const auth = (name: string) => ({ auth: { user: name, password: `password of ${name}` } });
  const there = await Client.connect(server.wsUrl, auth(other));
  const shown = Promise.withResolvers<boolean>();
  const client = await Client.connect(server.wsUrl, auth(user), (e) => {
    if (e.k === "presence" && e["user"] === other) shown.resolve(e["show"] === "online");
  });
  const result = await shown.promise;
  await client.close();
  await there.close();
  return result;
}

Deno.test("roost export and import carry all accounts to another server", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: `${dir.path}/a` });
  const ann = await register(server, "ann");
  const bob = await register(server, "bob");
  await register(server, "gone");
  await befriend(server, ann, bob);
  await say(server, ann, "bob", 40);
  assert.equal(
    (await roost(["user", "remove", "gone", "--yes", "--data", `${dir.path}/a`])).code,
    0,
  );
  const file = `${dir.path}/all.ndjson`;
  const export_ = ["export", "--all", "--with-credentials", "--out", file];
  const made = await roost([...export_, "--data", `${dir.path}/a`]);
  assert.equal(made.code, 0, made.err);
  assert.match(made.err, /^Exported: 2 accounts, \d+ events\.\n$/);
  assert.equal(Deno.statSync(file).mode! & 0o777, 0o600);
  const was = [await state(server, "ann"), await state(server, "bob")];
  assert.equal(await server.stop(), 0);

  const other = await ServerProcess.start({ dataDir: `${dir.path}/b` });
  const again = ["import", file, "--data", `${dir.path}/b`];
  const done = await roost(again);
  assert.deepEqual([done.code, done.out], [0, "2 accounts are imported.\n"], done.err);
  assert.deepEqual([await state(other, "ann"), await state(other, "bob")], was);
  assert.deepEqual(
    [await seesOnline(other, "ann", "bob"), await seesOnline(other, "bob", "ann")],
    [true, true],
  );
  const twice = await roost(again);
  assert.deepEqual([twice.code, twice.out], [
    0,
    "2 accounts are imported (2 were there already).\n",
  ]);
  assert.deepEqual((await state(other, "ann")).events, was[0]!.events);
  // Another export of the same accounts is another import.
  const second = `${dir.path}/second.ndjson`;
  const one = await roost(["export", "ann", "--out", second, "--data", `${dir.path}/b`]);
  assert.equal(one.code, 0, one.err);
  assert.doesNotMatch(Deno.readTextFileSync(second), /storedKey|serverKey|token|salt/i);
  const taken = await roost(["import", second, "--data", `${dir.path}/b`]);
  assert.deepEqual([taken.code, taken.out], [1, ""]);
  assert.match(taken.err, /the name ann is taken/);
  assert.equal(await other.stop(), 0);
  // While no server runs, the directory itself is used.
  const as = await roost(["import", second, "--as", "anna", "--data", `${dir.path}/b`]);
  assert.deepEqual([as.code, as.out], [0, "1 account is imported.\n"], as.err);
  const passwd = ["user", "passwd", "anna", "--password-stdin", "--data", `${dir.path}/b`];
  assert.equal((await roost(passwd, "a new password")).code, 0);
  const last = await ServerProcess.start({ dataDir: `${dir.path}/b` });
  const copy = await state(last, "anna", "a new password");
  assert.deepEqual(copy.events, was[0]!.events);
  assert.equal(await last.stop(), 0);
});

Deno.test("roost import refuses a file that is cut off, without having changed anything", async () => {
  using dir = tempDir();
  const data = ["--data", `${dir.path}/a`];
  const none = await roost(["import", `${dir.path}/none`, ...data]);
  assert.deepEqual([none.code, none.out], [1, ""]);
  assert.match(none.err, /^roost: Cannot read \S+none: there is no such file\n$/);
  assert.throws(() => Deno.statSync(`${dir.path}/a`), Deno.errors.NotFound);
  assert.equal((await roost(["user", "add", "ann", "--no-password", ...data])).code, 0);
  const whole = await roost(["export", "ann", "--out", "-", ...data]);
  assert.equal(whole.code, 0, whole.err);
  const lines = whole.out.trim().split("\n");
  const cut = `${dir.path}/cut`;
  for (let keep = 0; keep < lines.length; keep++) {
    Deno.writeTextFileSync(cut, lines.slice(0, keep).join("\n"));
    const refused = await roost(["import", cut, "--as", "copy", ...data]);
    assert.deepEqual([refused.code, refused.out], [1, ""], `${keep} lines`);
  }
  const list = await roost(["user", "list", ...data]);
  assert.equal(list.out.includes("copy"), false);
});

Deno.test("GET /v1/export gives a person their own data, without credentials, at a low rate", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: `${dir.path}/a` });
  const ann = await register(server, "ann");
  await register(server, "bob");
  await say(server, ann, "ann", 30);
  const get = () =>
    fetch(`${server.url}/v1/export`, { headers: { authorization: `Bearer ${ann}` } });
  const response = await get();
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/x-ndjson");
  assert.match(response.headers.get("content-disposition")!, /attachment/);
  const text = await response.text();
  const lines = text.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual([lines[0].t, lines[1].name, lines.at(-1)], ["roost", "ann", {
    t: "done",
    accounts: 1,
  }]);
  assert.equal(lines.filter(({ k, out }) => k === "message" && out).length, 30);
  assert.equal(/storedKey|serverKey|rt1_|salt/.test(text), false);
  const statuses: number[] = [];
  // Each of several processes may give its burst before it learns what the others have given.
  while (statuses.at(-1) !== 429 && statuses.length < 4 * SERVER_PROCESSES) {
    const more = await get();
    statuses.push(more.status);
    await more.body?.cancel();
  }
  assert.equal(statuses.at(-1), 429);
  const nobody = await fetch(`${server.url}/v1/export`);
  assert.equal(nobody.status, 401);
  await nobody.body?.cancel();
  assert.equal(await server.stop(), 0);
});

Deno.test("roost export takes a name as people write it, and leaves no file where it fails", async () => {
  using dir = tempDir();
  const data = ["--data", `${dir.path}/a`];
  assert.equal((await roost(["user", "add", "ann", "--no-password", ...data])).code, 0);
  const file = `${dir.path}/one.ndjson`;
  const failed = await roost(["export", "nobody", "--out", file, ...data]);
  assert.deepEqual([failed.code, failed.err], [1, "roost: There is no such account\n"]);
  const made = await roost(["export", "Ann@localhost", "--out", file, ...data]);
  assert.equal(made.code, 0, made.err);
  const done = await roost(["import", file, "--as", "carl", ...data]);
  assert.deepEqual([done.code, done.out], [0, "1 account is imported.\n"], done.err);
});

type Line = Readonly<Record<string, unknown>>;

/** Exports that differ from the good one, and what is said of them. */
function unfitExports(good: readonly Line[]): [what: string, lines: Line[], message: RegExp][] {
  const withKey = (change: Line) =>
    good.map((line) => {
      if (line["t"] !== "account") return line;
      const credentials = line["credentials"] as Readonly<Record<string, Line>>;
      return {
        ...line,
        credentials: { ...credentials, sha256: { ...credentials["sha256"], ...change } },
      };
    });
  const withLines = (lines: readonly Line[]) => [...good.slice(0, 2), ...lines, ...good.slice(2)];
  const state = { subscription: "none", pendingOut: false, pendingIn: false, approved: false };
  const contact = (n: number) => ({
    ...{ t: "contact", contact: `user${n}`, label: "x".repeat(100), groups: [], listed: true },
    ...state,
  });
  return [
    ["one iteration", withKey({ iterations: 1 }), /line 2: eve: .* have 1 iterations, here/],
    ["ten million", withKey({ iterations: 10_000_000 }), /line 2: eve: .* 10000000 iterations/],
    ["no key", withKey({ storedKey: "" }), /line 2: credentials\.sha256\.storedKey: wants 32 byt/],
    ["no salt", withKey({ salt: "" }), /line 2: credentials\.sha256\.salt: wants 8 to 64 bytes/],
    [
      "3,000 contacts",
      withLines(Array.from({ length: 3000 }, (_, n) => contact(n))),
      /line 2: eve: .* 3000 contacts, and an account may have \d+ here/,
    ],
    ["a bad line", withLines([{ t: "blocked", contact: "" }]), /line 3: .*no account name/],
  ];
}

Deno.test("an import that cannot be whole is refused before anything is written (10.11)", async () => {
  using dir = tempDir();
  const at = ["--data", `${dir.path}/a`];
  const server = await ServerProcess.start({ dataDir: `${dir.path}/a` });
  await register(server, "ann");
  const file = `${dir.path}/ann.ndjson`;
  const made = await roost(["export", "ann", "--with-credentials", "--out", file, ...at]);
  assert.equal(made.code, 0, made.err);
  const good = Deno.readTextFileSync(file).trim().split("\n").map((line) => JSON.parse(line));
  for (const [what, lines, message] of unfitExports(good)) {
    const renamed = lines.map((line) => "name" in line ? { ...line, name: "eve" } : line);
    const bad = `${dir.path}/bad.ndjson`;
    Deno.writeTextFileSync(bad, renamed.map((line) => JSON.stringify(line) + "\n").join(""));
    const { code, err } = await roost(["import", bad, ...at]);
    assert.equal(code, 1, what);
    assert.match(err, message, what);
    assert.doesNotMatch((await roost(["user", "list", "--json", ...at])).out, /"eve"/, what);
  }
  assert.equal(await server.stop(), 0);
});
