/** Operations that move an account to another cell. */
import type { Account } from "../account/account.ts";
import type { CellName } from "../name/ids.ts";
import { fail, type Failure, ok } from "../errors.ts";
import { homeOf } from "../account/home.ts";
import type { Handler, Turn } from "./turn.ts";
import type { MoveView } from "../federation/move_message.ts";

/** When a cell that is not linked may be (ms). */
const LINKED_MS = 2000;
const NO_ACCOUNT = fail("not_found", "There is no such account");
const LONE = fail("conflict", "This cell knows no other cells: see cells.join");

/** Where the move of an account is; null: it is here and stays. */
function viewOf(turn: Turn, account: Account): MoveView | null {
  const { leaving } = account;
  if (leaving !== null) {
    const going = turn.moves?.phaseOf(account.name) ?? null;
    const phase = going?.phase ?? (leaving.deciding ? "deciding" : "offering");
    const refused = going?.refused ?? null;
    return { to: leaving.to, phase, ...(refused === null ? {} : { refused }) };
  }
  const home = turn.cells === null || account.state !== "absent"
    ? null
    : homeOf(account, turn.cells.self);
  if (home === null || home.value === turn.cells?.self) return null;
  return { to: home.value, phase: "moved" };
}

/** Why an account cannot begin to move to a cell; null where it can. */
function refusal(turn: Turn, account: Account, to: CellName): Failure | null {
  const { cells } = turn;
  if (cells === null) return LONE;
  if (to === cells.self) return fail("conflict", `The account is at home in cell ${to} already`);
  if (!cells.peers.includes(to)) return fail("not_found", `There is no cell ${to}`);
  if (!account.alive) return NO_ACCOUNT;
  if (!cells.isLinked(to)) {
    return fail("unavailable", `Cell ${to} is not linked with this one now`, LINKED_MS);
  }
  return null;
}

/** Again for the same cell is no error. */
export const beginMove: Handler<"move.begin"> = (turn, account, { to, move }) => {
  const view = viewOf(turn, account);
  if (view !== null) {
    if (view.to === to) return ok(view);
    const { phase } = view;
    return phase === "moved"
      ? fail("not_found", `The account is at home in cell ${view.to}: move it from there`)
      : fail("conflict", `The account is moving to cell ${view.to} already`);
  }
  const refused = refusal(turn, account, to);
  if (refused !== null) return refused;
  turn.append(account, { kind: "leaving", move, to, attempt: 0, deciding: false });
  turn.moves?.begin(account);
  return ok(viewOf(turn, account)!);
};

/** Refused as `conflict` where the cells decide already. */
export const cancelMove: Handler<"move.cancel"> = (turn, account) => {
  const view = viewOf(turn, account);
  if (view === null) return account.alive ? ok(null) : NO_ACCOUNT;
  if (view.phase === "moved") {
    return fail("conflict", `The account is at home in cell ${view.to} by now`);
  }
  if (account.leaving?.deciding === true) {
    return fail("conflict", "The cells decide about this move already");
  }
  turn.moves?.cancel(account);
  return ok(null);
};

/** Also of an account that is frozen. */
export const moveState: Handler<"move.state"> = (turn, account) => {
  const view = viewOf(turn, account);
  return view === null && !account.alive ? NO_ACCOUNT : ok(view);
};
