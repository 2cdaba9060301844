/**
 * One connection to the primary of PostgreSQL, used by one statement at a time. It is made when a
 * statement needs it, and again after it was lost or another host has become the primary.
 *
 * A statement is never cancelled: a cancelled wait for a synchronous standby looks like success. A
 * connection that stays silent too long is given up, and what was sent over it is `unknown`.
 */
import { Buffer } from "node:buffer";
// @ts-types="@types/pg"
import pg from "pg";
import { RAISED, SQL, type Statement } from "./pg_sql.ts";
import { destroy, PgEngine, type PgLink, type PgSession } from "./pg_engine.ts";
import { runCallback } from "../system/callback.ts";

/** How long a statement may take before its connection counts as lost (ms). */
const SILENT_MS = 10_000;
/** How long it may take before another primary is looked for, and again after that (ms). */
const LOOK_MS = 1000;
/** Notices that mean that a commit has not waited for its standby, though it looks like success. */
const NOT_REPLICATED: ReadonlySet<string> = new Set(["01000", "57P01"]);
/** Error states: the disk is full; whether the statement was completed is not known. */
const DISK_FULL = "53100";
const COMPLETION_UNKNOWN = "40003";
/** Error state: the server takes no writes, for another one is the primary or will be. */
const READ_ONLY = "25006";

/** How a statement failed. `raised`: one of the functions refused; `detail` is what it names. */
export type LaneError =
  | { readonly kind: "full" | "failed" | "unknown"; readonly message: string }
  | { readonly kind: "raised"; readonly state: string; readonly detail: string };

/** Rows by column name; numbers of 64 bits are text. */
export type PgRows = readonly Readonly<Record<string, unknown>>[];

/** A parameter; arrays are text of the form `{1,2}`. */
export type PgValue = string | number | Uint8Array | null;

type Done = (error: LaneError | null, rows: PgRows) => void;

interface Asked {
  readonly text: string;
  readonly name: string | null;
  readonly values: readonly PgValue[];
  readonly done: Done;
}

/** See the head of this file. Statements are called back in the order in which they were asked for. */
export class PgLane {
  readonly #engine: PgEngine;
  readonly #timers: PgLink["timers"];
  readonly #waiting: Asked[] = [];
  #session: PgSession | null = null;
  #connecting = false;
  #running: Asked | null = null;
  /** Ends the statement under way as one of unknown outcome; null where none is. */
  #abandon: ((message: string) => void) | null = null;
  /** Set where a notice says that the statement under way is not what its result says. */
  #doubt: string | null = null;
  #closing: (() => void)[] = [];

  /** Lanes of one store share an engine: one that finds another primary moves all. */
  constructor(link: PgLink, engine = new PgEngine(link)) {
    this.#timers = link.timers;
    this.#engine = engine;
    engine.onReplaced(() => this.#abandon?.("Another server has become the primary"));
  }

  /** Statements that wait or run. */
  get busy(): number {
    return this.#waiting.length + (this.#running === null ? 0 : 1);
  }

  /** Runs a prepared statement. */
  run(statement: Statement, values: readonly PgValue[], done: Done): void {
    this.#ask({ text: SQL[statement], name: statement, values, done });
  }

  /** Runs any statement, or several without values. */
  query(text: string, values: readonly PgValue[], done: Done): void {
    this.#ask({ text, name: null, values, done });
  }

  #ask(asked: Asked): void {
    this.#waiting.push(asked);
    this.#next();
  }

  /** Closes the connection after what was asked for, which is still called back. */
  close(done: () => void): void {
    this.#closing.push(done);
    this.#next();
  }

  #next(): void {
    if (this.#running !== null || this.#connecting) return;
    if (this.#waiting.length === 0) return this.#end();
    if (this.#session !== null && !this.#engine.isCurrent(this.#session)) this.#drop(this.#session);
    if (this.#session === null) return this.#connect();
    this.#running = this.#waiting.shift()!;
    this.#send(this.#session, this.#running);
  }

  #end(): void {
    const closed = this.#closing.splice(0);
    if (closed.length === 0) return;
    const over = () => closed.forEach(runCallback);
    const session = this.#session;
    this.#session = null;
    if (session === null) return queueMicrotask(over);
    session.client.end().then(over, over);
  }

  #send(session: PgSession, { text, name, values, done }: Asked): void {
    let settled = false;
    const settle = (error: LaneError | null, rows: PgRows) => {
      if (settled) return;
      settled = true;
      this.#abandon = null;
      watched();
      this.#running = null;
      runCallback(() => done(error, rows));
      this.#next();
    };
    this.#abandon = (message) => {
      this.#drop(session);
      settle({ kind: "unknown", message }, []);
    };
    const watched = this.#watch();
    this.#doubt = null;
    const query = {
      text,
      values: values.map((v) => v instanceof Uint8Array ? asBuffer(v) : v),
      ...(name === null ? {} : { name }),
    };
    session.client.query(query).then(
      (result) => {
        if (this.#doubt !== null) return settle({ kind: "unknown", message: this.#doubt }, []);
        const last = Array.isArray(result) ? result.at(-1) : result;
        settle(null, last?.rows ?? []);
      },
      (cause: unknown) => {
        if (settled) return;
        const error = laneError(cause);
        if (error.kind === "unknown") this.#drop(session);
        if (stateOf(cause) === READ_ONLY) {
          // It has done nothing: not one of those whose outcome is unknown.
          this.#abandon = null;
          this.#engine.replaced(session);
        }
        settle(error, []);
      },
    );
  }

  /** Looks for another primary while the statement under way is silent, then gives it up. */
  #watch(): () => void {
    let silentMs = 0;
    const wait = () =>
      this.#timers.after(LOOK_MS, () => {
        silentMs += LOOK_MS;
        if (silentMs >= SILENT_MS) {
          return this.#abandon?.(`No answer of the store within ${SILENT_MS} ms`);
        }
        cancel = wait();
        this.#engine.look();
      });
    let cancel = wait();
    return () => cancel();
  }

  #drop(session: PgSession): void {
    if (this.#session === session) this.#session = null;
    destroy(session.client);
  }

  #connect(): void {
    this.#connecting = true;
    this.#engine.connect().then((session) => {
      this.#connecting = false;
      this.#session = session;
      // A connection that is lost between two statements; one in between fails by itself.
      session.client.on("error", () => this.#drop(session));
      session.client.on("notice", ({ code, message }) => {
        if (code !== undefined && NOT_REPLICATED.has(code)) this.#doubt = message ?? code;
      });
      this.#next();
    }, (cause: unknown) => {
      this.#connecting = false;
      const message = cause instanceof Error ? cause.message : String(cause);
      // Nothing of it was sent.
      for (const { done } of this.#waiting.splice(0)) {
        runCallback(() => done({ kind: "failed", message }, []));
      }
      this.#next();
    });
  }
}

function stateOf(cause: unknown): string {
  return cause instanceof pg.DatabaseError ? cause.code ?? "" : "";
}

function laneError(cause: unknown): LaneError {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (!(cause instanceof pg.DatabaseError)) return { kind: "unknown", message };
  const state = stateOf(cause);
  if (Object.values<string>(RAISED).includes(state)) {
    return { kind: "raised", state, detail: cause.detail ?? "" };
  }
  // The session is ended, perhaps after the commit; an ERROR has undone the transaction.
  if (cause.severity !== "ERROR" || state === COMPLETION_UNKNOWN) {
    return { kind: "unknown", message };
  }
  return { kind: state === DISK_FULL ? "full" : "failed", message };
}

/** The same bytes as the driver takes them, copied: the caller may change its own. */
function asBuffer(bytes: Uint8Array): Uint8Array {
  return Buffer.from(bytes);
}
