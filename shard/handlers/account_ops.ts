/** Operations on accounts, their devices and invites. */
import type { AccountId, AccountName, DeviceId, MailboxId } from "../name/ids.ts";
import type { Account, Device } from "../account/account.ts";
import type { EdgePacket } from "../edge_packet.ts";
import type { Factors } from "../account/factors.ts";
import type { Ops, PasswordProof } from "../ops.ts";
import type { Handler, Turn } from "./turn.ts";
import type { Attached } from "../presence/presence.ts";
import { cellOf } from "../federation/cell_node.ts";
import { endSession } from "./last_seen.ts";
import { homeElsewhere, keepsHome, TAKEN } from "./name_home.ts";
import { provedBy, setFactorsOf } from "./factor_ops.ts";
import { oweSubscription } from "./subscription_packets.ts";
import { fail, ok, type Result } from "../errors.ts";
import { isNewsOfPlace, knowsPlace } from "../account/known_places.ts";
import { newId } from "../name/ids.ts";
import { remove as removalStanzas } from "../roster/subscription.ts";
import { seesOwner } from "../roster/roster.ts";

const NO_ACCOUNT = fail("not_found", "There is no such account");

/** Ends sessions of the account that `which` picks, once the account's state is committed. */
export function closeSessions(
  turn: Turn,
  account: Account,
  reason: (EdgePacket & { kind: "closed" })["reason"],
  which: (s: Attached) => boolean,
): void {
  turn.presence.settling.close(account.name, reason, which);
  for (const s of turn.presence.sessions(account.name).filter(which)) {
    endSession(turn, account, s);
    turn.emit(account, {
      kind: "edge",
      node: s.node,
      packet: { kind: "closed", sessions: [s.session], reason },
    });
  }
}

/** `conflict` unless the name was never taken, in this cell or another one, or has been released. */
export const createAccount: Handler<"account.create"> = (turn, account, input, pending) => {
  if (account.state !== "absent") return TAKEN;
  const elsewhere = homeElsewhere(turn, account);
  if (elsewhere !== null) return elsewhere;
  const seed = pending.seed;
  if (seed === null) throw new Error("account.create without a seed");
  const id = newId<AccountId>(seed.subarray(0, 12));
  turn.append(account, {
    kind: "created",
    id,
    mailboxId: newId<MailboxId>(seed.subarray(12, 24)),
    at: turn.now.wall,
    credentials: input.credentials,
  });
  const { identity } = input;
  if (identity !== undefined) turn.append(account, { kind: "identity_linked", identity });
  return ok({ id });
};

/** The keys of an active account with a password; null for every other name. */
export const getCredentials: Handler<"account.credentials"> = (_turn, account, { place }) => {
  const { credentials } = account;
  if (!account.active || credentials === null) return ok(null);
  const known = place !== undefined && knowsPlace(account.knownPlaces, place);
  return ok({ id: account.id as AccountId, credentials, ...(known ? { known } : {}) });
};

/** Whether the password that was checked is still the account's. */
function stillProved(account: Account, proof: PasswordProof): boolean {
  if (proof === null) return true;
  const keys = [account.credentials?.sha256, account.credentials?.sha1];
  return keys.some((key) => key?.storedKey.every((byte, i) => byte === proof[i]) === true);
}

const PASSWORD_CHANGED = fail("unauthorized", "The password has just been changed: sign in again");

/** Ends every device but the one to keep, with its session. */
export const setCredentials: Handler<"account.setCredentials"> = (turn, account, input) => {
  if (account.state !== "active" && account.state !== "disabled") return NO_ACCOUNT;
  if (!stillProved(account, input.proof)) return PASSWORD_CHANGED;
  turn.append(account, { kind: "credentials", credentials: input.credentials });
  endDevices(turn, account, input.keepDevice);
  closeSessions(turn, account, "revoked", (s) => s.device !== input.keepDevice);
  return ok(null);
};

/** All but `keep`; those of outside issuers, too, that have a push subscription and no token. */
function endDevices(turn: Turn, account: Account, keep: DeviceId | null): DeviceId[] {
  const of = [...account.devices, ...account.pushTargets].map(({ device }) => device);
  const ended = [...new Set(of)].filter((device) => device !== keep);
  for (const device of ended) turn.append(account, { kind: "device_removed", device });
  return ended;
}

/** Also ends sessions that an outside issuer's tokens opened. */
export const signOutAccount: Handler<"account.signOut"> = (turn, account) => {
  if (account.state !== "active" && account.state !== "disabled") return NO_ACCOUNT;
  const devices = new Set(turn.presence.sessions(account.name).map((s) => s.device));
  for (const device of endDevices(turn, account, null)) devices.add(device);
  closeSessions(turn, account, "revoked", () => true);
  return ok({ devices: devices.size });
};

/** A disabled account keeps what is for it, but nobody gets in. */
export const setDisabled: Handler<"account.setDisabled"> = (turn, account, input) => {
  if (account.state !== "active" && account.state !== "disabled") return NO_ACCOUNT;
  if (input.disabled !== (account.state === "disabled")) {
    turn.append(account, { kind: "disabled", disabled: input.disabled });
  }
  if (input.disabled) closeSessions(turn, account, "revoked", () => true);
  else showAgain(turn, account);
  return ok(null);
};

/**
 * Sessions that attached while the account was disabled learned that there is nobody to see; a
 * blocked account gets what others get of one that is offline.
 */
export function showAgain(turn: Turn, account: Account): void {
  const shown = new Map<Account["name"], AccountId>();
  for (const item of account.roster.values()) {
    if (item.peerId !== "" && seesOwner(item)) shown.set(item.contact, item.peerId);
  }
  for (const [name, { peerId }] of account.blocked) {
    if (peerId === "") shown.delete(name);
    else shown.set(name, peerId);
  }
  for (const [to, toId] of shown) {
    turn.send(account, {
      kind: "rewatch",
      from: account.name,
      fromId: account.id as AccountId,
      to,
      toId,
    });
  }
}

/** Ends its subscriptions through the outbox, then forgets all but that. */
export const removeAccount: Handler<"account.remove"> = (turn, account) => {
  if (!account.alive && account.state !== "importing") return NO_ACCOUNT;
  closeSessions(turn, account, "revoked", () => true);
  for (const item of [...account.roster.values()]) {
    if (item.peerId === "") continue;
    for (const type of removalStanzas(item.state)) {
      oweSubscription(turn, account, item.contact, item.peerId, type);
    }
    revokeWatcher(turn, account, item.contact);
  }
  turn.append(account, { kind: "removed" });
  account.runtime.owed.clear();
  return ok(null);
};

/**
 * Tells every node with watchers of the account that `watcher` is none any more; one that has been
 * blocked is to take it for a sign-out.
 */
export function revokeWatcher(turn: Turn, account: Account, watcher: Account["name"]): void {
  const lastSeen = shownToBlocked(account, watcher);
  const p = turn.presence.get(account.name);
  if (p === undefined) return;
  const of = turn.presence.revoke(p);
  const packet = { kind: "revoke", watched: account.name, watcher, lastSeen } as const;
  for (const node of p.nodes) {
    const abroad = cellOf(node) === null ? packet : { ...packet, of };
    turn.emit(account, { kind: "edge", node, packet: abroad });
  }
}

/** `busy` until the last packet has been settled; `unavailable` while the other cells cannot decide it. */
export const releaseAccount: Handler<"account.release"> = (turn, account) => {
  if (account.state !== "closed") {
    return fail("conflict", "Cannot release: the account must have been removed first");
  }
  if (account.outbox.size > 0) {
    return fail("busy", "Cannot release yet: its last messages are still being delivered", 1000);
  }
  if (keepsHome(turn, account)) return { wait: "home" };
  turn.append(account, { kind: "released" });
  return ok(null);
};

/** For operators: every state but a name that was never taken. */
export const accountInfo: Handler<"account.info"> = (turn, account) => {
  const state = account.state;
  if (state === "absent" || state === "invite") return NO_ACCOUNT;
  return ok({
    name: account.name,
    id: account.id as AccountId,
    state: state === "closed" ? "deleted" : state,
    createdAt: account.createdAt,
    devices: account.devices.length,
    sessions: turn.presence.sessions(account.name).length,
    contacts: [...account.roster.values()].filter((i) => i.listed).length,
    events: account.mailbox.last - account.mailbox.first + 1,
  });
};

/** Also for closed names, so that they are not taken for free ones. */
export const resolveAccount: Handler<"account.resolve"> = (_turn, account) =>
  ok(account.state === "absent" ? null : { id: account.id as AccountId });

/** What a contact goes on being shown of the account, if it is blocked; null: nothing. */
export function shownToBlocked(account: Account, watcher: Account["name"]): number | null {
  const block = account.blocked.get(watcher);
  return block === undefined || block.peerId === "" ? null : block.lastSeen;
}

/** The device that makes room for another: not connected, and unused for the longest time. */
function leastUsed(
  turn: Turn,
  account: Account,
  devices: readonly Device[],
): Device | undefined {
  const connected = new Set(turn.presence.sessions(account.name).map((s) => s.device));
  const usedAt = (d: Device) => Math.max(d.createdAt, d.usedAt);
  let least: Device | undefined;
  for (const d of devices) {
    if (connected.has(d.device)) continue;
    if (least === undefined || usedAt(d) < usedAt(least)) least = d;
  }
  return least;
}

/**
 * The second factors once that of a sign-in is used up; null where none is. A repetition of a
 * request that was done, whose reply was lost, has used it up.
 */
function factorsOnceProved(
  turn: Turn,
  account: Account,
  { device, exempt, factor, tokenHash }: Ops["device.add"]["in"],
): Result<Factors | null> {
  const again = account.devices.some((d) =>
    d.device === device && d.tokenHash.every((byte, i) => byte === tokenHash[i])
  );
  if (again || exempt === true) return ok(null);
  return provedBy(account.factors, factor ?? null, turn.now.wall);
}

/** Replaces a device of the same id; expired ones make room, then the one unused for longest. */
export const addDevice: Handler<"device.add"> = (turn, account, input) => {
  if (!account.active) return fail("unauthorized", "Cannot sign in");
  if (!stillProved(account, input.proof)) return PASSWORD_CHANGED;
  const factors = factorsOnceProved(turn, account, input);
  if (!factors.ok) return factors;
  for (const d of account.devices) {
    if (d.expiresAt <= turn.now.wall && d.device !== input.device) {
      turn.append(account, { kind: "device_removed", device: d.device });
    }
  }
  const others = account.devices.filter((d) => d.device !== input.device);
  if (others.length >= turn.limits.devicesPerAccountMax) {
    const gone = leastUsed(turn, account, others);
    if (gone === undefined) {
      const max = turn.limits.devicesPerAccountMax;
      return fail("limit_reached", `Cannot sign in: ${max} devices are connected already`);
    }
    turn.append(account, { kind: "device_removed", device: gone.device });
  }
  turn.append(account, {
    kind: "device_added",
    device: input.device,
    label: input.label,
    tokenHash: input.tokenHash,
    at: turn.now.wall,
    expiresAt: input.expiresAt,
  });
  if (factors.value !== null) setFactorsOf(turn, account, factors.value);
  const { place } = input;
  if (place !== undefined && isNewsOfPlace(account.knownPlaces, place, turn.now.wall)) {
    turn.append(account, { kind: "place_known", place, at: turn.now.wall });
  }
  closeSessions(turn, account, "replaced", (s) => s.device === input.device);
  return ok({ id: account.id as AccountId });
};

/** Without expired ones. */
export const listDevices: Handler<"device.list"> = (turn, account) => {
  const online = new Set(turn.presence.sessions(account.name).map((s) => s.device));
  return ok(
    account.devices.filter((d) => d.expiresAt > turn.now.wall).map((d) => ({
      device: d.device,
      label: d.label,
      createdAt: d.createdAt,
      expiresAt: d.expiresAt,
      online: online.has(d.device),
    })),
  );
};

/** Also ends a session that an outside issuer's token opened. */
export const revokeDevice: Handler<"device.revoke"> = (turn, account, input) => {
  const known = account.devices.some((d) => d.device === input.device);
  // Any device may be attached while sessions are still to be announced.
  const attached = turn.presence.settling.active ||
    turn.presence.sessions(account.name).some((s) => s.device === input.device);
  const pushed = account.pushTargets.some((t) => t.device === input.device);
  if (!known && !attached && !pushed) return fail("not_found", "There is no such device");
  if (known || pushed) turn.append(account, { kind: "device_removed", device: input.device });
  closeSessions(turn, account, "revoked", (s) => s.device === input.device);
  return ok(null);
};

/** Under a reserved name that no account can have. */
export const createInvite: Handler<"invite.create"> = (turn, account, input) => {
  if (account.state !== "absent") return fail("conflict", "Cannot invite: this code exists");
  turn.append(account, { kind: "invite", expiresAt: input.expiresAt });
  return ok(null);
};

/** Who has used up an invite that was revoked: no account can have this name. */
const REVOKED = "/revoked" as AccountName;
const NO_INVITE = fail("not_found", "There is no such invite");

/** For operators. */
export const inviteInfo: Handler<"invite.info"> = (_turn, { invite }) => {
  if (invite === null) return NO_INVITE;
  const { expiresAt, usedBy } = invite;
  const revoked = usedBy === REVOKED;
  return ok({
    expiresAt,
    usedBy: revoked || usedBy === "" ? null : usedBy as AccountName,
    revoked,
  });
};

/** Uses it up for nobody; again is no error. */
export const revokeInvite: Handler<"invite.revoke"> = (turn, account) => {
  const { invite } = account;
  if (invite === null) return NO_INVITE;
  if (invite.usedBy === REVOKED) return ok(null);
  if (invite.usedBy !== "") return fail("conflict", "Cannot revoke: the invite was used");
  turn.append(account, { kind: "invite_used", by: REVOKED });
  return ok(null);
};

/** Again for the same name is no error, so that a repetition goes on. */
export const redeemInvite: Handler<"invite.redeem"> = (turn, account, input) => {
  const invite = account.invite;
  const usable = invite !== null && account.state === "invite" &&
    invite.expiresAt > turn.now.wall && (invite.usedBy === "" || invite.usedBy === input.name);
  if (!usable) return fail("forbidden", "Cannot register: the invite is not valid (any more)");
  if (invite.usedBy === "") turn.append(account, { kind: "invite_used", by: input.name });
  return ok(null);
};
