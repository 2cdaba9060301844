/**
 * The gateway: lets other systems in as services. It is a client of the edge and the router like
 * every other; whatever it may know or do, an account may.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import { ok, type Result } from "../../shard/errors.ts";
import { Backend } from "./backend.ts";
import type { Cancel, StoreError } from "../node/ports.ts";
import type { GatewayDeps } from "./gateway_deps.ts";
import type { HookRecord } from "./hook_events.ts";
import { Hooks, type HooksLimits } from "./hooks.ts";
import { Hub } from "./hub.ts";
import { Listeners } from "./listeners.ts";
import { Presences } from "./presences.ts";
import { type ActiveHost, ActiveServices, type GatewayCell } from "./gateway_cell.ts";
import { CellCount } from "./cell_count.ts";
import { HookCalls } from "./hook_calls.ts";
import { accountOf } from "./service.ts";
import { Registry } from "./registry.ts";
import { Rows } from "./rows.ts";
import type { ServiceRecord } from "./service.ts";

/** Its bounds. */
export interface GatewayLimits extends HooksLimits {
  /** Users one service may have presence set for. */
  readonly presencesMax: number;
  /** How long a token of a user is good for, at most (ms). */
  readonly tokenLifetimeMs: number;
}

/** How often it is looked whether tokens have expired (ms). */
const EXPIRY_CHECK_MS = 10_000;
/** How often, and after what time (ms), it is looked whether a service is attached for a reader. */
const READER_LOOKS = 30;
const READER_LOOK_MS = 100;

/** See the head of this file. */
export class Gateway {
  readonly registry: Registry;
  readonly hooks: Hooks;
  readonly presences: Presences;
  readonly listeners = new Listeners();
  /** Streams of services, over all nodes of the cell. */
  readonly streamCount: CellCount;
  /** What it was made with, for what is served from it. */
  readonly ports: GatewayDeps;
  /** How webhooks are changed and looked at, whichever node is active for them. */
  readonly hookCalls: HookCalls;
  /** What services that manage accounts can do. */
  readonly backend: Backend;
  readonly #hubs = new Map<string, Hub>();
  /** Null where the cell is this node. */
  readonly #active: ActiveServices | null;
  #cancel: Cancel = () => {};
  #started = false;

  constructor(deps: GatewayDeps, limits: GatewayLimits) {
    this.ports = deps;
    const rows = new Rows(deps.store);
    this.registry = new Registry(deps, rows);
    const maySend = (service: string) => this.#active?.holds(service) ?? true;
    this.hooks = new Hooks(deps, rows, limits, maySend);
    this.presences = new Presences(deps, limits.presencesMax);
    this.backend = new Backend(deps, limits.tokenLifetimeMs);
    this.streamCount = new CellCount(deps, "streams", (name) => this.listeners.count(name));
    this.#active = deps.cell === undefined ? null : new ActiveServices(this.#host(deps.cell));
    this.hookCalls = new HookCalls(deps, {
      hooks: this.hooks,
      isActive: (service) => this.#isActive(service),
      put: (record, done) => this.putHook(record, done),
    });
  }

  #host(cell: GatewayCell): ActiveHost {
    return {
      timers: this.ports.timers,
      claimOf: (service) => cell.claimOf(accountOf(service)),
      services: () => this.registry.list().map(({ name }) => name),
      hasReaders: (service) => this.listeners.count(service) > 0,
      begin: (service, claim, done) =>
        this.hooks.begin(service, claim, (error) => done(error === null)),
      begun: (service) => this.#begun(service),
      ended: (service) => {
        this.hooks.end(service);
        this.#active!.used(service);
      },
      detach: (service) => this.#detach(service),
    };
  }

  /** Goes on where the node that was active before has stopped. */
  #begun(name: string): void {
    const seen = this.#hubs.get(name)?.seen.keys() ?? [];
    this.#detach(name);
    const service = this.registry.get(name);
    if (service === null) return this.hooks.removeAll(name);
    this.#attach(service, seen);
    this.hooks.poke(name);
  }

  #isActive(service: string): boolean {
    return this.#active?.has(service) ?? true;
  }

  /** Reads what is kept; `start` comes after it. */
  load(done: (error: StoreError | null) => void): void {
    this.registry.load((error) => error === null ? this.hooks.load(done) : done(error));
  }

  /** Attaches every service and sends what waits. */
  start(): void {
    this.#started = true;
    this.registry.onChange = (service) => this.#changed(service);
    for (const service of this.registry.list()) this.#changed(service);
    this.#active?.start();
    this.hooks.start();
    this.#watchExpiry();
  }

  #watchExpiry(): void {
    this.#cancel = this.ports.timers.after(EXPIRY_CHECK_MS, () => {
      for (const service of this.registry.list()) {
        if (service.tokenHash === null || this.registry.active(service)) continue;
        this.registry.revoke(service.name, () => {});
      }
      if (this.#started) this.#watchExpiry();
    });
  }

  #changed(service: ServiceRecord): void {
    const { name } = service;
    if (!this.#started) return;
    if (this.registry.active(service)) {
      this.hooks.follow(name);
      if (!this.#hubs.has(name) && this.#isActive(name)) this.#attach(service);
      return;
    }
    this.#detach(name);
    this.presences.endAll(name);
    if (this.#isActive(name)) this.hooks.removeAll(name);
    this.listeners.end(name);
  }

  #attach(service: ServiceRecord, seen: Iterable<string> = []): void {
    const isActive = () => this.#isActive(service.name);
    const hub = new Hub(this.ports, service, this.hooks, this.listeners, isActive, seen);
    this.#hubs.set(service.name, hub);
    hub.start();
  }

  #detach(service: string): void {
    this.#hubs.get(service)?.stop();
    this.#hubs.delete(service);
  }

  /** Services that have a session. */
  get attached(): number {
    return [...this.#hubs.values()].filter((hub) => hub.attached).length;
  }

  /** The attachment of a service at this node, if there is one. */
  hub(service: string): Hub | null {
    return this.#hubs.get(service) ?? null;
  }

  /**
   * The attachment when what it says about presence is complete; null where that takes too long. A
   * node that is not active for the service attaches it for as long as somebody reads.
   */
  reader(service: ServiceRecord, done: (hub: Hub | null) => void): void {
    const { timers } = this.ports;
    const look = (left: number): void => {
      if (!this.#started || !this.registry.active(service)) return done(null);
      this.#active?.used(service.name);
      const hub = this.#hubs.get(service.name);
      if (hub?.ready === true) return done(hub);
      if (hub === undefined && this.#active !== null) this.#attach(service);
      if (left === 0 || this.#active === null) return done(null);
      timers.after(READER_LOOK_MS, () => look(left - 1));
    };
    look(READER_LOOKS);
  }

  /** Makes or changes a webhook; a new one gets events from now on. */
  putHook(record: Omit<HookRecord, "secret">, done: (result: Result<HookRecord>) => void): void {
    this.hooks.put(record, this.#hubs.get(record.service)?.cursor ?? "", done);
  }

  /** Asks a user to let the service see it; an answer comes whether there is such a user or not. */
  ask(account: AccountName, user: AccountName, done: (result: Result<null>) => void): void {
    const subscription = (type: "subscribe" | "subscribed", done: (r: Result<null>) => void) =>
      this.ports.router.request(account, "roster.subscription", { contact: user, type }, done);
    subscription("subscribed", (result) => {
      if (!result.ok) return done(result);
      subscription("subscribe", (result) => done(result.ok ? ok(null) : result));
    });
  }

  /** Signs every service out; what waits for webhooks stays. */
  stop(): void {
    this.#started = false;
    this.#cancel();
    this.#active?.stop();
    this.hooks.stop();
    this.presences.endAll(null);
    for (const hub of this.#hubs.values()) hub.stop();
    this.#hubs.clear();
    this.listeners.endAll();
  }
}
