/**
 * What the dashboard is fed with: a sample a second for as long as the node serves, and the texts
 * of answers. A text is made once a second at most for those who ask for the same, so that it
 * matters little how many watch.
 */
import type { Cancel, Clock, Timers } from "../../node/ports.ts";
import type { Health } from "./health.ts";
import { History } from "./history.ts";
import { type OwnerChange, OwnerChanges } from "./owner_changes.ts";
import { type Reading, type Sample, Sampler } from "./series.ts";
import type { ShardMap, ShardMapper } from "./shard_map.ts";

/** Time between samples. */
export const STEP_MS = 1000;
/** Different questions whose answers are kept until the next sample. */
const TEXTS_MAX = 8;
/** How long after the last question it counts as watched. */
const WATCHED_MS = 10_000;

/** A node at the moment. */
export interface NodeReport {
  readonly version: string;
  readonly startedAt: number;
  readonly health: Health;
  /** Null before the first sample. */
  readonly sample: Sample | null;
  /** The shards that it has. */
  readonly shards: ShardMap;
}

/** What a feed needs. */
export interface FeedDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly version: string;
  readonly domain: string;
  /** When the node started (ms since 1970). */
  readonly startedAtMs: number;
  /** Who owns which shard, as far as this node knows. */
  readonly owners: () => Parameters<OwnerChanges["look"]>[0];
  readonly mapper: ShardMapper;
  /** `watched`: somebody looks at the moment, so that a little more work is worth it. */
  read(watched: boolean): Reading;
  health(): Health;
}

/** See the head of this file. */
export class LiveFeed {
  readonly #deps: FeedDeps;
  readonly #sampler = new Sampler();
  readonly #history = new History();
  readonly #owners = new OwnerChanges();
  readonly #texts = new Map<number, string>();
  #sample: Sample | null = null;
  #askedMs = -Infinity;
  #cancel: Cancel = () => {};

  constructor(deps: FeedDeps) {
    this.#deps = deps;
  }

  /** Takes the first sample now and the next every second, until `stop`. */
  start(): void {
    this.#take();
    this.#cancel = this.#deps.timers.after(STEP_MS, () => this.start());
  }

  stop(): void {
    this.#cancel();
  }

  #take(): void {
    const { clock, mapper, owners, read } = this.#deps;
    // Of one moment, for a reading may take a while: else a rate does not fit its time.
    const [nowMs, wallMs] = [clock.monoMs(), clock.wallMs()];
    const watched = nowMs - this.#askedMs < WATCHED_MS;
    this.#sample = this.#sampler.sample(nowMs, read(watched));
    this.#history.add(wallMs, this.#sample);
    mapper.look(nowMs);
    this.#owners.look(owners(), wallMs);
    this.#texts.clear();
  }

  /** The latest changes of owners, oldest first. */
  get ownerChanges(): readonly OwnerChange[] {
    return this.#owners.latest;
  }

  /** The state of the node and its newest sample. */
  report(): NodeReport {
    const { version, startedAtMs: startedAt, mapper, health, clock } = this.#deps;
    this.#askedMs = clock.monoMs();
    const sample = this.#sample;
    return { version, startedAt, health: health(), sample, shards: mapper.map() };
  }

  /** The state of the node and its samples after number `after`, as JSON. */
  text(after: number): string {
    const { clock, version, domain, startedAtMs, mapper, health } = this.#deps;
    this.#askedMs = clock.monoMs();
    const known = this.#texts.get(after);
    if (known !== undefined) return known;
    const text = JSON.stringify({
      v: 1,
      node: { version, domain, startedAt: startedAtMs },
      stepMs: STEP_MS,
      health: health(),
      shards: mapper.map(),
      last: this.#history.last,
      ...this.#history.since(after),
    });
    if (this.#texts.size < TEXTS_MAX) this.#texts.set(after, text);
    return text;
  }
}
