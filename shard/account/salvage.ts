/**
 * What is put in the place of stored parts of an account that cannot be read, so that the rest of it
 * can be used again. Only `roost repair` calls this, with no node running.
 */
import type { AccountName } from "../name/ids.ts";
import { AccountState } from "./account.ts";
import { DedupeWindow } from "../message/dedupe.ts";
import { chunkRows, type HeadRow, readHeadRows } from "./head_rows.ts";
import { encodeHead } from "./head.ts";
import { encodeBlock, encodeEvent } from "../mailbox/mailbox_event.ts";
import { pointOf } from "../name/ids.ts";

/** The head of a closed account that includes the log up to `lsn`: nobody else can take its name. */
export function closedHead(name: AccountName, lsn: number): readonly HeadRow[] {
  const account = new AccountState(name, pointOf(name));
  account.state = "closed";
  return chunkRows(account.point, name, encodeHead(account, lsn));
}

/** A mailbox block of `count` events at the time `at` (ms) that change nothing for any client. */
export function emptyBlock(name: AccountName, count: number, at: number): Uint8Array {
  const event = encodeEvent(at, { kind: "receipt", with: name, delivered: 0, read: 0 });
  return encodeBlock(Array.from({ length: count }, () => event));
}

/** A head that is changed and written back; throws `CorruptBytes` where it cannot be read. */
export class SalvagedHead {
  readonly #account: AccountState;

  constructor(name: AccountName, rows: readonly HeadRow[]) {
    this.#account = new AccountState(name, pointOf(name));
    readHeadRows(this.#account, rows);
  }

  /** Forgets what was sent within the dedupe window; blocks that are stored are no part of it. */
  forgetSent(): void {
    const { id, dedupe } = this.#account;
    this.#account.dedupe = new DedupeWindow(id, dedupe.shape);
  }

  /** The rows of the changed head; a node divides those of a large one again. */
  rows(): readonly HeadRow[] {
    const { name, point, runtime } = this.#account;
    return chunkRows(point, name, encodeHead(this.#account, runtime.savedLsn));
  }
}
