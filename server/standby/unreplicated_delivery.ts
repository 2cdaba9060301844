/**
 * Has what a former primary has acknowledged alone sent again: what the rows of its store had before
 * they were replaced is kept in a file until the primary has taken all of it, whichever place that is
 * by then. What is sent twice is done once: messages have their own ids.
 */
import type { CellName } from "../../shard/name/ids.ts";
import {
  messagesOf,
  type Unreplicated,
  unreplicatedIn,
  type UnreplicatedMessage,
} from "./unreplicated.ts";
import type { Log, Row, Timers } from "../node/ports.ts";
import type { StandbyPeer } from "./peer.ts";

/** Messages and characters of a batch, at most; one message may be longer. */
const BATCH_MESSAGES_MAX = 50;
const BATCH_CHARS_MAX = 100_000;
/** A batch that was not taken for so long is sent again (ms). */
const AGAIN_MS = 5000;

/** Where it is kept: what was added is durable. */
export interface UnreplicatedFile {
  readonly exists: boolean;
  /** Throws where it cannot be kept. */
  add(found: readonly Unreplicated[]): void;
  load(): readonly Unreplicated[];
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
  #left: UnreplicatedMessage[] | null = null;
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
      log.error("acknowledged messages not kept", { error: String(error) });
      return false;
    }
    // What is under way was read from the file as it was before.
    this.#left = null;
    this.#waits = false;
    this.#n++;
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
    this.#left?.splice(0, this.#count);
    if (this.#left?.length !== 0) return;
    this.#left = null;
    this.#added.clear();
    file.remove();
    log.info("what was acknowledged here alone was sent again", { cell });
  }

  #next(send: (messages: readonly UnreplicatedMessage[], n: number) => void): void {
    const { cell, file, log, timers } = this.#options;
    if (this.#waits || !this.pending) return;
    if (this.#left === null) {
      this.#left = [...messagesOf(file.load())];
      log.info("acknowledged here and perhaps nowhere else", { cell, messages: this.#left.length });
    }
    const n = ++this.#n;
    this.#count = batchOf(this.#left);
    this.#waits = true;
    timers.after(AGAIN_MS, () => {
      if (this.#n === n) this.#waits = false;
    });
    if (this.#count === 0) this.taken(n);
    else send(this.#left.slice(0, this.#count), n);
  }
}

function batchOf(messages: readonly UnreplicatedMessage[]): number {
  let count = 0;
  for (let chars = 0; count < Math.min(messages.length, BATCH_MESSAGES_MAX); count++) {
    const { body, ext } = messages[count]!;
    chars += body.length + ext.length;
    if (count > 0 && chars > BATCH_CHARS_MAX) break;
  }
  return count;
}

function nameOf(one: Unreplicated): string {
  if (one.kind === "name") return JSON.stringify([one.account, one.name]);
  return JSON.stringify([one.kind === "sent" ? one.message.from : one.account, one.message.id]);
}
