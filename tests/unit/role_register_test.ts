/** The register of roles, as two members use it at one time over slow links. */
import assert from "node:assert/strict";
import type { CellName } from "../../shard/name/ids.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import type { MemberId, Registered } from "../../server/standby/role_types.ts";
import { NO_VOTE, RoleVoter } from "../../server/standby/voter.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import { RoleRegister } from "../../server/standby/role_register.ts";
import { roleTimes } from "../../server/standby/role_types.ts";
import type { StandbyFrame } from "../../server/standby/link_frames.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const PLACES = ["a", "b", "w"] as unknown as readonly CellName[];
const VOTERS = { generation: 1, places: PLACES };
/** One way of a link (ms). */
const WAY_MS = 150;
const READ_AGAIN_MS = 2000;

/** Three voters, and a register at each of two places. */
function registers(seed: number) {
  const time = new VirtualTime();
  const { log } = memoryLog();
  const { clock, timers } = time.global;
  const file = { load: () => null, save: () => {} };
  const [times, sync] = [roleTimes(3000), true];
  const stored = { member: null, voters: VOTERS, vote: NO_VOTE, servedEpoch: 0, times, sync };
  const voters = new Map(PLACES.map((place) => [place, new RoleVoter(file, stored, log)]));
  const registerOf = (place: CellName): RoleRegister => {
    const tell = (frame: StandbyFrame) => {
      if (frame.kind !== "ask") return;
      timers.after(WAY_MS, () => {
        const vote = voters.get(frame.place)!.take(VOTERS, frame.ask);
        if (vote !== null) timers.after(WAY_MS, () => register.voted(frame.place, vote));
      });
    };
    const register = new RoleRegister({
      cell: PLACES[0]!,
      place,
      voter: voters.get(place)!,
      voters: () => VOTERS,
      tell,
      clock,
      timers,
      log,
      random: simRandom(new Prng(`${place} ${seed}`)),
    });
    return register;
  };
  return { time, a: registerOf(PLACES[0]!), b: registerOf(PLACES[1]!) };
}

const ROLES = { epoch: 1, primary: "m" as MemberId, inSync: [] };

Deno.test("12: a change of the roles gets through while another member reads them, over a slow link", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { a, b, time } = registers(seed);
    const { timers } = time.global;
    const reads: (Registered | null)[] = [];
    const read = () =>
      b.read((registered) => {
        reads.push(registered);
        timers.after(READ_AGAIN_MS, read);
      });
    let outcome: string | null = null;
    const change = () =>
      a.change(0, ROLES, (how) => {
        if (how === "unknown") return change();
        outcome = how;
      });
    timers.after(seed * 30, read);
    change();
    time.runFor(1900);
    assert.equal(outcome, "set", `seed ${seed}`);
    time.runFor(6000);
    assert.deepEqual(reads.at(-1), { version: 1, roles: ROLES });
  }
});

Deno.test("12: of two members that change the roles at one time over a slow link, one gets through", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { a, b, time } = registers(seed);
    const outcomes = new Map<RoleRegister, string>();
    const change = (register: RoleRegister, primary: string) =>
      register.change(0, { ...ROLES, primary: primary as MemberId }, (how) => {
        if (how === "unknown") return change(register, primary);
        outcomes.set(register, how);
      });
    change(a, "one");
    change(b, "other");
    time.runFor(15_000);
    assert.deepEqual([...outcomes.values()].sort(), ["other", "set"], `seed ${seed}`);
  }
});
