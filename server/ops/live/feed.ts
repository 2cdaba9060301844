/**
 * What the dashboard is fed with: a sample a second for as long as the node serves, and the texts
 * of answers. A text is made once a second at most for those who ask for the same, so that it
 * matters little how many watch.
 */
import type { Hono } from "hono";
import { z } from "zod";
import type { Cancel, Clock, Timers } from "../../node/ports.ts";
import { fail } from "../../../shard/errors.ts";
import { errorResponse } from "../../http/response.ts";
import type { Health } from "./health.ts";
import { History } from "./history.ts";
import { type Reading, Sampler } from "./series.ts";
import type { ShardMapper } from "./shard_map.ts";

/** Time between samples. */
export const STEP_MS = 1000;
/** Different questions whose answers are kept until the next sample. */
const TEXTS_MAX = 8;
/** How long after the last question it counts as watched. */
const WATCHED_MS = 10_000;

const AFTER = z.coerce.number().int().min(0).default(0);

/** What a feed needs. */
export interface FeedDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly version: string;
  readonly domain: string;
  /** When the node started (ms since 1970). */
  readonly startedAtMs: number;
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
  readonly #texts = new Map<number, string>();
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
    const { clock, mapper, read } = this.#deps;
    const nowMs = clock.monoMs();
    const watched = nowMs - this.#askedMs < WATCHED_MS;
    this.#history.add(clock.wallMs(), this.#sampler.sample(nowMs, read(watched)));
    mapper.look(nowMs);
    this.#texts.clear();
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

/** Adds `GET /admin/live?after=N`. */
export function addLiveRoute(app: Hono, feed: Pick<LiveFeed, "text">): void {
  app.get("/admin/live", (c) => {
    const after = AFTER.safeParse(c.req.query("after"));
    if (!after.success) return errorResponse(fail("bad_request", "after must be a number"));
    return new Response(feed.text(after.data), {
      headers: { "content-type": "application/json" },
    });
  });
}
