/**
 * What a cell does for the stores of other cells: it votes on their roles, keeps copies of those that
 * name it as their standby, and serves one whose copy has become the primary, in a process of its own.
 */
import type { CellName } from "../../shard/name/ids.ts";
import { cellOfChannel } from "../peer/cells/channel_name.ts";
import type { LagLimits } from "./ack_gate.ts";
import { type MemberId, type RoleTimes, roleTimes } from "./role_types.ts";
import type { MemberView } from "./member_options.ts";
import { StoreMember } from "./store_member.ts";
import type { UnreplicatedFile } from "./unreplicated_delivery.ts";
import { NO_VOTE, type RolesFile, RoleVoter } from "./voter.ts";
import type { RowStore } from "../store/row_store.ts";
import type { Cancel, Runtime } from "../node/ports.ts";
import type { RoleVoters, StandbyFrame } from "./link_frames.ts";
import type { SenderLimits } from "./standby_sender.ts";
import type { StandbyPeer } from "./peer.ts";

/** How long after the end of a process that has served a store its copy follows again (ms). */
const AGAIN_MS = 50;
/** The longest such wait, where one process after the other ends (ms); each doubles it. */
const AGAIN_MAX_MS = 10_000;
/** A process that has served for so long has not failed to start (ms). */
const SERVED_MS = 60_000;

const NOT_HANDED =
  "It was not handed over: its own place is not in sync, or did not take it in time";

/** A process that serves a store. */
export interface ServingProcess {
  /** Makes the cell's own place the primary again; `done(false)` where it is not in sync. */
  handBack(done: (handed: boolean) => void): void;
  stop(): void;
}

/** What a serving process is started with. */
export interface Promoted {
  readonly cell: CellName;
  readonly place: CellName;
  readonly member: MemberId;
  readonly servedEpoch: number;
  readonly voters: RoleVoters;
  readonly times: RoleTimes;
  readonly sync: boolean;
  /** As in `StoredRoles`. */
  readonly resets: boolean;
}

/** What it needs of its process. */
export interface StationOptions extends Runtime {
  /** The name of this cell, as a place. */
  readonly place: CellName;
  readonly lag: LagLimits;
  readonly limits: SenderLimits;
  /** How often a cell that is served here is handed back if its own place is in sync; null: never. */
  readonly handBackMs: number | null;
  linked(): readonly StandbyPeer[];
  /** Stores of which something is remembered, and where that is. */
  stored(): readonly CellName[];
  file(cell: CellName): RolesFile;
  unreplicated(cell: CellName): UnreplicatedFile;
  newMember(): MemberId;
  /** Opens the rows of a cell's copy; null: this process keeps none. */
  readonly openCopy: ((cell: CellName) => Promise<RowStore>) | null;
  /** A process that serves a copy may be needed soon. */
  prepare(): void;
  /** Starts a process that serves a copy, which is closed. */
  serve(promoted: Promoted, events: ServingEvents): ServingProcess;
}

/** What becomes of a process that serves. */
export interface ServingEvents {
  /** It serves clients. */
  serves(): void;
  /** It and its files are free. */
  ended(): void;
}

interface Hosted {
  readonly voter: RoleVoter;
  member: StoreMember | null;
  starting: boolean;
  /** Why the copy could not be opened last: that is logged once. */
  fault: string | null;
  serving: ServingProcess | null;
  /** Called when the process that serves has ended. */
  ended: () => void;
  /** Processes in a row that have served for a short time only, and did not end as ordered. */
  failed: number;
  handed: boolean;
  /** It is being handed back. */
  handing: boolean;
}

/** See the head of this file. */
export class StandbyStation {
  readonly #options: StationOptions;
  readonly #stores = new Map<CellName, Hosted>();
  #stopped = false;

  constructor(options: StationOptions) {
    this.#options = options;
  }

  /** Goes on with what it remembers. */
  start(): void {
    const { log, stored } = this.#options;
    for (const cell of stored()) {
      try {
        const hosted = this.#remembered(cell);
        if (hosted !== null && hosted.voter.stored.member !== null) this.#follow(cell, hosted);
      } catch (error) {
        // This cell serves all the same.
        log.error("standby copy not opened", { cell, error: String(error) });
      }
    }
  }

  /** The stores that it keeps. */
  get views(): readonly (MemberView & { readonly serves: boolean })[] {
    return [...this.#stores.values()].flatMap(({ member, serving }) =>
      member === null ? [] : [{ ...member.view, serves: serving !== null }]
    );
  }

  /** The one of them that is of this cell's store; null: none is kept, or it is not opened yet. */
  member(cell: CellName): StoreMember | null {
    return this.#stores.get(cell)?.member ?? null;
  }

  /** Takes a frame of a linked process. */
  take(peer: StandbyPeer, frame: StandbyFrame): void {
    if (this.#stopped || !this.#concerns(peer, frame)) return;
    const hosted = this.#hosted(frame);
    if (hosted === null) return;
    if (frame.kind === "offer" && hosted.member === null) this.#offered(frame, hosted);
    const { cell, place, voters } = frame as StandbyFrame & { place: CellName; voters: RoleVoters };
    if (frame.kind === "ask") {
      const vote = hosted.voter.take(voters, frame.ask);
      if (vote !== null) peer.send({ kind: "vote", cell, place, vote });
      else peer.send({ kind: "voters", cell, voters: hosted.voter.voters });
      return;
    }
    if (frame.kind === "voters_ask") {
      return void peer.send({ kind: "voters", cell, voters: hosted.voter.voters });
    }
    if (frame.kind === "voters") return void hosted.voter.learn(voters);
    if (hosted.serving === null) hosted.member?.take(peer, frame);
  }

  /** A process is linked. */
  linked(): void {
    for (const { member } of this.#stores.values()) member?.linked();
  }

  /** A link is over. */
  closed(peer: StandbyPeer): void {
    for (const { member } of this.#stores.values()) member?.closed(peer);
  }

  /**
   * Makes the copy of a cell here the primary, as an operator orders. Returns why it cannot be; null:
   * it has begun. Where the voters of before are gone, this place alone decides from now on.
   */
  promote(cell: CellName, force: boolean): string | null {
    const hosted = this.#stores.get(cell);
    const member = hosted?.member;
    if (hosted === undefined || !member) return `No copy of the cell ${cell} is kept here`;
    if (hosted.serving !== null) return `The cell ${cell} is served here already`;
    if (member.view.copy?.whole !== true) return `The copy of the cell ${cell} is not whole yet`;
    if (!force && !member.view.inSync) return `The copy of the cell ${cell} is not in sync`;
    if (force && !this.#takeVotes(hosted)) return "The votes cannot be stored: see the log";
    member.promote(force);
    return null;
  }

  /** Hands a cell that is served here back to its own place. */
  handBack(cell: CellName, done: (why: string | null) => void): void {
    const hosted = this.#stores.get(cell);
    if (!hosted?.serving) return done(`The cell ${cell} is not served here`);
    if (hosted.handing) return done(`The cell ${cell} is being handed back already`);
    hosted.handing = true;
    hosted.serving.handBack((handed) => {
      hosted.handing = false;
      hosted.handed = handed;
      done(handed ? null : NOT_HANDED);
    });
  }

  /** Ends all; `done` when processes that serve have finished what they had accepted. */
  stop(done: () => void): void {
    this.#stopped = true;
    let left = 1;
    const over = () => {
      left--;
      if (left === 0) done();
    };
    for (const hosted of this.#stores.values()) {
      const { member, serving } = hosted;
      if (serving !== null) {
        left++;
        hosted.ended = over;
        serving.stop();
      }
      if (member === null) continue;
      left++;
      member.end(over);
    }
    over();
  }

  /**
   * Only processes of a cell offer its store; a question is for the voter of one place. Of this cell's
   * own store its member votes: a second voter over the same file would not know the other's promises.
   */
  #concerns({ cell: from }: StandbyPeer, frame: StandbyFrame): boolean {
    if (frame.cell === this.#options.place) return false;
    if (frame.kind === "ask") return frame.place === this.#options.place;
    return frame.kind !== "offer" || (cellOfChannel(from) ?? from) === frame.cell;
  }

  #hosted(frame: StandbyFrame): Hosted | null {
    const known = this.#stores.get(frame.cell) ?? this.#remembered(frame.cell);
    if (known !== null) return known;
    const { file, log, openCopy } = this.#options;
    const keeps = frame.kind === "offer" && openCopy !== null;
    if (!keeps && frame.kind !== "ask") return null;
    const { times, sync } = frame.kind === "offer" ? frame : UNKNOWN;
    const { voters } = frame;
    const stored = { member: null, voters, vote: NO_VOTE, servedEpoch: 0, times, sync };
    return this.#add(frame.cell, new RoleVoter(file(frame.cell), stored, log));
  }

  #remembered(cell: CellName): Hosted | null {
    const { file: fileOf, log } = this.#options;
    const file = fileOf(cell);
    const stored = file.load();
    return stored === null ? null : this.#add(cell, new RoleVoter(file, stored, log));
  }

  #add(cell: CellName, voter: RoleVoter): Hosted {
    const idle = { member: null, starting: false, fault: null, serving: null, ended: () => {} };
    const hosted = { voter, ...idle, failed: 0, handed: false, handing: false };
    this.#stores.set(cell, hosted);
    return hosted;
  }

  #offered({ cell, sync, times }: StandbyFrame & { kind: "offer" }, hosted: Hosted): void {
    if (this.#options.openCopy === null || hosted.serving !== null) return;
    const { voter } = hosted;
    const member = voter.stored.member ?? this.#options.newMember();
    if (voter.stored.member === null && !voter.save({ member, times, sync })) return;
    this.#follow(cell, hosted);
  }

  #follow(cell: CellName, hosted: Hosted): void {
    const { log, openCopy, timers } = this.#options;
    // An offer may have come first: a second member of one copy would follow nobody, and take over.
    if (hosted.member !== null || hosted.starting || hosted.serving !== null) return;
    if (openCopy === null || this.#stopped) return;
    const { servedEpoch, member: id } = hosted.voter.stored;
    const member = new StoreMember({
      ...this.#options,
      cell,
      member: id!,
      voter: hosted.voter,
      votes: true,
      founds: false,
      servedEpoch,
      mode: "sync",
      standbys: () => [],
      openCopy: () => openCopy(cell),
      unreplicated: this.#options.unreplicated(cell),
      ready: () => this.#options.prepare(),
      serves: (epoch) => this.#serve(cell, hosted, epoch),
      lost: () => {},
    });
    hosted.starting = true;
    member.start().then(() => {
      hosted.starting = false;
      hosted.fault = null;
      hosted.member = member;
    }, (error) => {
      const fault = String(error);
      if (hosted.fault !== fault) log.error("standby copy not opened", { cell, error: fault });
      hosted.fault = fault;
      timers.after(AGAIN_MAX_MS, () => {
        hosted.starting = false;
        this.#follow(cell, hosted);
      });
    });
  }

  #serve(cell: CellName, hosted: Hosted, epoch: number): void {
    const { clock, log, place, timers } = this.#options;
    if (this.#stopped) return;
    const { member, resets = false, sync, times, voters } = hosted.voter.stored;
    log.warn("this place serves another cell now", { cell, epoch });
    const former = hosted.member;
    const stored = { member: member!, servedEpoch: epoch, voters, times, sync, resets };
    const promoted = { cell, place, ...stored };
    const sinceMs = clock.monoMs();
    const serves = () => void (resets && hosted.voter.save({ resets: false }));
    let next = () => {};
    const ended = () => {
      next();
      hosted.serving = null;
      hosted.handing = false;
      hosted.member = null;
      hosted.ended();
      const lasted = hosted.handed || clock.monoMs() - sinceMs >= SERVED_MS;
      hosted.failed = lasted ? 0 : hosted.failed + 1;
      const delayMs = Math.min(AGAIN_MAX_MS, AGAIN_MS * 2 ** Math.max(0, hosted.failed - 1));
      timers.after(delayMs, () => this.#follow(cell, hosted));
    };
    hosted.handed = false;
    hosted.serving = this.#options.serve(promoted, { serves, ended });
    next = this.#handBackInTime(cell);
    // Its role goes on in the process that serves.
    former?.end(() => {});
  }

  /** Hands a cell back as its policy says, again and again; the function that it returns ends that. */
  #handBackInTime(cell: CellName): () => void {
    const { handBackMs, log, timers } = this.#options;
    if (handBackMs === null) return () => {};
    let ended = false;
    let cancel: Cancel = () => {};
    const wait = () => {
      cancel = timers.after(handBackMs, () => {
        this.handBack(cell, (why) => {
          if (why === null) log.info("handed back by policy", { cell });
          else if (!ended) wait();
        });
      });
    };
    wait();
    return () => {
      ended = true;
      cancel();
    };
  }

  /** The voters of before are gone: this place is the only one. */
  #takeVotes({ member, voter }: Hosted): boolean {
    const { generation } = voter.voters;
    const ballot = { counter: 1, cell: this.#options.place };
    const registered = member!.registered ?? { version: 1, roles: null };
    const value = { ...registered, version: registered.version + 1 };
    return voter.save({
      voters: { generation: generation + 1, places: [this.#options.place] },
      vote: { promised: ballot, accepted: { ballot, value } },
    });
  }
}

/** Of a store that this place only votes on: it needs neither. */
const UNKNOWN = { times: roleTimes(3000), sync: true };
