/** `roost check` of a store in PostgreSQL (issue 10.6). Needs Debian's postgresql-15. */
import assert from "node:assert/strict";
import type { AccountId, AccountName, MailboxId, NodeId } from "../../shard/name/ids.ts";
import { AccountState } from "../../shard/account/account.ts";
import { apply } from "../../shard/account/apply.ts";
import { checkpointRows } from "../../shard/account/checkpoint.ts";
import { checkShared } from "../../server/ops/check_shared.ts";
import { configOf } from "../../server/config/config.ts";
import type { Mutation, Store } from "../../server/node/ports.ts";
import { openPgStore } from "../../server/store/pg_open.ts";
import { openShared } from "../../server/open_store.ts";
import { parsePgAddress } from "../../server/config/pg_url.ts";
import { pointOf } from "../../shard/name/ids.ts";
import { startCluster } from "./cluster.ts";
import { systemTimers } from "../../server/system/timers.ts";

const cluster = startCluster(["fsync = off"]);
globalThis.addEventListener("unload", () => cluster.stop());

/** The rows of an account with sealed mailbox blocks. */
function rowsOf(user: string): Mutation[] {
  const name = user as AccountName;
  const account = new AccountState(name, pointOf(name));
  const id = user.padEnd(16, "A") as AccountId;
  const mailboxId = "M".repeat(16) as MailboxId;
  apply(account, { kind: "created", id, mailboxId, at: 1, credentials: null });
  for (let seq = 1; seq < 40; seq++) {
    const message = { num: seq, id: `m${seq}`, body: "x".repeat(1000), ext: "" };
    apply(account, {
      kind: "received",
      from: "peer" as AccountName,
      fromId: "P".repeat(16) as AccountId,
      n: seq,
      seq,
      at: seq,
      ...message,
    });
  }
  const rows: Mutation[] = [];
  for (let complete = false; !complete;) {
    const part = checkpointRows(account, 5);
    complete = part.complete;
    for (const { key, value } of part.rows) {
      if (value !== null) rows.push({ kind: "set", key, value: value.slice() });
    }
  }
  return rows;
}

const write = (store: Store, rows: readonly Mutation[]) =>
  new Promise<void>((resolve, reject) =>
    store.write(rows, (error) => error === null ? resolve() : reject(new Error(error.message)))
  );
const close = (store: Store) => new Promise<void>((done) => store.close(done));

Deno.test("10.6: a store in PostgreSQL is checked, and says whether data_checksums is on", async () => {
  const url = await cluster.database("checked");
  const config = configOf("/data", { "store.url": url });
  await assert.rejects(openShared(config, systemTimers()), /has no store: no server has used it/);
  const address = parsePgAddress(url)!;
  const { store, report } = await openPgStore({ address, rootCert: null, timers: systemTimers() });
  assert.equal(report.dataChecksums, false);
  await write(store, [...rowsOf("ann"), ...rowsOf("bob")]);
  const shared = await openShared(config, systemTimers());
  assert.match(shared.facts.join(), /is PostgreSQL 1[5-9].*data_checksums is off/);
  const good = await checkShared(shared.store, () => {});
  assert.deepEqual([good.accounts, good.faults], [2, []]);
  assert.ok(good.rows > 4, `${good.rows} rows`);
  const [block] = rowsOf("bob").filter(({ key }) => key[0] === "m");
  const head = rowsOf("ann").find(({ key }) => key[0] === "u")!;
  await write(store, [
    { kind: "delete", key: block!.key },
    { kind: "set", key: head.key, value: new Uint8Array([9, 9]) },
  ]);
  const { faults } = await checkShared(shared.store, () => {});
  assert.equal(faults.length, 2, faults.join());
  assert.match(faults.join(), /bob.*mailbox block 1: its head lists it, and it does not exist/);
  assert.match(faults.join(), /account ann.*its head: account checkpoint of version 9/);
  await close(shared.store);
  await close(store);
});

/** Runs `roost` with a store; returns its exit code and what it wrote. */
async function roost(args: readonly string[], url: string) {
  const dir = Deno.makeTempDirSync();
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const { code, stderr, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", main, ...args, "--data", dir],
    env: { ROOST_STORE: url },
  }).output();
  Deno.removeSync(dir, { recursive: true });
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, text: `${out}${err}` };
}

Deno.test("10.6: roost check says what it found in PostgreSQL", async () => {
  const url = await cluster.database("command");
  const address = parsePgAddress(url)!;
  const { store } = await openPgStore({ address, rootCert: null, timers: systemTimers() });
  await write(store, rowsOf("ann"));
  const good = await roost(["check"], url);
  assert.equal(good.code, 0, good.text);
  assert.match(good.text, /No damage was found/);
  assert.match(good.text, /data_checksums is off: it does not notice what its disk has changed/);
  const [block] = rowsOf("ann").filter(({ key }) => key[0] === "m");
  await write(store, [{ kind: "delete", key: block!.key }]);
  const bad = await roost(["check"], url);
  assert.equal(bad.code, 1, bad.text);
  assert.match(
    bad.text,
    /account ann: mailbox block 1: .*\n[^]*1 fault\. PostgreSQL is repaired by/,
  );
  await close(store);
});

Deno.test("10.6: records of logs are part of a check", async () => {
  const url = await cluster.database("logs");
  const address = parsePgAddress(url)!;
  const { store } = await openPgStore({ address, rootCert: null, timers: systemTimers() });
  const ask = <T>(run: (done: (error: unknown, value: T) => void) => void) =>
    new Promise<T>((resolve, reject) =>
      run((error, value) => error === null ? resolve(value) : reject(error))
    );
  const owner = { id: "node000000000001" as NodeId, incarnation: 1 };
  const open = [{ shard: 3, epoch: 1, start: 1, owner }];
  const table = new Uint8Array([1]);
  await ask<boolean>((done) => store.reshape({ version: 0, table, seal: [], open }, done));
  const [owned] = await ask<readonly ({ epoch: number } | null)[]>((done) =>
    store.claim([{ shard: 3, epoch: 1 }], owner, done)
  );
  const records = [new Uint8Array([1]), new Uint8Array([7])];
  const batch = { shard: 3, epoch: owned!.epoch, from: 1, records };
  await ask<void>((done) => store.append([batch], done));
  const { faults } = await checkShared(store, () => {});
  assert.match(faults.join("\n"), /shard 3: record 2 of its log: log record of version 7/);
  await close(store);
});
