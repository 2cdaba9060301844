/**
 * Who is the primary of a store and which of its standbys may take over, as a pure state machine of
 * one member. What is decided is in a register (linearizable, changed by compare-and-set); everything
 * else delays or asks.
 *
 * 1. The *required* members are those of which each must have a write before it is acknowledged, and
 *    must have answered a beacon lately for the primary to serve. They are never fewer than the in-sync
 *    members that the register may hold: a member leaves the register first, and joins it last.
 * 2. Only a member that the register lists as in sync takes over, after `takeoverMs` without a beacon,
 *    by a change of the register that drops the former primary. From the moment at which it asks for
 *    that until the register has changed, it answers no beacon, so the former primary's lease ends.
 *    Whatever made it the primary, an operator's order too, it serves only after that end.
 * 3. A process knows nothing of beacons answered before its start: it waits as long as if it had
 *    answered one just then. A primary that starts again changes the register before it serves, so
 *    that no change that it asked for before its end can happen later.
 */

import {
  lentMs,
  type MemberId,
  type Registered,
  type RoleEffect,
  type RoleInput,
  type RoleMessage,
  type RoleOptions,
  type Roles,
} from "./role_types.ts";

/** How long an order to take over counts, where the copy may be in sync (ms). */
export const ORDER_MS = 30_000;

/** See the head of this file. Times are those of the member's monotonic clock (ms). */
export class RoleMachine {
  readonly #options: RoleOptions;
  #out: RoleEffect[] = [];
  #nowMs = 0;
  #registered: Registered | null = null;
  #asking: "read" | "change" | null = null;
  #askedMs = -Infinity;
  /** When the next change may be asked for. */
  #changeAtMs = -Infinity;
  #whole: boolean;
  /** What this process wants the register to hold, until its version is another one. */
  #wanted: { readonly version: number; readonly roles: Roles } | null = null;

  // As a standby.
  /** The last sign of life of the primary. */
  #heardMs: number;
  /** The last answer to a beacon. */
  #answeredMs: number;
  /** Until when an operator wants this copy to be the primary, if it is in sync; Infinity: anyway. */
  #orderedUntilMs = -Infinity;

  // As the primary.
  /** Whether this process has made itself the primary, and at which epoch. */
  #epoch = 0;
  #serving = false;
  #beaconMs = -Infinity;
  readonly #leases = new Map<MemberId, number>();
  /** Since when a member that has answered nothing yet is waited for. */
  readonly #since = new Map<MemberId, number>();
  #joining = new Map<MemberId, "following" | "complete">();
  readonly #lost = new Set<MemberId>();
  #handTo: MemberId | null = null;
  #drained = false;
  /** The handover is to be taken back. */
  #keeps = false;
  #required: readonly MemberId[] = [];

  /** Throws where the times could not keep two primaries apart. */
  constructor(options: RoleOptions, nowMs: number) {
    const { leaseMs, shrinkMs, takeoverMs, beaconMs } = options.times;
    if (takeoverMs < lentMs(leaseMs)) {
      throw new Error(`takeoverMs is ${takeoverMs}, wants more than leaseMs, ${leaseMs}`);
    }
    if (beaconMs * 2 > Math.min(leaseMs, shrinkMs)) {
      throw new Error(`beaconMs is ${beaconMs}, wants at most half of leaseMs and shrinkMs`);
    }
    this.#options = options;
    this.#whole = options.whole;
    this.#heardMs = nowMs;
    this.#answeredMs = nowMs;
  }

  /** Whether it answers as the primary now. */
  get serving(): boolean {
    return this.#serving;
  }

  /** Whether it may answer from its rows at this time: a lease ends between two steps, too. */
  servesAt(nowMs: number): boolean {
    return this.#handTo === null && this.leasedAt(nowMs);
  }

  /** Whether no other place answers at this time: it may hand its role over meanwhile. */
  leasedAt(nowMs: number): boolean {
    return this.leaseLeftMs(nowMs) > 0;
  }

  /** For how long no other place answers, from this time on; 0: one may (ms). */
  leaseLeftMs(nowMs: number): number {
    if (!this.#isPrimary) return 0;
    const { servedEpoch, times: { leaseMs } } = this.#options;
    // An answer to a beacon may still let another member serve.
    const alone = this.#epoch === servedEpoch + 1;
    if (!alone && nowMs - this.#answeredMs < lentMs(leaseMs)) return 0;
    // One that joins gives a lease before the register may hold it.
    const fromMs = this.#required.filter((member) => this.#mayBeInSync(member))
      .map((member) => this.#leases.get(member) ?? -Infinity);
    return Math.max(0, Math.min(nowMs, ...fromMs) + leaseMs - nowMs);
  }

  /** Whether it takes writes of the primary of this epoch, and replies to its beacons. */
  follows(epoch: number): boolean {
    const roles = this.#roles;
    return roles !== null && roles.primary !== this.#options.self && epoch >= roles.epoch &&
      this.#wanted === null;
  }

  /** Whether it is to hand its role over, or may have done so. */
  get handsOver(): boolean {
    return this.#handTo !== null;
  }

  /** Whether this process is the primary that the register names, as far as it knows. */
  get isPrimary(): boolean {
    return this.#isPrimary;
  }

  /** The register as this member last saw it. */
  get registered(): Registered | null {
    return this.#registered;
  }

  /** Takes an input; returns what to do, in this order. A tick is due every quarter of `beaconMs`. */
  step(nowMs: number, input: RoleInput): readonly RoleEffect[] {
    this.#nowMs = nowMs;
    this.#out = [];
    this.#take(input);
    // A change that was asked for may still happen.
    if (this.#keeps && this.#wanted?.roles.primary !== this.#handTo) this.#handTo = null;
    this.#decide();
    this.#require();
    this.#serve();
    return this.#out;
  }

  #take(input: RoleInput): void {
    switch (input.kind) {
      case "tick":
        return;
      case "read":
        this.#asking = null;
        if (input.registered !== null) this.#see(input.registered);
        return;
      case "changed":
        return this.#changed(input.outcome);
      case "message":
        return this.#message(input.from, input.message);
      case "copy":
        return this.#copy(input.member, input.state);
      case "whole":
        this.#whole = input.whole;
        return;
      case "hand_over":
        // Its successor serves at once: the primary before this one must have no lease any more.
        if (!this.leasedAt(this.#nowMs) || this.#wanted !== null) return;
        if (!this.#roles!.inSync.includes(input.to)) return;
        this.#handTo = input.to;
        this.#drained = false;
        this.#keeps = false;
        return;
      case "drained":
        this.#drained = this.#handTo !== null;
        return;
      case "keep":
        this.#keeps = true;
        return;
      case "promote":
        this.#orderedUntilMs = input.anyway ? Infinity : this.#nowMs + ORDER_MS;
        return;
    }
  }

  get #roles(): Roles | null {
    return this.#registered?.roles ?? null;
  }

  /** Whether this process is the primary that the register names. */
  get #isPrimary(): boolean {
    const roles = this.#roles;
    return roles?.primary === this.#options.self && roles.epoch === this.#epoch;
  }

  // ---- the register

  #see(registered: Registered): void {
    const before = this.#registered;
    if (before !== null && registered.version <= before.version) return;
    this.#registered = registered;
    // Whatever was asked for at an older version cannot happen any more.
    if (this.#wanted !== null && this.#wanted.version < registered.version) this.#wanted = null;
    // Somebody lives who has changed it.
    if (before !== null) this.#heardMs = this.#nowMs;
    if (registered.roles?.primary === this.#options.self) this.#orderedUntilMs = -Infinity;
    for (const member of registered.roles?.inSync ?? []) this.#joining.delete(member);
    if (!this.#isPrimary) this.#resign();
  }

  #resign(): void {
    this.#joining.clear();
    this.#leases.clear();
    this.#since.clear();
    this.#lost.clear();
    this.#handTo = null;
    this.#drained = false;
  }

  #changed(outcome: (RoleInput & { readonly kind: "changed" })["outcome"]): void {
    this.#asking = null;
    const wanted = this.#wanted;
    if (outcome === "unasked") {
      this.#wanted = null;
      this.#changeAtMs = this.#nowMs + this.#options.times.beaconMs;
      return;
    }
    if (outcome !== "set" || wanted === null) return this.#read();
    const { self } = this.#options;
    const successor = this.#handTo;
    if (wanted.roles.primary === self) this.#epoch = wanted.roles.epoch;
    this.#see({ version: wanted.version + 1, roles: wanted.roles });
    if (successor !== null && wanted.roles.primary === successor) {
      this.#send(successor, { kind: "yielded", epoch: wanted.roles.epoch });
    }
  }

  #read(): void {
    if (this.#asking !== null) return;
    this.#asking = "read";
    this.#askedMs = this.#nowMs;
    this.#out.push({ kind: "read" });
  }

  #change(roles: Roles): void {
    const { version } = this.#registered!;
    this.#asking = "change";
    this.#askedMs = this.#nowMs;
    this.#wanted = { version, roles };
    this.#out.push({ kind: "change", version, roles });
  }

  /** Asks for the next change of the register, or for its value. */
  #decide(): void {
    if (this.#asking !== null) return;
    const wait = this.#nowMs - this.#askedMs;
    const { times: { readMs, beaconMs } } = this.#options;
    if (this.#registered === null) return wait >= beaconMs ? this.#read() : undefined;
    const next = this.#wanted?.roles ?? this.#next();
    // A change of unknown outcome is asked for again until the version says how it went.
    const due = this.#wanted === null ? this.#nowMs >= this.#changeAtMs : wait >= beaconMs;
    if (next !== null && due) return this.#change(next);
    if (wait >= readMs) this.#read();
  }

  #next(): Roles | null {
    const { self, founds } = this.#options;
    const roles = this.#roles;
    if (roles === null) return founds ? { epoch: 1, primary: self, inSync: [] } : null;
    if (roles.primary !== self) return this.#takeover(roles);
    if (roles.epoch !== this.#epoch) return { ...roles, epoch: roles.epoch + 1 };
    const { inSync } = roles;
    if (this.#handTo !== null && this.#isGone(this.#handTo)) this.#handTo = null;
    if (this.#handTo !== null && this.#drained) {
      return { epoch: roles.epoch + 1, primary: this.#handTo, inSync: [self] };
    }
    const gone = inSync.find((member) => this.#isGone(member));
    if (gone !== undefined) return { ...roles, inSync: inSync.filter((m) => m !== gone) };
    const joined = [...this.#joining].find(([m, state]) => {
      return state === "complete" && !inSync.includes(m) && this.#leases.has(m) &&
        !this.#isGone(m);
    });
    return joined === undefined ? null : { ...roles, inSync: [...inSync, joined[0]] };
  }

  #takeover(roles: Roles): Roles | null {
    const { self, times: { takeoverMs } } = this.#options;
    const next = { epoch: roles.epoch + 1, primary: self, inSync: [] };
    if (this.#orderedUntilMs === Infinity) return next;
    if (!this.#whole || !roles.inSync.includes(self)) return null;
    const ordered = this.#nowMs < this.#orderedUntilMs;
    return ordered || this.#nowMs - this.#heardMs >= takeoverMs ? next : null;
  }

  #isGone(member: MemberId): boolean {
    if (this.#lost.has(member)) return true;
    const since = this.#since.get(member) ?? this.#nowMs;
    this.#since.set(member, since);
    const answeredMs = this.#leases.get(member) ?? since;
    return this.#nowMs - answeredMs >= this.#options.times.shrinkMs;
  }

  // ---- members

  #send(to: MemberId, message: RoleMessage): void {
    this.#out.push({ kind: "send", to, message });
  }

  #message(from: MemberId, message: RoleMessage): void {
    const roles = this.#roles;
    if (message.kind === "answer") {
      if (!this.#isPrimary || message.epoch !== this.#epoch) return;
      this.#leases.set(from, Math.max(this.#leases.get(from) ?? -Infinity, message.sentMs));
      return;
    }
    // What the register says is not known yet: this member may be the primary itself.
    if (roles === null) return;
    if (message.epoch > roles.epoch) this.#read();
    if (message.kind === "yielded") {
      if (message.epoch > roles.epoch) this.#answeredMs = -Infinity;
      return;
    }
    if (!this.follows(message.epoch)) return;
    this.#heardMs = this.#nowMs;
    this.#answeredMs = this.#nowMs;
    this.#send(from, { ...message, kind: "answer" });
  }

  #copy(member: MemberId, state: "following" | "complete" | "lost"): void {
    if (!this.#isPrimary) return;
    const inSync = this.#roles!.inSync.includes(member);
    if (state === "lost") {
      this.#lost.add(member);
      // One that the register may hold is required until the register says otherwise.
      if (!this.#mayBeInSync(member)) this.#joining.delete(member);
      return;
    }
    this.#lost.delete(member);
    if (inSync) return;
    if (!this.#joining.has(member)) {
      this.#leases.delete(member);
      this.#since.set(member, this.#nowMs);
    }
    this.#joining.set(member, state);
  }

  #mayBeInSync(member: MemberId): boolean {
    return this.#roles!.inSync.includes(member) ||
      this.#wanted?.roles.inSync.includes(member) === true;
  }

  // ---- the primary

  /** Says which members are required where they are others than before, and sends beacons. */
  #require(): void {
    const primary = this.#isPrimary;
    for (const member of this.#joining.keys()) {
      if (this.#isGone(member) && !this.#mayBeInSync(member)) this.#joining.delete(member);
    }
    const wanted = primary ? [...this.#roles!.inSync, ...this.#joining.keys()].sort() : [];
    if (wanted.join() !== this.#required.join()) {
      this.#required = wanted;
      this.#out.push({ kind: "require", members: wanted });
    }
    if (!primary || this.#nowMs - this.#beaconMs < this.#options.times.beaconMs) return;
    this.#beaconMs = this.#nowMs;
    for (const to of this.#required) {
      this.#send(to, { kind: "beacon", epoch: this.#epoch, sentMs: this.#nowMs });
    }
  }

  #serve(): void {
    const serves = this.servesAt(this.#nowMs);
    if (serves === this.#serving) return;
    this.#serving = serves;
    if (serves) this.#out.push({ kind: "serve", epoch: this.#epoch });
    else this.#out.push({ kind: "stop" });
  }
}
