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

/** What the peer has got of an account: numbers that it must not use again. */
export interface Floor {
  readonly peer: AccountName;
  /** Pair number of a packet, and number of a message. */
  readonly pairOut: number;
  readonly outNum: number;
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

  /** Raises numbers to what peers have got; returns whether one was lower. */
  raise(floors: readonly Floor[]): boolean {
    let raised = false;
    for (const { peer, pairOut, outNum } of floors) {
      const known = this.#account.conversations.get(peer);
      // The peer counts from its own first one.
      const ownNum = outNum + (known?.outBase ?? 0);
      if (known !== undefined && known.pairOut >= pairOut && known.outNum >= ownNum) continue;
      const conversation = this.#account.conversation(peer);
      conversation.pairOut = Math.max(conversation.pairOut, pairOut);
      conversation.outNum = Math.max(conversation.outNum, ownNum);
      raised = true;
    }
    return raised;
  }

  /** The rows of the changed head; a node divides those of a large one again. */
  rows(): readonly HeadRow[] {
    const { name, point, runtime } = this.#account;
    return chunkRows(point, name, encodeHead(this.#account, runtime.savedLsn));
  }
}
