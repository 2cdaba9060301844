/** The users that one process plays, and what they count together. */
import type { Random, Timers } from "../node/ports.ts";
import { contactAt, poolName, PoolNames, type Ring } from "./ring.ts";
import type { CrowdContext, DeliveryWatch, Fault } from "./tally.ts";
import { FaultTally, NO_COUNTS } from "./tally.ts";
import { type EncodedLatencies, Latencies } from "./latency.ts";
import { MessageBook, type MessageCounts, type MessageMismatches } from "./message_book.ts";
import { PresenceBook, type PresenceCounts, type PresenceMismatches } from "./presence_book.ts";
import type { Counts } from "./tally.ts";
import type { OpenChannel, Proof } from "./channel.ts";
import { Scratch } from "./incoming.ts";
import { strideOrder } from "./schedule.ts";
import { SyntheticUser } from "./user.ts";

/** What a crowd is made with. */
export interface CrowdOptions {
  readonly ring: Ring;
  readonly pool: string;
  /** This process plays the users `lo … hi − 1`. */
  readonly lo: number;
  readonly hi: number;
  readonly run: number;
  readonly timers: Timers;
  readonly random: Random;
  nowUs(): number;
  proof(user: number): Proof;
  open(user: number): OpenChannel;
  readonly bodyBytes: number;
  readonly watch: DeliveryWatch | null;
}

/** What a crowd has counted and timed since the last sample. */
export interface CrowdSample {
  readonly counts: Counts;
  readonly presence: PresenceCounts;
  readonly messages: MessageCounts;
  /** Since the sample before. */
  readonly latencies: EncodedLatencies;
}

/** Who has sent what, for recipients to be compared with: by user (messages: and slot). */
export interface Truth {
  readonly presence: Int32Array;
  readonly messages: Int32Array;
  /** When users were away last whose session broke and went on (ms since 1970); 0: never. */
  readonly goneMs: Float64Array;
  readonly backMs: Float64Array;
}

/** How what has arrived compares with the truth. */
export interface Verdict {
  readonly presence: PresenceMismatches;
  readonly messages: MessageMismatches;
  readonly falseOffline: number;
  /** Sends that have no answer yet. */
  readonly unanswered: number;
}

/** How many users are tried for an operation before it counts as skipped. */
const TRIES_MAX = 2000;

/** A crowd. */
export class Crowd {
  readonly lo: number;
  readonly hi: number;
  readonly counts: Counts = { ...NO_COUNTS };
  readonly #context: CrowdContext;
  readonly #users: readonly SyntheticUser[];
  /** Places in the order of turns. */
  readonly #order: (place: number) => number;
  #turn = 0;
  readonly #wantAck = new Set<number>();
  readonly #goneMs: Float64Array;
  readonly #backMs: Float64Array;

  constructor(options: CrowdOptions) {
    const { ring, pool, lo, hi, bodyBytes } = options;
    const padding = "x".repeat(bodyBytes);
    this.lo = lo;
    this.hi = hi;
    this.#goneMs = new Float64Array(hi - lo);
    this.#backMs = new Float64Array(hi - lo);
    this.#context = {
      ...options,
      names: new PoolNames(pool),
      counts: this.counts,
      faults: new FaultTally(),
      latencies: new Latencies(),
      presence: new PresenceBook(ring, lo, hi),
      messages: new MessageBook(ring, lo, hi),
      nowUs: () => options.nowUs(),
      proof: (user) => options.proof(user),
      open: (user) => options.open(user),
      name: (user) => poolName(pool, user),
      body: (tag) => tag + padding.slice(tag.length),
      wantsAck: (user) => void this.#wantAck.add(user),
      cameBack: (user, goneUs, backUs) => {
        this.#goneMs[user - lo] = goneUs / 1000;
        this.#backMs[user - lo] = backUs / 1000;
      },
    };
    const scratch = new Scratch();
    this.#users = Array.from(
      { length: hi - lo },
      (_, i) => new SyntheticUser(this.#context, lo + i, scratch),
    );
    this.#order = strideOrder(hi - lo);
  }

  /** How many users there are. */
  get size(): number {
    return this.hi - this.lo;
  }

  /** Times of what takes as long as it takes this tool itself. */
  get latencies(): Latencies {
    return this.#context.latencies;
  }

  /** The user at a place `0 … size − 1` in the order of turns. */
  at(place: number): SyntheticUser {
    return this.#users[this.#order(place)]!;
  }

  /**
   * Has the next user in turn that can do it do an operation. `run` returns whether it could;
   * after `TRIES_MAX` who could not, the operation counts as skipped.
   */
  next(run: (user: SyntheticUser) => boolean): boolean {
    const tries = Math.min(TRIES_MAX, this.size);
    for (let i = 0; i < tries; i++) {
      const user = this.at(this.#turn++ % this.size);
      if (run(user)) return true;
    }
    this.counts.skipped++;
    return false;
  }

  /** A slot for the next operation between contacts. */
  anySlot(): number {
    return Math.floor(this.#context.random.number() * this.#context.ring.contacts);
  }

  /** The contact that a user has in a slot. */
  contactOf(user: number, slot: number): number {
    return contactAt(this.#context.ring, user, slot);
  }

  /** Has users acknowledge what has come in since the last call. */
  acknowledge(): void {
    for (const user of this.#wantAck) this.#users[user - this.lo]!.acknowledge();
    this.#wantAck.clear();
  }

  /** Everybody signs out. */
  signOutAll(): void {
    for (const user of this.#users) user.signOut();
  }

  /** Begins to count anew what a measured phase is about. */
  beginMeasured(): void {
    this.#context.presence.resetCounts();
    this.#context.latencies.reset();
    this.#goneMs.fill(0);
    this.#backMs.fill(0);
  }

  /** What was counted so far, and timed since the last sample. */
  sample(): CrowdSample {
    const { presence, messages, latencies } = this.#context;
    const encoded = latencies.encode();
    latencies.reset();
    return {
      counts: { ...this.counts },
      presence: { ...presence.counts },
      messages: { ...messages.counts },
      latencies: encoded,
    };
  }

  /** Refusals and faults so far. */
  faults(): readonly Fault[] {
    return this.#context.faults.list();
  }

  /** The part of the truth that is decided here. */
  truth(): Truth {
    const { presence, messages } = this.#context;
    return {
      presence: presence.truth(),
      messages: messages.truth(),
      goneMs: this.#goneMs.slice(),
      backMs: this.#backMs.slice(),
    };
  }

  /** Compares with the truth about all users. */
  compare(truth: Truth, graceMs: number): Verdict {
    const { presence, messages } = this.#context;
    return {
      presence: presence.compare(truth.presence),
      messages: messages.compare(truth.messages),
      falseOffline: presence.falseOffline(truth.goneMs, truth.backMs, graceMs),
      unanswered: this.#users.reduce((sum, user) => sum + user.unanswered, 0),
    };
  }
}
