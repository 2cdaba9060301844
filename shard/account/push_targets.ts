/**
 * Where push messages of an account go (RFC 8030) while nobody is at one of its devices, and which
 * conversations have had theirs. Both are part of the account: they move and end with it.
 */
import type { AccountName, DeviceId } from "../name/ids.ts";
import type { Account, AccountState } from "./account.ts";
import type { Entry } from "./records.ts";
import type { ByteReader, ByteWriter } from "../record/bytes.ts";
import { accountName, deviceId } from "../record/fields.ts";
import { bool, bytes, list, oneOf, text, uint } from "../record/schema.ts";
import { struct } from "../record/struct.ts";

/** How much a push message tells: the text, who has written, or that somebody has. */
export const PUSH_CONTENTS = ["none", "sender", "full"] as const;

/** One of `PUSH_CONTENTS`. */
export type PushContent = typeof PUSH_CONTENTS[number];

/** Push subscriptions of one account, one for each device. */
export const PUSH_TARGETS_MAX = 16;

/** The push subscription of one device. */
export interface PushTarget {
  readonly device: DeviceId;
  /** When the device has set it last (ms). */
  readonly at: number;
  /** URL of the push resource; with a service, the service's own name of the device. */
  readonly endpoint: string;
  /** The device's public key, a point of P-256 in 65 bytes (RFC 8291); empty with a service. */
  readonly p256dh: Uint8Array;
  /** Its authentication secret of 16 bytes; empty with a service. */
  readonly auth: Uint8Array;
  readonly content: PushContent;
  /** The service that takes its push messages; "": they go to `endpoint`. */
  readonly service: string;
}

/** A conversation with unread messages of which a push message is owed or was sent. */
export interface PushMark {
  /** Position of the message that it is about. */
  readonly seq: number;
  readonly sent: boolean;
}

/** The fields of a push subscription as they are stored. */
export const PUSH_TARGET = {
  device: deviceId,
  at: uint,
  endpoint: text,
  p256dh: bytes,
  auth: bytes,
  content: oneOf("push content", PUSH_CONTENTS),
  service: text,
};

const TARGETS = list(struct(PUSH_TARGET));
const MARKS = list(struct({ with: accountName, seq: uint, sent: bool }));

/** One array for all accounts without a push subscription. */
export const NO_PUSH_TARGETS: readonly PushTarget[] = [];

/** The same of marks. */
export const NO_PUSH_MARKS: ReadonlyMap<AccountName, PushMark> = new Map();

/** Marks that may be changed: most accounts never have any. */
function marksOf(account: Pick<AccountState, "pushMarks">): Map<AccountName, PushMark> {
  if (account.pushMarks === NO_PUSH_MARKS) account.pushMarks = new Map();
  return account.pushMarks as Map<AccountName, PushMark>;
}

/** Forgets what was owed or sent of a conversation. */
export function forgetPushMark(
  account: Pick<AccountState, "pushMarks">,
  peer: AccountName,
): void {
  if (account.pushMarks.has(peer)) marksOf(account).delete(peer);
}

/** Writes both. */
export function writePush(
  w: ByteWriter,
  { pushTargets, pushMarks }: Pick<AccountState, "pushTargets" | "pushMarks">,
): void {
  TARGETS.write(w, pushTargets);
  MARKS.write(w, [...pushMarks].map(([peer, mark]) => ({ with: peer, ...mark })));
}

/** Reads them back. Throws `CorruptBytes`. */
export function readPush(r: ByteReader, account: AccountState): void {
  account.pushTargets = TARGETS.read(r);
  for (const { with: peer, seq, sent } of MARKS.read(r)) {
    marksOf(account).set(peer, { seq, sent });
  }
}

type PushEntry = Entry & {
  readonly kind: "push_set" | "push_removed" | "push_owed" | "push_settled";
};

/** Changes `account` as the record says. */
export function applyPush(account: AccountState, e: PushEntry): void {
  switch (e.kind) {
    case "push_set": {
      const { kind: _, ...target } = e;
      const others = account.pushTargets.filter((t) => t.device !== e.device);
      account.pushTargets = [...others, target];
      return;
    }
    case "push_removed":
      return endPush(account, e.device);
    case "push_owed":
      // With its last subscription an account loses its marks: without one it gets none.
      if (account.pushTargets.length === 0) return;
      marksOf(account).set(e.with, { seq: e.seq, sent: false });
      return;
    case "push_settled": {
      const { seq, sent } = e;
      if (account.pushMarks.get(e.with)?.seq !== seq) return;
      if (sent) marksOf(account).set(e.with, { seq, sent });
      else forgetPushMark(account, e.with);
      return;
    }
  }
}

/** The device gets no push messages any more. */
export function endPush(account: AccountState, device: DeviceId): void {
  if (account.pushTargets.length === 0) return;
  const left = account.pushTargets.filter((t) => t.device !== device);
  account.pushTargets = left.length === 0 ? NO_PUSH_TARGETS : left;
  if (left.length === 0) account.pushMarks = NO_PUSH_MARKS;
}

/**
 * Something of the conversation was read: the next message after a push message is worth another. One
 * that is still owed stays so while there is an unread message.
 */
export function readPushMark(account: AccountState, peer: AccountName): void {
  const mark = account.pushMarks.get(peer);
  if (mark === undefined) return;
  const unread = account.conversations.get(peer)?.unreadCount ?? 0;
  if (mark.sent || unread === 0) forgetPushMark(account, peer);
}

/** Whether a push message is owed. */
export function owesPush({ pushMarks }: Pick<Account, "pushMarks">): boolean {
  if (pushMarks.size === 0) return false;
  for (const { sent } of pushMarks.values()) if (!sent) return true;
  return false;
}
