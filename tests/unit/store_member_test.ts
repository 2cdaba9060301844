/** A member of a store before it serves: what its place has to remember, and other primaries. */
import assert from "node:assert/strict";
import type { CellName } from "../../shard/name/ids.ts";
import { KeptMessages } from "../sim/standby_messages.ts";
import type { MemberId, Roles } from "../../server/standby/role_types.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { NumberedRows } from "../../server/standby/numbered_rows.ts";
import { NO_VOTE, RoleVoter, type StoredRoles } from "../../server/standby/voter.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import { roleTimes } from "../../server/standby/role_types.ts";
import { StoreMember } from "../../server/standby/store_member.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const [PLACE, A, B] = ["b", "a1", "b1"] as unknown as [CellName, MemberId, MemberId];
const TAKEOVER_MS = 3000;

/** Member `b1` over the only voter, with a whole copy where it `follows`; `refuses`: what its place does not store. */
async function memberOf(
  roles: Roles | null,
  follows: boolean,
  refuses: (stored: StoredRoles, before: StoredRoles) => boolean = () => false,
) {
  const time = new VirtualTime();
  const process = time.process();
  const { clock, timers } = process;
  const disk = new MemoryDisk(time, new Prng("disk"));
  const { log } = memoryLog();
  const ballot = { counter: 1, cell: PLACE };
  const accepted = roles === null ? null : { ballot, value: { version: 5, roles } };
  const of = { member: B, servedEpoch: 0, times: roleTimes(TAKEOVER_MS), sync: false };
  const voters = { generation: 1, places: [PLACE] };
  const at = { full: true, epoch: 0, lost: false };
  let kept: StoredRoles = { ...of, voters, vote: { ...NO_VOTE, accepted } };
  const save = (stored: StoredRoles) => {
    if (at.full && refuses(stored, kept)) throw new Error("No space left on device");
    kept = stored;
  };
  const member = new StoreMember({
    ...{ clock, timers, log, random: simRandom(new Prng("member")) },
    ...{ cell: "a" as CellName, place: PLACE, member: B, votes: true, founds: roles === null },
    voter: new RoleVoter({ load: () => kept, save }, kept, log),
    ...{ servedEpoch: 0, mode: "async", unreplicated: new KeptMessages() },
    openCopy: follows ? () => Promise.resolve(disk.openStored(process)) : null,
    lag: { writesMax: 100, msMax: 1000 },
    limits: { windowBytes: 10_000, fillBytesPerSecond: 10_000 },
    ...{ linked: () => [], standbys: () => [], ready: () => {}, lost: () => at.lost = true },
    serves: (epoch) => at.epoch = epoch,
  });
  if (follows) {
    // Rows with a number are a whole copy.
    const options = { ringBytesMax: 1000, newRun: () => "run", later: timers.soon };
    NumberedRows.open(disk.openStored(process), options, (_, rows) => rows!.close(() => {}));
    time.runFor(1000);
  }
  const started = member.start();
  time.runFor(10);
  await null;
  time.runFor(10);
  await started;
  return { at, time, stored: () => kept };
}

Deno.test("12: a standby takes over once it has stored that clients' cursors end", async () => {
  const roles = { epoch: 1, primary: A, inSync: [B] };
  const { at, stored, time } = await memberOf(roles, true, ({ resets }) => resets === true);
  time.runFor(4 * TAKEOVER_MS);
  assert.deepEqual([at.epoch, stored().vote.accepted?.value.roles], [0, roles]);
  at.full = false;
  time.runFor(TAKEOVER_MS);
  assert.deepEqual([at.epoch, stored().resets], [2, true]);
});

Deno.test("12: a primary serves once it has stored that its place may have what no other has", async () => {
  const wrote = (stored: StoredRoles, before: StoredRoles) =>
    stored.wrote === true && before.wrote !== true;
  const { at, stored, time } = await memberOf(null, false, wrote);
  time.runFor(TAKEOVER_MS);
  assert.deepEqual([at.epoch, stored().wrote], [0, undefined]);
  at.full = false;
  time.runFor(TAKEOVER_MS);
  assert.deepEqual([at.epoch, stored().wrote], [1, true]);
});

Deno.test("12: a process that follows nobody ends once another place is the primary, though it never served", async () => {
  const idle = await memberOf({ epoch: 3, primary: A, inSync: [] }, false);
  idle.time.runFor(TAKEOVER_MS);
  assert.ok(idle.at.lost);
  const standby = await memberOf({ epoch: 3, primary: A, inSync: [] }, true);
  standby.time.runFor(TAKEOVER_MS);
  assert.ok(!standby.at.lost);
});
