/** The primary's side of a store's standbys: their streams, what each has, and which must have a write. */
import { AckGate, type AckMode, type LagLimits } from "./ack_gate.ts";
import type { CellName } from "../../shard/name/ids.ts";
import { CorruptBytes } from "../../shard/record/bytes.ts";
import { decodeFromStandby, encodeToStandby } from "./stream_frames.ts";
import type { MemberId, RoleInput, RoleTimes } from "./role_types.ts";
import type { NumberedRows } from "./numbered_rows.ts";
import { type Position, samePosition } from "./write_number.ts";
import { type RetryPolicy, retryWaitMs } from "../../shard/retry.ts";
import type { RoleVoters, StandbyFrame } from "./link_frames.ts";
import type { Runtime } from "../node/ports.ts";
import { type SenderLimits, StandbySender } from "./standby_sender.ts";
import type { StandbyPeer } from "./peer.ts";

/** How long a process may take to accept a stream before it is offered another one (ms). */
const ACCEPT_MS = 500;
/** Waits before another stream is offered to a process that ends them without taking anything. */
const OFFER: RetryPolicy = { leastMs: 0, baseMs: 200, capMs: 10_000, askedMaxMs: 0 };
/** A stream that has lasted for so long has not failed (ms). */
const STEADY_MS = 15_000;

/** What it is made with. */
export interface PrimaryOptions extends Pick<Runtime, "clock" | "timers" | "random" | "log"> {
  readonly cell: CellName;
  readonly member: MemberId;
  readonly rows: NumberedRows;
  readonly mode: AckMode;
  readonly lag: LagLimits;
  readonly limits: SenderLimits;
  readonly times: RoleTimes;
  /** The epoch at which this process is the primary; null: it is none now. */
  epoch(): number | null;
  voters(): RoleVoters;
  /** Processes at which standbys are to be. */
  peers(): readonly StandbyPeer[];
  /** Something has happened that concerns roles. */
  step(input: RoleInput): void;
}

interface Stream {
  readonly n: number;
  readonly peer: StandbyPeer;
  readonly epoch: number;
  readonly offeredMs: number;
  member: MemberId | null;
  sender: StandbySender | null;
  /** The first position that was acknowledged over it. */
  began: Position | null;
}

/** A process that ends its streams without taking anything, as on a full disk. */
interface Failing {
  readonly tries: number;
  readonly why: string;
  readonly notBeforeMs: number;
}

interface Has {
  at: Position;
  filling: boolean;
  /** Since when it has not had all writes, without any progress. */
  behindMs: number;
}

/** A standby as its primary sees it. */
export interface StandbyView {
  readonly member: MemberId;
  /** Where it is linked; null: it is not. */
  readonly peer: CellName | null;
  readonly state: "in sync" | "joining" | "filling" | "following" | "away";
  /** Writes that it does not have, and the age of the oldest that waits for it (ms). */
  readonly lagWrites: number;
  readonly lagMs: number;
}

/** See the head of this file. */
export class PrimarySide {
  readonly gate: AckGate;
  readonly #options: PrimaryOptions;
  #streams: Stream[] = [];
  readonly #failing = new Map<StandbyPeer, Failing>();
  #last = 0;
  readonly #has = new Map<MemberId, Has>();
  #required: readonly MemberId[] = [];
  /** Since when a required member has said nothing of what it has, though it may answer beacons. */
  readonly #unheard = new Map<MemberId, number>();
  /** By joining member, the number from which on it has all that was acknowledged. */
  readonly #joinAt = new Map<MemberId, number>();

  constructor(options: PrimaryOptions) {
    this.#options = options;
    this.gate = new AckGate(options.mode, options.clock, options.lag);
    options.rows.gate = this.gate;
  }

  /** The standbys; `inSync`: those that the register lists. */
  views(inSync: readonly MemberId[]): readonly StandbyView[] {
    const { rows } = this.#options;
    return [...this.#has].map(([member, has]) => {
      const stream = this.#streams.find((s) => s.member === member);
      const lagWrites = Math.max(0, rows.assigned - has.at.w);
      const state = stream === undefined
        ? "away"
        : has.filling
        ? "filling"
        : inSync.includes(member)
        ? "in sync"
        : this.#required.includes(member)
        ? "joining"
        : "following";
      const lagMs = lagWrites === 0 ? 0 : Math.round(this.gate.lag.ms);
      return { member, peer: stream?.peer.cell ?? null, state, lagWrites, lagMs };
    });
  }

  /** Whether a member has every write that has begun, and none waits for others. */
  hasAll(member: MemberId): boolean {
    const { rows } = this.#options;
    return rows.settled === rows.assigned && this.gate.lag.writes === 0 &&
      this.gate.hasAll(member, rows.assigned);
  }

  /** Offers streams, and gives up members that stay behind; a few times a second. */
  tick(): void {
    const { clock, epoch, peers, times } = this.#options;
    const nowMs = clock.monoMs();
    const own = epoch();
    for (const stream of [...this.#streams]) {
      const late = stream.member === null && nowMs - stream.offeredMs > ACCEPT_MS;
      if (late || stream.epoch !== own) this.#end(stream, "another stream follows");
      else if (stream.began !== null && nowMs - stream.offeredMs > STEADY_MS) this.#goesOn(stream);
    }
    if (own === null) return;
    for (const peer of peers()) {
      const notBeforeMs = this.#failing.get(peer)?.notBeforeMs ?? 0;
      const isFree = !this.#streams.some((stream) => stream.peer === peer);
      if (isFree && nowMs >= notBeforeMs) this.#offer(peer, own);
    }
    for (const [member, has] of this.#has) {
      if (has.at.w >= this.#options.rows.assigned) has.behindMs = nowMs;
      if (nowMs - has.behindMs >= times.shrinkMs) this.#lost(member);
    }
    for (const member of this.#required) {
      if (this.#has.has(member)) continue;
      const sinceMs = this.#unheard.get(member) ?? nowMs;
      const late = nowMs - sinceMs >= times.shrinkMs;
      this.#unheard.set(member, late ? nowMs : sinceMs);
      if (late) this.#lost(member);
    }
  }

  /** Takes a frame of a standby. */
  take(peer: StandbyPeer, frame: StandbyFrame): void {
    if (frame.kind !== "accepted" && frame.kind !== "up" && frame.kind !== "ended") return;
    const stream = this.#streams.find((s) => s.peer === peer && s.n === frame.stream);
    if (stream === undefined) return;
    if (frame.kind === "accepted") return this.#accepted(stream, frame.member);
    if (frame.kind === "ended") {
      this.#failed(stream, frame.why);
      return this.#end(stream, null);
    }
    try {
      stream.sender?.take(decodeFromStandby(frame.frame));
    } catch (error) {
      if (!(error instanceof CorruptBytes)) throw error;
      this.#end(stream, `a frame cannot be read: ${error.message}`);
    }
  }

  /** The link is over. */
  closed(peer: StandbyPeer): void {
    for (const stream of this.#streams.filter((s) => s.peer === peer)) this.#end(stream, null);
    this.#failing.delete(peer);
  }

  /** The members of which each must have a write before it is acknowledged. */
  require(members: readonly MemberId[]): void {
    const { rows, timers } = this.#options;
    for (const member of members) {
      if (!this.#required.includes(member)) this.#joinAt.set(member, rows.assigned);
    }
    for (const member of this.#joinAt.keys()) {
      if (!members.includes(member)) this.#joinAt.delete(member);
    }
    for (const member of this.#unheard.keys()) {
      if (!members.includes(member)) this.#unheard.delete(member);
    }
    this.#required = members;
    this.gate.require(members);
    // A step of roles is under way.
    timers.soon(() => members.forEach((member) => this.#complete(member)));
  }

  /** Ends all streams. */
  stop(): void {
    for (const stream of [...this.#streams]) this.#end(stream, "the primary stops");
  }

  // ---- streams

  #offer(peer: StandbyPeer, epoch: number): void {
    const { cell, clock, member, mode, times, voters } = this.#options;
    const n = ++this.#last;
    const said = { member, voters: voters(), times, sync: mode === "sync" };
    if (!peer.send({ kind: "offer", cell, stream: n, epoch, ...said })) return;
    const offeredMs = clock.monoMs();
    this.#streams.push({ n, peer, epoch, offeredMs, member: null, sender: null, began: null });
  }

  #accepted(stream: Stream, member: MemberId): void {
    if (stream.sender !== null) return;
    // A process has another stream where its link was replaced.
    const former = this.#streams.find((s) => s.member === member);
    if (former !== undefined) this.#end(former, "another stream has begun");
    stream.member = member;
    const { cell } = this.#options;
    const sender = new StandbySender({
      ...this.#options,
      send: (frame) => {
        const bytes = encodeToStandby(frame);
        // It compares its rows anew: what it has of others' writes is not known.
        if (frame.kind === "compare") this.#lost(member);
        if (stream.peer.send({ kind: "down", cell, stream: stream.n, frame: bytes })) return;
        this.#options.timers.soon(() => this.#end(stream, "too much waits for the standby"));
      },
      acked: (at, filling) => {
        stream.began ??= at;
        if (!samePosition(at, stream.began)) this.#goesOn(stream);
        this.#acked(member, at, filling);
      },
      end: (why) => {
        this.#failed(stream, why);
        this.#end(stream, why);
      },
    });
    stream.sender = sender;
    if (!this.#failing.has(stream.peer)) this.#sayBegan(stream);
  }

  #sayBegan({ peer }: Stream): void {
    this.#options.log.info("standby stream began", {
      cell: this.#options.cell,
      standby: peer.cell,
    });
  }

  /** A stream has ended by itself: the next one is offered later each time, and said once. */
  #failed({ peer }: Stream, why: string): void {
    const { clock, log, random } = this.#options;
    const before = this.#failing.get(peer);
    if (before?.why !== why) log.info("standby stream ended", { standby: peer.cell, why });
    const tries = (before?.tries ?? 0) + 1;
    const notBeforeMs = clock.monoMs() + retryWaitMs(OFFER, tries, random.number());
    this.#failing.set(peer, { tries, why, notBeforeMs });
  }

  /** It takes what it is sent. */
  #goesOn(stream: Stream): void {
    if (this.#failing.delete(stream.peer)) this.#sayBegan(stream);
  }

  #end(stream: Stream, why: string | null): void {
    const at = this.#streams.indexOf(stream);
    if (at < 0) return;
    this.#streams.splice(at, 1);
    stream.sender?.stop();
    const { cell } = this.#options;
    if (why !== null) stream.peer.send({ kind: "ended", cell, stream: stream.n, why });
  }

  // ---- what each has

  #acked(member: MemberId, at: Position, filling: boolean): void {
    const behindMs = this.#options.clock.monoMs();
    this.#has.set(member, { at, filling, behindMs });
    if (filling) return;
    this.gate.acked(member, at.w);
    if (!this.#required.includes(member)) {
      this.#options.step({ kind: "copy", member, state: "following" });
    }
    this.#complete(member);
  }

  #complete(member: MemberId): void {
    const from = this.#joinAt.get(member);
    if (from === undefined || !this.gate.hasAll(member, from)) return;
    this.#joinAt.delete(member);
    this.#options.step({ kind: "copy", member, state: "complete" });
  }

  #lost(member: MemberId): void {
    const has = this.#has.get(member);
    const known = has !== undefined && !has.filling || this.#required.includes(member);
    if (has !== undefined) has.behindMs = this.#options.clock.monoMs();
    if (!known) return;
    if (has?.filling === false) this.#options.log.warn("standby lost", { standby: member });
    if (has !== undefined) has.filling = true;
    this.#joinAt.delete(member);
    this.gate.acked(member, null);
    this.#options.step({ kind: "copy", member, state: "lost" });
  }
}
