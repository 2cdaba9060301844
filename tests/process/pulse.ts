/**
 * Two ordinary users who never stop: messages both ways and presence, at a steady rate, with the
 * time of each from when it was due to when the other one has it. What others do to a server shows
 * here.
 */
import { Client, type Frame, rest } from "./client.ts";

/** Latencies (ms) of one stretch of time. */
export class Latencies {
  readonly #values: number[] = [];

  add(ms: number): void {
    this.#values.push(ms);
  }

  get count(): number {
    return this.#values.length;
  }

  /** The value that this part of all does not exceed; 0 where there is none. */
  quantile(part: number): number {
    const sorted = [...this.#values].sort((a, b) => a - b);
    const value = sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
    return Math.round(value * 10) / 10;
  }

  get p50(): number {
    return this.quantile(0.5);
  }

  get p99(): number {
    return this.quantile(0.99);
  }
}

/** What was measured between two `cut`s. */
export interface Stretch {
  /** From the moment a message was due to the other user's frame. */
  readonly messages: Latencies;
  /** From the moment a change was due to the other user's frame. */
  readonly presence: Latencies;
  /** Sent but not there yet, or refused. */
  missing: number;
}

function newStretch(): Stretch {
  return { messages: new Latencies(), presence: new Latencies(), missing: 0 };
}

/** Settings under which the two may go on for ever: `group.name=value`. */
export const PULSE_SETTINGS: readonly string[] = [
  "limits.sendsPerSecond=100",
  "limits.sendsBurst=100",
  "limits.presencePerSecond=10",
];

/** How often each user sends a message, and changes presence (ms). */
const MESSAGE_MS = 50;
const PRESENCE_MS = 500;

/** Registers a user and returns its token. */
export async function register(url: string, user: string): Promise<string> {
  const body = { user, password: `password of ${user}`, device: "phone" };
  return (await rest<{ token: string }>(url, "POST", "/v1/register", { body })).token;
}

/** Makes two users see each other. */
export async function befriend(
  url: string,
  [a, tokenA]: readonly [string, string],
  [b, tokenB]: readonly [string, string],
): Promise<void> {
  const subscription = (token: string, contact: string, type: string) =>
    rest(url, "POST", `/v1/contacts/${contact}/subscription`, { token, body: { type } });
  // Pre-approval on both sides, so that nobody has to wait for the other's request.
  await subscription(tokenA, b, "subscribed");
  await subscription(tokenB, a, "subscribed");
  await subscription(tokenA, b, "subscribe");
  await subscription(tokenB, a, "subscribe");
}

/** See the head of this file. */
export class Pulse {
  readonly #clients: readonly Client[];
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  /** Due times by what identifies the message or status on its way. */
  readonly #due = new Map<string, number>();
  #stretch = newStretch();
  #number = 0;

  private constructor(clients: readonly Client[]) {
    this.#clients = clients;
    for (const client of clients) client.onEvent = (event) => this.#arrived(event);
    clients.forEach((client, i) => this.#start(client, ["pulse-b", "pulse-a"][i]!));
  }

  /** Registers the two and starts them. */
  static async start(url: string, wsUrl: string): Promise<Pulse> {
    const names = ["pulse-a", "pulse-b"] as const;
    const tokens = [await register(url, names[0]), await register(url, names[1])] as const;
    await befriend(url, [names[0], tokens[0]], [names[1], tokens[1]]);
    const clients = await Promise.all(
      tokens.map((token) => Client.connect(wsUrl, { auth: { token }, device: "phone" })),
    );
    return new Pulse(clients);
  }

  #start(client: Client, to: string): void {
    this.#every(MESSAGE_MS, (dueMs, number) => {
      this.#due.set(`m${number}`, dueMs);
      client.command("send", { to, key: `k${number}`, body: `m${number}` }).catch(() => {
        this.#stretch.missing++;
      });
    });
    this.#every(PRESENCE_MS, (dueMs, number) => {
      this.#due.set(`p${number}`, dueMs);
      client.command("presence", { show: "away", status: `p${number}` }).catch(() => {
        this.#stretch.missing++;
      });
    });
  }

  /** Open loop: what is late is sent late, and counts from when it was due. */
  #every(periodMs: number, run: (dueMs: number, number: number) => void): void {
    let dueMs = performance.now() + periodMs;
    this.#timers.push(setInterval(() => {
      for (; dueMs <= performance.now(); dueMs += periodMs) run(dueMs, ++this.#number);
    }, 5));
  }

  #arrived(event: Frame & { k: string }): void {
    const key = event.k === "message" && event["out"] !== true
      ? String(event["body"])
      : event.k === "presence"
      ? String(event["status"])
      : "";
    const dueMs = this.#due.get(key);
    if (dueMs === undefined) return;
    this.#due.delete(key);
    const kind = event.k === "message" ? this.#stretch.messages : this.#stretch.presence;
    kind.add(performance.now() - dueMs);
  }

  /** Ends the stretch that was being measured, and begins the next. */
  cut(): Stretch {
    const done = this.#stretch;
    this.#stretch = newStretch();
    const now = performance.now();
    for (const [key, dueMs] of this.#due) {
      if (now - dueMs < 2000) continue;
      this.#due.delete(key);
      // A newer status may replace one that was never sent; a message may not get lost.
      if (key.startsWith("m")) done.missing++;
    }
    return done;
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}
