/**
 * The connections of a server that speak HTTP: each has a feed, and is ended when nothing moves on
 * it. A connection that becomes a WebSocket leaves nothing of it behind.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Cancel, Timers } from "../node/ports.ts";
import { type FeedEvents, PIPELINED_MAX, RequestFeed } from "./request_feed.ts";
import type { Turns } from "./turns.ts";

/** A connection on which nothing moves for so long is ended: more than a long-poll waits (ms). */
const IDLE_MS = 120_000;
/** In how many rounds that time passes: a connection is ended at most one of them late. */
const IDLE_ROUNDS = 8;

/** What feeds need. */
export interface RequestFeedsDeps {
  readonly turns: Turns;
  readonly timers: Pick<Timers, "after">;
  readonly counters: { pipelined: number };
  /** Makes the address pay for `requests` that it sent in vain. */
  penalize(address: string, requests: number): void;
}

/** Where a socket carries the feed of its requests. */
const FEED = Symbol("feed");
type Fed = Duplex & { [FEED]?: RequestFeed | undefined };

/** See the head of this file. */
export class RequestFeeds {
  readonly #deps: RequestFeedsDeps;
  readonly #events: FeedEvents;
  readonly #feeds = new Set<RequestFeed>();
  #cancel: Cancel = () => {};

  constructor(deps: RequestFeedsDeps) {
    this.#deps = deps;
    this.#events = {
      pipelined(feed) {
        deps.counters.pipelined++;
        feed.refuse();
        // Unparsed as they are, they were sent, and read.
        deps.penalize(feed.address, PIPELINED_MAX);
        feed.socket.destroy();
      },
      late(feed) {
        deps.penalize(feed.address, 1);
        feed.socket.destroy();
      },
    };
  }

  /** Begins to feed the parser of each connection, and of each one whose TLS handshake is done. */
  watch(server: Server, tls: boolean): void {
    const feeds = this.#feeds;
    const { penalize } = this.#deps;
    // One function for all sockets: a closure each would cost memory for as long as they live.
    const closed = function (this: Fed): void {
      const feed = this[FEED];
      if (feed === undefined) return;
      feeds.delete(feed);
      // To accept it has cost as much as a request.
      if (feed.unused) penalize(feed.address, 1);
    };
    server.on(tls ? "secureConnection" : "connection", (socket: Socket & Fed) => {
      const feed = new RequestFeed(socket, this.#deps.turns, this.#events);
      socket[FEED] = feed;
      feeds.add(feed);
      socket.on("close", closed);
    });
    this.#endIdle();
  }

  /**
   * Ends connections on which nothing moves, as `server.setTimeout` would: without a timer for each,
   * which a socket keeps, and starts again with every write, after it has become a WebSocket.
   */
  #endIdle(): void {
    this.#cancel = this.#deps.timers.after(IDLE_MS / IDLE_ROUNDS, () => {
      for (const feed of this.#feeds) if (feed.idleRounds() >= IDLE_ROUNDS) feed.socket.destroy();
      this.#endIdle();
    });
  }

  /** The feed of a connection; none where node:http does not read from sockets of node:net. */
  of(socket: Duplex): RequestFeed | undefined {
    return (socket as Fed)[FEED];
  }

  /** The connection speaks another protocol now. Returns what was not parsed. */
  release(socket: Duplex): Uint8Array {
    const feed = (socket as Fed)[FEED];
    if (feed === undefined) return new Uint8Array();
    this.#feeds.delete(feed);
    // It holds node:http's parser, which nothing needs any more.
    (socket as Fed)[FEED] = undefined;
    return feed.release();
  }

  /** Ends no more idle connections. */
  stop(): void {
    this.#cancel();
  }
}
