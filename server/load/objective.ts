/**
 * A service level objective about single deliveries: each that was due either arrives, and its
 * latency counts, or is lost after a deadline. Operations that could not even be tried count as
 * lost, for their users would not have cared why. Bounded memory, whatever goes wrong.
 */
import { Latencies, LATENCY_US_MAX } from "./latency.ts";
import type { DeliveryWatch } from "./tally.ts";

/** After this a delivery is lost (µs). */
export const DEADLINE_US = 10_000_000;
/** Operations that are watched at a time; more are counted as lost at once. */
const WATCHED_MAX = 100_000;

/** What is to hold. */
export interface Objective {
  readonly p99Ms: number;
  /** Share of the deliveries that arrive within the deadline. */
  readonly share: number;
}

/** How it went over some time. */
export interface Standing {
  readonly expected: number;
  readonly arrived: number;
  readonly lost: number;
  /** Share that arrived; 1 where none was expected. */
  readonly share: number;
  /** Lost ones count as the longest latency. null where there were none. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly held: boolean;
}

interface Watched {
  readonly user: number;
  readonly number: number;
  readonly dueUs: number;
  readonly waiting: Set<number>;
}

/** Deliveries judged over a span of time. */
export class Judgement {
  readonly #latencies = new Latencies();
  #arrived = 0;
  #lost = 0;

  /** One arrived after `us`. */
  arrived(us: number): void {
    this.#arrived++;
    this.#latencies.record("presence", us);
  }

  /** Some never did. */
  lost(count: number): void {
    this.#lost += count;
    for (let i = 0; i < count; i++) this.#latencies.record("presence", LATENCY_US_MAX);
  }

  /** Begins anew. */
  reset(): void {
    this.#arrived = this.#lost = 0;
    this.#latencies.reset();
  }

  /** Compares with the objective. */
  standing(objective: Objective): Standing {
    const expected = this.#arrived + this.#lost;
    const share = expected === 0 ? 1 : this.#arrived / expected;
    const summary = this.#latencies.summary("presence");
    const p99Ms = summary === null ? null : summary.p99Us / 1000;
    return {
      expected,
      arrived: this.#arrived,
      lost: this.#lost,
      share,
      p50Ms: summary === null ? null : summary.p50Us / 1000,
      p99Ms,
      held: share >= objective.share && (p99Ms ?? 0) <= objective.p99Ms,
    };
  }
}

/** Watches deliveries, and tells judgements what became of each. */
export class Deliveries implements DeliveryWatch {
  readonly #judgements: readonly Judgement[];
  /** In the order they were due. */
  readonly #presence: Watched[] = [];
  readonly #messages: Watched[] = [];

  constructor(judgements: readonly Judgement[]) {
    this.#judgements = judgements;
  }

  /** Deliveries that are neither here nor lost. */
  get open(): number {
    const all = [...this.#presence, ...this.#messages];
    return all.reduce((sum, { waiting }) => sum + waiting.size, 0);
  }

  /** A user's change of a version is to arrive at these watchers. */
  expectPresence(user: number, version: number, watchers: readonly number[], dueUs: number): void {
    this.#expect(this.#presence, user, version, watchers, dueUs);
  }

  /** A user's message of a number is to arrive at the recipient. */
  expectMessage(user: number, number: number, recipient: number, dueUs: number): void {
    this.#expect(this.#messages, user, number, [recipient], dueUs);
  }

  /** An operation that was due could not be done: so many deliveries will never be. */
  missed(deliveries: number): void {
    for (const judgement of this.#judgements) judgement.lost(deliveries);
  }

  presenceDelivered(contact: number, version: number, watcher: number, nowUs: number): void {
    // A newer state stands for all before it.
    this.#arrived(this.#presence, contact, version, watcher, nowUs);
  }

  messageDelivered(sender: number, number: number, recipient: number, nowUs: number): void {
    const at = this.#messages.findIndex((watched) =>
      watched.user === sender && watched.number === number && watched.waiting.has(recipient)
    );
    if (at < 0) return;
    const [{ dueUs }] = this.#messages.splice(at, 1) as [Watched];
    for (const judgement of this.#judgements) judgement.arrived(nowUs - dueUs);
  }

  /** Gives up what is past the deadline. */
  sweep(nowUs: number): void {
    for (const list of [this.#presence, this.#messages]) {
      while (list.length > 0 && (nowUs - list[0]!.dueUs > DEADLINE_US || empty(list[0]!))) {
        this.missed(list.shift()!.waiting.size);
      }
    }
  }

  #expect(
    list: Watched[],
    user: number,
    number: number,
    waiting: readonly number[],
    dueUs: number,
  ): void {
    if (list.length >= WATCHED_MAX) return this.missed(waiting.length);
    list.push({ user, number, dueUs, waiting: new Set(waiting) });
  }

  #arrived(list: Watched[], user: number, upTo: number, watcher: number, nowUs: number): void {
    for (const watched of list) {
      if (watched.user !== user || watched.number > upTo) continue;
      if (!watched.waiting.delete(watcher)) continue;
      for (const judgement of this.#judgements) judgement.arrived(nowUs - watched.dueUs);
    }
  }
}

function empty({ waiting }: Watched): boolean {
  return waiting.size === 0;
}
