/**
 * Sends push messages (RFC 8030) for the shards of this node. It keeps nothing: what it does not come
 * to, or what a push service does not take, the shard asks for again. Each push service, which is a
 * host and port, or one of the settings that passes push messages on, has a part of the requests that
 * are under way at once; one that fails all the time is tried by single requests, at growing
 * distances, while all else for it is put off at no cost.
 */
import type { HookAnswer, PostPush, Runtime } from "../node/ports.ts";
import type { Ops } from "../../shard/ops.ts";
import type { PushEffect } from "../../shard/effects.ts";
import type { PushTarget } from "../../shard/account/push_targets.ts";
import type { Retries } from "../../shard/retry.ts";
import type { Router } from "../node/router.ts";
import { pushPayload } from "./push_payload.ts";

/** Bounds of the sending, and whom push services may write to. */
export interface PushLimits {
  readonly timeoutMs: number;
  readonly requestsMax: number;
  readonly waitingMax: number;
  readonly ttlSeconds: number;
  readonly contact: string;
}

/** A push message as it goes over the wire; null where the device's keys cannot be used. */
export interface EncodedPush {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Encrypts for a device, and signs for its push service. Calls `done` in a later turn. */
export type EncodePush = (
  target: PushTarget,
  push: { readonly payload: string; readonly topic: string; readonly ttlSeconds: number },
  done: (encoded: EncodedPush | null) => void,
) => void;

/** A way to push services: how they are written to. */
export interface PushWay {
  readonly encode: EncodePush;
  readonly post: PostPush;
}

/** A service that passes push messages on. */
export interface PushServiceWay extends PushWay {
  readonly url: string;
}

/** What it is made with. */
export interface PushDeps extends PushWay, Pick<Runtime, "clock" | "random" | "log"> {
  readonly retries: Retries;
  readonly router: Pick<Router, "request">;
  /** Services that pass push messages on, by id. */
  readonly services: ReadonlyMap<string, PushServiceWay>;
}

/** What became of push messages, one for each device. */
export const PUSH_OUTCOMES = ["sent", "refused", "gone", "failed", "put_off"] as const;

type Outcome = Ops["push.settle"]["in"]["targets"][number]["outcome"];

/** A push message for all devices of an account. */
interface Job {
  readonly key: string;
  readonly push: PushEffect;
  left: number;
  readonly targets: { device: PushTarget["device"]; endpoint: string; outcome: Outcome }[];
  retryAfterMs: number;
}

interface Item {
  readonly job: Job;
  readonly target: PushTarget;
}

/** A push service. */
interface Service {
  readonly waiting: Item[];
  active: number;
  /** Requests that failed since one did not. */
  failures: number;
  /** Monotonic time (ms) before which it is not tried. */
  closedUntilMs: number;
}

/** What a push service is known by. */
function nameOf({ endpoint, service }: PushTarget): string {
  if (service !== "") return service;
  return URL.canParse(endpoint) ? new URL(endpoint).host : "";
}

function troubleOf(answer: HookAnswer): string {
  return answer.kind === "answered" ? `status ${answer.status}` : answer.reason;
}

/** Failures in a row after which a push service is tried by single requests. */
const FAILURES_MAX = 5;
/** Push services that are remembered because they fail. */
const SERVICES_MAX = 10_000;

/** See the head of this file. */
export class PushSender {
  readonly #deps: PushDeps;
  readonly #limits: PushLimits;
  readonly #jobs = new Map<string, Job>();
  /** In the order in which they had their last turn. */
  readonly #services = new Map<string, Service>();
  #waiting = 0;
  #active = 0;
  #stopped = false;
  /** Push messages by what became of them. */
  readonly counts: { [outcome in typeof PUSH_OUTCOMES[number]]: number } = {
    sent: 0,
    refused: 0,
    gone: 0,
    failed: 0,
    put_off: 0,
  };

  constructor(deps: PushDeps, limits: PushLimits) {
    this.#deps = deps;
    this.#limits = limits;
  }

  /** Push messages that wait for their turn. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Push services that are tried by single requests. */
  get closed(): number {
    let closed = 0;
    for (const { failures } of this.#services.values()) if (failures >= FAILURES_MAX) closed++;
    return closed;
  }

  /** Ends it: what is under way is not reported any more. */
  stop(): void {
    this.#stopped = true;
    this.#jobs.clear();
    this.#services.clear();
    this.#waiting = 0;
  }

  /** Takes a push message, unless it is on its way already, or too many wait. */
  take(push: PushEffect): void {
    const key = `${push.name} ${push.with} ${push.seq}`;
    if (this.#stopped || this.#jobs.has(key)) return;
    if (this.#waiting + push.targets.length > this.#limits.waitingMax) {
      this.counts.put_off += push.targets.length;
      return;
    }
    const job: Job = { key, push, left: push.targets.length, targets: [], retryAfterMs: 0 };
    this.#jobs.set(key, job);
    const unknown: Item[] = [];
    for (const target of push.targets) {
      const item = { job, target };
      if (!this.#isKnown(target)) {
        unknown.push(item);
        continue;
      }
      this.#serviceOf(target).waiting.push(item);
      this.#waiting++;
    }
    this.#pump();
    for (const item of unknown) this.#refused(item, "is not in push.services");
  }

  /** The settings may name other services than when it was set, or than in the cell where that was. */
  #isKnown({ service }: PushTarget): boolean {
    return service === "" || this.#deps.services.has(service);
  }

  /** The push message is not tried again; the next one is. */
  #refused(item: Item, trouble: string): void {
    this.counts.refused++;
    this.#note("push service refuses", item, trouble);
    this.#finish(item, "sent", 0);
  }

  #serviceOf(target: PushTarget): Service {
    const name = nameOf(target);
    const known = this.#services.get(name);
    if (known !== undefined) return known;
    if (this.#services.size >= SERVICES_MAX) this.#forgetServices();
    const fresh: Service = { waiting: [], active: 0, failures: 0, closedUntilMs: 0 };
    this.#services.set(name, fresh);
    return fresh;
  }

  /** Those that have nothing to do, although they fail. */
  #forgetServices(): void {
    for (const [name, { waiting, active }] of this.#services) {
      if (waiting.length + active === 0) this.#services.delete(name);
    }
  }

  /** Begins as many requests as may be under way. */
  #pump(): void {
    const perService = Math.max(1, Math.floor(this.#limits.requestsMax / 4));
    for (const [name, service] of [...this.#services]) {
      if (service.failures >= FAILURES_MAX) this.#putOff(service);
      const took = service.waiting.length > 0 && service.active < perService;
      while (this.#active < this.#limits.requestsMax && service.active < perService) {
        const item = service.waiting.shift();
        if (item === undefined) break;
        this.#begin(service, item);
      }
      if (service.waiting.length + service.active + service.failures === 0) {
        this.#services.delete(name);
      } else if (took) {
        this.#services.delete(name);
        this.#services.set(name, service);
      }
    }
  }

  /** What is for a service that fails: all but one request, once it is time for that. */
  #putOff(service: Service): void {
    const waitMs = service.closedUntilMs - this.#deps.clock.monoMs();
    const keep = waitMs <= 0 && service.active === 0 ? 1 : 0;
    for (const item of service.waiting.splice(keep)) {
      this.#waiting--;
      this.counts.put_off++;
      this.#finish(item, "later", Math.max(0, waitMs));
    }
  }

  #begin(service: Service, item: Item): void {
    const { job: { push }, target } = item;
    this.#waiting--;
    this.#active++;
    service.active++;
    const { ttlSeconds, timeoutMs } = this.#limits;
    const payload = pushPayload(push, target.content);
    const own = this.#deps.services.get(target.service);
    const { encode, post }: PushWay = own ?? this.#deps;
    const url = own?.url ?? target.endpoint;
    encode(target, { payload, topic: push.with, ttlSeconds }, (encoded) => {
      if (encoded === null) return this.#answered(service, item, null);
      const request = { url, ...encoded, timeoutMs };
      post(request, (answer) => this.#answered(service, item, answer));
    });
  }

  /** null: there is nothing that could be sent, now or later. */
  #answered(service: Service, item: Item, answer: HookAnswer | null): void {
    this.#active--;
    service.active--;
    if (this.#stopped) return;
    const status = answer?.kind === "answered" ? answer.status : 0;
    const asked = answer?.kind === "answered" ? answer.retryAfterMs ?? 0 : 0;
    if (answer === null || status === 404 || status === 410) {
      this.#works(service);
      this.counts.gone++;
      this.#finish(item, "gone", 0);
    } else if (status === 0 || status === 429 || status >= 500) {
      this.#fails(service, item, answer);
      this.counts.failed++;
      this.#finish(item, "later", asked);
    } else {
      this.#works(service);
      if (status < 200 || status >= 300) this.#refused(item, `status ${status}`);
      else {
        this.counts.sent++;
        this.#finish(item, "sent", 0);
      }
    }
    this.#pump();
  }

  #works(service: Service): void {
    service.failures = 0;
    service.closedUntilMs = 0;
  }

  #fails(service: Service, item: Item, answer: HookAnswer): void {
    const { clock, random, retries } = this.#deps;
    service.failures++;
    if (service.failures < FAILURES_MAX) return;
    // Once for each time that it goes away.
    if (service.failures === FAILURES_MAX) {
      this.#note("push service fails", item, troubleOf(answer));
    }
    const tries = service.failures - FAILURES_MAX + 1;
    service.closedUntilMs = clock.monoMs() +
      retries.againMs("push_service", tries, random.number());
  }

  /** Of an endpoint only its service is written: who knows the rest can send to the device. */
  #note(event: string, { target }: Item, trouble: string): void {
    this.#deps.log.info(event, { service: nameOf(target), trouble });
  }

  #finish({ job, target: { device, endpoint } }: Item, outcome: Outcome, retryAfterMs: number) {
    job.targets.push({ device, endpoint, outcome });
    job.retryAfterMs = Math.max(job.retryAfterMs, retryAfterMs);
    if (--job.left > 0) return;
    this.#jobs.delete(job.key);
    const { push: { name, with: peer, seq }, targets } = job;
    const result = { with: peer, seq, targets, retryAfterMs: job.retryAfterMs };
    // What is not noted is asked for again.
    this.#deps.router.request(name, "push.settle", result, () => {});
  }
}
