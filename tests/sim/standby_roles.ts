/**
 * Members that hold one store's role by a register, with an abstract store: a list of writes that the
 * primary sends to the others in order. All of it in virtual time, with cuts, crashes, pauses, clocks
 * of different speed, new disks, and register operations whose replies are lost or late.
 */
import {
  DRIFT,
  type MemberId,
  type Registered,
  type RoleMessage,
  type Roles,
} from "../../server/standby/role_types.ts";
import { ORDER_MS, RoleMachine } from "../../server/standby/roles.ts";
import type { Prng } from "./prng.ts";
import type { VirtualProcess, VirtualTime } from "./virtual_time.ts";

/** As the defaults are meant to be. */
export const TIMES = {
  beaconMs: 400,
  shrinkMs: 1600,
  leaseMs: 3000,
  takeoverMs: 4000,
  readMs: 2000,
};

/** How late an operation of the register may happen (ms). */
export const LATE_MS = 15_000;
/** How long a member may stay behind (ms). */
const LOST_MS = 700;

/** What a member's disk has. */
export interface RoleDisk {
  readonly member: MemberId;
  log: readonly number[];
  /** The epoch of the primary whose writes it has from the first to the last one; 0: none. */
  epoch: number;
  servedEpoch: number;
}

type Wire =
  | { readonly kind: "role"; readonly message: RoleMessage }
  | { readonly kind: "all"; readonly epoch: number; readonly log: readonly number[] }
  | { readonly kind: "write"; readonly epoch: number; readonly at: number; readonly id: number }
  | { readonly kind: "has"; readonly epoch: number; readonly count: number };

/** The register, which everybody reaches or not. */
export class RoleRegister {
  value: Registered = { version: 0, roles: null };
  readonly history: Roles[] = [];
  changed: () => void = () => {};

  /** Sets it where the version fits. */
  change(version: number, roles: Roles): boolean {
    if (version !== this.value.version) return false;
    this.value = { version: version + 1, roles };
    this.history.push(roles);
    this.changed();
    return true;
  }
}

/** What the members share. */
export interface RoleNet {
  readonly time: VirtualTime;
  readonly prng: Prng;
  readonly register: RoleRegister;
  /** What members with an operator's order have asked for, which may happen late. */
  readonly ordered: Set<Roles>;
  /** Probability that a message or a reply of the register is lost. */
  lost: number;
  /** Whether a message arrives; "register" is one of the two where a member asks it. */
  reaches(from: string, to: string): boolean;
  site(member: MemberId): Site | undefined;
  acked(id: number): void;
  /** A member is about to ask for a change of the register. */
  asksChange(site: Site): void;
  nextId(): number;
}

/** A place with a disk, on which one process at a time runs. */
export class Site {
  readonly name: string;
  readonly #net: RoleNet;
  disk: RoleDisk;
  machine: RoleMachine | null = null;
  process: VirtualProcess | null = null;
  #whole = false;
  /** At the primary: what each other member has; absent: not known. */
  #has = new Map<MemberId, number>();
  /** Since when a member that is behind has taken nothing. */
  readonly #behindMs = new Map<MemberId, number>();
  #required: readonly MemberId[] = [];
  /** Writes up to here are acknowledged. */
  #ackedCount = 0;
  /** By joining member, the length from which on it is complete. */
  #joinAt = new Map<MemberId, number>();
  #epoch = 0;
  #handing = false;
  /** Until when the process does what an operator has ordered. */
  #orderedUntilMs = -Infinity;

  constructor(name: string, net: RoleNet) {
    this.name = name;
    this.#net = net;
    this.disk = this.newDisk(1);
  }

  newDisk(number: number): RoleDisk {
    return { member: `${this.name}${number}` as MemberId, log: [], epoch: 0, servedEpoch: 0 };
  }

  get founds(): boolean {
    return this.name === "a";
  }

  start(): void {
    const { prng, time } = this.#net;
    const rate = 1 + (prng.number() - 0.5) * 2 * DRIFT * 0.9;
    this.process = time.process({ monoStartMs: prng.number() * 1e6, wallAheadMs: 0, rate });
    this.#whole = this.disk.epoch > 0 || this.founds;
    this.machine = new RoleMachine({
      self: this.disk.member,
      times: TIMES,
      founds: this.founds && this.disk.member === "a1",
      whole: this.#whole,
      servedEpoch: this.disk.servedEpoch,
    }, this.process.clock.monoMs());
    this.#has = new Map();
    this.#required = [];
    this.#joinAt = new Map();
    this.#epoch = 0;
    this.#handing = false;
    this.#orderedUntilMs = -Infinity;
    this.#tick(this.process);
  }

  crash(): void {
    this.process?.kill();
    this.process = null;
    this.machine = null;
  }

  /** Whether it would answer a read now. */
  get serves(): boolean {
    return this.machine?.servesAt(this.process!.clock.monoMs()) === true;
  }

  /** A client writes here; it is acknowledged when all that are required have it. */
  write(): void {
    if (!this.serves || this.process!.state !== "running") return;
    const id = this.#net.nextId();
    const at = this.disk.log.length;
    this.disk.log = [...this.disk.log, id];
    for (const to of this.#has.keys()) {
      this.#send(to, { kind: "write", epoch: this.#epoch, at, id });
    }
    this.#acknowledge();
  }

  handOver(to: MemberId): void {
    if (this.machine?.isPrimary !== true) return;
    this.#handing = true;
    this.#step({ kind: "hand_over", to });
  }

  /** What was to be handed over takes too long. */
  keep(): void {
    if (this.machine === null || this.process!.state !== "running") return;
    this.#step({ kind: "keep" });
    this.#handing = false;
  }

  /** An operator makes it the primary; `anyway`: though it is not in sync. */
  promote(anyway: boolean): void {
    if (this.machine === null || this.process!.state !== "running") return;
    this.#orderedUntilMs = this.process!.clock.monoMs() + ORDER_MS;
    if (anyway) this.#isWhole();
    this.#step({ kind: "promote", anyway });
  }

  // ---- the process

  #tick(process: VirtualProcess): void {
    if (this.process !== process) return;
    this.#step({ kind: "tick" });
    if (this.machine!.isPrimary) this.#offer();
    if (this.#handing && this.#allHave()) this.#step({ kind: "drained" });
    process.timers.after(TIMES.beaconMs / 4, () => this.#tick(process));
  }

  #step(input: Parameters<RoleMachine["step"]>[1]): void {
    for (const effect of this.machine!.step(this.process!.clock.monoMs(), input)) {
      switch (effect.kind) {
        case "read":
          this.#register((register) => register.value, (registered) => {
            this.#step({ kind: "read", registered });
          });
          break;
        case "change":
          if (this.process!.clock.monoMs() < this.#orderedUntilMs) {
            this.#net.ordered.add(effect.roles);
          }
          this.#net.asksChange(this);
          this.#register((r) => r.change(effect.version, effect.roles), (set) => {
            const outcome = set === null ? "unknown" : set ? "set" : "other";
            this.#step({ kind: "changed", outcome });
          });
          break;
        case "send":
          this.#send(effect.to, { kind: "role", message: effect.message });
          break;
        case "require":
          this.#require(effect.members);
          break;
        case "serve":
          this.#begin(effect.epoch);
          break;
        case "stop":
          if (!this.machine!.isPrimary) this.#handing = false;
          break;
      }
    }
  }

  /** The operation happens at some time, or never; its reply arrives within a second, or never. */
  #register<T>(run: (register: RoleRegister) => T, done: (value: T | null) => void): void {
    const { prng, register, lost, time } = this.#net;
    const process = this.process;
    if (process === null) return;
    let over = false;
    const reply = (value: T | null) => {
      if (over || this.process !== process) return;
      over = true;
      done(value);
    };
    process.timers.after(1000, () => reply(null));
    if (!this.#net.reaches(this.name, "register") || prng.chance(lost)) return;
    // A change that is late may happen long after its member has ended.
    const lateMs = prng.chance(0.1) ? prng.number() * LATE_MS : prng.number() * 60;
    time.global.timers.after(lateMs, () => {
      const value = run(register);
      if (prng.chance(lost) || !this.#net.reaches(this.name, "register")) return;
      process.timers.after(prng.number() * 60, () => reply(value));
    });
  }

  #send(to: MemberId, wire: Wire): void {
    const { prng, time } = this.#net;
    const site = this.#net.site(to);
    if (site === undefined || !this.#net.reaches(this.name, site.name)) return;
    if (wire.kind === "role" && prng.chance(this.#net.lost)) return;
    const process = site.process;
    const delayMs = wire.kind === "role" ? 5 + prng.number() * (prng.chance(0.05) ? 900 : 40) : 30;
    const from = this.disk.member;
    time.global.timers.after(delayMs, () => {
      if (process === null || site.process !== process || site.disk.member !== to) return;
      if (!this.#net.reaches(this.name, site.name)) return;
      process.timers.soon(() => {
        if (site.process === process) site.#take(from, wire);
      });
    });
  }

  #take(from: MemberId, wire: Wire): void {
    switch (wire.kind) {
      case "role":
        return this.#step({ kind: "message", from, message: wire.message });
      case "all":
        // As a copy with a stream of a later primary refuses that of an earlier one.
        if (!this.machine!.follows(wire.epoch) || wire.epoch < this.disk.epoch) return;
        this.disk.log = wire.log;
        this.disk.epoch = wire.epoch;
        this.#isWhole();
        return this.#send(from, { kind: "has", epoch: wire.epoch, count: wire.log.length });
      case "write":
        if (!this.machine!.follows(wire.epoch) || this.disk.epoch !== wire.epoch) return;
        if (wire.at !== this.disk.log.length) return;
        this.disk.log = [...this.disk.log, wire.id];
        return this.#send(from, { kind: "has", epoch: wire.epoch, count: wire.at + 1 });
      case "has":
        if (wire.epoch !== this.#epoch || !this.machine!.isPrimary) return;
        return this.#hasUpTo(from, wire.count);
    }
  }

  #isWhole(): void {
    if (this.#whole) return;
    this.#whole = true;
    this.#step({ kind: "whole", whole: true });
  }

  // ---- the primary

  #begin(epoch: number): void {
    this.disk.servedEpoch = epoch;
    this.disk.epoch = epoch;
    this.#handing = false;
  }

  /** Sends everything to members that do not follow, and notes those that have fallen behind. */
  #offer(): void {
    const epoch = this.machine!.registered!.roles!.epoch;
    if (this.#epoch !== epoch) {
      this.#epoch = epoch;
      this.#has = new Map();
      this.#joinAt = new Map();
      this.#ackedCount = 0;
    }
    for (const name of ["a", "b", "c"]) {
      const site = this.#net.site(name as MemberId);
      if (site === undefined || site === this) continue;
      const { member } = site.disk;
      const count = this.#has.get(member);
      if (count === this.disk.log.length) {
        this.#behindMs.delete(member);
        continue;
      }
      this.#noteBehind(member);
      this.#send(member, { kind: "all", epoch, log: this.disk.log });
    }
  }

  /** A member that stays behind is given up; it may join again. */
  #noteBehind(member: MemberId): void {
    const nowMs = this.process!.clock.monoMs();
    const sinceMs = this.#behindMs.get(member) ?? nowMs;
    this.#behindMs.set(member, sinceMs);
    if (nowMs - sinceMs < LOST_MS) return;
    this.#behindMs.delete(member);
    this.#has.delete(member);
    this.#joinAt.delete(member);
    this.#step({ kind: "copy", member, state: "lost" });
  }

  #hasUpTo(member: MemberId, count: number): void {
    this.#behindMs.delete(member);
    this.#has.set(member, Math.max(count, this.#has.get(member) ?? 0));
    if (!this.#required.includes(member)) this.#step({ kind: "copy", member, state: "following" });
    const from = this.#joinAt.get(member);
    if (from !== undefined && count >= from) {
      this.#joinAt.delete(member);
      this.#step({ kind: "copy", member, state: "complete" });
    }
    this.#acknowledge();
  }

  #require(members: readonly MemberId[]): void {
    for (const member of members) {
      if (!this.#required.includes(member)) this.#joinAt.set(member, this.disk.log.length);
    }
    this.#required = members;
    if (this.machine!.isPrimary) this.#acknowledge();
  }

  #allHave(): boolean {
    return this.#required.every((m) => (this.#has.get(m) ?? -1) >= this.disk.log.length);
  }

  #acknowledge(): void {
    if (this.#epoch === 0 || !this.machine!.isPrimary) return;
    const { log } = this.disk;
    while (this.#ackedCount < log.length) {
      const count = this.#ackedCount;
      if (!this.#required.every((m) => (this.#has.get(m) ?? -1) > count)) return;
      this.#net.acked(log[count]!);
      this.#ackedCount++;
    }
  }
}
