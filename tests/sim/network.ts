/**
 * The network between simulated clients and nodes: connections that keep the order of their frames
 * as TCP does, with delay, slow readers, directions that are cut, and ends that only one side hears
 * of; and single requests as HTTP makes them. Between connections nothing keeps any order.
 */
import type { Sink } from "../../server/edge/types.ts";
import type { WireConnection, WireHandler } from "../../server/v1/wire.ts";
import type { Cancel } from "../../server/node/ports.ts";
import type { VirtualProcess, VirtualTime } from "./virtual_time.ts";
import type { Prng } from "./prng.ts";
import { goawayFrame } from "../../server/v1/encode.ts";

/** How a network behaves. */
export interface NetworkQuality {
  /** Of each frame, ms; uniform between the two. */
  readonly latencyMs: readonly [number, number];
  /** Probability that a frame takes `slowMs` more. */
  readonly slow: number;
  readonly slowMs: number;
  /** Bytes that sockets take although the peer does not read. */
  readonly socketBytes: number;
  /** Probability that a single request, or its answer, is lost; the client hears of it. */
  readonly loss: number;
  /** After this time without life from a client a node's transport gives it up, ms. */
  readonly keepaliveMs: number;
}

/** A sane network. */
export const LAN: NetworkQuality = {
  latencyMs: [0.2, 2],
  slow: 0.01,
  slowMs: 50,
  socketBytes: 4096,
  loss: 0,
  keepaliveMs: 10_000,
};

/** What a client's end of a connection wants to know. */
export interface ClientEnd {
  frame(text: string): void;
  /** The connection is gone; it is not called where the client ended it. */
  closed(): void;
}

/** Where connections go. */
export interface Server {
  readonly process: VirtualProcess;
  /** Whether its process takes requests. */
  readonly serving: boolean;
  /** Takes a connection; null where it does not serve. */
  accept(wire: WireConnection): WireHandler | null;
}

/** One direction: frames on their way, the time they are due, and what holds them. */
interface Pipe {
  readonly queue: { readonly text: string; readonly dueMs: number }[];
  bytes: number;
  cutUntilMs: number;
  timer: Cancel | null;
}

function pipe(): Pipe {
  return { queue: [], bytes: 0, cutUntilMs: 0, timer: null };
}

/** All connections of a cluster. */
export class Network {
  readonly time: VirtualTime;
  readonly prng: Prng;
  quality: NetworkQuality;
  readonly #connections = new Set<Connection>();
  /** Requests that wait for their answer, by the process that they are at: what breaks each. */
  readonly #calls = new Map<VirtualProcess, Set<() => void>>();
  /** Frames that were carried. */
  carried = 0;

  constructor(time: VirtualTime, prng: Prng, quality: NetworkQuality) {
    this.time = time;
    this.prng = prng;
    this.quality = quality;
  }

  /** Live connections. */
  get connections(): readonly Connection[] {
    return [...this.#connections];
  }

  /** Connects a client; the end hears `closed` where nobody serves there. */
  connect(server: Server, address: string, end: ClientEnd): Connection {
    const connection = new Connection(this, server, end, () => {
      this.#connections.delete(connection);
    });
    this.#connections.add(connection);
    connection.open(address);
    return connection;
  }

  /**
   * One request on a connection of its own. `serve` runs in the node's process, and the client learns
   * at once where that does not serve; its answer returns unless something is lost on the way.
   * Cancelling tells the node after the usual delay.
   */
  call<T>(
    server: Server,
    serve: (reply: (answer: T) => void) => Cancel,
    done: (answer: T | null) => void,
    timeoutMs: number,
  ): Cancel {
    const { timers } = this.time.global;
    const { process } = server;
    let open = true;
    let cancelServe: Cancel | null = null;
    const over = () => {
      open = false;
      this.#calls.get(process)?.delete(broken);
    };
    const end = (answer: T | null) => {
      if (!open) return;
      over();
      timeout();
      done(answer);
    };
    const broken = () => void timers.after(this.latencyMs(), () => end(null));
    const giveUp = () => {
      if (!open) return;
      over();
      timers.after(this.latencyMs(), () => process.timers.soon(() => cancelServe?.()));
    };
    const timeout = timers.after(timeoutMs, () => {
      giveUp();
      done(null);
    });
    const lost = () => {
      if (!this.prng.chance(this.quality.loss)) return false;
      broken();
      return true;
    };
    timers.after(this.latencyMs(), () => {
      if (this.blocked || lost()) return;
      if (process.state === "dead") return broken();
      this.#calls.set(process, (this.#calls.get(process) ?? new Set()).add(broken));
      process.timers.soon(() => {
        if (!open) return;
        if (!server.serving) return broken();
        cancelServe = serve((answer) => {
          if (!this.blocked && !lost()) timers.after(this.latencyMs(), () => end(answer));
        });
      });
    });
    return () => {
      timeout();
      giveUp();
    };
  }

  /** While true, single requests and their answers are lost. */
  blocked = false;

  /** The time that one frame takes. */
  latencyMs(): number {
    const [least, most] = this.quality.latencyMs;
    const more = this.prng.chance(this.quality.slow) ? this.quality.slowMs : 0;
    return least + (most - least) * this.prng.number() + more;
  }

  /** The node's process is dead: its connections break, some without the clients hearing of it. */
  died(server: Server, heard: number): void {
    for (const c of this.#connections) {
      if (c.server === server) c.serverDied(this.prng.chance(heard));
    }
    for (const [process, calls] of this.#calls) {
      if (process.state === "dead" && this.#calls.delete(process)) {
        for (const broken of calls) if (this.prng.chance(heard)) broken();
      }
    }
  }
}

/** One connection. */
export class Connection {
  readonly server: Server;
  readonly #network: Network;
  readonly #end: ClientEnd;
  readonly #forget: () => void;
  readonly #up = pipe();
  readonly #down = pipe();
  #handler: WireHandler | null = null;
  /** The client's side has ended: it hears nothing any more. */
  #clientGone = false;
  #serverGone = false;
  /** Least ms between two frames that the client reads. */
  readEveryMs = 0;
  #nextReadMs = 0;
  /** When the client last took something. */
  #takenMs: number | null = null;
  #process: VirtualProcess;

  constructor(network: Network, server: Server, end: ClientEnd, forget: () => void) {
    this.#network = network;
    this.server = server;
    this.#end = end;
    this.#forget = forget;
    this.#process = server.process;
  }

  /** For how long the client has taken nothing while the node held `bytes` or more for it, ms. */
  stalledMs(bytes: number): number {
    const { nowMs } = this.#network.time;
    const held = this.#serverGone ? 0 : this.#down.bytes - this.#network.quality.socketBytes;
    const lately = this.server.process !== this.#process;
    // The first look may come when much is held already.
    const paused = this.server.process.state !== "running";
    if (held < bytes || lately || paused || this.#takenMs === null) this.#takenMs = nowMs;
    return nowMs - this.#takenMs;
  }

  /** Whether the client can still use it, as far as it knows. */
  get usable(): boolean {
    return !this.#clientGone;
  }

  /** For its network. */
  open(address: string): void {
    const { process } = this.server;
    this.#later(() => {
      process.timers.soon(() => {
        if (this.#serverGone) return;
        this.#handler = this.server.accept({ sink: this.#sink(), address });
        if (this.#handler === null) this.#endServer(false);
        else this.#pump(this.#up, (text) => this.#toServer(text));
      });
      if (process.state === "dead") this.#endServer(false);
    });
  }

  /** The client sends a frame. */
  send(text: string): void {
    if (this.#clientGone) return;
    this.#push(this.#up, text);
    this.#pump(this.#up, (t) => this.#toServer(t));
  }

  /** The client ends it; `silently`: the node hears nothing until its keepalive. */
  end(silently: boolean): void {
    if (this.#clientGone) return;
    this.#clientGone = true;
    this.#drop(this.#down);
    if (silently) this.#drop(this.#up);
    const delay = silently
      ? this.#network.quality.keepaliveMs * (1 + this.#network.prng.number() / 2)
      : this.#lastDue(this.#up);
    this.#network.time.global.timers.after(delay, () => this.#endServer(true));
  }

  /** Frames towards the node, or from it, do not get through for a while; none is lost. */
  cut(direction: "up" | "down", forMs: number): void {
    const cut = direction === "up" ? this.#up : this.#down;
    cut.cutUntilMs = this.#network.time.nowMs + forMs;
    cut.timer?.();
    cut.timer = null;
    this.#pump(this.#up, (t) => this.#toServer(t));
    this.#pump(this.#down, (t) => this.#toClient(t));
  }

  /** It breaks in the middle: what is on its way is lost, both sides hear of it. */
  reset(): void {
    this.#drop(this.#up);
    this.#breakDown();
    this.#endServer(true);
  }

  /** For its network: the process on the other side is gone. */
  serverDied(heard: boolean): void {
    if (this.#serverGone) return;
    this.#serverGone = true;
    this.#handler = null;
    this.#drop(this.#up);
    // What had left the machine arrives, the rest does not.
    this.#down.queue.length = this.#network.prng.int(0, this.#down.queue.length);
    // Who does not hear of it goes on reading until it asks for something.
    if (heard) this.#breakDown();
  }

  #breakDown(): void {
    this.#down.cutUntilMs = 0;
    this.#later(() => {
      if (this.#clientGone) return;
      this.#clientGone = true;
      this.#drop(this.#down);
      this.#forget();
      this.#end.closed();
    }, this.#lastDue(this.#down));
  }

  #lastDue(p: Pipe): number {
    const due = p.queue.at(-1)?.dueMs ?? 0;
    const now = this.#network.time.nowMs;
    return Math.max(this.#network.latencyMs(), due - now + 0.001);
  }

  #endServer(tell: boolean): void {
    const { process } = this.server;
    if (!this.#serverGone) {
      this.#serverGone = true;
      const handler = this.#handler;
      if (tell && handler !== null) process.timers.soon(() => handler.closed());
      this.#handler = null;
    }
    this.#drop(this.#up);
    if (!this.#clientGone) this.#breakDown();
    else this.#forget();
  }

  // ---- the node's side

  #sink(): Sink {
    return {
      send: (text) => {
        if (this.#serverGone || this.#clientGone) return;
        this.#push(this.#down, text);
        this.#pump(this.#down, (t) => this.#toClient(t));
      },
      bufferedBytes: () =>
        this.#serverGone ? 0 : Math.max(0, this.#down.bytes - this.#network.quality.socketBytes),
      close: (reason, retryAfterMs) => {
        if (this.#serverGone) return;
        if (!this.#clientGone) this.#push(this.#down, goawayFrame(reason, retryAfterMs));
        this.#finish();
      },
      terminate: () => {
        if (this.#serverGone) return;
        this.#drop(this.#down);
        this.#finish();
      },
    };
  }

  /** The node has ended it. */
  #finish(): void {
    this.#serverGone = true;
    const handler = this.#handler;
    this.#handler = null;
    if (handler !== null) this.server.process.timers.soon(() => handler.closed());
    this.#pump(this.#down, (t) => this.#toClient(t));
    if (this.#down.queue.length === 0) this.#endServer(false);
  }

  #toServer(text: string): void {
    this.server.process.timers.soon(() => this.#handler?.frame(text));
  }

  #toClient(text: string): void {
    if (this.#clientGone) return;
    this.#network.carried++;
    this.#end.frame(text);
    if (this.#serverGone && this.#down.queue.length === 0) this.#breakDown();
  }

  // ---- pipes

  #push(p: Pipe, text: string): void {
    const before = p.queue.at(-1)?.dueMs ?? 0;
    const due = this.#network.time.nowMs + this.#network.latencyMs();
    p.queue.push({ text, dueMs: Math.max(due, before) });
    p.bytes += text.length;
  }

  #drop(p: Pipe): void {
    p.timer?.();
    p.timer = null;
    p.queue.length = 0;
    p.bytes = 0;
  }

  #pump(p: Pipe, deliver: (text: string) => void): void {
    const head = p.queue[0];
    if (p.timer !== null || head === undefined) return;
    if (p === this.#up && this.#handler === null) return;
    const now = this.#network.time.nowMs;
    const reader = p === this.#down ? this.#nextReadMs : 0;
    const atMs = Math.max(head.dueMs, p.cutUntilMs, reader);
    p.timer = this.#network.time.global.timers.after(Math.max(0, atMs - now), () => {
      p.timer = null;
      if (p === this.#down) this.#nextReadMs = this.#network.time.nowMs + this.readEveryMs;
      const frame = p.queue.shift();
      if (frame === undefined) return;
      p.bytes -= frame.text.length;
      if (p === this.#down) this.#takenMs = this.#network.time.nowMs;
      deliver(frame.text);
      this.#pump(p, deliver);
    });
  }

  #later(run: () => void, delayMs = this.#network.latencyMs()): void {
    this.#network.time.global.timers.after(delayMs, run);
  }
}
