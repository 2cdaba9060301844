/** What the home of a name decides: where its account is made, and where its user signs in. */
import type { Account } from "../account/account.ts";
import type { Cells } from "../federation/cells.ts";
import type { OpName } from "../ops.ts";
import { fail, type Failure } from "../errors.ts";
import { homeOf } from "../account/home.ts";
import type { Turn, Wait } from "./turn.ts";

/** What a client asks that wants to sign in. */
const SIGN_IN: ReadonlySet<OpName> = new Set<OpName>(["account.credentials", "auth.token"]);

/** The refusal of a sign-in whose account is at home in another cell; null for all others. */
export function movedTo(cells: Cells | null, account: Account, op: OpName): Failure | null {
  if (cells === null || account.state !== "absent" || !SIGN_IN.has(op)) return null;
  const cell = account.register?.chosen?.value ?? cells.self;
  if (cell === cells.self) return null;
  return { ...fail("moved", `Sign in at cell ${cell}, where this account is at home`), cell };
}

/** What is said of a name that somebody has. */
export const TAKEN: Failure = fail("conflict", "Cannot register: this name is not available");

/** Null where this cell is the home of the name; else why not, or that it is still to be decided. */
export function homeElsewhere({ cells }: Turn, account: Account): Failure | Wait | null {
  if (cells === null) return null;
  const home = homeOf(account, cells.self);
  if (home === null) return { wait: "home" };
  return home.value === cells.self ? null : TAKEN;
}
