/** Operations on sessions and presence. */
import type { AccountId, AccountName } from "../name/ids.ts";
import type { Account } from "../account/account.ts";
import type { Handler, Outcome, Turn } from "./turn.ts";
import type { AttachAuth, Ops, WatchTarget } from "../ops.ts";
import { fail, ok } from "../errors.ts";
import type { Attached } from "../presence/presence.ts";
import { endSession, noteLeaving } from "./last_seen.ts";
import { shownMailboxId } from "../mailbox/restored.ts";
import { type RosterItem, seenByOwner } from "../roster/roster.ts";
import { eraOf } from "../account/home.ts";
import { announceRequests } from "./request_events.ts";
import { contactsOf, snapshotOf } from "./snapshot.ts";
import { repeatRequests } from "./repeated_requests.ts";

const NOT_SIGNED_IN = fail("unauthorized", "The token is not valid (any more): sign in again");
const REPLACED = fail("conflict", "The device has another session by now");
const NO_SESSION = fail("unauthorized", "The session has ended: connect again");

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let differ = 0;
  for (let i = 0; i < a.length; i++) differ |= a[i]! ^ b[i]!;
  return differ === 0;
}

function deviceOf(account: Account, tokenHash: Uint8Array, wallMs: number) {
  if (!account.active) return undefined;
  return account.devices.find((d) => d.expiresAt > wallMs && sameBytes(d.tokenHash, tokenHash));
}

/** Whose token it is, while it is good. */
export const checkToken: Handler<"auth.token"> = (turn, account, input) => {
  const device = deviceOf(account, input.tokenHash, turn.now.wall);
  if (device === undefined) return NOT_SIGNED_IN;
  return ok({
    id: account.id as AccountId,
    device: device.device,
    expiresAt: device.expiresAt,
  });
};

function expiryOf(turn: Turn, account: Account, auth: AttachAuth, device: string): number {
  if (auth.kind === "issuer") {
    return account.active && auth.expiresAt > turn.now.wall ? auth.expiresAt : 0;
  }
  const found = deviceOf(account, auth.tokenHash, turn.now.wall);
  return found?.device === device ? found.expiresAt : 0;
}

/** Itself, and the contacts whose presence it may see. */
function watchTargets(account: Account, contacts: readonly RosterItem[]): WatchTarget[] {
  const targets: WatchTarget[] = [{ name: account.name, id: account.id as AccountId }];
  for (const item of contacts) {
    if (!seenByOwner(item) || item.peerId === "" || account.blocked.has(item.contact)) continue;
    targets.push({ name: item.contact, id: item.peerId });
  }
  return targets;
}

function tellReplaced(turn: Turn, account: Account, { node, session }: Attached): void {
  const packet = { kind: "closed", sessions: [session], reason: "replaced" } as const;
  turn.emit(account, { kind: "edge", node, packet });
}

/** A cursor that the mailbox cannot continue from gets a snapshot. */
export const attachSession: Handler<"session.attach"> = (turn, account, input, pending) => {
  const expiresAt = expiryOf(turn, account, input.auth, input.device);
  if (expiresAt === 0) return NOT_SIGNED_IN;
  const id = account.id as AccountId;
  const known = turn.presence.get(account.name);
  const sessions = known?.id === id ? known.sessions : [];
  const present = sessions.find((s) => s.device === input.device);
  const others = sessions.filter((s) => s !== present);
  const ended = others.find((s) => s.device === input.ends);
  const session = {
    session: input.session,
    device: input.device,
    node: pending.node,
    presence: input.presence,
  };
  const max = turn.limits.sessionsPerAccountMax;
  if (input.announced === true) {
    const refusal = turn.presence.settling.refusal(account.name, session, present);
    if (refusal === "replaced") return REPLACED;
    if (refusal !== null) return NOT_SIGNED_IN;
  } else if (others.length - (ended === undefined ? 0 : 1) >= max) {
    return fail("limit_reached", `Cannot connect: the account has ${max} sessions already`);
  }
  // Before it is attached: it learns of them by what it reads.
  const before = contactsOf(account);
  const contacts = announceRequests(turn, account, before) ? contactsOf(account) : before;
  if (input.announced !== true) repeatRequests(turn, account, contacts);
  const p = turn.presence.ensure(account.name, id, account.lastSeen, eraOf(account));
  const old = turn.presence.attach(p, session, turn.now.wall);
  if (old !== undefined && old.session !== input.session) tellReplaced(turn, account, old);
  if (ended !== undefined) {
    endSession(turn, account, ended);
    tellReplaced(turn, account, ended);
  }
  const m = account.mailbox;
  const cursor = input.cursor;
  const mailboxId = shownMailboxId(m.id, turn.limits.restoreTag);
  const valid = cursor !== null && cursor.mailboxId === mailboxId && m.canContinueFrom(cursor.seq);
  const mode = valid ? "resume" : cursor === null ? "snapshot" : "reset";
  return ok({
    id,
    mailboxId,
    seq: m.last,
    mode,
    snapshot: valid ? null : snapshotOf(account, contacts),
    watch: watchTargets(account, contacts),
    expiresAt,
  });
};

/** Idempotent; presence ends at once, for the grace is the edge's. */
export const detachSession: Handler<"session.detach"> = (turn, account, input) => {
  const session = turn.presence.find(account.name, input.session);
  if (session === undefined) return ok(null);
  if (input.leaving === true) noteLeaving(turn, account, session);
  else endSession(turn, account, session);
  return ok(null);
};

/** Sets the presence of a session; needs no account in memory. */
export function setPresence(
  turn: Turn,
  name: AccountName,
  input: Ops["presence.set"]["in"],
): Outcome<"presence.set"> {
  const p = turn.presence.get(name);
  const session = p?.sessions.find((s) => s.session === input.session);
  if (p === undefined || session === undefined) return NO_SESSION;
  turn.presence.set(p, session, input.presence, turn.now.wall);
  return ok(null);
}
