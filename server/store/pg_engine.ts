/**
 * The servers of one PostgreSQL store, of which one is the primary. It is found by asking all of
 * them: the one that takes writes, and of several the one with the highest timeline, which every
 * promotion raises. A server with a lower timeline than one that was seen is not used any more: it
 * was replaced, though it may not know.
 */
// @ts-types="@types/pg"
import pg from "pg";
import { formatPgAddress, type PgAddress, type PgHost } from "../config/pg_url.ts";
import type { Cancel, Timers } from "../node/ports.ts";

/** How long a host may take to accept a connection (ms). */
const CONNECT_MS = 3000;
/** How long other hosts are waited for once one takes writes (ms). */
const OTHERS_MS = 300;

/** What connections need. */
export interface PgLink {
  readonly address: PgAddress;
  /** Certificates that are trusted, PEM; null for the system's. */
  readonly rootCert: string | null;
  readonly timers: Timers;
}

/** A connection to the server that was the primary when it was made. */
export interface PgSession {
  readonly client: pg.Client;
  /** Number of promotions of the server's data; 0 where the server has no timelines. */
  readonly timeline: number;
  /** How often the primary was known to have changed before. */
  readonly term: number;
}

/** Ends a connection at once. */
export function destroy(client: pg.Client): void {
  // The driver's types do not show the socket.
  const { connection } = client as unknown as { connection: { stream: { destroy(): void } } };
  connection.stream.destroy();
}

/** See the head of this file. */
export class PgEngine {
  readonly #link: PgLink;
  readonly #observers: (() => void)[] = [];
  #timeline = 0;
  #term = 0;
  #looking = false;

  constructor(link: PgLink) {
    this.#link = link;
  }

  /** Calls `replaced` whenever sessions made so far are not current any more. */
  onReplaced(replaced: () => void): void {
    this.#observers.push(replaced);
  }

  /** Whether no other primary was seen since. */
  isCurrent({ term }: PgSession): boolean {
    return term === this.#term;
  }

  /** The server of a session takes no writes: all sessions are made anew. */
  replaced(session: PgSession): void {
    if (this.isCurrent(session)) this.#raise();
  }

  /** Connects to the primary; rejects with what each host has said. */
  async connect(): Promise<PgSession> {
    const { address } = this.#link;
    const { session, failures } = await this.#ask();
    if (session !== null) return session;
    throw new Error(`Cannot reach ${formatPgAddress(address)}: ${failures.join("; ")}`);
  }

  /** Asks all hosts whether another one is the primary, unless that is under way. */
  look(): void {
    if (this.#looking) return;
    this.#looking = true;
    this.#ask().then(({ session }) => {
      this.#looking = false;
      if (session !== null) destroy(session.client);
    });
  }

  #raise(): void {
    this.#term++;
    for (const replaced of this.#observers) replaced();
  }

  /** Resolves with the session of the highest timeline, or what all hosts have said. */
  #ask(): Promise<{ session: PgSession | null; failures: readonly string[] }> {
    const { address: { hosts }, timers } = this.#link;
    return new Promise((resolve) => {
      let best: PgSession | null = null;
      let left = hosts.length;
      let over = false;
      let waited: Cancel = () => {};
      const failures: string[] = [];
      const end = () => {
        if (over) return;
        over = true;
        waited();
        resolve({ session: best, failures });
      };
      const made = (session: PgSession) => {
        const loser = over || (best !== null && best.timeline >= session.timeline) ? session : best;
        if (loser !== null) destroy(loser.client);
        if (loser === session) return;
        if (best === null) waited = timers.after(OTHERS_MS, end);
        best = session;
      };
      for (const host of hosts) {
        this.#session(host).then(made, (cause: unknown) => {
          const actual = cause instanceof Error ? cause.message : String(cause);
          failures.push(`${host.host}:${host.port}: ${actual}`);
        }).then(() => {
          left--;
          if (left === 0) end();
        });
      }
    });
  }

  async #session(host: PgHost): Promise<PgSession> {
    const client = this.#clientOf(host);
    // What is lost before the caller listens fails at its next statement.
    client.on("error", () => {});
    try {
      await client.connect();
      const timeline = await prepare(client);
      if (timeline < this.#timeline) {
        throw new Error(`it was replaced: its timeline is ${timeline}, ${this.#timeline} exists`);
      }
      if (timeline > this.#timeline) {
        const first = this.#timeline === 0;
        this.#timeline = timeline;
        if (!first) this.#raise();
      }
      return { client, timeline, term: this.#term };
    } catch (cause) {
      destroy(client);
      throw cause;
    }
  }

  #clientOf({ host, port }: PgHost): pg.Client {
    const { address: { database, user, password, tls }, rootCert } = this.#link;
    const ssl = tls === "disable" ? false : {
      rejectUnauthorized: tls === "verify-full",
      ...(rootCert === null ? {} : { ca: rootCert }),
    };
    return new pg.Client({
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
  }
}

/** Refuses a host that takes no writes; makes acks mean what they say. Resolves with its timeline. */
async function prepare(client: pg.Client): Promise<number> {
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
  return await timelineOf(client);
}

/** The timeline that the server writes; 0 where it has none, as YugabyteDB. */
async function timelineOf(client: pg.Client): Promise<number> {
  try {
    const { rows: [row] } = await client.query(
      "SELECT pg_walfile_name(pg_current_wal_lsn()) AS file",
    );
    return Number.parseInt(String(row.file).slice(0, 8), 16);
  } catch (cause) {
    if (cause instanceof pg.DatabaseError && cause.severity === "ERROR") return 0;
    throw cause;
  }
}
