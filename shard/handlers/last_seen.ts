/**
 * When an account was last seen by those who may see it, and its devices used. The end of a session
 * tells; nothing waits for it to be durable, so that it costs no commit of its own.
 */
import type { Account } from "../account/account.ts";
import type { Attached } from "../presence/presence.ts";
import type { Turn } from "./turn.ts";
import { visibleDevices } from "../presence/presence.ts";

/** How exactly it is noted when a device was used (ms). */
const USED_STEP_MS = 3_600_000;

/** Ends a session, and notes what of the account stays: it was seen until it became invisible. */
export function endSession(turn: Turn, account: Account, attached: Attached): void {
  const p = turn.presence.get(account.name);
  turn.presence.detach(account.name, attached.session, turn.now.wall);
  if (p !== undefined && p.id === account.id) noteSeen(turn, account, attached, p.lastSeen);
}

/** Notes what would stay of the account, were the session to end now. It goes on. */
export function noteLeaving(turn: Turn, account: Account, attached: Attached): void {
  noteSeen(turn, account, attached, lastSeenNow(turn, account));
}

function noteSeen(turn: Turn, account: Account, { device }: Attached, lastSeen: number): void {
  if (!account.alive || !turn.writable) return;
  const used = account.devices.find((d) => d.device === device);
  const unusedMs = used === undefined ? 0 : turn.now.wall - Math.max(used.createdAt, used.usedAt);
  if (lastSeen <= account.lastSeen && unusedMs < USED_STEP_MS) return;
  const at = Math.max(lastSeen, account.lastSeen);
  const usedAt = used === undefined ? 0 : turn.now.wall;
  turn.append(account, { kind: "last_seen", at, device: used?.device ?? "", usedAt }, true);
}

/** When those who may see the account would say it was last seen, were it to go now (ms). */
export function lastSeenNow(turn: Turn, account: Account): number {
  const p = turn.presence.get(account.name);
  if (p === undefined || p.id !== account.id) return account.lastSeen;
  const lastSeen = Math.max(p.lastSeen, account.lastSeen);
  return visibleDevices(p).length === 0 ? lastSeen : Math.max(lastSeen, turn.now.wall);
}
