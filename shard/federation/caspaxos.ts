/**
 * CASPaxos (D. Rystsov, "CASPaxos: Replicated State Machines without logs"): a register that a
 * majority of voters decides, without a leader and without a log. A proposer asks for promises,
 * applies a change to the newest value that they have accepted, and asks them to accept the result.
 *
 * Both sides are pure step functions. A voter's state must be durable before its reply leaves. A
 * proposer never uses a ballot twice: it raises its counter above what its own cell has promised,
 * and that promise is durable before the ballot leaves.
 */
import type { CellName } from "../name/ids.ts";

/** Number of a proposal. They are ordered by their counters, then by the proposing cells' names. */
export interface Ballot {
  /** 0 in `NO_BALLOT` only. */
  readonly counter: number;
  readonly cell: CellName | "";
}

/** Below all others. */
export const NO_BALLOT: Ballot = { counter: 0, cell: "" };

/** Negative where `a` comes before `b`, 0 where they are the same. */
export function compareBallots(a: Ballot, b: Ballot): number {
  if (a.counter !== b.counter) return a.counter - b.counter;
  if (a.cell === b.cell) return 0;
  return a.cell < b.cell ? -1 : 1;
}

/** A value that a voter has accepted, or that a majority has. */
export interface Accepted<T> {
  readonly ballot: Ballot;
  readonly value: T;
}

/** What a voter must remember; durable. */
export interface VoterState<T> {
  /** It takes part in no proposal below this one. */
  readonly promised: Ballot;
  readonly accepted: Accepted<T> | null;
}

/** What a proposer asks of a voter. */
export type Ask<T> =
  | { readonly kind: "prepare"; readonly ballot: Ballot }
  | { readonly kind: "accept"; readonly ballot: Ballot; readonly value: T };

/** What a voter replies; `ballot`: that of the question. */
export type Vote<T> =
  | { readonly kind: "promise"; readonly ballot: Ballot; readonly accepted: Accepted<T> | null }
  | { readonly kind: "accepted"; readonly ballot: Ballot }
  /** It has promised more. */
  | { readonly kind: "refused"; readonly ballot: Ballot; readonly promised: Ballot };

/** A voter's step: its next state, to be made durable before the vote leaves, and the vote. */
export function vote<T>(
  state: VoterState<T>,
  ask: Ask<T>,
): { readonly state: VoterState<T>; readonly vote: Vote<T> } {
  const { ballot } = ask;
  const { promised, accepted } = state;
  if (compareBallots(ballot, promised) < 0) {
    return { state, vote: { kind: "refused", ballot, promised } };
  }
  if (ask.kind === "prepare") {
    return { state: { promised: ballot, accepted }, vote: { kind: "promise", ballot, accepted } };
  }
  const taken = { ballot, value: ask.value };
  return { state: { promised: ballot, accepted: taken }, vote: { kind: "accepted", ballot } };
}

/** One round of a proposer; not durable: a proposer that forgets it begins another one. */
export interface Proposal<T> {
  readonly ballot: Ballot;
  readonly voters: readonly CellName[];
  /** What the value is to become; null: the register has none. It may return what it was given. */
  readonly change: (value: T | null) => T;
  /** Votes of the present phase. */
  readonly votes: ReadonlyMap<CellName, Vote<T>>;
  /** What the voters are asked to accept; null while promises are missing. */
  readonly accepting: Accepted<T> | null;
}

/** Where a proposal stands after a vote. */
export type Progress<T> =
  /** More votes are needed. */
  | { readonly kind: "waiting"; readonly proposal: Proposal<T> }
  /** A majority has promised: all voters are to be asked `ask`. */
  | { readonly kind: "accepting"; readonly proposal: Proposal<T>; readonly ask: Ask<T> }
  /** A majority has accepted: this is the register's value, whatever happens. */
  | { readonly kind: "chosen"; readonly accepted: Accepted<T> }
  /** A higher ballot was promised: another round needs one above `above`. */
  | { readonly kind: "overtaken"; readonly above: Ballot };

/** Begins a round: all voters are to be asked `ask`. The ballot must be new. */
export function propose<T>(
  ballot: Ballot,
  voters: readonly CellName[],
  change: Proposal<T>["change"],
): { readonly proposal: Proposal<T>; readonly ask: Ask<T> } {
  const proposal = { ballot, voters, change, votes: new Map(), accepting: null };
  return { proposal, ask: { kind: "prepare", ballot } };
}

/** What the voters of a proposal are to be asked (again). */
export function askOf<T>({ ballot, accepting }: Proposal<T>): Ask<T> {
  return accepting === null
    ? { kind: "prepare", ballot }
    : { kind: "accept", ballot, value: accepting.value };
}

/** A proposer's step: takes a vote, which may be late, come twice, or be of another round. */
export function count<T>(proposal: Proposal<T>, from: CellName, vote: Vote<T>): Progress<T> {
  const waiting: Progress<T> = { kind: "waiting", proposal };
  const { accepting, ballot, voters } = proposal;
  if (compareBallots(vote.ballot, ballot) !== 0 || !voters.includes(from)) return waiting;
  if (vote.kind === "refused") return { kind: "overtaken", above: vote.promised };
  if (vote.kind !== (accepting === null ? "promise" : "accepted")) return waiting;
  const votes = new Map(proposal.votes).set(from, vote);
  const next = { ...proposal, votes };
  if (votes.size * 2 <= voters.length) return { kind: "waiting", proposal: next };
  if (accepting !== null) return { kind: "chosen", accepted: accepting };
  const value = proposal.change(newest(votes.values())?.value ?? null);
  const ask: Ask<T> = { kind: "accept", ballot, value };
  const proposing = { ...next, votes: new Map(), accepting: { ballot, value } };
  return { kind: "accepting", proposal: proposing, ask };
}

/** Of what voters have accepted, what has the highest ballot; null where none has anything. */
function newest<T>(votes: Iterable<Vote<T>>): Accepted<T> | null {
  let best: Accepted<T> | null = null;
  for (const vote of votes) {
    if (vote.kind !== "promise" || vote.accepted === null) continue;
    if (best === null || compareBallots(vote.accepted.ballot, best.ballot) > 0) {
      best = vote.accepted;
    }
  }
  return best;
}
