/**
 * The gateway: lets other systems in as services. It is a client of the edge and the router like
 * every other; whatever it may know or do, an account may.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import { ok, type Result } from "../../shard/errors.ts";
import type { Cancel, StoreError } from "../node/ports.ts";
import type { GatewayDeps } from "./gateway_deps.ts";
import type { HookRecord } from "./hook_events.ts";
import { Hooks, type HooksLimits } from "./hooks.ts";
import { Hub } from "./hub.ts";
import { Listeners } from "./listeners.ts";
import { Presences } from "./presences.ts";
import { Registry } from "./registry.ts";
import { Rows } from "./rows.ts";
import type { ServiceRecord } from "./service.ts";

/** Its bounds. */
export interface GatewayLimits extends HooksLimits {
  /** Users one service may have presence set for. */
  readonly presencesMax: number;
}

/** How often it is looked whether tokens have expired (ms). */
const EXPIRY_CHECK_MS = 10_000;

/** See the head of this file. */
export class Gateway {
  readonly registry: Registry;
  readonly hooks: Hooks;
  readonly presences: Presences;
  readonly listeners = new Listeners();
  /** What it was made with, for what is served from it. */
  readonly ports: GatewayDeps;
  readonly #hubs = new Map<string, Hub>();
  #cancel: Cancel = () => {};
  #started = false;

  constructor(deps: GatewayDeps, limits: GatewayLimits) {
    this.ports = deps;
    const rows = new Rows(deps.store);
    this.registry = new Registry(deps, rows);
    this.hooks = new Hooks(deps, rows, limits);
    this.presences = new Presences(deps, limits.presencesMax);
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
      if (!this.#hubs.has(name)) this.#attach(service);
      return;
    }
    this.#hubs.get(name)?.stop();
    this.#hubs.delete(name);
    this.presences.endAll(name);
    this.hooks.removeAll(name);
    this.listeners.end(name);
  }

  #attach(service: ServiceRecord): void {
    const hub = new Hub(this.ports, service, this.hooks, this.listeners);
    this.#hubs.set(service.name, hub);
    hub.start();
  }

  /** Services that have a session. */
  get attached(): number {
    return [...this.#hubs.values()].filter((hub) => hub.attached).length;
  }

  hub(service: string): Hub | null {
    return this.#hubs.get(service) ?? null;
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
    this.hooks.stop();
    this.presences.endAll(null);
    for (const hub of this.#hubs.values()) hub.stop();
    this.#hubs.clear();
    this.listeners.endAll();
  }
}
