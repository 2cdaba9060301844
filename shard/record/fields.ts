/** Schemas of the identifiers and small values that many records have. */
import type { AccountId, AccountName, DeviceId, MailboxId, NodeId, NodeRef } from "../name/ids.ts";
import { branded, bytes, choice, constant, either, type Schema, uint } from "./schema.ts";
import { struct } from "./struct.ts";

/** SCRAM keys of one mechanism (RFC 5802): what is kept instead of a password. */
export interface ScramKey {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** All keys of one password; SHA-1 is absent where it is disabled. */
export interface Credentials {
  readonly sha256: ScramKey;
  readonly sha1: ScramKey | null;
}

/** Who may write to an account: those with a subscription either way, or everybody. */
export type MessagesFrom = "contacts" | "anyone";

/** A normalised account name. */
export const accountName: Schema<AccountName> = branded();
/** An account's id. */
export const accountId: Schema<AccountId> = branded();
/** An account's id, or "" where none is known. */
export const accountIdOrNone: Schema<AccountId | ""> = branded();
/** A device's id. */
export const deviceId: Schema<DeviceId> = branded();
/** A device's id, or "" where none is known. */
export const deviceIdOrNone: Schema<DeviceId | ""> = branded();
/** A mailbox's id. */
export const mailboxId: Schema<MailboxId> = branded();

/** A node and the incarnation of it. */
export const nodeRef: Schema<NodeRef> = struct({ id: branded<NodeId>(), incarnation: uint });

/** Who may write to an account. */
export const messagesFrom: Schema<MessagesFrom> = either("contacts", "anyone");

const scramKey: Schema<ScramKey> = struct({
  salt: bytes,
  iterations: uint,
  storedKey: bytes,
  serverKey: bytes,
});

const KEY_FORMS = {
  1: struct({ sha256: scramKey, sha1: constant(null) }),
  2: struct({ sha256: scramKey, sha1: scramKey }),
};

function keyForm(c: Credentials): number {
  return c.sha1 === null ? 1 : 2;
}

/** The keys of a password. */
export const credentials: Schema<Credentials> = choice("credentials", KEY_FORMS, keyForm);

/** The keys of a password, or null where the account has none. */
export const credentialsOrNone: Schema<Credentials | null> = choice(
  "credentials",
  { 0: constant(null), ...KEY_FORMS },
  (c) => c === null ? 0 : keyForm(c),
);
