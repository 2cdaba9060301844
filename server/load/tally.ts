/** What synthetic users count, and in what they are configured alike. */
import type { Random, Timers } from "../node/ports.ts";
import type { Latencies } from "./latency.ts";
import type { MessageBook } from "./message_book.ts";
import type { OpenChannel, Proof, Refusal } from "./channel.ts";
import type { PoolNames, Ring } from "./ring.ts";
import type { PresenceBook } from "./presence_book.ts";

/** Counted from the start of a process; all only grow, but for `online`. */
export const NO_COUNTS = {
  /** Users with a live session now. */
  online: 0,
  signIns: 0,
  /** Returns after a break or drop. */
  resumes: 0,
  /** Of these, those that the server took up as the same session. */
  sessionsKept: 0,
  /** Sessions whose mailbox was not read on from where it was known, but anew. */
  begunAnew: 0,
  /** Attempts to sign in that were refused, to be tried again. */
  signInsRefused: 0,
  /** Users given up: their sign-in can never succeed. */
  signInsFailed: 0,
  /** Connections that broke without this tool's doing. */
  lost: 0,
  /** Live sessions that broke, or that the server asked to leave, without this tool's doing. */
  broken: 0,
  signOuts: 0,
  vanished: 0,
  changes: 0,
  changesRefused: 0,
  sends: 0,
  sendsAccepted: 0,
  sendsRefused: 0,
  /** Sends repeated because their outcome was not known. */
  sendsRepeated: 0,
  signals: 0,
  signalsReceived: 0,
  queries: 0,
  queriesRefused: 0,
  /** Operations that were due when no user was online to do them. */
  skipped: 0,
  frames: 0,
  events: 0,
  bytes: 0,
  /** Frames that were not what they should be. */
  malformed: 0,
} as const;

/** Names of counts. */
export type CountName = keyof typeof NO_COUNTS;
/** A number for each. */
export type Counts = { [K in CountName]: number };

/** Refusals and faults by code, with one message each; bounded. */
export class FaultTally {
  readonly #byCode = new Map<string, { count: number; readonly example: string }>();

  /** Counts a refusal; `what` tells of which operation. */
  add(what: string, { code, message }: Pick<Refusal, "code" | "message">): void {
    const key = `${what}: ${code}`;
    const known = this.#byCode.get(key);
    if (known !== undefined) known.count++;
    else if (this.#byCode.size < 100) this.#byCode.set(key, { count: 1, example: message });
  }

  /** Adds another tally's. */
  merge(list: readonly Fault[]): void {
    for (const { what, count, example } of list) {
      const known = this.#byCode.get(what);
      if (known !== undefined) known.count += count;
      else if (this.#byCode.size < 100) this.#byCode.set(what, { count, example });
    }
  }

  /** All of them, the most frequent first. */
  list(): readonly Fault[] {
    const faults = [...this.#byCode].map(([what, { count, example }]) => ({
      what,
      count,
      example,
    }));
    return faults.sort((a, b) => b.count - a.count);
  }
}

/** One kind of fault. */
export interface Fault {
  /** The operation and the code. */
  readonly what: string;
  readonly count: number;
  readonly example: string;
}

/** What the users of one process share. */
export interface CrowdContext {
  readonly ring: Ring;
  readonly names: PoolNames;
  readonly counts: Counts;
  readonly faults: FaultTally;
  readonly latencies: Latencies;
  readonly presence: PresenceBook;
  readonly messages: MessageBook;
  readonly timers: Timers;
  readonly random: Random;
  /** This run's number, so that messages of earlier runs are not mistaken for this one's. */
  readonly run: number;
  /** µs since 1970, the same clock in all processes of the machine, never going back in one. */
  nowUs(): number;
  name(user: number): string;
  proof(user: number): Proof;
  /** Opens the channel that this user prefers. */
  open(user: number): OpenChannel;
  /** A message body that begins with the tag and has the configured length. */
  body(tag: string): string;
  /** A message came in that this user has not acknowledged yet. */
  wantsAck(user: number): void;
  /** The user's session broke, and was taken up again. */
  cameBack(user: number, goneUs: number, backUs: number): void;
  /** Observers of single deliveries (dark launch). */
  readonly watch: DeliveryWatch | null;
}

/** Told of each delivery, for objectives that are about every single one. */
export interface DeliveryWatch {
  /** A watcher has a contact's change of this version, or a newer one. */
  presenceDelivered(contact: number, version: number, watcher: number, nowUs: number): void;
  messageDelivered(sender: number, number: number, recipient: number, nowUs: number): void;
}
