/**
 * What a device knows: a snapshot, and the events that followed it. The same folding from an empty
 * start gives the state that a whole mailbox stands for, which snapshots must agree with.
 */
import type { z } from "zod";
import type { ANSWERS } from "../../server/v1/answers.ts";
import { Violation } from "./history.ts";

/** A durable event as clients get it. */
export type WireEvent = z.output<typeof ANSWERS.DurableEvent>;
/** A soft event as clients get it. */
export type SoftEvent = z.output<typeof ANSWERS.SoftEvent>;
/** A snapshot as clients get it. */
export type WireSnapshot = z.output<typeof ANSWERS.Snapshot>;
/** A contact as clients get it. */
export type WireContact = z.output<typeof ANSWERS.Contact>;

/** A conversation as folded. */
interface Conversation {
  lastSeq: number;
  lastAt: number;
  unread: number;
  readUpTo: number;
  delivered: number;
  read: number;
  /** Numbers of own messages that wait for a subscription, as a client computes them. */
  waiting: number[];
  /** Positions of incoming messages after `readUpTo`; null where the start is not known. */
  incoming: number[] | null;
}

/** Unread messages up to which the server counts exactly after a partial read mark. */
const UNREAD_EXACT_MAX = 100;

/** Whether the contact may see the roster's owner. */
function maySee(contact: WireContact | undefined): boolean {
  return contact?.subscription === "from" || contact?.subscription === "both";
}

/** A mailbox folded up to `seq`. */
export class View {
  readonly owner: string;
  readonly mailboxId: string;
  /** Whether it was folded from the mailbox's very beginning. */
  readonly whole: boolean;
  seq: number;
  lastAt = 0;
  readonly roster = new Map<string, WireContact>();
  readonly requests = new Set<string>();
  readonly blocked = new Set<string>();
  readonly conversations = new Map<string, Conversation>();
  messagesFrom: "contacts" | "anyone" = "contacts";

  /** An empty one, or one that starts from a snapshot. */
  constructor(owner: string, cursor: string, snapshot: WireSnapshot | null) {
    const [mailboxId, seq] = cursor.split(":") as [string, string];
    this.owner = owner;
    this.mailboxId = mailboxId;
    this.seq = Number(seq);
    this.whole = snapshot === null;
    if (snapshot === null) return;
    for (const contact of snapshot.roster) this.roster.set(contact.contact, contact);
    for (const name of snapshot.requests) this.requests.add(name);
    for (const name of snapshot.blocked) this.blocked.add(name);
    for (const c of snapshot.conversations) {
      const { with: peer, waiting = [], ...rest } = c;
      this.conversations.set(peer, { ...rest, waiting: [...waiting], incoming: null });
    }
    this.messagesFrom = snapshot.messagesFrom;
  }

  /** Where it stands. */
  get cursor(): string {
    return `${this.mailboxId}:${this.seq}`;
  }

  /** Takes the next event; throws where it is not the next, or says what cannot be. */
  apply(event: WireEvent): void {
    if (event.seq !== this.seq + 1) {
      this.#fail("gap-free", `event ${event.seq} follows ${this.seq}: ${JSON.stringify(event)}`);
    }
    if (event.at < this.lastAt) {
      this.#fail("times never decrease", `${event.at} follows ${this.lastAt}`);
    }
    this.seq = event.seq;
    this.lastAt = event.at;
    this.#fold(event);
  }

  #fold(event: WireEvent): void {
    switch (event.k) {
      case "message":
        return this.#message(event);
      case "undelivered":
        return this.#undelivered(event);
      case "receipt":
        return this.#receipt(event);
      case "read":
        return this.#read(event);
      case "roster": {
        const { k: _k, seq: _seq, at: _at, ...contact } = event;
        const gains = maySee(contact) && !maySee(this.roster.get(contact.contact));
        if (gains && this.blocked.has(contact.contact)) {
          this.#fail("a blocked account gains no right", JSON.stringify(event));
        }
        this.roster.set(contact.contact, contact);
        const c = this.conversations.get(contact.contact);
        if (c !== undefined && contact.subscription !== "none") c.waiting = [];
        return;
      }
      case "roster_removed":
        this.roster.delete(event.contact);
        return;
      case "request":
        if (event.pending) this.requests.add(event.from);
        else this.requests.delete(event.from);
        return;
      case "blocked":
        if (event.blocked) this.blocked.add(event.contact);
        else this.blocked.delete(event.contact);
        return;
      case "settings":
        this.messagesFrom = event.messagesFrom;
    }
  }

  /** Whether the account has asked `name` for a subscription that would let it write. */
  asks(name: string): boolean {
    const item = this.roster.get(name);
    return item?.pendingOut === true && item.subscription === "none";
  }

  /** Whether message `num` to `name` waits for a subscription. */
  waits(name: string, num: number): boolean {
    return this.conversations.get(name)?.waiting.includes(num) ?? false;
  }

  /** Whether the account takes messages from `name` in this state. */
  accepts(name: string): boolean {
    if (this.blocked.has(name)) return false;
    if (this.messagesFrom === "anyone" || name === this.owner) return true;
    return (this.roster.get(name)?.subscription ?? "none") !== "none";
  }

  #conversation(peer: string): Conversation {
    let c = this.conversations.get(peer);
    if (c === undefined) {
      const incoming = this.whole ? [] : null;
      const marks = { lastSeq: 0, lastAt: 0, unread: 0, readUpTo: 0, delivered: 0, read: 0 };
      c = { ...marks, waiting: [], incoming };
      this.conversations.set(peer, c);
    }
    return c;
  }

  #message(event: WireEvent & { k: "message" }): void {
    const c = this.#conversation(event.with);
    const changes = event.change !== undefined;
    if (!changes) {
      c.lastSeq = event.seq;
      c.lastAt = event.at;
    }
    if (event.out) {
      c.waiting = event.waits ? [...c.waiting, event.num] : [];
      return;
    }
    if (changes) return;
    c.unread++;
    c.incoming?.push(event.seq);
  }

  #undelivered({ with: peer, num, from = num }: WireEvent & { k: "undelivered" }): void {
    const c = this.conversations.get(peer);
    if (c !== undefined) c.waiting = c.waiting.filter((waits) => waits < from || waits > num);
  }

  #receipt(event: WireEvent & { k: "receipt" }): void {
    const c = this.#conversation(event.with);
    if (event.delivered < c.delivered || event.read < c.read) {
      this.#fail(
        "receipts are monotone",
        `of ${event.with}: ${event.delivered}/${event.read} after ${c.delivered}/${c.read}`,
        event.with,
      );
    }
    if (event.delivered < event.read) {
      this.#fail("read implies delivered", JSON.stringify(event), event.with);
    }
    c.delivered = event.delivered;
    c.read = event.read;
  }

  #read(event: WireEvent & { k: "read" }): void {
    const c = this.#conversation(event.with);
    if (event.upTo <= c.readUpTo || event.upTo > event.seq) {
      this.#fail("read marks rise", `${JSON.stringify(event)} after ${c.readUpTo}`, event.with);
    }
    c.readUpTo = event.upTo;
    if (c.incoming !== null) {
      const exact = c.incoming.length <= UNREAD_EXACT_MAX;
      c.incoming = c.incoming.filter((seq) => seq > event.upTo);
      if (exact && c.incoming.length !== event.unread) {
        const text = `${JSON.stringify(event)}, but ${c.incoming.length} messages came after it`;
        this.#fail("unread counts", text, event.with);
      }
    }
    c.unread = event.unread;
  }

  #fail(check: string, text: string, ...others: string[]): never {
    throw new Violation(check, `mailbox of ${this.owner}: ${text}`, [this.owner, ...others]);
  }

  /**
   * The state as text, so that two can be compared. Conversations whose last message is before
   * `first`, the first retained position, are left out, as snapshots do.
   */
  text(first: number): string {
    const conversations = [...this.conversations]
      .filter(([, c]) => c.lastSeq >= first && c.lastSeq > 0)
      .map(([peer, { incoming: _incoming, ...c }]) =>
        `${peer} ${c.lastSeq} ${c.lastAt} ${c.unread} ${c.readUpTo} ${c.delivered} ${c.read} ` +
        `[${c.waiting}]`
      );
    const roster = [...this.roster.values()].map((c) =>
      `${c.contact} ${c.label ?? ""} [${c.groups ?? ""}] ${c.subscription} ${
        c.pendingOut ?? false
      } ${c.approved ?? false}`
    );
    return JSON.stringify(
      {
        seq: this.seq,
        messagesFrom: this.messagesFrom,
        roster: roster.sort(),
        requests: [...this.requests].sort(),
        blocked: [...this.blocked].sort(),
        conversations: conversations.sort(),
      },
      null,
      1,
    );
  }
}

/** An event in one short line. */
export function brief(event: WireEvent | SoftEvent): string {
  const text = JSON.stringify(event);
  return text.length <= 150 ? text : `${text.slice(0, 150)}…`;
}
