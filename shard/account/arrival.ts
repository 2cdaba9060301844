/** What an account that moves here has brought so far, and how a head has what is known of a move. */
import type { AccountId, CellName, MailboxId } from "../name/ids.ts";
import { accountId, mailboxId } from "../record/fields.ts";
import { bool, list, optional, type Schema, text, uint } from "../record/schema.ts";
import { cellName } from "../federation/name_register.ts";
import { type Leaving, MOVED_ROW_ID, type MovedRowId } from "../federation/move_message.ts";
import { struct } from "../record/struct.ts";

/** What an account that moves here has brought so far. */
export interface Arrival {
  readonly move: string;
  readonly from: CellName;
  readonly id: AccountId;
  /** Rows that are stored under the account's id, or about to be. */
  readonly rows: readonly MovedRowId[];
  /** The freeze that `parts` are of; 0: there are none. */
  readonly attempt: number;
  /** Parts of its head; undefined where one is missing. */
  readonly parts: readonly (Uint8Array | undefined)[];
  /** The id of its mailbox as this cell stores it. */
  readonly mailboxId: MailboxId;
}

/** The stored form of an arrival: the parts of the head are in rows of their own. */
interface StoredArrival extends Omit<Arrival, "parts"> {
  /** Whether each of the parts exists. */
  readonly parts: readonly boolean[];
}

const LEAVING: Schema<Leaving> = struct({
  move: text,
  to: cellName,
  attempt: uint,
  deciding: bool,
});

const ARRIVAL: Schema<StoredArrival> = struct({
  move: text,
  from: cellName,
  id: accountId,
  rows: list(MOVED_ROW_ID),
  attempt: uint,
  parts: list(bool),
  mailboxId,
});

/** What a head begins with, behind the register, while its account moves. */
export const MOVING = struct({
  leaving: optional("leaving", LEAVING),
  arrival: optional("arrival", ARRIVAL),
});

/** An arrival as it is stored; null where there is none. */
export function storedArrival(arrival: Arrival | null): StoredArrival | null {
  if (arrival === null) return null;
  return { ...arrival, parts: arrival.parts.map((part) => part !== undefined) };
}

/** Whether all of the account is here but the decision. */
export function isComplete({ attempt, parts }: Arrival): boolean {
  return attempt > 0 && !parts.includes(undefined);
}
