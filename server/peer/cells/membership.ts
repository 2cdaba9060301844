/**
 * Who is a member of the federation, as a cell remembers and decides it: its vote, which all of its
 * nodes share in their store, and proposals of this node to add or remove a cell.
 */
import {
  askOf,
  type Ballot,
  count,
  NO_BALLOT,
  type Proposal,
  propose,
} from "../../../shard/federation/caspaxos.ts";
import {
  asked,
  firstOf,
  founded,
  isMember,
  learned,
  type Member,
  type MemberReply,
  type Members,
  type MembersState,
  nextBallot,
  NO_MEMBERS,
  withMember,
  withoutMember,
} from "../../../shard/federation/members.ts";
import { type CellFormat, cellJson, type CellValue } from "../../node/cell_value.ts";
import type { CellName } from "../../../shard/name/ids.ts";
import { fail, type Failure, ok, type Result } from "../../../shard/errors.ts";
import type { LinkFrame } from "./frames.ts";
import type { Linked } from "./sayings.ts";
import type { Retries } from "../../../shard/retry.ts";
import type { Runtime } from "../../node/ports.ts";

/** How long a change may take (ms), and after which time a question is asked again. */
export const CHANGE_MS = 15_000;
const ASK_AGAIN_MS = 1000;

/** How the register is stored. */
export const MEMBERS_FORMAT: CellFormat<MembersState> = cellJson(
  "members",
  (done) => done(null, NO_MEMBERS),
);

/** What it needs. */
export interface MembershipDeps extends Runtime {
  readonly retries: Retries;
  readonly self: Member;
  readonly value: Pick<CellValue<MembersState>, "load" | "update" | "watch" | "onChange">;
  /** Sends a frame to some node of a cell; lost where none is linked. */
  send(cell: CellName, frame: LinkFrame): void;
  /** Why the members cannot be changed now, but for `leaving`; null where they can. */
  unsettled(members: Members, leaving: CellName | null): string | null;
  /** The members are others. */
  changed(): void;
}

/** A change that this node proposes. */
interface Change {
  /** The members as they are to be; null: they are so already. */
  readonly make: (current: Members) => Members | null;
  readonly leaving: CellName | null;
  readonly force: boolean;
  readonly waits: boolean;
  readonly untilMs: number;
  readonly done: (result: Result<Members>) => void;
  above: Ballot;
  tries: number;
  /** A round is about to begin. */
  starting: boolean;
  round: { readonly version: number; proposal: Proposal<Members> } | null;
}

/** See the head of this file. */
export class Membership {
  readonly #deps: MembershipDeps;
  #state: MembersState = NO_MEMBERS;
  #change: Change | null = null;
  #stopped = false;

  constructor(deps: MembershipDeps) {
    this.#deps = deps;
  }

  /** The newest members that are known; version 0: none. */
  get current(): Members {
    return this.#state.current;
  }

  /** Whether this cell is a member. */
  get joined(): boolean {
    return isMember(this.current, this.#deps.self.cell);
  }

  /** Whether it was taken out, and joins only when an operator wants that. */
  get out(): boolean {
    return this.#state.out;
  }

  /** Reads what the cell remembers; where that is nothing and it `founds`, it is the first member. */
  start(founds: boolean): void {
    const { random, self, value } = this.#deps;
    value.onChange = (state) => this.#adopt(state);
    value.watch();
    if (!founds) return value.load((error, state) => error === null && this.#adopt(state));
    const federation = Array.from(random.bytes(12), (b) => b.toString(16).padStart(2, "0")).join(
      "",
    );
    value.update(
      ({ current }) => current.version === 0 ? founded(self, federation) : null,
      (error, state) => error === null && this.#adopt(state),
    );
  }

  /** Proposes nothing more. */
  stop(): void {
    this.#stopped = true;
    this.#change = null;
  }

  /** Adds this cell to the members that it knows; `waits`: until they are settled, if need be. */
  join(waits: boolean, done: (result: Result<Members>) => void): void {
    const { self } = this.#deps;
    if (this.current.version === 0) {
      return done(fail("unavailable", "No member of the federation is linked", ASK_AGAIN_MS));
    }
    const make = (current: Members) => withMember(current, self);
    this.#begin({ make, leaving: null, force: false, waits, done });
  }

  /** Removes a cell; `force`: although others may not know all names, or are not linked. */
  remove(cell: CellName, force: boolean, done: (result: Result<Members>) => void): void {
    if (!isMember(this.current, cell)) {
      return done(fail("not_found", `The cell ${cell} is no member of the federation`));
    }
    if (this.current.cells.length === 1) {
      return done(fail("conflict", `The cell ${cell} is the only member`));
    }
    const make = (current: Members) => withoutMember(current, cell);
    this.#begin({ make, leaving: cell, force, waits: true, done });
  }

  // ---- what others say

  /** Takes a frame about members of a node of another cell. */
  take({ node: { cell: from }, link }: Linked, frame: LinkFrame): void {
    // Who has asked is that node, not any of its cell.
    const back = (reply: LinkFrame) => void link.send(reply);
    if (frame.kind === "members") this.#learn(frame.members);
    else if (frame.kind === "ask") {
      this.#asked(frame.version, frame.ask, (reply) => {
        back({ kind: "vote", version: frame.version, reply });
      });
    } else if (frame.kind === "vote") this.#replied(from, frame.version, frame.reply, back);
  }

  #adopt(state: MembersState): void {
    const before = this.current;
    this.#state = state;
    if (state.current.version === before.version || this.#stopped) return;
    const { cells, version } = state.current;
    this.#deps.log.info("members of the federation", {
      version,
      cells: cells.map((c) => c.cell).join(),
    });
    this.#deps.changed();
  }

  #learn(members: Members): void {
    const { log, self, value } = this.#deps;
    const { current } = this;
    if (current.version > 0 && members.version > 0 && current.federation !== members.federation) {
      log.debug("members of another federation", { federation: members.federation });
    }
    if (learned(this.#state, self.cell, members) === null) return this.#goOn();
    value.update((state) => learned(state, self.cell, members), (error, state) => {
      if (error !== null || this.#stopped) return;
      this.#adopt(state);
      this.#goOn();
    });
  }

  /** The round of a change is over, or its version is decided. */
  #goOn(): void {
    const change = this.#change;
    if (change === null || change.starting) return;
    if (change.round === null || change.round.version <= this.current.version) this.#next();
  }

  /** Replies once what it has promised is durable. */
  #asked(
    version: number,
    ask: (LinkFrame & { readonly kind: "ask" })["ask"],
    reply: (reply: MemberReply) => void,
  ): void {
    const { self, value } = this.#deps;
    let replied: MemberReply | null = null;
    value.update((state) => {
      const step = asked(state, self.cell, version, ask);
      replied = step.reply;
      return step.state;
    }, (error, state) => {
      if (error !== null || replied === null || this.#stopped) return;
      this.#adopt(state);
      reply(replied);
    });
  }

  // ---- proposals

  #begin(change: Pick<Change, "make" | "leaving" | "force" | "waits" | "done">): void {
    if (this.#change !== null) {
      return change.done(fail("busy", "Another change of the members is under way", ASK_AGAIN_MS));
    }
    const untilMs = this.#deps.clock.monoMs() + CHANGE_MS;
    const fresh = { above: NO_BALLOT, tries: 0, starting: false, round: null };
    this.#change = { ...change, ...fresh, untilMs };
    this.#next();
  }

  #end(result: Result<Members>): void {
    const change = this.#change;
    this.#change = null;
    change?.done(result);
  }

  /** Begins a round, or ends the change where it is made. */
  #next(): void {
    const change = this.#change;
    if (change === null) return;
    const { self, unsettled, value } = this.#deps;
    change.round = null;
    change.starting = true;
    let begun: { readonly ballot: Ballot; readonly target: Members } | null = null;
    let failure: Failure | null = null;
    value.update((state) => {
      [begun, failure] = [null, null];
      const target = change.make(state.current);
      if (target === null) return null;
      const why = change.force ? null : unsettled(state.current, change.leaving);
      if (why !== null) {
        failure = fail("unavailable", why, ASK_AGAIN_MS);
        return null;
      }
      const next = nextBallot(state, self.cell, change.above);
      begun = { ballot: next.ballot, target };
      return next.state;
    }, (error, state) => {
      change.starting = false;
      if (this.#change !== change) return;
      if (error !== null) return this.#end(fail("unavailable", error.message, ASK_AGAIN_MS));
      this.#adopt(state);
      if (failure !== null) return this.#wait(change, failure);
      if (begun === null) return this.#end(ok(state.current));
      this.#round(change, begun);
    });
  }

  /** Members that are only about to say that they are settled do not fail a change. */
  #wait(change: Change, failure: Failure): void {
    const { clock, timers } = this.#deps;
    if (!change.waits || clock.monoMs() > change.untilMs) return this.#end(failure);
    timers.after(ASK_AGAIN_MS, () => this.#change === change && this.#goOn());
  }

  #round(
    change: Change,
    { ballot, target }: { readonly ballot: Ballot; readonly target: Members },
  ) {
    const voters = this.current.cells.map(({ cell }) => cell);
    const { proposal } = propose(ballot, voters, firstOf(target));
    change.round = { version: target.version, proposal };
    this.#ask(change);
  }

  /** Asks all voters, and again until the round is over. */
  #ask(change: Change): void {
    const { clock, self, send, timers } = this.#deps;
    const { round } = change;
    if (this.#change !== change || round === null) return;
    if (clock.monoMs() > change.untilMs) {
      const { length } = round.proposal.voters;
      const why = `No majority of the ${length} members has replied: its outcome is unknown`;
      return this.#end(fail("unavailable", why, ASK_AGAIN_MS));
    }
    const ask = askOf(round.proposal);
    for (const cell of round.proposal.voters) {
      if (cell !== self.cell) send(cell, { kind: "ask", version: round.version, ask });
      else {this.#asked(round.version, ask, (reply) =>
          this.#replied(cell, round.version, reply, () => {}));}
    }
    const of = round.proposal;
    timers.after(ASK_AGAIN_MS, () => {
      if (change.round?.proposal.ballot === of.ballot) this.#ask(change);
    });
  }

  #replied(
    from: CellName,
    version: number,
    reply: MemberReply,
    back: (frame: LinkFrame) => void,
  ): void {
    const change = this.#change;
    if (reply.kind === "decided") return this.#learn(reply.members);
    if (change === null || change.round === null || change.round.version !== version) return;
    if (reply.kind === "behind") {
      return back({ kind: "members", members: this.current });
    }
    const progress = count(change.round.proposal, from, reply.vote);
    if (progress.kind === "chosen") {
      change.round = null;
      this.#learn(progress.accepted.value);
    } else if (progress.kind === "overtaken") this.#again(change, progress.above);
    else {
      change.round.proposal = progress.proposal;
      if (progress.kind === "accepting") this.#ask(change);
    }
  }

  /** Another proposal has come between: the next round has a higher ballot, some time later. */
  #again(change: Change, above: Ballot): void {
    const { random, retries, timers } = this.#deps;
    change.round = null;
    change.above = above;
    const waitMs = retries.againMs("members", ++change.tries, random.number());
    timers.after(waitMs, () => this.#change === change && this.#goOn());
  }
}
