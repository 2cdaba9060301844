/**
 * The services of a cell: one shared value of the store, in memory as it was last read, each change
 * durable at once and seen by every node.
 */
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { StoreError, StoreKey } from "../node/ports.ts";
import type { GatewayDeps } from "./gateway_deps.ts";
import { equalBytes } from "../auth/hash.ts";
import { cellJson, CellValue, type Registers } from "../node/cell_value.ts";
import { question } from "../node/asks.ts";
import { type Rows, rowValue } from "./rows.ts";
import {
  accountOf,
  hashServiceToken,
  isServiceName,
  mintServiceToken,
  type Scope,
  serviceOfToken,
  type ServiceRecord,
} from "./service.ts";

/** Services have changed. */
const CHANGED = question<null, null>("services.changed");

type Deps = Pick<GatewayDeps, "router" | "clock" | "random" | "cell"> & {
  readonly registers: Registers;
};

type Services = Readonly<Record<string, ServiceRecord>>;

/** Told which service has changed. */
export type Changed = (service: ServiceRecord) => void;

const PREFIX: StoreKey = ["meta", "service"];
const SERVICES_MAX = 100;
const NOT_NOW = fail("unavailable", "The store takes no changes now", 1000);
const UNKNOWN = fail("unauthorized", "The token is not one of a service, or is revoked or expired");
const utf8 = new TextEncoder();

/** See the head of this file. */
export class Registry {
  readonly #deps: Deps;
  /** Where an earlier version has stored the services. */
  readonly #rows: Rows;
  readonly #shared: CellValue<Services>;
  readonly #services = new Map<string, ServiceRecord>();
  /** Revoked ones that are not durably so. */
  readonly #unsaved = new Set<string>();
  /** Called after a service was added or revoked. */
  onChange: Changed = () => {};

  constructor(deps: Deps, rows: Rows) {
    this.#deps = deps;
    this.#rows = rows;
    this.#shared = new CellValue(deps.registers, cellJson<Services>("services", this.#earlier));
    this.#shared.onChange = (services) => this.#adopt(services);
    deps.cell?.asks.on(CHANGED, (_, done) =>
      this.#shared.load((error, services) => {
        if (error === null) this.#adopt(services);
        done(ok(null));
      }));
  }

  /** Services as an earlier version has stored them: each in a row of its own. */
  readonly #earlier = (done: (error: StoreError | null, services: Services) => void): void => {
    this.#rows.all(PREFIX, (error, rows) => {
      const services = rows.map(({ value }) => rowValue(value) as ServiceRecord);
      done(error, Object.fromEntries(services.map((service) => [service.name, service])));
    });
  };

  /** Reads them all, and follows what other nodes change from now on; before that there are none. */
  load(done: (error: StoreError | null) => void): void {
    this.#shared.watch();
    this.#shared.load((error, services) => {
      if (error === null) {
        for (const service of Object.values(services)) this.#services.set(service.name, service);
      }
      done(error);
    });
  }

  /** Takes over what is stored; a service whose revocation is not stored yet stays revoked. */
  #adopt(services: Services): void {
    for (const service of Object.values(services)) {
      const known = this.#services.get(service.name);
      if (this.#unsaved.has(service.name)) continue;
      if (JSON.stringify(known) === JSON.stringify(service)) continue;
      this.#services.set(service.name, service);
      this.onChange(service);
    }
  }

  /** All of them by name, revoked ones too. */
  list(): readonly ServiceRecord[] {
    return [...this.#services.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** Whether its token can be used now. */
  active(service: ServiceRecord): boolean {
    const { tokenHash, expiresAt } = service;
    return tokenHash !== null && (expiresAt === null || expiresAt > this.#deps.clock.wallMs());
  }

  /** Those that are not revoked. */
  get(name: string): ServiceRecord | null {
    const service = this.#services.get(name);
    return service === undefined || !this.active(service) ? null : service;
  }

  /** Whose token it is. */
  authenticate(token: string): Result<ServiceRecord> {
    const service = this.get(serviceOfToken(token) ?? "");
    if (service === null) return UNKNOWN;
    const same = equalBytes(utf8.encode(hashServiceToken(token)), utf8.encode(service.tokenHash!));
    return same ? ok(service) : UNKNOWN;
  }

  /**
   * Makes a service, its account and its token, which is shown only here. The name of a revoked or
   * expired one can be used again, and is the same account; `conflict` while it is in use.
   */
  add(
    name: string,
    scopes: readonly Scope[],
    expiresAt: number | null,
    done: (result: Result<{ readonly token: string; readonly service: ServiceRecord }>) => void,
  ): void {
    const refusal = this.#addRefusal(name);
    if (refusal !== null) return done(refusal);
    const { random, clock, router } = this.#deps;
    const known = this.#services.get(name);
    const token = mintServiceToken(name, random);
    const service: ServiceRecord = {
      name,
      tokenHash: hashServiceToken(token),
      scopes,
      expiresAt,
      createdAt: known?.createdAt ?? clock.wallMs(),
    };
    router.request(accountOf(name), "account.create", { credentials: null }, (created) => {
      if (!created.ok && !(created.code === "conflict" && known !== undefined)) {
        const account = accountOf(name);
        const taken = fail("conflict", `The account ${account} exists and is not a service's`);
        return done(created.code === "conflict" ? taken : created);
      }
      this.#keep(service, (result) => done(result.ok ? ok({ token, service }) : result));
    });
  }

  #addRefusal(name: string) {
    if (!isServiceName(name)) {
      return fail(
        "bad_request",
        `${JSON.stringify(name)} is no service name: 1 to 32 of a-z 0-9 -`,
      );
    }
    if (this.get(name) !== null) {
      return fail("conflict", `The service ${name} exists: revoke it first`);
    }
    if (this.#services.size < SERVICES_MAX || this.#services.has(name)) return null;
    return fail("limit_reached", `There are ${SERVICES_MAX} services already`);
  }

  /** Its token is worth nothing from now on. */
  revoke(name: string, done: (result: Result<null>) => void): void {
    const service = this.#services.get(name);
    const revokable = service?.tokenHash !== null || this.#unsaved.has(name);
    if (service === undefined || !revokable) {
      return done(fail("not_found", `There is no service ${JSON.stringify(name)}`));
    }
    const revoked = { ...service, tokenHash: null };
    // Before it is durable: nothing is let in by a token that was meant to be worth nothing.
    this.#services.set(name, revoked);
    this.#unsaved.add(name);
    this.onChange(revoked);
    this.#keep(revoked, done);
  }

  /** Stores a service; `conflict` where another node has made one of this name meanwhile. */
  #keep(service: ServiceRecord, done: (result: Result<null>) => void): void {
    const { name } = service;
    let taken = false;
    this.#shared.update((services) => {
      const stored = services[name];
      taken = service.tokenHash !== null && stored !== undefined && this.active(stored);
      return taken ? null : { ...services, [name]: service };
    }, (error, services) => {
      if (error !== null) return done(NOT_NOW);
      this.#unsaved.delete(name);
      this.#adopt(services);
      if (taken) return done(fail("conflict", `The service ${name} exists: revoke it first`));
      // The hint of the store may get lost: a new token is to be known at every node soon.
      this.#deps.cell?.asks.all(CHANGED, null, () => {});
      done(ok(null));
    });
  }
}
