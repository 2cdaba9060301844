/**
 * What a cell's shard keeps of a name: its vote in the register that says which cell is the name's
 * home, what is known to be decided, and which cells are still to learn it. It is part of the state
 * under the name, whether or not an account exists here.
 */
import type { CellName } from "../name/ids.ts";
import {
  type Accepted,
  type Ballot,
  compareBallots,
  NO_BALLOT,
  type VoterState,
} from "./caspaxos.ts";
import { branded, list, optional, type Schema, uint } from "../record/schema.ts";
import { struct } from "../record/struct.ts";

/** A home that voters have accepted, or that was decided. */
export type Home = Accepted<CellName>;

/** Decided in place of a home where the cell of a name has released it: the next cell may have it. */
export const NO_HOME = "" as CellName;

/** See the head of this file. */
export interface NameRegister extends VoterState<CellName> {
  /** The newest home that is known to be decided; null: none is. */
  readonly chosen: Home | null;
  /** Cells that have not acknowledged `chosen`; only the cell that has proposed it tells others. */
  readonly telling: readonly CellName[];
}

/** The register of a name that nobody has voted on. */
export const NO_REGISTER: NameRegister = {
  promised: NO_BALLOT,
  accepted: null,
  chosen: null,
  telling: [],
};

/** A cell's name. */
export const cellName: Schema<CellName> = branded();

/** Number of a proposal. */
export const ballot: Schema<Ballot> = struct({
  counter: uint,
  cell: branded<CellName | "">(),
});

/** A home with the ballot that it was accepted at. */
export const home: Schema<Home> = struct({ ballot, value: cellName });

/** A home, or null. */
export const homeOrNone: Schema<Home | null> = optional("home", home);

/** The fields of a register as the log and checkpoints have them. */
export const REGISTER = {
  promised: ballot,
  accepted: homeOrNone,
  chosen: homeOrNone,
  telling: list(cellName),
};

/** A register as checkpoints have it. */
export const NAME_REGISTER: Schema<NameRegister> = struct(REGISTER);

/** The register with a decided home; null where a newer one, or this one, is known already. */
export function withChosen(register: NameRegister, chosen: Home): NameRegister | null {
  const known = register.chosen?.ballot ?? NO_BALLOT;
  if (compareBallots(chosen.ballot, known) <= 0) return null;
  const accepted = register.accepted?.ballot ?? NO_BALLOT;
  // What was decided at a ballot is the only value that was ever proposed at it.
  return compareBallots(chosen.ballot, accepted) > 0
    ? { ...register, accepted: chosen, chosen, telling: [] }
    : { ...register, chosen, telling: [] };
}
