/** The audit log of a node: what is recorded goes to its store, and to the log of the process. */
import { AUDIT_STREAMS, type AuditInput, type AuditStream } from "./entry.ts";
import { AuditWriter } from "./writer.ts";
import type { Cancel, Clock, Log, StoreError, Timers } from "../node/ports.ts";
import { COUNTED_MS, FailureCounts } from "./failures.ts";
import { type Keep, removeOld } from "./retention.ts";
import type { AuditStore } from "./reader.ts";
import { isSynthetic } from "../node/reserved_names.ts";
import type { NodeId } from "../../shard/name/ids.ts";

/** When rows that are not to be kept are first looked for, and how often (ms). */
const FIRST_REMOVAL_MS = 60_000;
const REMOVAL_MS = 3_600_000;

/** What is kept, and what goes to the log of the process. */
export interface AuditOptions {
  readonly keep: Readonly<Record<AuditStream, Keep>>;
  readonly logged: "none" | "admin" | "all";
  /** Whether sessions that begin and end are recorded. */
  readonly sessions: boolean;
}

/** What it needs. */
export interface AuditDeps {
  readonly store: AuditStore;
  readonly clock: Pick<Clock, "wallMs">;
  readonly timers: Timers;
  readonly node: NodeId;
  readonly log: Pick<Log, "error">;
  /** Takes a line of the log's category `audit`. */
  readonly line: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

const EVENTS = {
  admin: "admin action",
  services: "service action",
  signIns: "sign-in",
} as const satisfies Readonly<Record<AuditStream, string>>;

/** See the head of this file. */
export class Audit {
  readonly #deps: AuditDeps;
  readonly #options: AuditOptions;
  readonly #writers: Readonly<Record<AuditStream, AuditWriter>>;
  readonly #failures: FailureCounts;
  #minute: Cancel | null = null;
  #removal: Cancel | null = null;
  #stopped = false;

  constructor(deps: AuditDeps, options: AuditOptions) {
    this.#deps = deps;
    this.#options = options;
    const writer = (stream: AuditStream) => new AuditWriter({ ...deps, stream });
    this.#writers = {
      admin: writer("admin"),
      services: writer("services"),
      signIns: writer("signIns"),
    };
    this.#failures = new FailureCounts((input) => this.#add("signIns", input));
  }

  /** Whether sessions that begin and end are recorded. */
  get sessions(): boolean {
    return this.#options.sessions;
  }

  /** Begins to remove what is not to be kept. */
  start(): void {
    this.#removeLater(FIRST_REMOVAL_MS);
  }

  /** Records what an administrator has done; resolves once it is durable, or with why it is not. */
  admin(input: AuditInput): Promise<StoreError | null> {
    this.#line("admin", input);
    return new Promise((done) => this.#writers.admin.addDurably(input, done));
  }

  /** Records what a service has done; `servicesDurable` makes sure of it. */
  service(input: AuditInput): void {
    this.#add("services", input);
  }

  /** Resolves once all that services have done is durable; with an error where it may not be. */
  servicesDurable(): Promise<StoreError | null> {
    return new Promise((done) => this.#writers.services.waitDurably(done));
  }

  /** Records a sign-in, or the end of a session, within a second. It does not wait. */
  signIn(input: AuditInput): void {
    if (input.user === undefined || !isSynthetic(input.user)) this.#add("signIns", input);
  }

  /** Records a failed sign-in, see `FailureCounts`; `user` only where that account exists. */
  failed(input: AuditInput): void {
    if (input.user !== undefined && isSynthetic(input.user)) return;
    this.#failures.add(input);
    if (this.#minute !== null) return;
    this.#minute = this.#deps.timers.after(COUNTED_MS, () => {
      this.#minute = null;
      this.#failures.end();
    });
  }

  /** Writes what waits; nothing is recorded afterwards. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#minute?.();
    this.#removal?.();
    if (this.#failures.counting) this.#failures.end();
    await Promise.all(
      AUDIT_STREAMS.map((stream) => new Promise<void>((done) => this.#writers[stream].stop(done))),
    );
  }

  #add(stream: AuditStream, input: AuditInput): void {
    this.#line(stream, input);
    this.#writers[stream].add(input);
  }

  #line(stream: AuditStream, input: AuditInput): void {
    const { logged } = this.#options;
    if (logged === "none" || (logged === "admin" && stream === "signIns")) return;
    const { at, ...fields } = input;
    const when = at === undefined ? {} : { at: new Date(at).toISOString() };
    this.#deps.line(EVENTS[stream], { ...when, ...fields });
  }

  #removeLater(ms: number): void {
    this.#removal = this.#deps.timers.after(ms, () => {
      void this.removeOld().catch((error) =>
        this.#deps.log.error("audit removal failed", { error: String(error) })
      ).then(() => this.#stopped || this.#removeLater(REMOVAL_MS));
    });
  }

  /** Removes what is not to be kept; returns how many rows. Rejects where the store cannot be used. */
  async removeOld(): Promise<number> {
    const { store, clock } = this.#deps;
    let count = 0;
    for (const stream of AUDIT_STREAMS) {
      const keep = this.#options.keep[stream];
      count += await removeOld(store, stream, keep, clock.wallMs(), async (input) => {
        const error = await this.admin(input);
        if (error !== null) throw new Error(error.message);
      });
    }
    return count;
  }
}
