/** One way to break the code on purpose. */

/** See the head of this file. */
export interface Mutant {
  /** What it does wrong. */
  readonly name: string;
  readonly file: string;
  /** Text that the file has exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Nodes of the cells that it runs on; one unless said. */
  readonly nodes?: number;
  /** The file of tests that must notice it, in the place of the simulator's seeds. */
  readonly test?: string;
  /** Cells of one name space that it runs on; one unless said. */
  readonly cells?: number;
  /** What the simulator is asked for instead. */
  readonly sim?: readonly string[];
}

/** A mutant of a file that is known. */
export type Row = readonly [name: string, find: string, replace: string];

/** Mutants of one file. */
export function inFile(file: string, ...rows: readonly Row[]): Mutant[] {
  return rows.map(([name, find, replace]) => ({ name, file, find, replace }));
}

/** Mutants of one file that a file of tests notices, for what the simulator does not have. */
export function inTested(file: string, test: string, ...rows: readonly Row[]): Mutant[] {
  return inFile(file, ...rows).map((mutant) => ({ ...mutant, test }));
}

/** Where a shard withholds effects until their commit. */
export const HOLD =
  "if (account === null || !this.batch.hold(account, effect)) this.out.push(effect);";
