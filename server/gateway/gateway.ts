/**
 * The gateway: lets other systems in as services. It is a client of the edge and the router like
 * every other; whatever it may know or do, an account may.
 */
import type { AccountName, Cursor } from "../../shard/name/ids.ts";
import { ok, type Result } from "../../shard/errors.ts";
import type { Cancel, Ports, PostHook, StoreError } from "../node/ports.ts";
import type { OpenedSession, OpenSession } from "../edge/types.ts";
import type { RowRegisters } from "../node/cell_rows.ts";
import type { Router } from "../node/router.ts";
import type { HookRecord } from "./hook_events.ts";
import { Hooks, type HooksLimits } from "./hooks.ts";
import { earliest, Hub, type News } from "./hub.ts";
import type { PresenceView } from "./outcome.ts";
import { Presences } from "./presences.ts";
import { Registry } from "./registry.ts";
import { Rows } from "./rows.ts";
import type { ServiceRecord } from "./service.ts";

/** What the gateway is made with. */
export interface GatewayDeps extends Omit<Ports, "kdf"> {
  readonly router: Pick<Router, "request">;
  readonly post: PostHook;
  /** What the nodes of the cell share, with notice of what other nodes change. */
  readonly registers: RowRegisters;
  open(options: OpenSession, done: (result: Result<OpenedSession>) => void): void;
}

/** Its bounds. */
export interface GatewayLimits extends HooksLimits {
  /** Users one service may have presence set for. */
  readonly presencesMax: number;
}

/** A reader of a service's stream, until the service is gone. */
export interface Listener {
  presence(view: PresenceView): void;
  /** The mailbox has something new. */
  moved(): void;
  /** The service is revoked, or the server goes. */
  ended(): void;
}

/** How often it is looked whether tokens have expired (ms). */
const EXPIRY_CHECK_MS = 10_000;

/** See the head of this file. */
export class Gateway {
  readonly registry: Registry;
  readonly hooks: Hooks;
  readonly presences: Presences;
  readonly #deps: GatewayDeps;
  readonly #hubs = new Map<string, Hub>();
  readonly #listeners = new Map<string, Set<Listener>>();
  #cancel: Cancel = () => {};
  #started = false;

  constructor(deps: GatewayDeps, limits: GatewayLimits) {
    this.#deps = deps;
    const rows = new Rows(deps.store);
    const shared = { ...deps, rows, store: deps.registers };
    this.registry = new Registry(shared);
    this.hooks = new Hooks(shared, limits);
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
    this.#cancel = this.#deps.timers.after(EXPIRY_CHECK_MS, () => {
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
    this.#endListeners(name);
  }

  #attach({ name, scopes }: ServiceRecord): void {
    const hub = new Hub(this.#deps, {
      service: name,
      seesPresence: scopes.includes("presence.read") || scopes.includes("watch"),
      cursor: (): Cursor | null => earliest(this.hooks.cursors(name)),
      store: (news: News, done) => this.hooks.store(name, news, done),
      presence: (view) => this.#tell(name, (listener) => listener.presence(view)),
      moved: () => this.#tell(name, (listener) => listener.moved()),
    });
    this.#hubs.set(name, hub);
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
      this.#deps.router.request(account, "roster.subscription", { contact: user, type }, done);
    subscription("subscribed", (result) => {
      if (!result.ok) return done(result);
      subscription("subscribe", (result) => done(result.ok ? ok(null) : result));
    });
  }

  // ---- listeners

  /** Adds somebody who reads along; what it returns takes it away. */
  listen(service: string, listener: Listener): Cancel {
    let own = this.#listeners.get(service);
    if (own === undefined) this.#listeners.set(service, own = new Set());
    own.add(listener);
    return () => own.delete(listener);
  }

  /** Streams that are open for a service. */
  listening(service: string): number {
    return this.#listeners.get(service)?.size ?? 0;
  }

  #tell(service: string, run: (listener: Listener) => void): void {
    for (const listener of this.#listeners.get(service) ?? []) run(listener);
  }

  #endListeners(service: string): void {
    const listeners = [...this.#listeners.get(service) ?? []];
    this.#listeners.delete(service);
    for (const listener of listeners) listener.ended();
  }

  /** Signs every service out; what waits for webhooks stays. */
  stop(): void {
    this.#started = false;
    this.#cancel();
    this.hooks.stop();
    this.presences.endAll(null);
    for (const hub of this.#hubs.values()) hub.stop();
    this.#hubs.clear();
    for (const name of [...this.#listeners.keys()]) this.#endListeners(name);
  }
}
