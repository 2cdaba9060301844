/** A member of a store whose place cannot store what it has to remember, as on a full disk. */
import assert from "node:assert/strict";
import type { CellName } from "../../shard/name/ids.ts";
import { KeptMessages } from "../sim/standby_messages.ts";
import type { MemberId, Roles } from "../../server/standby/role_types.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { NO_VOTE, RoleVoter, type StoredRoles } from "../../server/standby/voter.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import { roleTimes } from "../../server/standby/role_types.ts";
import { StoreMember } from "../../server/standby/store_member.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const [PLACE, A, B] = ["b", "a1", "b1"] as unknown as [CellName, MemberId, MemberId];
const TAKEOVER_MS = 3000;

/** Member `b1` over the only voter; `refuses`: what its place does not store. */
async function memberOf(
  roles: Roles | null,
  refuses: (stored: StoredRoles, before: StoredRoles) => boolean,
) {
  const time = new VirtualTime();
  const { clock, timers } = time.process();
  const { log } = memoryLog();
  const ballot = { counter: 1, cell: PLACE };
  const accepted = roles === null ? null : { ballot, value: { version: 5, roles } };
  const of = { member: B, servedEpoch: 0, times: roleTimes(TAKEOVER_MS), sync: false };
  const voters = { generation: 1, places: [PLACE] };
  const at = { full: true, epoch: 0 };
  let kept: StoredRoles = { ...of, voters, vote: { ...NO_VOTE, accepted } };
  const save = (stored: StoredRoles) => {
    if (at.full && refuses(stored, kept)) throw new Error("No space left on device");
    kept = stored;
  };
  const member = new StoreMember({
    ...{ clock, timers, log, random: simRandom(new Prng("member")) },
    ...{ cell: "a" as CellName, place: PLACE, member: B, votes: true, founds: roles === null },
    voter: new RoleVoter({ load: () => kept, save }, kept, log),
    ...{ servedEpoch: 0, mode: "async", openCopy: null, unreplicated: new KeptMessages() },
    lag: { writesMax: 100, msMax: 1000 },
    limits: { windowBytes: 10_000, fillBytesPerSecond: 10_000 },
    ...{ linked: () => [], standbys: () => [], ready: () => {}, lost: () => {} },
    serves: (epoch) => at.epoch = epoch,
  });
  await member.start();
  return { at, time, stored: () => kept };
}

Deno.test("12: a standby takes over once it has stored that clients' cursors end", async () => {
  const roles = { epoch: 1, primary: A, inSync: [B] };
  const { at, stored, time } = await memberOf(roles, ({ resets }) => resets === true);
  time.runFor(4 * TAKEOVER_MS);
  assert.deepEqual([at.epoch, stored().vote.accepted?.value.roles], [0, roles]);
  at.full = false;
  time.runFor(TAKEOVER_MS);
  assert.deepEqual([at.epoch, stored().resets], [2, true]);
});

Deno.test("12: a primary serves once it has stored that its place may have what no other has", async () => {
  const wrote = (stored: StoredRoles, before: StoredRoles) =>
    stored.wrote === true && before.wrote !== true;
  const { at, stored, time } = await memberOf(null, wrote);
  time.runFor(TAKEOVER_MS);
  assert.deepEqual([at.epoch, stored().wrote], [0, undefined]);
  at.full = false;
  time.runFor(TAKEOVER_MS);
  assert.deepEqual([at.epoch, stored().wrote], [1, true]);
});
