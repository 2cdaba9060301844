/**
 * What a shard notes of an account in memory besides its durable state: nothing of it is in the log
 * or in a checkpoint, and all of it begins anew when the account is loaded.
 */
import type { AccountId, AccountName } from "../name/ids.ts";
import type { Rights } from "./rights.ts";
import type { DrainMeter } from "../message/drain_meter.ts";
import { FewMap, FewSet } from "./few.ts";
import type { InboundRate } from "../message/inbound_rate.ts";
import type { HeadPages } from "./head_pages.ts";
import { OutboxProgress } from "../message/outbox_progress.ts";

/** Another account of a peer's name that has sent a packet. */
export interface Successor {
  readonly id: AccountId;
  /** The accounts of the name that were known before. */
  readonly known: string;
  /** Pair number of the first packet that it has not settled. */
  readonly base: number;
  /** Whether the shard of the name has said that it is later than those. */
  readonly isNewest: boolean;
}

/** How far a push message is that the account owes. */
export interface PushProgress {
  /** As in its mark. */
  readonly seq: number;
  /** Monotonic time (ms) before which nothing is done about it. */
  dueMs: number;
  /** Looks at connections that have not confirmed the message. */
  looks: number;
  /** Times that a push service has not taken it. */
  tries: number;
  /** Devices that need none any more. */
  readonly done: Set<string>;
}

/** One account's runtime state. */
export class AccountRuntime {
  /** Who may see it by contacts that nobody has looked at singly; null: not asked yet. */
  watcherIds: Rights | null = null;
  /** Peers to which a receipt is owed. */
  readonly owed = new FewSet<AccountName>();
  /** Peers to which one was owed when it could not be sent, because they are blocked. */
  withheld: FewSet<AccountName> | null = null;
  /** Attempts to get those receipts acked. */
  owedAttempts = 0;
  /** Monotonic time at which the allowance of subscription requests is full again. */
  requestsFullAtMs = 0;
  /** The day on which its requests were sent again last, see `repeatRequests`. */
  repeatedDay = 0;
  /** Monotonic time at which the allowance of characters to send is full again. */
  sentFullAtMs = 0;
  /** How fast the characters of the outbox are settled; null while it is empty. */
  drain: DrainMeter | null = null;
  /** What it has received lately; null before the first message. */
  inbound: InboundRate | null = null;
  /** Edits, removals and reactions of each peer since the owner last read or wrote there. */
  changesOf: FewMap<AccountName, number> | null = null;
  /** Monotonic time (ms) from which settled pairs may be looked for again. */
  forgetAtMs = 0;
  /** Whether some were found last. */
  forgetting = false;
  /** About how many bytes its head takes. */
  headBytes = 0;
  /** Bytes of its stored head without its pages. */
  wholeBytes = 0;
  /** LSN that the stored checkpoint includes. */
  savedLsn = 0;
  /** Rows the stored checkpoint has; the rest are deleted when it shrinks. */
  savedChunks = 0;
  /** Rows of parts of an arriving account's head that the store may have. */
  savedParts = 0;
  /** Whether `headBytes` counts all changes since the last checkpoint. */
  measured = true;
  /** Where the pages of its head are stored; null while it is in one piece. */
  pages: HeadPages | null = null;
  /** Whether the store marks it as owing packets or receipts. */
  savedOwes = false;
  /** Commit batch that the newest change belongs to. */
  batch = 0;
  /** First LSN that no checkpoint includes; 0 when clean. */
  dirtyLsn = 0;
  /** Monotonic time of last use, for eviction. */
  usedMs = 0;
  // Most accounts have nothing in their outbox.
  #progress: FewMap<AccountName, OutboxProgress> | null = null;

  // Few accounts ever owe a push message.
  #pushes: FewMap<AccountName, PushProgress> | null = null;
  // Few names ever belong to another account.
  #successors: FewMap<AccountName, Successor> | null = null;

  /** Push messages on their way, by conversation. */
  get pushes(): FewMap<AccountName, PushProgress> {
    return this.#pushes ??= new FewMap();
  }

  /** It owes none any more. */
  forgetPushes(): void {
    this.#pushes = null;
  }

  /** Whether it has asked which account is the newest of a peer's name, and takes packets by that. */
  get hasSuccessors(): boolean {
    return this.#successors !== null;
  }

  /** The account of the peer's name that was asked about last. */
  successor(peer: AccountName): Successor | undefined {
    return this.#successors?.get(peer);
  }

  /** Notes what is known of an account of the peer's name. */
  noteSuccessor(peer: AccountName, successor: Successor): void {
    (this.#successors ??= new FewMap()).set(peer, successor);
  }

  /** The progress of the outbox queue for the account `toId` of the name `to`. */
  progress(to: AccountName, toId: AccountId): OutboxProgress {
    const map = this.#progress ??= new FewMap();
    const known = map.get(to);
    if (known?.toId === toId) return known;
    const fresh = new OutboxProgress(toId);
    map.set(to, fresh);
    return fresh;
  }

  /** The outbox has no queue for that name any more. */
  forgetProgress(to: AccountName): void {
    this.#progress?.delete(to);
  }
}
