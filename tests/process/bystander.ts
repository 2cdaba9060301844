/**
 * One user from an address of its own that requests `/healthz`, signs in anew and sends messages at
 * a steady rate. Each attempt counts from when it was due; one that has no answer yet counts with
 * the time that it has waited, so that a server that stands still cannot hide it.
 */
import { WebSocket } from "ws";
import { RawConnection } from "./hostile_client.ts";
import { Latencies } from "./pulse.ts";

/** What is tried. */
export const ATTEMPTS = ["healthz", "sign-in", "ack"] as const;

/** One of them. */
export type Attempt = (typeof ATTEMPTS)[number];

/** Latencies (ms) by what was tried, overdue ones included. */
export interface Seen {
  readonly latencies: Readonly<Record<Attempt, Latencies>>;
  /** Attempts that were refused or broken off. */
  readonly failed: Readonly<Record<Attempt, number>>;
}

/** How often each is tried (ms): within the default rates of one address and one session. */
const PERIOD_MS: Readonly<Record<Attempt, number>> = { healthz: 50, "sign-in": 200, ack: 100 };

/** Who it is. */
export interface BystanderOptions {
  readonly url: string;
  readonly wsUrl: string;
  /** The address that it connects from. */
  readonly from: string;
  readonly token: string;
  /** Of another user, who signs in again and again. */
  readonly peerToken: string;
  /** To whom it writes. */
  readonly to: string;
}

function newSeen() {
  return {
    latencies: { healthz: new Latencies(), "sign-in": new Latencies(), ack: new Latencies() },
    failed: { healthz: 0, "sign-in": 0, ack: 0 },
  };
}

/** See the head of this file. */
export class Bystander {
  readonly #options: BystanderOptions;
  readonly #socket: WebSocket;
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  /** When those were due that have no answer yet. */
  readonly #open = new Map<number, { readonly attempt: Attempt; readonly dueMs: number }>();
  /** Ids of sends in flight. */
  readonly #acks = new Map<number, (ok: boolean) => void>();
  #number = 0;
  #seen = newSeen();

  private constructor(options: BystanderOptions, socket: WebSocket) {
    this.#options = options;
    this.#socket = socket;
    socket.on("message", (data) => this.#took(JSON.parse(String(data))));
    const run: Record<Attempt, (done: (ok: boolean) => void) => void> = {
      healthz: (done) => this.#healthz(done),
      "sign-in": (done) => this.#signIn(done),
      ack: (done) => this.#send(done),
    };
    for (const attempt of ATTEMPTS) this.#every(attempt, run[attempt]);
  }

  /** Signs in and begins. */
  static async start(options: BystanderOptions): Promise<Bystander> {
    const socket = hello(options, options.token);
    await new Promise<void>((resolve, reject) => {
      socket.once("message", () => resolve());
      socket.once("error", reject);
    });
    return new Bystander(options, socket);
  }

  #every(attempt: Attempt, run: (done: (ok: boolean) => void) => void): void {
    let dueMs = performance.now() + PERIOD_MS[attempt];
    this.#timers.push(setInterval(() => {
      for (; dueMs <= performance.now(); dueMs += PERIOD_MS[attempt]) {
        const number = ++this.#number;
        this.#open.set(number, { attempt, dueMs });
        run((ok) => this.#ended(number, ok));
      }
    }, 5));
  }

  #ended(number: number, ok: boolean): void {
    const open = this.#open.get(number);
    if (open === undefined) return;
    this.#open.delete(number);
    this.#seen.latencies[open.attempt].add(performance.now() - open.dueMs);
    if (!ok) this.#seen.failed[open.attempt]++;
  }

  #healthz(done: (ok: boolean) => void): void {
    void RawConnection.open(this.#options.url, this.#options.from).then(async (connection) => {
      connection.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      await connection.until((text) => text.includes("\r\n\r\nok"));
      done(connection.text.startsWith("HTTP/1.1 200"));
      connection.destroy();
    });
  }

  #signIn(done: (ok: boolean) => void): void {
    const socket = hello(this.#options, this.#options.peerToken);
    socket.on("error", () => done(false));
    socket.on("close", () => done(false));
    socket.on("message", (data) => {
      done(JSON.parse(String(data)).t === "welcome");
      socket.terminate();
    });
  }

  #send(done: (ok: boolean) => void): void {
    const id = this.#number;
    if (this.#socket.readyState !== this.#socket.OPEN) return done(false);
    this.#acks.set(id, done);
    const frame = { t: "send", id, to: this.#options.to, key: `b${id}`, body: `b${id}` };
    this.#socket.send(JSON.stringify(frame));
  }

  #took(frame: { readonly t: string; readonly id?: number }): void {
    if (frame.id === undefined) return;
    const done = this.#acks.get(frame.id);
    this.#acks.delete(frame.id);
    done?.(frame.t !== "error");
  }

  /** Ends the stretch that was measured, and begins the next. */
  cut(): Seen {
    const seen = this.#seen;
    this.#seen = newSeen();
    const nowMs = performance.now();
    for (const { attempt, dueMs } of this.#open.values()) {
      seen.latencies[attempt].add(nowMs - dueMs);
    }
    return seen;
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#socket.terminate();
  }
}

function hello({ wsUrl, from }: BystanderOptions, token: string): WebSocket {
  const socket = new WebSocket(wsUrl, { localAddress: from });
  socket.on("open", () => {
    socket.send(JSON.stringify({ t: "hello", v: 1, auth: { token }, device: "phone" }));
  });
  return socket;
}
