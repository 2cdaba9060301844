/** Which cell is the home of an account's name, as far as it is known here. */
import type { Account } from "./account.ts";
import type { CellName } from "../name/ids.ts";
import { type Home, type NameRegister, NO_HOME, NO_REGISTER } from "../federation/name_register.ts";

/** Whether the name is an account's here: also one that was deleted and keeps its name closed. */
export function isTaken({ state }: Account): boolean {
  return state !== "absent" && state !== "invite";
}

/** The home of an account that is older than the federation: accepted before all proposals. */
function oldHome(self: CellName): Home {
  return { ballot: { counter: 0, cell: self }, value: self };
}

/** The register of the account's name as this cell votes on it. */
export function registerOf(account: Account, self: CellName): NameRegister {
  if (account.register !== null) return account.register;
  return isTaken(account) ? { ...NO_REGISTER, accepted: oldHome(self) } : NO_REGISTER;
}

/** What was decided last about the name, also that it has no home; null: nothing is known here. */
export function decidedOf(account: Account, self: CellName): Home | null {
  const chosen = account.register?.chosen ?? null;
  return chosen === null && isTaken(account) ? oldHome(self) : chosen;
}

/** The decided home; null: none is known here. */
export function homeOf(account: Account, self: CellName): Home | null {
  const decided = decidedOf(account, self);
  return decided?.value === NO_HOME ? null : decided;
}

/** Rises with every home that the name gets. */
export function eraOf({ register }: Account): number {
  return register?.chosen?.ballot.counter ?? 0;
}

/** Whether packets and requests for the name are this cell's. */
export function isHere(account: Account, self: CellName): boolean {
  return account.state !== "absent" || account.register?.chosen?.value === self;
}
