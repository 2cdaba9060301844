/**
 * Has what a former primary has acknowledged alone sent again: what the rows of its store had before
 * they were replaced is kept in a file until the primary has taken all of it, whichever place that is
 * by then. What is sent twice is done once: messages have their own ids.
 */
import type { CellName } from "../../shard/name/ids.ts";
import {
  type Unreplicated,
  unreplicatedIn,
  UnreplicatedIndex,
  type UnreplicatedMessage,
} from "./unreplicated.ts";
import type { Log, Row, Timers } from "../node/ports.ts";
import type { StandbyPeer } from "./peer.ts";

/** Messages and characters of a batch, at most; one message may be longer. */
const BATCH_MESSAGES_MAX = 50;
const BATCH_CHARS_MAX = 100_000;
/** A batch that was not taken for so long is sent again (ms). */
const AGAIN_MS = 5000;
/** Names of what was added that are remembered, so that it is not added twice. */
const ADDED_MAX = 100_000;

/** Part of a file: what it has, and where; `next`: where the next part begins, null at the end. */
export interface UnreplicatedPart {
  readonly lines: readonly { readonly place: number; readonly line: Unreplicated }[];
  readonly next: number | null;
}

/** Where it is kept: what was added is durable. Its length is bounded, and it is read in parts. */
export interface UnreplicatedFile {
  readonly exists: boolean;
  /** Throws where it cannot be kept. */
  add(found: readonly Unreplicated[]): void;
  part(from: number): UnreplicatedPart;
  /** What is at a place; null where nothing can be read. */
  at(place: number): Unreplicated | null;
  remove(): void;
}

/** Takes messages of a batch; `taken` when each of them is durable, or refused for good. */
export type TakeUnreplicated = (
  messages: readonly UnreplicatedMessage[],
  taken: () => void,
) => void;

/** What it is made with. */
export interface DeliveryOptions {
  readonly cell: CellName;
  readonly file: UnreplicatedFile;
  readonly timers: Timers;
  readonly log: Pick<Log, "info" | "error">;
}

/** See the head of this file. */
export class UnreplicatedDelivery {
  readonly #options: DeliveryOptions;
  /** Accounts and ids of messages that were added by this process. */
  readonly #added = new Set<string>();
  #index = new UnreplicatedIndex();
  /** Places of the messages that are left; null before the file was read. */
  #left: readonly number[] | null = null;
  #reading = false;
  #refused = false;
  /** The batch that is under way. */
  #n = 0;
  #count = 0;
  #waits = false;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** Whether there may be something to deliver. */
  get pending(): boolean {
    return this.#left !== null || this.#options.file.exists;
  }

  /** Takes rows that are about to be replaced; false where it cannot keep what they have. */
  keep(rows: readonly Row[]): boolean {
    const { file, log } = this.#options;
    const found = rows.flatMap(unreplicatedIn).filter((one) => !this.#added.has(nameOf(one)));
    if (found.length === 0) return true;
    try {
      file.add(found);
    } catch (error) {
      if (!this.#refused) log.error("acknowledged messages not kept", { error: String(error) });
      this.#refused = true;
      return false;
    }
    this.#refused = false;
    // What is under way was read from the file as it was before.
    this.#left = null;
    this.#reading = this.#waits = false;
    this.#n++;
    if (this.#added.size > ADDED_MAX) this.#added.clear();
    for (const one of found) this.#added.add(nameOf(one));
    return true;
  }

  /** Offers the next batch to the primary, unless one is under way. */
  offer(to: StandbyPeer): void {
    const { cell } = this.#options;
    this.#next((messages, n) => void to.send({ kind: "unreplicated", cell, n, messages }));
  }

  /** Gives the next batch to this process, which is the primary itself. */
  give(take: TakeUnreplicated): void {
    this.#next((messages, n) =>
      take(messages, () => {
        this.taken(n);
        this.give(take);
      })
    );
  }

  /** The primary has taken a batch. */
  taken(n: number): void {
    const { cell, file, log } = this.#options;
    if (n !== this.#n || !this.#waits) return;
    this.#waits = false;
    this.#left = this.#left!.slice(this.#count);
    if (this.#left.length > 0) return;
    this.#left = null;
    this.#added.clear();
    file.remove();
    log.info("what was acknowledged here alone was sent again", { cell });
  }

  #next(send: (messages: readonly UnreplicatedMessage[], n: number) => void): void {
    const { timers } = this.#options;
    if (this.#waits || !this.pending) return;
    if (this.#left === null && !this.#reading) this.#begin();
    if (this.#left === null) return;
    const n = ++this.#n;
    const messages = this.#batch(this.#left);
    this.#waits = true;
    timers.after(AGAIN_MS, () => {
      if (this.#n === n) this.#waits = false;
    });
    if (messages.length === 0) this.taken(n);
    else send(messages, n);
  }

  #begin(): void {
    this.#reading = true;
    this.#index = new UnreplicatedIndex();
    this.#read(this.#index, 0);
  }

  /** Reads one part after the other, each in a turn of its own. */
  #read(index: UnreplicatedIndex, from: number): void {
    if (this.#index !== index || !this.#reading) return;
    const { cell, file, log, timers } = this.#options;
    const { lines, next } = file.part(from);
    for (const { line, place } of lines) index.add(line, place);
    if (next !== null) return timers.soon(() => this.#read(index, next));
    this.#reading = false;
    this.#left = index.places;
    log.info("acknowledged here and perhaps nowhere else", { cell, messages: this.#left.length });
  }

  /** The first of those that are left; `#count`: how many. */
  #batch(left: readonly number[]): readonly UnreplicatedMessage[] {
    const messages = new Map<string, UnreplicatedMessage>();
    let chars = 0;
    this.#count = 0;
    for (const place of left) {
      const message = this.#index.messageOf(this.#options.file.at(place));
      if (message !== null) {
        chars += message.body.length + message.ext.length;
        const isFull = messages.size >= BATCH_MESSAGES_MAX || chars > BATCH_CHARS_MAX;
        if (isFull && messages.size > 0) break;
        messages.set(JSON.stringify([message.from, message.id]), message);
      }
      this.#count++;
    }
    return [...messages.values()];
  }
}

function nameOf(one: Unreplicated): string {
  if (one.kind === "name") return JSON.stringify([one.account, one.name]);
  return JSON.stringify([one.kind === "sent" ? one.message.from : one.account, one.message.id]);
}
