/** What a slow proof is: it runs, prints its progress, and says whether the claim held. */

/** The verdict of a proof with the figures it rests on. */
export interface Verdict {
  readonly pass: boolean;
  readonly figures: Readonly<Record<string, string | number>>;
}

/** A claim about the real program that takes too long for the default tests. */
export interface Proof {
  readonly name: string;
  /** The claim, in one sentence. */
  readonly claim: string;
  /** About how long it takes on two cores (s). */
  readonly seconds: number;
  run(options: ProofOptions): Promise<Verdict>;
}

/** What every proof is given. */
export interface ProofOptions {
  readonly seed: number;
  /** Where data directories with many users are kept, for later proofs to begin with. */
  readonly keep: string;
  /** The compiled binary to prove; null: one is compiled. */
  readonly binary: string | null;
  /** Share of the users and rates of the figures, to try a proof with; 1 for the real thing. */
  readonly scale: number;
  /** How many cases a proof of many tries; null: as many as it names itself. */
  readonly count: number | null;
  /** The only case to try, of a proof of many; null: all. */
  readonly only: number | null;
  /** Where screenshots are written; null for a new directory among the temporary files. */
  readonly shots: string | null;
  /** Processes of the server whose machine is lost (takeover, async); null: one without workers. */
  readonly workers: number | null;
  /** A checkout of an earlier version, to measure beside this one; null: none. */
  readonly before: string | null;
  /** Prints a line of progress. */
  say(line: string): void;
}
