/** Types that the modules of the client library share; nothing of them is served. */
import type * as Api from "../client.d.ts";

/** A frame or body of the server; a field is read where its type is known. */
export type Json = Readonly<Record<string, unknown>>;

/** A command until it is settled. */
export interface Op {
  readonly t: string;
  fields: Json;
  /** Commands of one lane are sent one after another. */
  readonly lane: string;
  /** A later command with this name replaces the fields of one that waits. */
  readonly merge: string | null;
  /** Whether it is sent again after its link was lost. */
  readonly repeat: boolean;
  /** The number of a message in the storage; null for other commands. */
  readonly slot: number | null;
  /** When the application called, ms since 1970. */
  readonly at: number;
  tries: number;
  /** The link that it was sent on and that has not settled it. */
  link: Link | null;
  readonly promise: Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (e: Api.RoostError) => void;
  stopDeadline: () => void;
}

/** A connection. */
export interface Link {
  readonly kind: Api.Transport;
  welcomed: boolean;
  open(): void;
  command(op: Op): void;
  /** Ends it silently: the host gets nothing more but results of requests under way. */
  drop(): void;
}

/** What a link reports to its client. */
export interface Host {
  welcomed(link: Link, welcome: Json): void;
  events(link: Link, events: readonly Json[]): void;
  settled(link: Link, op: Op, error: Api.RoostError | null, value: unknown): void;
  /** The server goes away, and names others perhaps; `lost` follows. */
  sentAway(link: Link, servers: unknown): void;
  lost(link: Link, error: Api.RoostError): void;
  cursor(): string | null;
}

/** An account and its proof. The device of a given token is known after the welcome. */
export interface Who {
  readonly token?: string;
  readonly jwt?: string;
  readonly user: string | null;
  readonly device: string | null;
}

/** A position in a mailbox: every event up to `seq` was taken. */
export interface Cursor {
  readonly mailbox: string;
  seq: number;
}
