import assert from "node:assert/strict";
import { type AccountEntry, recordOf } from "../../server/ops/log_repair.ts";
import type { AccountId, AccountName, MailboxId } from "../../shard/name/ids.ts";
import { closedHead } from "../../shard/account/salvage.ts";
import { DiskRows } from "../sim/disk_rows.ts";
import { encodeRegister, registerKey } from "../../server/store/register_rows.ts";
import { encodeTable, evenTable } from "../../shard/table/table.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import { Prng } from "../sim/prng.ts";
import { readRecord } from "../../shard/account/records.ts";
import { RepairPlan } from "../../server/ops/repair_plan.ts";
import type { StoreKey } from "../../server/node/ports.ts";
import { survey } from "../../server/ops/survey.ts";
import { TABLE_REGISTER } from "../../server/node/ports.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const ANN = "ann" as AccountName;
const BEN = "ben" as AccountName;
const CREATED: AccountEntry = {
  account: ANN,
  entry: {
    kind: "created",
    id: "AAAAAAAAAAAAAAAA" as AccountId,
    mailboxId: "MMMMMMMMMMMMMMMM" as MailboxId,
    at: 1,
    credentials: null,
  },
};
const DISABLED: AccountEntry = { account: ANN, entry: { kind: "disabled", disabled: true } };
const ENABLED: AccountEntry = { account: ANN, entry: { kind: "disabled", disabled: false } };
const RELEASED: AccountEntry = { account: BEN, entry: { kind: "released" } };

const recordKey = (lsn: number): StoreKey => ["log", 0, lsn];

/** Four records of one log. All of Ann is in it; of Ben, a checkpoint has what is before record 3. */
function storedLog(): MemoryDisk {
  const disk = new MemoryDisk(new VirtualTime(), new Prng(1));
  const table = encodeRegister({ version: 1, value: encodeTable(evenTable(1)) });
  disk.put(registerKey(TABLE_REGISTER), table);
  for (const { key, value } of closedHead(BEN, 2)) disk.put(key, value);
  const log = [[CREATED], [DISABLED], [ENABLED, RELEASED], [DISABLED]];
  for (const [i, entries] of log.entries()) disk.put(recordKey(i + 1), recordOf(entries));
  return disk;
}

/** Changes the stored bytes of a record. */
function damage(disk: MemoryDisk, lsn: number, change: (stored: Uint8Array) => Uint8Array): void {
  const row = disk.stored(["log", 0])[lsn - 1]!;
  disk.store(row.key, change(row.value.slice()));
}

/** Flips the lowest bit of the last byte: one that can be flipped back. */
function flipped(stored: Uint8Array): Uint8Array {
  stored[stored.length - 1]! ^= 1;
  return stored;
}

/** The records of the repaired store by LSN, and what the repair says of them. */
function repaired(disk: MemoryDisk) {
  const file = new DiskRows(disk);
  const plan = new RepairPlan(file, survey(file, () => {}));
  assert.deepEqual(plan.impossible, []);
  const log: Record<number, readonly AccountEntry[]> = {};
  plan.run(({ key, value }) => {
    if (key[0] === "log") log[key[2] as number] = readRecord(value);
  });
  return { log, kept: plan.kept, givenUp: plan.givenUp };
}

Deno.test("10.6: a record with a flipped bit is had back whole where no record is lost", () => {
  const disk = storedLog();
  damage(disk, 3, flipped);
  const { log, kept, givenUp } = repaired(disk);
  assert.deepEqual(log, {
    1: [CREATED],
    2: [DISABLED],
    3: [ENABLED, RELEASED],
    4: [DISABLED],
  });
  assert.deepEqual(kept, ["shard 0: record 3 of its log: one flipped bit is flipped back"]);
  assert.deepEqual(givenUp, []);
});

Deno.test("10.6: a record that is had back has nothing that rests on a lost one, as others behind that", () => {
  const disk = storedLog();
  damage(disk, 2, (stored) => stored.subarray(0, 5));
  damage(disk, 3, flipped);
  const { log, kept, givenUp } = repaired(disk);
  // Ann goes back to how she was before record 2. Of Ben nothing can be in it that is not kept.
  assert.deepEqual(log, { 1: [CREATED], 2: [], 3: [RELEASED], 4: [] });
  assert.deepEqual(kept, ["shard 0: record 3 of its log: one flipped bit is flipped back"]);
  assert.deepEqual(givenUp, [
    "shard 0: record 2 of its log",
    "account ann: what a lost record of its shard's log has of it, and 2 changes behind that " +
    "record, 0 messages among them",
  ]);
});
