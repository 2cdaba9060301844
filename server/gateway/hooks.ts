/**
 * The webhooks of services: what is kept of each, its log and its sender. The webhooks of one service
 * are rows that the nodes of the cell share; their logs and senders are at the node that is active for
 * the service.
 */
import type { Claim, StoreError, StoreKey } from "../node/ports.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { GatewayDeps } from "./gateway_deps.ts";
import { hookChunk, HookLog, type HookLogLimits, type LoggedEvent } from "./hook_log.ts";
import { type HookCounters, HookSender, type HookSenderLimits } from "./hook_sender.ts";
import { CellRows, type RowsById } from "../node/cell_rows.ts";
import { Rows, rowValue } from "./rows.ts";
import { cursorOf, eventsFor, type HookEvent, type HookRecord, isNew } from "./hook_events.ts";
import { mintSecret } from "./sign.ts";
import type { News } from "./outcome.ts";

/** How a webhook does. */
export interface HookStatus {
  readonly service: string;
  readonly id: string;
  readonly url: string;
  readonly waiting: number;
  readonly dead: number;
  /** Requests that failed since one was taken, and why the last did. */
  readonly failures: number;
  readonly trouble: string;
}

/** Their bounds. */
export interface HooksLimits extends HookLogLimits, HookSenderLimits {
  readonly perServiceMax: number;
}

const PREFIX: StoreKey = ["meta", "webhook"];
const NOT_NOW = fail("unavailable", "The store takes no changes now", 1000);
const NO_HOOK = fail("not_found", "The service has no such webhook");
const CHANGING = fail("unavailable", "The webhook is being changed: try again", 500);

interface Live {
  readonly record: HookRecord;
  readonly log: HookLog;
  readonly sender: HookSender;
}

/** See the head of this file. */
export class Hooks {
  readonly #deps: GatewayDeps;
  /** Rows that are read at the start, and those of the logs where the cell is this node. */
  readonly #ownRows: Rows;
  /** The rows of the logs, by the services that this node is active for. */
  readonly #logRows = new Map<string, Rows>();
  readonly #maySend: (service: string) => boolean;
  readonly #limits: HooksLimits;
  /** By service and id, in the order of their making. */
  readonly #live = new Map<string, Map<string, Live>>();
  /** What the nodes of the cell share, by service. */
  readonly #rows = new Map<string, CellRows<HookRecord>>();
  /** Being made, changed or removed, by service and id: what one change leaves, the next finds. */
  readonly #changing = new Map<string, Set<string>>();
  readonly counters: HookCounters = { delivered: 0, failed: 0 };
  #stopped = false;

  /** `maySend`: whether this node is still active for a service. */
  constructor(
    deps: GatewayDeps,
    rows: Rows,
    limits: HooksLimits,
    maySend: (service: string) => boolean,
  ) {
    this.#deps = deps;
    this.#ownRows = rows;
    this.#limits = limits;
    this.#maySend = maySend;
  }

  /** Reads them; nothing is sent before `start`. In a cell they are opened by `begin`. */
  load(done: (error: StoreError | null) => void): void {
    this.#ownRows.all(PREFIX, (error, rows) => {
      if (error !== null) return done(error);
      const records = rows.map(({ value }) => rowValue(value) as HookRecord);
      for (const service of new Set(records.map(({ service }) => service))) this.follow(service);
      if (this.#deps.cell !== undefined) return done(null);
      this.#open(records, done);
    });
  }

  /** Reads the webhooks of a service for which this node is active from now on, under a claim. */
  begin(service: string, claim: Claim, done: (error: StoreError | null) => void): void {
    this.end(service);
    const logRows = new Rows(this.#deps.store, claim);
    this.#logRows.set(service, logRows);
    this.#shared(service).load((error, records) => {
      if (error !== null) return done(error);
      if (this.#logRows.get(service) === logRows) this.#open([...records.values()], done);
    });
  }

  /** Another node is active for a service. */
  end(service: string): void {
    this.#logRows.delete(service);
    for (const { sender } of this.#live.get(service)?.values() ?? []) sender.stop();
    this.#live.delete(service);
  }

  /** Sends what waits for a service. */
  poke(service: string): void {
    for (const { sender } of this.#live.get(service)?.values() ?? []) sender.poke();
  }

  #isActive(service: string): boolean {
    return this.#deps.cell === undefined || this.#logRows.has(service);
  }

  /** Takes over what other nodes change of a service's webhooks from now on. */
  follow(service: string): void {
    this.#shared(service);
  }

  #shared(service: string): CellRows<HookRecord> {
    const known = this.#rows.get(service);
    if (known !== undefined) return known;
    const { registers, random } = this.#deps;
    const place = { name: `webhooks ${service}`, prefix: [...PREFIX, service] };
    const rows = new CellRows<HookRecord>(registers, random, place);
    rows.onChange = (records) => this.#adopt(service, records);
    rows.watch();
    this.#rows.set(service, rows);
    return rows;
  }

  /** Another node has changed webhooks of the service. */
  #adopt(service: string, records: RowsById<HookRecord>): void {
    if (this.#stopped || !this.#isActive(service)) return;
    for (const live of [...this.#live.get(service)?.values() ?? []]) {
      const { id } = live.record;
      if (!records.has(id) && !this.#isChanging(service, id)) this.#takeOut(live);
    }
    const changed = [...records.values()].filter((record) => {
      const known = this.#live.get(service)?.get(record.id)?.record;
      return !this.#isChanging(service, record.id) &&
        JSON.stringify(known) !== JSON.stringify(record);
    });
    this.#open(changed, () => {
      for (const { id } of changed) this.#live.get(service)?.get(id)?.sender.poke();
    });
  }

  /** Makes senders for webhooks, with what waits for each. */
  #open(records: readonly HookRecord[], done: (error: StoreError | null) => void): void {
    let left = records.length;
    let failed: StoreError | null = null;
    if (left === 0) return done(null);
    for (const record of records) {
      this.#make(record).log.open((error) => {
        failed ??= error;
        if (--left === 0) done(failed);
      });
    }
  }

  #make(record: HookRecord): Live {
    const { service, id } = record;
    const old = this.#live.get(service)?.get(id);
    const rows = this.#logRows.get(service) ?? this.#ownRows;
    const log = old?.log ?? new HookLog(rows, service, id, this.#limits);
    const { counters } = this;
    const maySend = () => this.#maySend(service);
    const sender = new HookSender(this.#deps, counters, this.#limits, record, log, maySend);
    const live = { record, log, sender };
    let own = this.#live.get(service);
    if (own === undefined) this.#live.set(service, own = new Map());
    old?.sender.stop();
    own.set(id, live);
    return live;
  }

  /** Begins to send what waits. */
  start(): void {
    for (const live of this.#all()) live.sender.poke();
  }

  stop(): void {
    this.#stopped = true;
    for (const live of this.#all()) live.sender.stop();
  }

  *#all(): Iterable<Live> {
    for (const own of this.#live.values()) yield* own.values();
  }

  of(service: string): readonly HookRecord[] {
    return [...this.#live.get(service)?.values() ?? []].map(({ record }) => record);
  }

  /** How all of them do, or those of one service. */
  status(service: string | null): readonly HookStatus[] {
    return [...this.#all()].filter(({ record }) => service === null || record.service === service)
      .map(({ record: { service, id, url }, log, sender }) => ({
        service,
        id,
        url,
        waiting: log.waiting,
        dead: log.dead,
        failures: sender.failures,
        trouble: sender.trouble,
      }));
  }

  /** Mailbox positions up to which the logs of a service's outcomes have events. */
  cursors(service: string): readonly string[] {
    return [...this.#live.get(service)?.values() ?? []]
      .filter(({ record }) => record.topics.includes("outcomes")).map(({ log }) => log.cursor);
  }

  /**
   * Makes a webhook, or changes one, which keeps its secret and what waits. A new one learns what
   * comes after `cursor`.
   */
  put(
    record: Omit<HookRecord, "secret">,
    cursor: string,
    done: (result: Result<HookRecord>) => void,
  ): void {
    const { service, id } = record;
    const old = this.#live.get(service)?.get(id);
    if (this.#isChanging(service, id)) return done(CHANGING);
    const finish = this.#change(service, id, done);
    this.#keep(record, (result) => {
      if (!result.ok) return finish(result);
      // The node that is active by now reads it.
      if (!this.#isActive(service)) return finish(CHANGING);
      const live = this.#make(result.value);
      const began = (error: StoreError | null) => {
        if (error !== null) return finish(NOT_NOW);
        live.sender.poke();
        finish(result);
      };
      const had = old?.record.topics.includes("outcomes") ?? false;
      if (had) began(null);
      else live.log.begin(cursor, began);
    });
  }

  /** Stores a webhook; one that is stored already, by whichever node, keeps its secret. */
  #keep(record: Omit<HookRecord, "secret">, done: (result: Result<HookRecord>) => void): void {
    const { service, id } = record;
    const max = this.#limits.perServiceMax;
    const secret = mintSecret(this.#deps.random);
    let kept: HookRecord | null = null;
    this.#shared(service).update((rows) => {
      const stored = rows.get(id);
      const full = stored === undefined && rows.size >= max;
      kept = full ? null : { ...record, secret: stored?.secret ?? secret };
      return kept === null ? null : new Map([[id, kept]]);
    }, (error) => {
      if (error !== null) return done(NOT_NOW);
      const refusal = fail("limit_reached", `The service has ${max} webhooks already`);
      done(kept === null ? refusal : ok(kept));
    });
  }

  #isChanging(service: string, id: string): boolean {
    return this.#changing.get(service)?.has(id) ?? false;
  }

  /** Nothing else changes the webhook until the returned function is called. */
  #change<T>(
    service: string,
    id: string,
    done: (result: Result<T>) => void,
  ): (result: Result<T>) => void {
    const ids = this.#changing.get(service) ?? new Set();
    this.#changing.set(service, ids.add(id));
    return (result) => {
      ids.delete(id);
      if (ids.size === 0) this.#changing.delete(service);
      done(result);
    };
  }

  /** Removes a webhook with all that waits. */
  remove(service: string, id: string, done: (result: Result<null>) => void): void {
    const live = this.#live.get(service)?.get(id);
    if (this.#isChanging(service, id)) return done(CHANGING);
    if (live === undefined) return done(NO_HOOK);
    const finish = this.#change(service, id, done);
    this.#takeOut(live);
    this.#erase(live, (error) => {
      if (error === null) return finish(ok(null));
      if (!this.#isActive(service)) return finish(CHANGING);
      // It exists as before, so that it can be removed again.
      this.#live.get(service)?.set(id, live);
      this.#make(live.record).sender.poke();
      finish(NOT_NOW);
    });
  }

  /** Removes all webhooks of a service, and does not give up. */
  removeAll(service: string): void {
    for (const live of [...this.#live.get(service)?.values() ?? []]) {
      const finish = this.#change(service, live.record.id, () => {});
      this.#takeOut(live);
      const erase = (tries: number): void =>
        this.#erase(live, (error) => {
          if (error === null) finish(ok(null));
          else if (!this.#stopped && this.#isActive(service)) {
            this.#storeFailed(tries, () => erase(tries + 1));
          }
        });
      erase(1);
    }
  }

  #storeFailed(tries: number, run: () => void): void {
    const { timers, random, retries } = this.#deps;
    timers.after(retries.againMs("webhook_store", tries, random.number()), run);
  }

  #takeOut({ record: { service, id }, sender }: Live): void {
    sender.stop();
    this.#live.get(service)?.delete(id);
  }

  /** Its row goes last: where this is broken off, there is still something to be removed. */
  #erase({ record: { service, id }, log }: Live, done: (error: StoreError | null) => void): void {
    log.clear((error) => {
      if (error !== null) return done(error);
      this.#shared(service).update(() => new Map([[id, null]]), (error) => done(error));
    });
  }

  /** Puts news into the logs of a service's webhooks; `done` when all of it is durable. */
  store(service: string, news: News, done: () => void): void {
    const lives = [...this.#live.get(service)?.values() ?? []];
    let left = lives.length;
    if (left === 0) return done();
    for (const live of lives) {
      this.#append(live, eventsFor(live.record, news, live.log.cursor), news.cursor, 1, () => {
        // It may have been changed meanwhile.
        this.#live.get(service)?.get(live.record.id)?.sender.poke();
        if (--left === 0) done();
      });
    }
  }

  #append(
    live: Live,
    events: readonly HookEvent[],
    cursor: string,
    tries: number,
    done: () => void,
  ): void {
    const { service, id } = live.record;
    const gone = this.#live.get(service)?.get(id)?.log !== live.log;
    if (events.length === 0 || gone || this.#stopped) return done();
    const taken = hookChunk(events);
    const some = events.slice(0, taken);
    const rest = events.slice(taken);
    // A part is only known up to its own last outcome.
    const upTo = rest.length === 0 && cursor !== "" ? cursor : cursorOf(some) ?? live.log.cursor;
    live.log.append(some, upTo, this.#deps.clock.wallMs(), (error) => {
      if (error === null) return this.#append(live, rest, cursor, 1, done);
      // The outcome may be unknown: what the log has already is not put there again.
      const missing = events.filter((event) => isNew(event, live.log.cursor));
      this.#storeFailed(tries, () => this.#append(live, missing, cursor, tries + 1, done));
    });
  }

  /** Dead letters of a webhook. */
  dead(
    service: string,
    id: string,
    after: number,
    limit: number,
    done: (result: Result<readonly LoggedEvent[]>) => void,
  ): void {
    const live = this.#live.get(service)?.get(id);
    if (live === undefined) return done(NO_HOOK);
    live.log.listDead(after, limit, (error, events) => done(error === null ? ok(events) : NOT_NOW));
  }

  /** Sends the dead letters of a webhook again, behind what waits; tells how many. */
  replay(service: string, id: string, done: (result: Result<number>) => void): void {
    const live = this.#live.get(service)?.get(id);
    if (live === undefined) return done(NO_HOOK);
    let left = live.log.dead;
    let total = 0;
    const step = (): void =>
      live.log.replay(this.#deps.clock.wallMs(), (error, count) => {
        total += count;
        left -= count;
        if (error !== null) return done(NOT_NOW);
        if (count > 0 && left > 0) return step();
        live.sender.retryNow();
        done(ok(total));
      });
    step();
  }
}
