/** Frames about copies of stores, and the register of roles over several places. */
import assert from "node:assert/strict";
import {
  type AccountName,
  type CellName,
  type DeviceId,
  parseCellName,
} from "../../shard/name/ids.ts";
import {
  decodeStandbyFrame,
  encodeStandbyFrame,
  type StandbyFrame,
} from "../../server/standby/link_frames.ts";
import { cellOfChannel, cellsOf, channelName } from "../../server/peer/cells/channel_name.ts";
import { NO_VOTE, RoleVoter, type StoredRoles } from "../../server/standby/voter.ts";
import { Prng } from "../sim/prng.ts";
import { type MemberId, type Roles, roleTimes } from "../../server/standby/role_types.ts";
import { RoleRegister } from "../../server/standby/role_register.ts";
import { resolveConfig } from "../../server/config/config.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { simRandom } from "../sim/prng.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const CELL = "a" as CellName;
const PLACES = ["a", "b", "w"] as CellName[];
const MEMBER = "m1" as MemberId;

/** Places that vote, of which some cannot be reached, and registers of processes at them. */
class Places {
  readonly time = new VirtualTime();
  readonly away = new Set<string>();
  readonly voters = new Map<CellName, RoleVoter>();
  /** What each place has stored. */
  readonly kept = new Map<CellName, StoredRoles>();
  readonly #prng = new Prng(7);
  readonly #registers: RoleRegister[] = [];

  constructor() {
    for (const place of PLACES) this.begin(place, true);
  }

  /** A place that has nothing stored; `knows`: it has never voted. */
  begin(place: CellName, knows: boolean): void {
    const voters = { generation: 1, places: PLACES };
    const stored: StoredRoles = {
      member: null,
      voters,
      vote: NO_VOTE,
      servedEpoch: 0,
      times: roleTimes(3000),
      sync: true,
      knows,
    };
    const file = { load: () => null, save: (kept: StoredRoles) => void this.kept.set(place, kept) };
    this.voters.set(place, new RoleVoter(file, stored, memoryLog().log));
  }

  register(place: CellName): RoleRegister {
    const process = this.time.process();
    const register: RoleRegister = new RoleRegister({
      clock: process.clock,
      timers: process.timers,
      random: simRandom(this.#prng),
      log: memoryLog().log,
      cell: CELL,
      place,
      voter: this.voters.get(place)!,
      voters: () => this.voters.get(place)!.voters,
      tell: (frame) => this.#carry(place, frame),
    });
    this.#registers.push(register);
    return register;
  }

  #carry(from: CellName, frame: StandbyFrame): void {
    if (frame.kind !== "ask" || this.away.has(frame.place) || this.away.has(from)) return;
    const read = decodeStandbyFrame(encodeStandbyFrame(frame)) as typeof frame;
    this.time.global.timers.after(10, () => {
      const vote = this.voters.get(read.place)!.take(read.voters, read.ask);
      if (vote === null) return;
      for (const register of this.#registers) register.voted(read.place, vote);
    });
  }

  run<T>(begin: (done: (value: T) => void) => void): T | undefined {
    let result: T | undefined;
    begin((value) => result = value);
    this.time.runFor(5000);
    return result;
  }
}

function roles(epoch: number, primary: string): Roles {
  return { epoch, primary: primary as MemberId, inSync: [MEMBER] };
}

Deno.test("12.4: frames about copies are read as they were written; later kinds are skipped", () => {
  const voters = { generation: 2, places: PLACES };
  const value = { version: 3, roles: roles(4, "m2") };
  const ballot = { counter: 5, cell: "b.x" as CellName };
  const at = { cell: CELL, stream: 7 };
  const bytes = new Uint8Array([1, 2]);
  const frames: readonly StandbyFrame[] = [
    { kind: "offer", ...at, epoch: 4, member: MEMBER, voters, times: roleTimes(3000), sync: true },
    { kind: "accepted", ...at, member: MEMBER },
    { kind: "down", ...at, frame: bytes },
    { kind: "up", ...at, frame: bytes },
    { kind: "ended", ...at, why: "x" },
    {
      kind: "role",
      cell: CELL,
      from: MEMBER,
      to: MEMBER,
      message: { kind: "beacon", epoch: 1, sentMs: 2 },
    },
    { kind: "ask", cell: CELL, place: CELL, voters, ask: { kind: "accept", ballot, value } },
    {
      kind: "vote",
      cell: CELL,
      place: CELL,
      vote: { kind: "promise", ballot, accepted: { ballot, value } },
    },
    { kind: "voters_ask", cell: CELL },
    { kind: "voters", cell: CELL, voters },
    {
      kind: "unreplicated",
      cell: CELL,
      n: 3,
      messages: [{
        from: "ann" as AccountName,
        to: "bob" as AccountName,
        id: "m",
        body: "Hello",
        ext: "",
        device: "DDDDDDDDDDDDDDDD" as DeviceId,
        at: 8,
      }],
    },
    { kind: "resubmitted", cell: CELL, n: 3 },
  ];
  for (const frame of frames) {
    assert.deepEqual(decodeStandbyFrame(encodeStandbyFrame(frame)), frame);
  }
  assert.equal(decodeStandbyFrame(new Uint8Array([200, 1])), null);
  assert.throws(() => decodeStandbyFrame(new Uint8Array([9, 1])));
});

Deno.test("12.4: the channel of a store has a name that no cell can have", () => {
  const channel = channelName(CELL, "b" as CellName);
  assert.equal(parseCellName(channel), null);
  assert.equal(cellOfChannel(channel), CELL);
  assert.equal(cellOfChannel(CELL), null);
  assert.deepEqual(cellsOf({ cells: [CELL, channel] }), [CELL]);
});

Deno.test("12.4: two of three places decide on roles, one alone does not, and versions do not repeat", () => {
  const places = new Places();
  const [a, b] = [places.register(PLACES[0]!), places.register(PLACES[1]!)];
  const change = (register: RoleRegister, version: number, to: Roles) =>
    places.run<string>((done) => register.change(version, to, done));
  assert.equal(change(a, 0, roles(1, "a")), "set");
  places.away.add("a");
  assert.equal(change(b, 0, roles(2, "b")), "other");
  assert.equal(change(b, 1, roles(2, "b")), "set");
  assert.equal(change(a, 2, roles(3, "a")), "unknown");
  places.away.delete("a");
  const read = places.run((done) => a.read(done));
  assert.deepEqual(read, { version: 2, roles: roles(2, "b") });
});

Deno.test("12.4: a place that has lost its votes learns what was decided before it votes again", () => {
  const places = new Places();
  const a = places.register(PLACES[0]!);
  places.away.add("b");
  assert.equal(places.run<string>((done) => a.change(0, roles(1, "a"), done)), "set");
  places.away.delete("b");
  // The disk of `a` is a new one: `a` and `b`, which has missed it, are no majority that knows it.
  places.begin(PLACES[0]!, false);
  places.away.add("w");
  const again = places.register(PLACES[0]!);
  assert.equal(places.voters.get(PLACES[0]!)!.knows, false);
  assert.equal(places.run((done) => again.read(done)), null);
  places.away.delete("w");
  const read = places.run((done) => again.read(done));
  assert.deepEqual(read, { version: 1, roles: roles(1, "a") });
  assert.equal(places.kept.get(PLACES[0]!)!.knows, true, "and after a restart as well");
});

Deno.test("12.4: a place whose disk is full does not vote, and remembers what it had", () => {
  const { log, lines } = memoryLog();
  let full = true;
  const file = {
    load: () => null,
    save: () => {
      if (full) throw new Error("No space left on device");
    },
  };
  const voters = { generation: 1, places: PLACES };
  const times = roleTimes(3000);
  const begin = { member: null, voters, vote: NO_VOTE, servedEpoch: 3, times, sync: true };
  const voter = new RoleVoter(file, begin, log);
  const ask = { kind: "prepare", ballot: { counter: 1, cell: "a.x" as CellName } } as const;
  assert.equal(voter.take(voters, ask), null);
  assert.equal(voter.take({ ...voters, generation: 2 }, ask), null);
  assert.equal(voter.learn({ ...voters, generation: 2 }), false);
  assert.equal(voter.save({ servedEpoch: 0 }), false);
  assert.deepEqual(voter.stored, begin);
  assert.equal(lines.length, 1, "the operator learns it once");
  full = false;
  assert.equal(voter.take(voters, ask)?.kind, "promise");
  full = true;
  assert.equal(voter.save({ servedEpoch: 0 }), false);
  assert.equal(lines.length, 2);
});

Deno.test("12.4: settings of a standby need another cell and an own store", () => {
  const whole = ["cells.name=a", "cells.listen=10.0.0.1:8423", "cells.secretFile=s"];
  const joins = [...whole, "cells.join=10.0.0.2:8423", "standby.at=b"];
  const faults = (...set: readonly string[]) => {
    const flags = set.map((flag) => {
      const [key, text] = flag.split("=") as [string, string];
      return { flag: "--set", key, text };
    });
    const input = { dataDir: "/data", file: null, env: {}, flags, filesMax: null, cwd: "/" };
    const result = resolveConfig(input);
    return result.ok ? "" : result.errors.join("; ");
  };
  assert.equal(faults(...joins, "standby.voters=w"), "");
  assert.match(faults(...whole, "standby.at=b"), /cells.join/);
  assert.match(faults(...joins.slice(0, -1), "standby.at=a"), /this cell/);
  assert.equal(faults(...joins, "cell.workers=2"), "");
  assert.match(faults(...joins, "store.url=postgres://u@h:5432/d"), /PostgreSQL/);
  assert.match(faults(...joins, "standby.voters=b"), /vote anyway/);
  assert.match(faults(...whole, "standby.voters=w"), /without standby.at/);
});
