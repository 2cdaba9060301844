/**
 * What the home of a name decides: where its account is made, where its user signs in, and which
 * cells are to learn it.
 */
import type { Account } from "../account/account.ts";
import type { Cells } from "../federation/cells.ts";
import { BY_OWNER } from "./by_owner.ts";
import type { OpName } from "../ops.ts";
import { fail, type Failure, ok } from "../errors.ts";
import { decidedOf, homeOf, isTaken, registerOf } from "../account/home.ts";
import { NO_HOME } from "../federation/name_register.ts";
import type { Handler, Turn, Wait } from "./turn.ts";
import { spreadOf } from "../retry.ts";

/** What a client asks that wants to sign in. */
const SIGN_IN: ReadonlySet<OpName> = new Set<OpName>([
  "account.credentials",
  "account.resolve",
  "account.identify",
  "account.link",
  "account.factors",
  "auth.token",
  "device.add",
  "session.attach",
]);
/** What it asks once it has: its session, or its token, is about to be refused. */
const SIGNED_IN: ReadonlySet<OpName> = new Set<OpName>([
  ...BY_OWNER,
  "device.list",
  "device.revoke",
  "account.setCredentials",
  "account.setFactors",
]);
/** What it asks with a token: one that is refused for good is given up. */
const BY_TOKEN: ReadonlySet<OpName> = new Set<OpName>(["auth.token", "session.attach"]);
/** When it may ask again, by then at its home (ms). */
const MOVED_MS = 200;
/** When cells that are away may have returned (ms). */
const AWAY_MS = 2000;
const AWAY = fail(
  "unavailable",
  "The account may be at home in a cell that cannot be reached now",
  AWAY_MS,
);

/**
 * The refusal of a client whose account is at home in another cell, or may be in one that is away, for
 * this one may not know its name yet. Null for all others.
 */
export function movedTo(cells: Cells | null, account: Account, op: OpName): Failure | null {
  if (cells === null || account.state !== "absent") return null;
  if (!SIGN_IN.has(op) && !SIGNED_IN.has(op)) return null;
  const cell = homeOf(account, cells.self)?.value ?? null;
  if (cell === null) {
    const isAway = BY_TOKEN.has(op) && cells.peers.some((peer) => !cells.isLinked(peer));
    return isAway ? AWAY : null;
  }
  if (cell === cells.self) return null;
  if (SIGNED_IN.has(op)) {
    // Clients repeat it with the same idempotency key once they have followed.
    return fail("unavailable", `The account has moved to cell ${cell}: connect again`, MOVED_MS);
  }
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

/**
 * Whether the members are to decide that the name of a removed account has no home before it is released:
 * then any of them may have it. A cell that is no member yet releases it alone.
 */
export function keepsHome({ cells }: Turn, account: Account): boolean {
  if (cells === null || !cells.voters.includes(cells.self)) return false;
  return decidedOf(account, cells.self)?.value === cells.self;
}

/** Over so long (ms) names are spread that new members are to learn. */
const SHARE_SPREAD_MS = 1000;

/**
 * Has the other cells learn a home. What was accepted here and may be decided, without anybody knowing
 * that, is decided first.
 */
export const shareName: Handler<"name.share"> = (turn, account, { add }) => {
  const { cells } = turn;
  if (cells === null) return ok({ left: 0 });
  const home = decidedOf(account, cells.self);
  const register = registerOf(account, cells.self);
  if (home === null) return register.accepted === null ? ok({ left: 0 }) : { wait: "home" };
  const cell = home.value === NO_HOME ? home.ballot.cell : home.value;
  const fresh = cell !== cells.self
    ? []
    : add.filter((cell) => cells.peers.includes(cell) && !register.telling.includes(cell));
  // What is owed to a cell that has left is owed to nobody.
  const owed = register.telling.filter((cell) => cells.peers.includes(cell));
  const telling = [...owed, ...fresh];
  if (fresh.length > 0 || owed.length < register.telling.length) {
    const { promised, accepted } = register;
    turn.append(account, { kind: "name_register", promised, accepted, chosen: home, telling });
    turn.scheduleHome(account, SHARE_SPREAD_MS * spreadOf(account.name, 1));
  }
  return ok({ left: telling.length });
};

/**
 * A name counts as its cell's also when its account was released without the other cells. A name that
 * nobody has is decided to be that of the cell that it is reserved for, as the name of a
 * new account is.
 */
export const nameHome: Handler<"name.home"> = (turn, account, { reserve }) => {
  const { cells } = turn;
  if (cells === null) return ok({ home: null });
  if (isTaken(account)) return ok({ home: cells.self });
  const decided = homeOf(account, cells.self);
  if (decided === null && reserve !== null) return { wait: "home" };
  const known = decidedOf(account, cells.self) ?? registerOf(account, cells.self).accepted;
  return ok({ home: known === null || known.value === NO_HOME ? null : known.value });
};
