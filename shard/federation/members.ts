/**
 * The members of a federation: the cells that vote on names. Version 1 is the cell that has founded
 * it; each later version adds or removes one cell, and is a register of its own (`caspaxos.ts`) that
 * the members of the version before decide, once. Majorities of neighbouring versions so always have
 * a voter in common. What a cell keeps is one durable value; each change of it is a step here.
 */
import {
  type Ask,
  type Ballot,
  compareBallots,
  NO_BALLOT,
  type Vote,
  vote,
  type VoterState,
} from "./caspaxos.ts";
import type { CellName } from "../name/ids.ts";

/** A member; `mark`: of its store, so that another cell with its name is not taken for it. */
export interface Member {
  readonly cell: CellName;
  readonly mark: string;
  /** It votes, but has no users. */
  readonly witness: boolean;
}

/** The members of one version. */
export interface Members {
  /** From 1 on; 0: none is known. */
  readonly version: number;
  /** Random text of the founder: two federations have two. */
  readonly federation: string;
  readonly cells: readonly Member[];
}

/** What a cell remembers; durable. */
export interface MembersState {
  /** The newest version that is known to be decided. */
  readonly current: Members;
  /** This cell's vote on the version after it. */
  readonly voter: VoterState<Members>;
  /** It was taken out: it does not join again by itself. */
  readonly out: boolean;
}

/** Most members: a change asks all of them. */
export const MEMBERS_MAX = 32;

const NOBODY: VoterState<Members> = { promised: NO_BALLOT, accepted: null };

/** The state of a cell that knows of no federation. */
export const NO_MEMBERS: MembersState = {
  current: { version: 0, federation: "", cells: [] },
  voter: NOBODY,
  out: false,
};

/** The state of a cell that founds a federation. */
export function founded(founder: Member, federation: string): MembersState {
  return { current: { version: 1, federation, cells: [founder] }, voter: NOBODY, out: false };
}

/** Takes a version that was decided; null: it is no later one, or of another federation. */
export function learned(
  { current, out }: MembersState,
  self: CellName,
  decided: Members,
): MembersState | null {
  const other = current.version > 0 && current.federation !== decided.federation;
  if (other || decided.version <= current.version) return null;
  const [was, is] = [isMember(current, self), isMember(decided, self)];
  return { current: decided, voter: NOBODY, out: was && !is || !is && out };
}

/** What a member replies to a question about the version after `current`. */
export type MemberReply =
  | { readonly kind: "vote"; readonly vote: Vote<Members> }
  /** It knows that version, or a later one, already. */
  | { readonly kind: "decided"; readonly members: Members }
  /** It does not know the version before yet, or is no member of it. */
  | { readonly kind: "behind" };

/**
 * A question about `version` arrives. `state` is null where nothing changes; else it must be durable
 * before the reply leaves.
 */
export function asked(
  { current, voter, out }: MembersState,
  self: CellName,
  version: number,
  ask: Ask<Members>,
): { readonly state: MembersState | null; readonly reply: MemberReply } {
  if (version <= current.version) {
    return { state: null, reply: { kind: "decided", members: current } };
  }
  if (version !== current.version + 1 || !isMember(current, self)) {
    return { state: null, reply: { kind: "behind" } };
  }
  const next = vote(voter, ask);
  const same = next.state === voter;
  return {
    state: same ? null : { current, voter: next.state, out },
    reply: { kind: "vote", vote: next.vote },
  };
}

/**
 * A ballot for a proposal of this cell, above `above` and all that it has promised; the state must be
 * durable before the ballot leaves, so that no ballot is used twice.
 */
export function nextBallot(
  { current, voter, out }: MembersState,
  self: CellName,
  above: Ballot,
): { readonly state: MembersState; readonly ballot: Ballot } {
  const { promised } = voter;
  const { counter } = compareBallots(above, promised) > 0 ? above : promised;
  const ballot = { counter: counter + 1, cell: self };
  return { state: { current, voter: { ...voter, promised: ballot }, out }, ballot };
}

/** Whether a cell is one of the members. */
export function isMember({ cells }: Members, cell: CellName): boolean {
  return cells.some((member) => member.cell === cell);
}

/** The version after `current` with one cell more; null: it is a member, or there are too many. */
export function withMember(current: Members, member: Member): Members | null {
  if (isMember(current, member.cell) || current.cells.length >= MEMBERS_MAX) return null;
  return { ...current, version: current.version + 1, cells: [...current.cells, member] };
}

/** The version after `current` without a cell; null: it is none of them, or the last one. */
export function withoutMember(current: Members, cell: CellName): Members | null {
  const cells = current.cells.filter((member) => member.cell !== cell);
  if (cells.length === current.cells.length || cells.length === 0) return null;
  return { ...current, version: current.version + 1, cells };
}

/** The change of a proposal: what was accepted before stays. */
export function firstOf(proposed: Members): (accepted: Members | null) => Members {
  return (accepted) => accepted ?? proposed;
}
