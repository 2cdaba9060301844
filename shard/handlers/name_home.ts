/** Whether an account may be made under a name: only in the cell that is the name's home. */
import type { Account } from "../account/account.ts";
import { fail, type Failure } from "../errors.ts";
import { homeOf } from "../account/home.ts";
import type { Turn, Wait } from "./turn.ts";

/** What is said of a name that somebody has. */
export const TAKEN: Failure = fail("conflict", "Cannot register: this name is not available");

/** Null where this cell is the home of the name; else why not, or that it is still to be decided. */
export function homeElsewhere({ cells }: Turn, account: Account): Failure | Wait | null {
  if (cells === null) return null;
  const home = homeOf(account, cells.self);
  if (home === null) return { wait: "home" };
  return home.value === cells.self ? null : TAKEN;
}
