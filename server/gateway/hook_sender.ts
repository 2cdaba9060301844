/**
 * Sends what waits for one webhook: batches in order, one under way at a time, the same batch again
 * after a growing wait until it is taken or too old. Which events the batch has is stored before it
 * is sent first, so that a restart or a change of the webhook repeats it under the same id. While a
 * receiver is away nothing of its events is in memory but a number.
 */
import type { Cancel, HookAnswer } from "../node/ports.ts";
import type { GatewayDeps } from "./gateway_deps.ts";
import { HOOK_CHUNK, type HookLog, type LoggedEvent } from "./hook_log.ts";
import { jsonFields, objectText } from "../text/json_text.ts";
import { signatureHeaders } from "./sign.ts";

/** Bounds of the sending. */
export interface HookSenderLimits {
  readonly timeoutMs: number;
  /** Events that could not be delivered for so long become dead letters. */
  readonly ageMaxMs: number;
  /** About how many characters of events one request has. */
  readonly batchCharsMax: number;
}

/** What is counted over all webhooks. */
export interface HookCounters {
  /** Events that receivers have taken, and requests that failed. */
  delivered: number;
  failed: number;
}

/** The webhook that is sent to. */
export interface HookIdentity {
  readonly service: string;
  readonly id: string;
  readonly url: string;
  readonly secret: string;
}

interface Batch {
  /** No other batch of any webhook has it, nor one of a webhook that had the name before. */
  readonly id: string;
  readonly first: number;
  /** Exclusive. */
  readonly end: number;
  readonly body: string;
}

/** Sends as long as `maySend` allows it; see the head of this file. */
export class HookSender {
  readonly #deps: GatewayDeps;
  readonly #counters: HookCounters;
  readonly #limits: HookSenderLimits;
  readonly #hook: HookIdentity;
  readonly #log: HookLog;
  readonly #maySend: () => boolean;
  #state: "idle" | "busy" | "waiting" | "stopped" = "idle";
  #cancel: Cancel = () => {};
  #failures = 0;
  /** Failures of the store in a row. */
  #storeFailures = 0;
  /** Why the last request failed; "" where it did not. */
  #trouble = "";

  constructor(
    deps: GatewayDeps,
    counters: HookCounters,
    limits: HookSenderLimits,
    hook: HookIdentity,
    log: HookLog,
    maySend: () => boolean,
  ) {
    this.#deps = deps;
    this.#counters = counters;
    this.#limits = limits;
    this.#hook = hook;
    this.#log = log;
    this.#maySend = maySend;
  }

  get trouble(): string {
    return this.#trouble;
  }

  /** Requests that failed since one was taken. */
  get failures(): number {
    return this.#failures;
  }

  /** Something waits. */
  poke(): void {
    if (this.#state === "idle") this.#next();
  }

  /** Tries now, however long it meant to wait. */
  retryNow(): void {
    if (this.#state !== "waiting") return this.poke();
    this.#cancel();
    this.#next();
  }

  /** Ends what is under way; nothing is sent after it. */
  stop(): void {
    this.#state = "stopped";
    this.#cancel();
  }

  get #stopped(): boolean {
    return this.#state === "stopped";
  }

  #next(): void {
    if (this.#log.waiting === 0) {
      this.#state = "idle";
      return;
    }
    this.#state = "busy";
    this.#log.head(HOOK_CHUNK, (error, events) => {
      if (this.#stopped) return;
      if (error !== null || events.length === 0) return this.#storeFailed(() => this.#next());
      const tooOld = this.#deps.clock.wallMs() - this.#limits.ageMaxMs;
      const fresh = events.findIndex(({ at }) => at >= tooOld);
      if (fresh === 0) return this.#hold(this.#batch(events));
      const end = fresh < 0 ? events.at(-1)!.n + 1 : events[fresh]!.n;
      this.#bury(end);
    });
  }

  #bury(end: number): void {
    const { service, id } = this.#hook;
    this.#deps.log.warn("webhook events are too old", { service, webhook: id, before: end });
    this.#log.bury(end, (error) => {
      if (this.#stopped) return;
      if (error !== null) return this.#storeFailed(() => this.#next());
      this.#storeFailures = 0;
      this.#next();
    });
  }

  #batch(events: readonly LoggedEvent[]): Batch {
    const first = events[0]!.n;
    const same = this.#log.sending;
    const texts: string[] = [];
    let chars = 0;
    for (const { n, event } of events) {
      if (same === null ? chars >= this.#limits.batchCharsMax : n >= same) break;
      const text = JSON.stringify({ n, ...event as object });
      texts.push(text);
      chars += text.length;
    }
    const { service, id } = this.#hook;
    const end = first + texts.length;
    return {
      id: `${service}_${id}_${first}_${end - 1}_${events[0]!.at}`,
      first,
      end,
      body: objectText({ ...jsonFields({ service, webhook: id }), events: `[${texts.join()}]` }),
    };
  }

  /** Stores what the batch is, and sends it. */
  #hold(batch: Batch): void {
    if (this.#log.sending === batch.end) return this.#send(batch);
    this.#log.hold(batch.end, (error) => {
      if (this.#stopped) return;
      if (error !== null) return this.#storeFailed(() => this.#next());
      this.#storeFailures = 0;
      this.#send(batch);
    });
  }

  #send(batch: Batch): void {
    // Another node may send by now.
    if (!this.#maySend()) return this.#storeFailed(() => this.#next());
    const { secret, url } = this.#hook;
    const { post, clock } = this.#deps;
    const signed = {
      id: batch.id,
      timestamp: Math.floor(clock.wallMs() / 1000),
      body: batch.body,
    };
    const headers = { "content-type": "application/json", ...signatureHeaders(secret, signed) };
    const { timeoutMs } = this.#limits;
    this.#cancel = post({ url, headers, body: batch.body, timeoutMs }, (answer) => {
      if (this.#stopped) return;
      if (answer.kind === "answered" && answer.status >= 200 && answer.status < 300) {
        return this.#taken(batch);
      }
      this.#failed(answer);
    });
  }

  #taken(batch: Batch): void {
    if (this.#failures > 0) this.#note("webhook receiver is back");
    this.#failures = 0;
    this.#trouble = "";
    this.#counters.delivered += batch.end - batch.first;
    this.#drop(batch.end);
  }

  #drop(end: number): void {
    this.#log.drop(end, (error) => {
      if (this.#stopped) return;
      if (error !== null) return this.#storeFailed(() => this.#drop(end));
      this.#storeFailures = 0;
      this.#next();
    });
  }

  #failed(answer: HookAnswer): void {
    const { random, retries } = this.#deps;
    this.#counters.failed++;
    this.#failures++;
    this.#trouble = answer.kind === "answered" ? `status ${answer.status}` : answer.reason;
    // Once for each time that a receiver goes away.
    if (this.#failures === 1) this.#note("webhook receiver does not take events");
    const asked = answer.kind === "answered" ? answer.retryAfterMs ?? 0 : 0;
    const waitMs = retries.againMs("webhook", this.#failures, random.number(), asked);
    this.#wait(waitMs, () => this.#next());
  }

  #storeFailed(run: () => void): void {
    const { random, retries } = this.#deps;
    const waitMs = retries.againMs("webhook_store", ++this.#storeFailures, random.number());
    this.#wait(waitMs, run);
  }

  #note(event: string): void {
    const { service, id } = this.#hook;
    this.#deps.log.info(event, { service, webhook: id, trouble: this.#trouble });
  }

  #wait(ms: number, run: () => void): void {
    this.#state = "waiting";
    this.#cancel = this.#deps.timers.after(ms, run);
  }
}
