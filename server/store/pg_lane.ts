/**
 * One connection to PostgreSQL, used by one statement at a time. It is made when a statement needs
 * it, to the first host that takes writes, and again after it was lost.
 *
 * A statement is never cancelled: a cancelled wait for a synchronous standby looks like success. A
 * connection that stays silent too long is given up, and what was sent over it is `unknown`.
 */
import { Buffer } from "node:buffer";
// @ts-types="@types/pg"
import pg from "pg";
import { formatPgAddress, type PgAddress, type PgHost } from "../config/pg_url.ts";
import { RAISED, SQL, type Statement } from "./pg_sql.ts";
import type { Cancel, Timers } from "../node/ports.ts";
import { runCallback } from "../system/callback.ts";

/** How long a host may take to accept a connection (ms). */
const CONNECT_MS = 3000;
/** How long a statement may take before its connection counts as lost (ms). */
const SILENT_MS = 10_000;
/** Notices that mean that a commit has not waited for its standby, though it looks like success. */
const NOT_REPLICATED: ReadonlySet<string> = new Set(["01000", "57P01"]);
/** Error states: the disk is full; whether the statement was completed is not known. */
const DISK_FULL = "53100";
const COMPLETION_UNKNOWN = "40003";

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

/** What connections need. */
export interface PgLink {
  readonly address: PgAddress;
  /** Certificates that are trusted, PEM; null for the system's. */
  readonly rootCert: string | null;
  readonly timers: Timers;
}

/** See the head of this file. Statements are called back in the order in which they were asked for. */
export class PgLane {
  readonly #link: PgLink;
  readonly #waiting: Asked[] = [];
  #client: pg.Client | null = null;
  #connecting = false;
  #running: Asked | null = null;
  /** Set where a notice says that the statement under way is not what its result says. */
  #doubt: string | null = null;
  #closing: (() => void) | null = null;

  constructor(link: PgLink) {
    this.#link = link;
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
    this.#closing = done;
    this.#next();
  }

  #next(): void {
    if (this.#running !== null || this.#connecting) return;
    if (this.#waiting.length === 0) return this.#end();
    if (this.#client === null) return this.#connect();
    this.#running = this.#waiting.shift()!;
    this.#send(this.#client, this.#running);
  }

  #end(): void {
    const closed = this.#closing;
    if (closed === null) return;
    this.#closing = null;
    const client = this.#client;
    this.#client = null;
    if (client === null) return queueMicrotask(() => runCallback(closed));
    client.end().then(() => runCallback(closed), () => runCallback(closed));
  }

  #send(client: pg.Client, { text, name, values, done }: Asked): void {
    let settled = false;
    const settle = (error: LaneError | null, rows: PgRows) => {
      if (settled) return;
      settled = true;
      cancel();
      this.#running = null;
      runCallback(() => done(error, rows));
      this.#next();
    };
    const cancel = this.#watch(client, settle);
    this.#doubt = null;
    const query = {
      text,
      values: values.map((v) => v instanceof Uint8Array ? asBuffer(v) : v),
      ...(name === null ? {} : { name }),
    };
    client.query(query).then(
      (result) => {
        if (this.#doubt !== null) return settle({ kind: "unknown", message: this.#doubt }, []);
        const last = Array.isArray(result) ? result.at(-1) : result;
        settle(null, last?.rows ?? []);
      },
      (cause: unknown) => {
        const error = laneError(cause);
        if (error.kind === "unknown") this.#drop(client);
        settle(error, []);
      },
    );
  }

  /** Gives the connection up where it stays silent. */
  #watch(client: pg.Client, settle: (error: LaneError, rows: PgRows) => void): Cancel {
    return this.#link.timers.after(SILENT_MS, () => {
      this.#drop(client);
      settle({ kind: "unknown", message: `No answer of the store within ${SILENT_MS} ms` }, []);
    });
  }

  #drop(client: pg.Client): void {
    if (this.#client === client) this.#client = null;
    streamOf(client).destroy();
  }

  #connect(): void {
    this.#connecting = true;
    this.#tryHosts(0, []).then((client) => {
      this.#connecting = false;
      this.#client = client;
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

  async #tryHosts(at: number, failures: readonly string[]): Promise<pg.Client> {
    const { address } = this.#link;
    const host = address.hosts[at];
    if (host === undefined) {
      throw new Error(`Cannot reach ${formatPgAddress(address)}: ${failures.join("; ")}`);
    }
    const client = this.#clientOf(host);
    try {
      await client.connect();
      await prepare(client);
      return client;
    } catch (cause) {
      streamOf(client).destroy();
      const actual = cause instanceof Error ? cause.message : String(cause);
      return await this.#tryHosts(at + 1, [...failures, `${host.host}:${host.port}: ${actual}`]);
    }
  }

  #clientOf({ host, port }: PgHost): pg.Client {
    const { address: { database, user, password, tls }, rootCert } = this.#link;
    const ssl = tls === "disable" ? false : {
      rejectUnauthorized: tls === "verify-full",
      ...(rootCert === null ? {} : { ca: rootCert }),
    };
    const client = new pg.Client({
      host,
      port,
      database,
      user,
      ...(password === null ? {} : { password }),
      ssl,
      application_name: "roost",
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
    });
    // A connection that is lost between two statements; one in between fails by itself.
    client.on("error", () => this.#drop(client));
    client.on("notice", ({ code, message }) => {
      if (code !== undefined && NOT_REPLICATED.has(code)) this.#doubt = message ?? code;
    });
    return client;
  }
}

/** Refuses a host that takes no writes; makes acks mean what they say. */
async function prepare(client: pg.Client): Promise<void> {
  const { rows: [state] } = await client.query(
    "SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') AS readonly, " +
      "current_setting('synchronous_commit') AS level",
  );
  if (state.standby) throw new Error("it is a standby");
  if (state.readonly === "on") throw new Error("it takes no writes");
  await client.query("SET statement_timeout = 0");
  if (state.level === "off" || state.level === "local") {
    await client.query("SET synchronous_commit = on");
  }
}

function laneError(cause: unknown): LaneError {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (!(cause instanceof pg.DatabaseError)) return { kind: "unknown", message };
  const state = cause.code ?? "";
  if (Object.values<string>(RAISED).includes(state)) {
    return { kind: "raised", state, detail: cause.detail ?? "" };
  }
  // The session is ended, perhaps after the commit; an ERROR has undone the transaction.
  if (cause.severity !== "ERROR" || state === COMPLETION_UNKNOWN) {
    return { kind: "unknown", message };
  }
  return { kind: state === DISK_FULL ? "full" : "failed", message };
}

/** The socket, which the driver's types do not show. */
function streamOf(client: pg.Client): { destroy(): void } {
  return (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream;
}

/** The same bytes as the driver takes them, copied: the caller may change its own. */
function asBuffer(bytes: Uint8Array): Uint8Array {
  return Buffer.from(bytes);
}
