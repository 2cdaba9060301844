/**
 * The unread messages that retention keeps: how many each peer has in the mailbox, and from which
 * position on. Quotas rest on the counts, and the blocks that a trim keeps on the positions.
 */

/** Unread messages of one peer. */
export interface UnreadOfPeer {
  /** Index number of the conversation with the peer. */
  readonly conversation: number;
  /** No unread message that is kept is before this mailbox position. */
  readonly first: number;
  /** Position of the peer's last message. */
  readonly last: number;
  /** At least as many as are kept; exact while the peer's messages are read in order. */
  readonly count: number;
}

/** The same for everybody but `apply`, which alone changes it. */
export type ReadonlyUnreadMail = Readonly<
  Pick<UnreadMail, "size" | "count" | "first" | "get" | "values">
>;

/** The peers with unread messages, and the number of their messages. */
export class UnreadMail {
  readonly #peers = new Map<number, UnreadOfPeer>();
  /** Messages of all peers. */
  count = 0;

  /** Number of peers. */
  get size(): number {
    return this.#peers.size;
  }

  /** The first position that may have an unread message; `Infinity` when none has. */
  get first(): number {
    let first = Infinity;
    for (const of of this.#peers.values()) first = Math.min(first, of.first);
    return first;
  }

  /** The messages of one conversation; undefined when it has none. */
  get(conversation: number): UnreadOfPeer | undefined {
    return this.#peers.get(conversation);
  }

  /** All peers, in no particular order. */
  values(): Iterable<UnreadOfPeer> {
    return this.#peers.values();
  }

  /** Sets a peer as it was stored. */
  restore(of: UnreadOfPeer): void {
    this.count += of.count - (this.#peers.get(of.conversation)?.count ?? 0);
    this.#peers.set(of.conversation, of);
  }

  /** Counts a message of the conversation at position `seq`. */
  add(conversation: number, seq: number): void {
    const of = this.#peers.get(conversation);
    const last = Math.max(of?.last ?? 0, seq);
    const count = (of?.count ?? 0) + 1;
    this.restore({ conversation, first: of?.first ?? seq, last, count });
  }

  /**
   * The peer's messages up to position `seq` are kept no longer. `after`: how many of its messages
   * are behind that position, where it is known.
   */
  settle(conversation: number, seq: number, after = Infinity): void {
    const of = this.#peers.get(conversation);
    if (of === undefined || seq < of.first) return;
    // Otherwise at most as many as positions are.
    const count = Math.min(after, of.count, of.last - seq);
    if (count <= 0) {
      this.count -= of.count;
      this.#peers.delete(conversation);
    } else this.restore({ conversation, first: seq + 1, last: of.last, count });
  }

  /** Forgets everything. */
  clear(): void {
    this.#peers.clear();
    this.count = 0;
  }
}
