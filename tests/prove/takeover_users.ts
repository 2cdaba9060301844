/** Users of the client library whose cell changes its place: they send, and note what they notice. */
import { createClient } from "../../server/web/client.js";
import type { Client, Socket } from "../../server/web/client.d.ts";
import { pause } from "./cell_load.ts";

/** How long each of a user's lanes rests after an ack (ms). */
const REST_MS = 40;
/** A connection that lasts so long forgets the tries before (ms). */
const STABLE_MS = 1000;
/** Messages that were received after which a user reads: an unread mailbox is full some time. */
const READ_EVERY = 50;
/** Characters of a frame that are shown, and the last things of a user's connections that are. */
const FRAME_CHARS = 200;
const SEEN_MAX = 24;

/** A message that was acknowledged. */
export interface AckedSend {
  readonly to: string;
  readonly seq: number;
  readonly atMs: number;
}

/** One user, who sends to each of the others, one message after another, until it is stopped. */
export class TakeoverUser {
  readonly acked = new Map<string, AckedSend>();
  /** What the library reports to an application, which is nothing that it does again by itself. */
  readonly errors: string[] = [];
  /** How often a connection was lost or refused, by the reason that was given. */
  readonly lost = new Map<string, number>();
  readonly #client: Client;
  readonly #others: readonly string[];
  #lastMs = performance.now();
  #gapMs = 0;
  /** Frames each way, but events, and requests, with their addresses and times. */
  readonly #seen: string[] = [];
  #next = 0;
  #received = 0;
  #stopped = false;

  constructor(readonly name: string, url: string, users: readonly string[]) {
    this.#others = users.filter((user) => user !== name);
    // Losses follow each other sooner than any that are not made: each is the first one.
    this.#client = createClient({
      url,
      timing: { stableMs: STABLE_MS },
      platform: {
        socket: (at) => this.#watched(at),
        fetch: async (at, init) => {
          const response = await fetch(at, init);
          this.#saw(`${init.method} ${at}: ${response.status}`);
          return response;
        },
      },
    });
    this.#client.on("error", (error) => this.errors.push(`${name}: ${error.code}: ${error}`));
    this.#client.on("status", ({ status, reason }) => {
      if (status === "stopped" || status === "signed_out") {
        this.errors.push(`${name} is ${status}: ${reason}`);
      }
      this.#saw(`${status} ${reason ?? ""}`);
      if (status !== "waiting") return;
      const why = reason ?? "no reason";
      this.lost.set(why, (this.lost.get(why) ?? 0) + 1);
    });
    this.#client.on("message", ({ out, with: peer }) => {
      if (out || ++this.#received % READ_EVERY !== 0) return;
      this.#client.markRead(peer).catch((error) => this.errors.push(`${name} reads: ${error}`));
    });
  }

  /** Signs in and sends; resolves when it was stopped and everything is acknowledged. */
  async run(token: string): Promise<void> {
    await this.#client.signIn({ token });
    await Promise.all(this.#others.map((to) => this.#lane(to)));
    this.#client.close();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** The longest time without an ack since the last call (ms). */
  takeGap(): number {
    const gapMs = Math.max(this.#gapMs, performance.now() - this.#lastMs);
    this.#gapMs = 0;
    return gapMs;
  }

  /** What its client is doing, for where it gets no acks. */
  get doing(): readonly string[] {
    const { state, pending } = this.#client;
    const lost = [...this.lost].map(([why, count]) => `${why} ${count}`).join(", ");
    return [
      `${this.name}: ${JSON.stringify(state)}`,
      `  ${this.acked.size} acked, the last ${this.#agoMs(this.#lastMs)}; ${pending.length} wait ` +
      `(${pending.map(({ key, to }) => `${key} to ${to}`).join(", ")}); lost: ${lost}`,
      ...this.errors.slice(-3),
      ...this.#seen.map((what) => `  ${what}`),
    ];
  }

  #agoMs(atMs: number): string {
    return `${Math.round(performance.now() - atMs)} ms ago`;
  }

  #saw(what: string): void {
    this.#seen.push(`${new Date().toISOString().slice(11)} ${what.slice(0, FRAME_CHARS)}`);
    if (this.#seen.length > SEEN_MAX) this.#seen.shift();
  }

  #watched(at: string): Socket {
    const socket = new WebSocket(at);
    const { host } = new URL(at);
    socket.addEventListener("open", () => this.#saw(`${host} open`));
    socket.addEventListener("message", ({ data }) => {
      if (!String(data).startsWith('{"t":"events"')) this.#saw(`${host} > ${data}`);
    });
    socket.addEventListener("close", ({ code }) => this.#saw(`${host} closed ${code}`));
    const send = socket.send.bind(socket);
    socket.send = (text) => {
      this.#saw(`${host} < ${text}`);
      send(text);
    };
    return socket;
  }

  async #lane(to: string): Promise<void> {
    while (!this.#stopped) {
      const key = `${this.name}-${++this.#next}`;
      try {
        const { seq } = await this.#client.send(to, `${this.name} ${key}`, { key });
        const atMs = performance.now();
        this.acked.set(key, { to, seq, atMs });
        this.#gapMs = Math.max(this.#gapMs, atMs - this.#lastMs);
        this.#lastMs = atMs;
      } catch (error) {
        this.errors.push(`${this.name} sends ${key}: ${error}`);
      }
      await pause(REST_MS);
    }
  }
}
