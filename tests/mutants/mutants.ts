/**
 * Ways to break the code on purpose, one at a time: the simulator's checkers must notice each. A
 * mutant that is not noticed shows what is not checked, or code that does nothing.
 */
import { CELL } from "./cell_mutants.ts";
import { CELLS } from "./cells_mutants.ts";
import { CHANGES } from "./changes_mutants.ts";
import { COMMIT } from "./commit_mutants.ts";
import { EDGE } from "./edge_mutants.ts";
import { FEDERATION } from "./federation_mutants.ts";
import { LINKED } from "./links_mutants.ts";
import { MAILBOX } from "./mailbox_mutants.ts";
import { MOVED } from "./moves_mutants.ts";
import { PAIR } from "./pair_mutants.ts";
import { PRESENCE } from "./presence_mutants.ts";
import { PUSH } from "./push_mutants.ts";
import { REPLICATION } from "./replication_mutants.ts";
import { ROSTER } from "./roster_mutants.ts";
import { SIGN_IN } from "./sign_in_mutants.ts";
import { SEARCH } from "./search_mutants.ts";
import { STANDBY } from "./standby_mutants.ts";
import { STORE } from "./store_mutants.ts";
import { TAKEOVER } from "./takeover_mutants.ts";
import type { Mutant } from "./mutant.ts";

/** All of them. */
export const MUTANTS: readonly Mutant[] = [
  ...COMMIT,
  ...STORE,
  ...PAIR,
  ...MAILBOX,
  ...CHANGES,
  ...SEARCH,
  ...ROSTER,
  ...PRESENCE,
  ...EDGE,
  ...TAKEOVER,
  ...CELL,
  ...FEDERATION,
  ...CELLS,
  ...LINKED,
  ...MOVED,
  ...STANDBY,
  ...REPLICATION,
  ...SIGN_IN,
  ...PUSH,
];
