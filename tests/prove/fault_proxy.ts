/**
 * A TCP proxy that breaks connections in the ways that networks do. What happens to the n-th
 * connection, and in which order, is decided by the seed; when bytes arrive is the machine's.
 */
import type { Prng } from "../sim/prng.ts";

/**
 * `cut`: both sides are closed. `half`: one direction is closed, the other goes on for a while.
 * `stall`: nothing is forwarded for a while, then what had come meanwhile. `ghost`: the client's
 * side is withheld and then cut, and what it had sent arrives at the server late, when the client
 * has long connected anew. `late`: the connection is opened to the server only after a while.
 * `refused`: it is closed as soon as it is open.
 */
export const FAULTS = ["cut", "half", "stall", "ghost", "late", "refused"] as const;
/** See `FAULTS`. */
export type Fault = typeof FAULTS[number];

/** How bad the network is. */
export interface FaultOptions {
  /** Time from one fault of a connection to the next, on average (ms). */
  readonly meanMs: number;
  /** The longest stall (ms). */
  readonly stallMs: number;
  /** While it is true, connections that ask for a WebSocket are cut. */
  noWebSockets: boolean;
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** One direction of a connection: what has come waits here while it is withheld. */
class Way {
  readonly #from: Deno.TcpConn;
  readonly #to: Deno.TcpConn;
  readonly #look: (chunk: Uint8Array) => boolean;
  readonly #waiting: (Uint8Array | null)[] = [];
  /** Longest delay of a chunk (ms), for connections that are slow. */
  readonly #delay: () => number;
  #wake: () => void = () => {};
  #heldUntil = 0;
  #over = false;

  constructor(
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    delay: () => number,
    look: (chunk: Uint8Array) => boolean = () => true,
  ) {
    this.#from = from;
    this.#to = to;
    this.#delay = delay;
    this.#look = look;
  }

  hold(ms: number): void {
    this.#heldUntil = performance.now() + ms;
  }

  stop(): void {
    this.#over = true;
    this.#wake();
  }

  /** Forwards until the end; whichever side fails, it ends. */
  async run(): Promise<void> {
    await Promise.all([this.#read(), this.#write()]);
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    for (;;) {
      const n = await this.#from.read(buffer).catch(() => null);
      const chunk = n === null ? null : buffer.slice(0, n);
      const go = chunk === null || this.#look(chunk);
      this.#waiting.push(go ? chunk : null);
      this.#wake();
      if (chunk === null || !go) return;
    }
  }

  async #write(): Promise<void> {
    while (!this.#over) {
      const chunk = this.#waiting.shift();
      if (chunk === undefined) {
        await new Promise<void>((resolve) => this.#wake = resolve);
        continue;
      }
      const delayMs = this.#delay();
      if (delayMs > 0) await sleep(delayMs);
      for (let ms = 1; ms > 0 && !this.#over; ms = this.#heldUntil - performance.now()) {
        if (ms > 1) await sleep(ms);
      }
      if (chunk === null) return await this.#to.closeWrite().catch(() => {});
      if (!await writeAll(this.#to, chunk)) return;
    }
  }
}

async function writeAll(to: Deno.TcpConn, chunk: Uint8Array): Promise<boolean> {
  try {
    for (let at = 0; at < chunk.length;) at += await to.write(chunk.subarray(at));
    return true;
  } catch {
    return false;
  }
}

function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch {
    // It is closed already.
  }
}

/** A running proxy. */
export class FaultProxy {
  readonly options: FaultOptions;
  /** Faults made so far. */
  readonly counts: Record<Fault, number> = {
    cut: 0,
    half: 0,
    stall: 0,
    ghost: 0,
    late: 0,
    refused: 0,
  };
  connections = 0;
  readonly #prng: Prng;
  readonly #target: Deno.ConnectOptions;
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #running = new Set<Promise<void>>();
  #calm = false;

  /** Listens on a free port of loopback, and forwards to `url`. */
  constructor(url: string, prng: Prng, options: FaultOptions) {
    const { hostname, port } = new URL(url);
    this.#target = { hostname, port: Number(port) };
    this.#prng = prng;
    this.options = options;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#track(this.#accept());
  }

  /** Where clients connect. */
  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  /** From now on everything works; what is broken already takes its course. */
  calm(): void {
    this.#calm = true;
    this.options.noWebSockets = false;
  }

  /** Closes everything, and waits for it. */
  async close(): Promise<void> {
    this.#calm = true;
    this.#listener.close();
    for (const conn of this.#open) close(conn);
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #track(work: Promise<void>): void {
    this.#running.add(work);
    work.finally(() => this.#running.delete(work));
  }

  async #accept(): Promise<void> {
    for (;;) {
      const client = await this.#listener.accept().catch(() => null);
      if (client === null) return;
      this.connections++;
      this.#track(this.#serve(client));
    }
  }

  /** The seed and the connection's number decide its fate. */
  #draw() {
    const prng = this.#prng.fork(`connection ${this.connections}`);
    const [a, b, c, d] = [prng.number(), prng.number(), prng.number(), prng.number()];
    const slow = a < 0.25;
    return {
      first: b < 0.05 ? "refused" as const : b < 0.12 ? "late" as const : null,
      delay: slow ? () => 1 + 20 * c : () => 0,
      lateMs: 500 * d,
      next: () => {
        const [kind, when, long] = [prng.number(), prng.number(), prng.number()];
        const fault: Fault = kind < 0.4
          ? "cut"
          : kind < 0.55
          ? "half"
          : kind < 0.8
          ? "stall"
          : "ghost";
        return { fault, afterMs: -Math.log(1 - when) * this.options.meanMs, long };
      },
    };
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    const fate = this.#draw();
    this.#open.add(client);
    if (!this.#calm && fate.first !== null) {
      this.counts[fate.first]++;
      if (fate.first === "late") await sleep(fate.lateMs);
      else {
        this.#open.delete(client);
        return close(client);
      }
    }
    const server = await Deno.connect(this.#target).catch(() => null);
    if (server === null) {
      this.#open.delete(client);
      return close(client);
    }
    client.setNoDelay(true);
    server.setNoDelay(true);
    this.#open.add(server);
    const up = new Way(client, server, fate.delay, (chunk) => this.#mayPass(chunk));
    const down = new Way(server, client, fate.delay);
    const ended = { over: false };
    const ways = Promise.all([up.run(), down.run()]).then(() => {
      ended.over = true;
    });
    await Promise.race([ways, this.#trouble({ client, server, up, down, ended }, fate.next)]);
    up.stop();
    down.stop();
    for (const conn of [client, server]) {
      this.#open.delete(conn);
      close(conn);
    }
    await ways;
  }

  #mayPass(chunk: Uint8Array): boolean {
    if (!this.options.noWebSockets) return true;
    return !/\r\nupgrade: *websocket/i.test(new TextDecoder().decode(chunk));
  }

  /** Waits for fault after fault; resolves when the connection is to be closed. */
  async #trouble(
    { client, server, up, down, ended }: {
      client: Deno.TcpConn;
      server: Deno.TcpConn;
      up: Way;
      down: Way;
      ended: { readonly over: boolean };
    },
    next: () => { fault: Fault; afterMs: number; long: number },
  ): Promise<void> {
    for (;;) {
      const { fault, afterMs, long } = next();
      await sleep(afterMs);
      if (ended.over) return;
      if (this.#calm) return await new Promise(() => {});
      this.counts[fault]++;
      const ms = 50 + long * this.options.stallMs;
      switch (fault) {
        case "half":
          // One direction says nothing any more, the other does.
          await (long < 0.5 ? client : server).closeWrite().catch(() => {});
          return await sleep(ms / 2);
        case "stall":
          up.hold(ms);
          down.hold(ms);
          await sleep(ms);
          break;
        case "ghost":
          up.hold(ms);
          await sleep(ms / 3);
          close(client);
          return await sleep(ms);
        default:
          return;
      }
    }
  }
}
