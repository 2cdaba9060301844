/**
 * Webhooks as services and operators use them at any node: what is asked about a service's webhooks
 * goes to the node that is active for the service.
 */
import type { GatewayDeps } from "./gateway_deps.ts";
import type { HookRecord } from "./hook_events.ts";
import type { Hooks, HookStatus } from "./hooks.ts";
import type { LoggedEvent } from "./hook_log.ts";
import { accountOf } from "./service.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { type Missing, type Question, question } from "../node/asks.ts";

/** A webhook, without its secret, and how it does. */
export interface HookView extends HookStatus {
  readonly topics: HookRecord["topics"];
  readonly users: HookRecord["users"];
}

/** A webhook that was made or changed. */
export interface HookPut {
  readonly record: HookRecord;
  /** Whether there was none before. */
  readonly made: boolean;
}

/** One of a service. */
export interface HookName {
  readonly service: string;
  readonly id: string;
}

/** A page of dead letters: those after position `after`. */
interface DeadPage extends HookName {
  readonly after: number;
  readonly limit: number;
}

type Deps = Pick<GatewayDeps, "cell" | "clock" | "random" | "retries" | "timers">;
type Done<O> = (result: Result<O>) => void;
type New = Omit<HookRecord, "secret">;

/** What it needs of the gateway. */
export interface HookCallsHost {
  readonly hooks: Hooks;
  isActive(service: string): boolean;
  put(record: New, done: Done<HookRecord>): void;
}

const LIST = question<string, readonly HookView[]>("webhooks.list");
const STATUS = question<null, readonly HookStatus[]>("webhooks.status");
const PUT = question<New, HookPut>("webhooks.put", 5000);
const REMOVE = question<HookName, null>("webhooks.remove", 5000);
const DEAD = question<DeadPage, readonly LoggedEvent[]>("webhooks.dead");
const REPLAY = question<HookName, number>("webhooks.replay", 30_000);
/** For how long the active node is asked again that cannot be reached, or has just become it (ms). */
const ASK_MS = 10_000;
const BEGINNING = fail("unavailable", "The service is being attached: try again", 500);

/** See the head of this file. */
export class HookCalls {
  readonly #cell: GatewayDeps["cell"];
  readonly #deps: Deps;
  readonly #host: HookCallsHost;

  constructor(deps: Deps, host: HookCallsHost) {
    const { cell } = deps;
    this.#deps = deps;
    this.#cell = cell;
    this.#host = host;
    if (cell === undefined) return;
    const on = <I, O>(
      of: Question<I, O>,
      serviceOf: (input: I) => string,
      perform: (input: I, done: Done<O>) => void,
    ) =>
      cell.asks.on(of, (input, done) => {
        // Another node, or this one a little later.
        if (!host.isActive(serviceOf(input))) return done(BEGINNING);
        perform(input, done);
      });
    on(LIST, (service) => service, (service, done) => done(ok(this.#list(service))));
    on(PUT, ({ service }) => service, (record, done) => this.#put(record, done));
    on(REMOVE, ({ service }) => service, (name, done) => this.#remove(name, done));
    on(DEAD, ({ service }) => service, (page, done) => this.#dead(page, done));
    on(REPLAY, ({ service }) => service, (name, done) => this.#replay(name, done));
    cell.asks.on(STATUS, (_, done) => done(ok(host.hooks.status(null))));
  }

  /**
   * Asks the node that is active for a service, which may be this one; again where it is another one
   * meanwhile, or not known yet: all that is asked can be done twice.
   */
  #ask<I, O>(service: string, of: Question<I, O>, input: I, done: Done<O>): void {
    const { clock, random, retries, timers } = this.#deps;
    const untilMs = clock.monoMs() + ASK_MS;
    const ask = (tries: number) =>
      this.#cell!.asks.ownerOf(accountOf(service), of, input, (result) => {
        const again = !result.ok && result.code === "unavailable" && clock.monoMs() < untilMs;
        if (!again) return done(result);
        timers.after(retries.againMs("owner", tries, random.number()), () => ask(tries + 1));
      });
    ask(1);
  }

  // ---- at the active node

  #list(service: string): readonly HookView[] {
    const { hooks } = this.#host;
    const records = new Map(hooks.of(service).map((record) => [record.id, record]));
    return hooks.status(service).map((status) => {
      const { topics, users } = records.get(status.id)!;
      return { ...status, topics, users };
    });
  }

  #put(record: New, done: Done<HookPut>): void {
    const made = !this.#host.hooks.of(record.service).some(({ id }) => id === record.id);
    this.#host.put(record, (put) => done(put.ok ? ok({ record: put.value, made }) : put));
  }

  #remove({ service, id }: HookName, done: Done<null>): void {
    this.#host.hooks.remove(service, id, done);
  }

  #dead({ service, id, after, limit }: DeadPage, done: Done<readonly LoggedEvent[]>): void {
    this.#host.hooks.dead(service, id, after, limit, done);
  }

  #replay({ service, id }: HookName, done: Done<number>): void {
    this.#host.hooks.replay(service, id, done);
  }

  // ---- at any node

  /** The webhooks of a service. */
  list(service: string, done: Done<readonly HookView[]>): void {
    if (this.#cell === undefined) return done(ok(this.#list(service)));
    this.#ask(service, LIST, service, done);
  }

  /** How the webhooks of all services do. */
  status(done: (all: readonly HookStatus[], missing: readonly Missing[]) => void): void {
    if (this.#cell === undefined) return done(this.#host.hooks.status(null), []);
    this.#cell.asks.all(
      STATUS,
      null,
      ({ replies, missing }) => done(replies.flatMap(({ value }) => value), missing),
    );
  }

  /** Makes or changes one. */
  put(record: New, done: Done<HookPut>): void {
    if (this.#cell === undefined) return this.#put(record, done);
    this.#ask(record.service, PUT, record, done);
  }

  /** Removes one with all that waits. */
  remove(name: HookName, done: Done<null>): void {
    if (this.#cell === undefined) return this.#remove(name, done);
    this.#ask(name.service, REMOVE, name, done);
  }

  /** Dead letters of one. */
  dead(page: DeadPage, done: Done<readonly LoggedEvent[]>): void {
    if (this.#cell === undefined) return this.#dead(page, done);
    this.#ask(page.service, DEAD, page, done);
  }

  /** Sends the dead letters of one again; returns how many. */
  replay(name: HookName, done: Done<number>): void {
    if (this.#cell === undefined) return this.#replay(name, done);
    this.#ask(name.service, REPLAY, name, done);
  }
}
