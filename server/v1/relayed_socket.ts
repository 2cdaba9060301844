/** One WebSocket that is passed on: a connection to the account's home, both ways. */
import type { Cancel, Runtime } from "../node/ports.ts";
import type { CloseReason } from "../edge/types.ts";
import type { Failure } from "../../shard/errors.ts";
import { isObject } from "../text/validate.ts";
import type { RelayClient, RelayedConnection } from "./relay.ts";
import type { RelaySocket, RelayWires } from "../node/relay_wires.ts";
import { withServers } from "./relay.ts";

/** Bytes that a client may leave unread before nothing more is read for it. */
const UNREAD_BYTES_MAX = 65_536;
/** How often it is looked at then (ms). */
const LOOK_MS = 50;
/** Bytes that the home may leave unread before the client is sent away. */
const UNSENT_BYTES_MAX = 1_048_576;
/** Frames of a client before the home has accepted the connection; it has no reason for any. */
const EARLY_MAX = 8;

/** What it is made with. */
export interface RelayedSocketOptions extends Pick<Runtime, "timers"> {
  readonly wires: RelayWires;
  readonly client: RelayClient;
  /** The client's first frame. */
  readonly first: string;
  /** Where the home is reached, those that are to be tried first at the beginning. */
  readonly addresses: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly unreached: Failure;
  servers(): readonly string[];
  /** An address does not respond. */
  avoid(address: string): void;
  /** It is over; called once. */
  over(): void;
}

/** See the head of this file. */
export class RelayedSocket implements RelayedConnection {
  readonly #options: RelayedSocketOptions;
  #socket: RelaySocket | null = null;
  #early: string[];
  #opened = false;
  #welcomed = false;
  #over = false;
  #look: Cancel | null = null;
  #goaway: { readonly reason: CloseReason; readonly retryAfterMs?: number } | null = null;

  constructor(options: RelayedSocketOptions) {
    this.#options = options;
    this.#early = [options.first];
    this.#connect(0);
  }

  frame(text: string): void {
    if (this.#over) return;
    if (!this.#opened) {
      if (this.#early.push(text) > EARLY_MAX) this.#end("protocol");
      return;
    }
    this.#socket!.send(text);
    if (this.#socket!.bufferedBytes > UNSENT_BYTES_MAX) this.#end("slow", LOOK_MS);
  }

  close(): void {
    if (this.#finish()) this.#socket?.close();
  }

  #connect(at: number): void {
    const { addresses, avoid, client, headers, unreached, wires } = this.#options;
    const address = addresses[at];
    if (address === undefined) {
      if (this.#finish()) client.refused(unreached);
      return;
    }
    const url = `${address.replace(/^http/, "ws").replace(/\/$/, "")}/v1/ws`;
    this.#socket = wires.socket(url, headers, {
      opened: () => {
        if (this.#over) return this.#socket?.close();
        this.#opened = true;
        for (const text of this.#early) this.#socket!.send(text);
        this.#early = [];
      },
      frame: (text) => this.#take(text),
      closed: () => {
        if (this.#over) return;
        if (this.#opened) return this.#closed();
        avoid(address);
        this.#connect(at + 1);
      },
    });
  }

  #take(text: string): void {
    if (this.#over) return;
    const { client, servers } = this.#options;
    if (text.startsWith('{"t":"goaway"')) return this.#sentAway(text);
    if (!this.#welcomed && text.startsWith('{"t":"welcome"')) {
      this.#welcomed = true;
      client.frame(withServers(text, servers()));
    } else client.frame(hasServers(text) ? withoutServers(text) : text);
    if (client.bufferedBytes() > UNREAD_BYTES_MAX && this.#look === null) {
      this.#socket!.pause();
      this.#lookAgain();
    }
  }

  #lookAgain(): void {
    this.#look = this.#options.timers.after(LOOK_MS, () => {
      if (this.#over) return;
      if (this.#options.client.bufferedBytes() > UNREAD_BYTES_MAX) return this.#lookAgain();
      this.#look = null;
      this.#socket!.resume();
    });
  }

  #sentAway(text: string): void {
    const frame: unknown = JSON.parse(text);
    if (!isObject(frame) || typeof frame["reason"] !== "string") return;
    const { retryAfterMs } = frame;
    const reason = frame["reason"] as CloseReason;
    this.#goaway = typeof retryAfterMs === "number" ? { reason, retryAfterMs } : { reason };
  }

  #closed(): void {
    if (!this.#finish()) return;
    const { client } = this.#options;
    if (this.#goaway === null) client.ended(null);
    else client.ended(this.#goaway.reason, this.#goaway.retryAfterMs);
  }

  #end(reason: CloseReason, retryAfterMs?: number): void {
    if (!this.#finish()) return;
    this.#socket?.close();
    this.#options.client.ended(reason, retryAfterMs);
  }

  /** Returns whether it was not over. */
  #finish(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#look?.();
    this.#early = [];
    this.#options.over();
    return true;
  }
}

/** Whether a frame names the addresses of the home's servers. */
function hasServers(text: string): boolean {
  return text.startsWith('{"t":"events"') && text.includes('{"k":"servers","servers":');
}

/** Its client reaches this cell, and perhaps no other. */
function withoutServers(text: string): string {
  const frame: unknown = JSON.parse(text);
  if (!isObject(frame) || !Array.isArray(frame["ev"])) return text;
  const ev = frame["ev"].filter((event) => !isObject(event) || event["k"] !== "servers");
  return JSON.stringify({ ...frame, ev });
}
