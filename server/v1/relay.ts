/**
 * Passes clients on to the home of their account where that is another cell, instead of sending them
 * there (`cells.relay`): each WebSocket, and each request over HTTP. What waits is bounded by what
 * the two connections may have unread; the number of both by `perCellMax` for each other cell.
 */
import { customerKey } from "../auth/throttle.ts";
import type { CloseReason, Sink } from "../edge/types.ts";
import { errorFrame } from "./encode.ts";
import { errorResponse } from "../http/response.ts";
import { fail, type Failure } from "../../shard/errors.ts";
import { movedTo } from "./lost_homes.ts";
import { isObject } from "../text/validate.ts";
import { RELAY_HEADER, type RelayProofs } from "../http/relay_proof.ts";
import { RelayedSocket } from "./relayed_socket.ts";
import type { Runtime } from "../node/ports.ts";
import type { RelayWires } from "../node/relay_wires.ts";

/** A request to be passed on. */
export interface RelayedRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer> | null;
  /** The client's IP address. */
  readonly address: string;
  readonly signal: AbortSignal;
}

/** The client of a WebSocket that is passed on. */
export interface RelayClient {
  frame(text: string): void;
  bufferedBytes(): number;
  /** The home has ended it; null: without a reason. */
  ended(reason: CloseReason | null, retryAfterMs?: number): void;
  refused(failure: Failure): void;
}

/** The client of a connection; `end` ends that. */
export function relayClient(sink: Sink, end: RelayClient["ended"]): RelayClient {
  return {
    frame: (text) => sink.send(text),
    bufferedBytes: () => sink.bufferedBytes(),
    ended: end,
    refused: (failure) => {
      sink.send(errorFrame(failure, null));
      end("protocol", failure.retryAfterMs);
    },
  };
}

/** A WebSocket that is passed on. */
export interface RelayedConnection {
  frame(text: string): void;
  /** The client is gone. */
  close(): void;
}

/** What protocols need of it. */
export interface Relays {
  /** Passes a request on that was refused as `moved`. */
  request(moved: Failure, request: RelayedRequest): Promise<Response>;
  /** Passes a connection on whose first frame was refused so. */
  connect(moved: Failure, first: string, address: string, client: RelayClient): RelayedConnection;
  /** The refusal that sends a client to a cell by its name. */
  movedTo(cell: string): Failure;
}

/** What it needs. */
export interface RelayDeps extends Pick<Runtime, "clock" | "timers"> {
  readonly wires: RelayWires;
  readonly proofs: RelayProofs;
  /** Connections and requests for one other cell at once. */
  readonly perCellMax: number;
  /** Where clients reach another cell. */
  addressesOf(cell: string): readonly string[];
  /** Addresses of this cell's servers, which clients that are passed on know instead of those. */
  servers(): readonly string[];
}

const PASSED_ON = [
  "accept",
  "authorization",
  "content-type",
  "idempotency-key",
  "last-event-id",
  "roost-device",
  "roost-session",
];
const PASSED_BACK = [
  "content-type",
  "content-disposition",
  "cache-control",
  "retry-after",
  "www-authenticate",
  "x-accel-buffering",
];
/** How long an address that did not respond is tried last (ms). */
const AVOIDED_MS = 5000;
const RETRY_MS = 1000;
/** The part of what is passed on to a cell that clients of one network may have, and at least how many. */
const NETWORK_PART = 1 / 8;
const NETWORK_MIN = 16;

/** See the head of this file. */
export class Relay implements Relays {
  readonly #deps: RelayDeps;
  readonly #open = new Map<string, number>();
  /** The same by cell and network: nobody has proved yet who it is. */
  readonly #networks = new Map<string, number>();
  readonly #avoided = new Map<string, number>();

  constructor(deps: RelayDeps) {
    this.#deps = deps;
  }

  /** Connections and requests under way, by cell. */
  get open(): ReadonlyMap<string, number> {
    return this.#open;
  }

  movedTo(cell: string): Failure {
    return movedTo(cell, this.#deps.addressesOf(cell));
  }

  async request(moved: Failure, request: RelayedRequest): Promise<Response> {
    const { cell = "", servers = [] } = moved;
    const [server] = this.#inOrder(servers);
    const full = this.#fault(cell, server, request.address);
    if (full !== null) return errorResponse(full);
    const leave = this.#enter(cell, request.address);
    const { method, body, signal, path } = request;
    try {
      const headers = this.#headersOf(request);
      const response = await this.#deps.wires.fetch(server + path, {
        method,
        headers,
        body,
        signal,
      });
      return passedBack(response, leave);
    } catch {
      leave();
      // A client that hangs up says nothing about the other cell.
      if (!signal.aborted) this.#avoid(server!);
      return errorResponse(unreached(cell));
    }
  }

  connect(
    moved: Failure,
    first: string,
    address: string,
    client: RelayClient,
  ): RelayedConnection {
    const { cell = "", servers = [] } = moved;
    const addresses = this.#inOrder(servers);
    const full = this.#fault(cell, addresses[0], address);
    if (full !== null) {
      client.refused(full);
      return { frame: () => {}, close: () => {} };
    }
    const headers = { [RELAY_HEADER]: this.#deps.proofs.headerOf(address) };
    return new RelayedSocket({
      ...this.#deps,
      client,
      first,
      addresses,
      headers,
      unreached: unreached(cell),
      avoid: (server) => this.#avoid(server),
      over: this.#enter(cell, address),
    });
  }

  #headersOf({ address, headers }: RelayedRequest): Headers {
    const passed = new Headers({
      [RELAY_HEADER]: this.#deps.proofs.headerOf(address),
      "accept-encoding": "identity",
    });
    for (const name of PASSED_ON) {
      const value = headers.get(name);
      if (value !== null) passed.set(name, value);
    }
    return passed;
  }

  /** Why nothing is passed on; null where it is. */
  #fault(cell: string, server: string | undefined, address: string): Failure | null {
    if (server === undefined) return unreached(cell);
    const { perCellMax } = this.#deps;
    const own = this.#networks.get(keyOf(cell, address)) ?? 0;
    if (own >= Math.max(NETWORK_MIN, perCellMax * NETWORK_PART)) {
      return fail("busy", `Too many of your network are passed on to cell ${cell}`, RETRY_MS);
    }
    if ((this.#open.get(cell) ?? 0) < perCellMax) return null;
    return fail("busy", `${perCellMax} clients are passed on to cell ${cell} already`, RETRY_MS);
  }

  /** Counts one; returns what ends that, once. */
  #enter(cell: string, address: string): () => void {
    const key = keyOf(cell, address);
    this.#open.set(cell, (this.#open.get(cell) ?? 0) + 1);
    this.#networks.set(key, (this.#networks.get(key) ?? 0) + 1);
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      this.#open.set(cell, this.#open.get(cell)! - 1);
      const left = this.#networks.get(key)! - 1;
      if (left > 0) this.#networks.set(key, left);
      else this.#networks.delete(key);
    };
  }

  #avoid(server: string): void {
    this.#avoided.set(server, this.#deps.clock.monoMs() + AVOIDED_MS);
  }

  #inOrder(servers: readonly string[]): readonly string[] {
    const nowMs = this.#deps.clock.monoMs();
    for (const [server, untilMs] of this.#avoided) {
      if (untilMs <= nowMs) this.#avoided.delete(server);
    }
    const isAvoided = (server: string) => this.#avoided.has(server);
    return [...servers.filter((s) => !isAvoided(s)), ...servers.filter(isAvoided)];
  }
}

function keyOf(cell: string, address: string): string {
  return `${cell} ${customerKey(address)}`;
}

/** The refusal where a cell does not reply, or breaks off. */
export function unreached(cell: string): Failure {
  return fail("unavailable", `Cell ${cell}, the account's home, cannot be reached now`, RETRY_MS);
}

/** The response as the client gets it; `over` when its last byte is passed on, or nobody reads it. */
function passedBack(response: Response, over: () => void): Response {
  const headers = new Headers();
  for (const name of PASSED_BACK) {
    const value = response.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  const { body, status } = response;
  if (body === null) {
    over();
    return new Response(null, { status, headers });
  }
  const reader = body.getReader();
  const passed = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        over();
        controller.close();
      } catch (error) {
        over();
        controller.error(error);
      }
    },
    cancel(reason) {
      over();
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
  return new Response(passed, { status, headers });
}

/** A welcome with the addresses of other servers than those that it names. */
export function withServers(welcome: string, servers: readonly string[]): string {
  const frame: unknown = JSON.parse(welcome);
  if (!isObject(frame)) return welcome;
  const { servers: _, ...rest } = frame;
  return JSON.stringify(servers.length === 0 ? rest : { ...rest, servers });
}
