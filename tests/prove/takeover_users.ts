/** Users of the client library whose cell changes its place: they send, and note what they notice. */
import { createClient } from "../../server/web/client.js";
import type { Client } from "../../server/web/client.d.ts";
import { pause } from "./cell_load.ts";

/** How long each of a user's lanes rests after an ack (ms). */
const REST_MS = 40;
/** A connection that lasts so long forgets the tries before (ms). */
const STABLE_MS = 1000;
/** Messages that were received after which a user reads: an unread mailbox is full some time. */
const READ_EVERY = 50;

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
  #next = 0;
  #received = 0;
  #stopped = false;

  constructor(readonly name: string, url: string, users: readonly string[]) {
    this.#others = users.filter((user) => user !== name);
    // Losses follow each other sooner than any that are not made: each is the first one.
    this.#client = createClient({ url, timing: { stableMs: STABLE_MS } });
    this.#client.on("error", (error) => this.errors.push(`${name}: ${error.code}: ${error}`));
    this.#client.on("status", ({ status, reason }) => {
      if (status === "stopped" || status === "signed_out") {
        this.errors.push(`${name} is ${status}: ${reason}`);
      }
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
