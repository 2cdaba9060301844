/**
 * The register that says who is the primary of a store, as one of its members reads and changes it:
 * CASPaxos over the places that vote, of which the member's own may be one. One operation at a time.
 */
import {
  askOf,
  type Ballot,
  count,
  type Proposal,
  propose,
  type Vote,
} from "../../shard/federation/caspaxos.ts";
import type { CellName } from "../../shard/name/ids.ts";
import type { Cancel, Runtime } from "../node/ports.ts";
import type { Registered, Roles } from "./role_types.ts";
import { type RetryPolicy, retryWaitMs } from "../../shard/retry.ts";
import type { RoleVoter } from "./voter.ts";
import type { RoleVoters, StandbyFrame } from "./link_frames.ts";

/** How long an operation may take, and after which time voters are asked again (ms). */
const OPERATION_MS = 2000;
const ASK_AGAIN_MS = 300;
/**
 * Waits of a change after another proposal has come between: each is longer, so that of two that go on
 * one gets through, however slow the voters are.
 */
const AGAIN: RetryPolicy = { leastMs: 0, baseMs: 100, capMs: 2000, askedMaxMs: 0 };

/** What it is made with. */
export interface RegisterOptions extends Runtime {
  readonly cell: CellName;
  /** The place of this process, and its voter; null where it has none. */
  readonly place: CellName;
  readonly voter: RoleVoter | null;
  /** Who votes, as far as this process knows. */
  voters(): RoleVoters;
  /** Sends a frame to all processes that are linked. */
  tell(frame: StandbyFrame): void;
}

interface Operation {
  /** A read gives way to other proposals. */
  readonly reads: boolean;
  /** When its present round began (ms). */
  beganMs: number;
  readonly change: (current: Registered | null) => Registered;
  readonly done: (chosen: Registered | null) => void;
  readonly untilMs: number;
  readonly generation: number;
  /** It learns what was decided, for a voter that has forgotten it. */
  readonly recovers: boolean;
  proposal: Proposal<Registered> | null;
  waiting: Cancel;
}

const UNSET: Registered = { version: 0, roles: null };

/** See the head of this file. */
export class RoleRegister {
  readonly #options: RegisterOptions;
  /** Names ballots of this process, which no other process has. */
  readonly #name: CellName;
  #counter = 0;
  /** Rounds in a row of changes that others have overtaken. */
  #overtakings = 0;
  #operation: Operation | null = null;

  constructor(options: RegisterOptions) {
    this.#options = options;
    const random = Array.from(options.random.bytes(9), (b) => b.toString(36)).join("");
    this.#name = `${options.place}.${random}` as CellName;
  }

  /** Reads it; null where it cannot be read now. */
  read(done: (registered: Registered | null) => void): void {
    this.#begin(true, (current) => current ?? UNSET, done);
  }

  /** Sets the roles where the version is still the given one. */
  change(
    version: number,
    roles: Roles,
    done: (outcome: "set" | "other" | "unknown") => void,
  ): void {
    const wanted = { version: version + 1, roles };
    const text = JSON.stringify(wanted);
    this.#begin(
      false,
      (current) => (current ?? UNSET).version === version ? wanted : current ?? UNSET,
      (chosen) => {
        if (chosen === null) return done("unknown");
        done(JSON.stringify(chosen) === text ? "set" : "other");
      },
    );
  }

  /** A voter's reply has arrived. */
  voted(place: CellName, vote: Vote<Registered>): void {
    const { voters } = this.#options;
    const operation = this.#operation;
    const proposal = operation?.proposal;
    if (!operation || !proposal) return;
    if (operation.generation !== voters().generation) return this.#end(operation, null);
    const progress = count(proposal, place, vote);
    if (progress.kind === "chosen") this.#chosen(operation, progress.accepted);
    else if (progress.kind === "overtaken") this.#overtaken(operation, progress.above);
    else {
      operation.proposal = progress.proposal;
      if (progress.kind === "accepting") this.#ask(operation);
    }
  }

  /** Asks voters again, of which others may be reached now. */
  again(): void {
    if (this.#operation !== null) this.#ask(this.#operation);
  }

  /** Ends what is under way: its outcome is not known. */
  stop(): void {
    const operation = this.#operation;
    if (operation !== null) this.#end(operation, null);
  }

  #begin(reads: boolean, change: Operation["change"], done: Operation["done"]): void {
    if (this.#operation !== null) throw new Error("register: another operation is under way");
    const { clock, voter, voters } = this.#options;
    const operation: Operation = {
      reads,
      beganMs: 0,
      change,
      done,
      untilMs: clock.monoMs() + OPERATION_MS,
      generation: voters().generation,
      recovers: voter !== null && !voter.knows,
      proposal: null,
      waiting: () => {},
    };
    this.#operation = operation;
    this.#round(operation);
  }

  #end(operation: Operation, chosen: Registered | null): void {
    operation.waiting();
    if (this.#operation !== operation) return;
    this.#operation = null;
    operation.done(chosen);
  }

  #chosen(operation: Operation, { ballot, value }: { ballot: Ballot; value: Registered }): void {
    const { voter } = this.#options;
    this.#overtakings = 0;
    if (operation.recovers) voter!.recovered({ promised: ballot, accepted: { ballot, value } });
    this.#end(operation, value);
  }

  #round(operation: Operation): void {
    const { clock, place, voter, voters } = this.#options;
    operation.beganMs = clock.monoMs();
    const promised = voter?.stored.vote.promised.counter ?? 0;
    this.#counter = Math.max(this.#counter, promised) + 1;
    const { places } = voters();
    const asked = operation.recovers ? places.filter((other) => other !== place) : places;
    const ballot = { counter: this.#counter, cell: this.#name };
    operation.proposal = propose(ballot, asked, operation.change).proposal;
    this.#ask(operation);
  }

  /**
   * Another proposal has come between: the next round begins some time later. A read leaves the other
   * one the time of two rounds, for a change must not wait for those who only look.
   */
  #overtaken(operation: Operation, above: Ballot): void {
    const { clock, random, timers } = this.#options;
    this.#counter = Math.max(this.#counter, above.counter);
    operation.proposal = null;
    operation.waiting();
    const waitMs = retryWaitMs(AGAIN, ++this.#overtakings, random.number());
    const politeMs = operation.reads ? 2 * (clock.monoMs() - operation.beganMs) : 0;
    operation.waiting = timers.after(politeMs + waitMs, () => {
      if (this.#operation === operation) this.#round(operation);
    });
  }

  /** Asks all voters, and again until the round is over. */
  #ask(operation: Operation): void {
    const { cell, clock, place, tell, timers, voter, voters } = this.#options;
    const { proposal } = operation;
    if (proposal === null || this.#operation !== operation) return;
    if (clock.monoMs() >= operation.untilMs) return this.#end(operation, null);
    operation.waiting();
    operation.waiting = timers.after(ASK_AGAIN_MS, () => this.#ask(operation));
    const ask = askOf(proposal);
    for (const of of proposal.voters) {
      if (of !== place || voter === null) {
        tell({ kind: "ask", cell, place: of, voters: voters(), ask });
        continue;
      }
      const vote = voter.take(voters(), ask);
      if (vote !== null) timers.soon(() => this.voted(place, vote));
    }
  }
}
