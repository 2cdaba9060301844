/**
 * The ways of a cell's processes to a store that another process of their machine serves: its own
 * frames, in their order, over a connection for each process. Where replies are to get lost the
 * connection breaks, for a part of a stream cannot.
 */
import type { FramedEvents, FramedSocket } from "../../server/system/framed_socket.ts";
import type { Log, Store } from "../../server/node/ports.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { StoreRequest } from "../../server/store/store_frames.ts";
import type { VirtualProcess, VirtualTime } from "./virtual_time.ts";
import { decodeReply, decodeRequest } from "../../server/store/store_frames.ts";
import { ServedStore } from "../../server/store/served_store.ts";
import { StoreServer } from "../../server/store/store_server.ts";

/** How long until a side knows that a connection is broken, ms. */
const BROKEN_MS = 1;

/** What happens to frames. */
export interface Ways {
  /** Whether a process cannot reach the store. */
  isAway(node: NodeId): boolean;
  /** How long a frame takes (ms); those of one way arrive in their order. */
  wayMs(node: NodeId): number;
  /** Whether the reply to a request of this kind gets lost. */
  loses(node: NodeId, kind: StoreRequest["kind"]): boolean;
  /** How much longer than others a request takes (ms). */
  lateMs(node: NodeId, request: StoreRequest): number;
}

/** See the head of this file. */
export class ServedWays {
  readonly #time: VirtualTime;
  readonly #server: StoreServer;
  readonly #ways: Ways;
  readonly #connections = new Map<NodeId, Connection>();

  constructor(time: VirtualTime, store: Store, log: Log, ways: Ways) {
    this.#time = time;
    this.#server = new StoreServer(store, log);
    this.#ways = ways;
  }

  /** The store as a process of a node reaches it. */
  client(node: NodeId, process: VirtualProcess): Store {
    return new ServedStore({
      dial: (events) => {
        const connection = new Connection(this.#time, node, process, this.#ways, events);
        if (!this.#ways.isAway(node)) connection.join((socket) => this.#server.accept(socket));
        else connection.break("it cannot be reached");
        this.#connections.set(node, connection);
        return connection.client;
      },
      node,
      observe: () => {},
      call: (callback) => callback(),
      later: (run) => process.timers.soon(run),
    });
  }

  /** The way of a node is broken: what is on it is lost. */
  break(node: NodeId, why: string): void {
    this.#connections.get(node)?.break(why);
  }

  /** The process of a node has ended: what it has sent arrives. */
  ended(node: NodeId): void {
    this.#connections.get(node)?.end();
  }
}

/** One side of a connection: what it sends to the other one. */
interface Side extends FramedSocket {
  waitingBytes: number;
}

class Connection {
  readonly client: Side;
  readonly #time: VirtualTime;
  readonly #node: NodeId;
  readonly #process: VirtualProcess;
  readonly #ways: Ways;
  readonly #events: FramedEvents;
  #server: FramedEvents | null = null;
  /** The kinds of requests without a reply, by their numbers. */
  readonly #kinds = new Map<number, StoreRequest["kind"]>();
  #lastUpMs = 0;
  #lastDownMs = 0;
  #broken = false;

  constructor(
    time: VirtualTime,
    node: NodeId,
    process: VirtualProcess,
    ways: Ways,
    events: FramedEvents,
  ) {
    this.#time = time;
    this.#node = node;
    this.#process = process;
    this.#ways = ways;
    this.#events = events;
    this.client = this.#side((frame) => this.#up(frame));
  }

  #side(send: (frame: Uint8Array) => void): Side {
    return { send, waitingBytes: 0, flow: () => {}, close: (why) => this.break(why) };
  }

  join(accept: (socket: FramedSocket) => FramedEvents): void {
    this.#server = accept(this.#side((frame) => this.#down(frame)));
  }

  #up(frame: Uint8Array): void {
    const request = decodeRequest(frame);
    if ("n" in request) this.#kinds.set(request.n, request.kind);
    const lateMs = this.#ways.lateMs(this.#node, request);
    this.#lastUpMs = Math.max(this.#lastUpMs, this.#arrivesMs + lateMs);
    this.#at(this.#lastUpMs, () => this.#server?.frame(frame));
  }

  #down(frame: Uint8Array): void {
    const reply = decodeReply(frame);
    const kind = "n" in reply ? this.#kinds.get(reply.n) : undefined;
    if ("n" in reply && !("more" in reply && reply.more)) this.#kinds.delete(reply.n);
    if (kind !== undefined && this.#ways.loses(this.#node, kind)) return this.break("lost");
    this.#lastDownMs = Math.max(this.#lastDownMs, this.#arrivesMs);
    this.#at(this.#lastDownMs, () => {
      this.#process.timers.soon(() => this.#broken || this.#events.frame(frame));
    });
  }

  get #arrivesMs(): number {
    return this.#time.nowMs + this.#ways.wayMs(this.#node);
  }

  #at(atMs: number, run: () => void): void {
    this.#time.global.timers.after(atMs - this.#time.nowMs, () => this.#broken || run());
  }

  end(): void {
    const server = this.#server;
    this.#at(Math.max(this.#lastUpMs, this.#time.nowMs) + BROKEN_MS, () => {
      this.#broken = true;
      server?.closed("the process has ended", true);
    });
  }

  /** What is on its way is lost; both sides learn of it. */
  break(why: string): void {
    if (this.#broken) return;
    this.#broken = true;
    const server = this.#server;
    this.#process.timers.after(BROKEN_MS, () => this.#events.closed(why, server !== null));
    this.#time.global.timers.after(BROKEN_MS, () => server?.closed(why, true));
  }
}
