/** What the proofs of a cell share: users that send at any node, watchers, and probes of all shards. */
import type { Prng } from "../sim/prng.ts";
import type { Verdict } from "./proof.ts";
import type { ServerProcess } from "../process/server.ts";
import { Client, type Frame, Refused, rest } from "../process/client.ts";
import { USERS } from "./crash.ts";

/** What a user has under way at a time. */
const IN_FLIGHT = 4;
/** Names that are asked for, so that every shard is among theirs. */
const PROBES = 64;
const PAUSE_MS = 20;
const TRIES = 100;
/** Events of a mailbox after which a user reads. */
const READ_EVERY = 50;
/** Sees all users from every node. */
export const WATCHER = "eve";

/** The nodes that clients may connect to now. */
export type Live = () => readonly ServerProcess[];

/** Resolves after so long. */
export const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

interface Send {
  readonly id: string;
  readonly to: string;
  readonly sinceMs: number;
}

/** Sends to the others until it is stopped, at whichever node lives. */
export class Sender {
  readonly acked = new Map<string, { to: string; seq: number }>();
  repeated = 0;
  stopped = false;
  /** What was refused, and connections that were lost though the server had not sent it away. */
  readonly errors: string[] = [];
  /** Sign-ins that a node refused because it sends its clients to the others. */
  sentElsewhere = 0;
  /** Longest time from a send to its ack, over all tries (ms). */
  slowestMs = 0;
  readonly #unsure: Send[] = [];
  #next = 0;

  constructor(
    readonly name: string,
    readonly token: string,
    readonly live: Live,
    readonly prng: Prng,
    /** To whom it sends, and how long each of its lanes rests after an ack (ms). */
    readonly others: readonly string[] = USERS,
    readonly restMs = 0,
  ) {}

  async run(): Promise<void> {
    while (!this.stopped || this.#unsure.length > 0) {
      let client: Client | null = null;
      try {
        const server = this.prng.pick(this.live());
        // What comes with the welcome.
        const first: (Frame & { k: string })[] = [];
        const connected = await Client.connect(
          server.wsUrl,
          { auth: { token: this.token } },
          (event) => first.push(event),
        );
        client = connected;
        let reading = false;
        connected.onEvent = (event) => {
          if (reading || !this.#isDue(event)) return;
          reading = true;
          this.#read(connected, event["seq"]).finally(() => reading = false);
        };
        first.forEach(connected.onEvent);
        await Promise.all(Array.from({ length: IN_FLIGHT }, () => this.#lane(connected)));
      } catch (error) {
        if (client === null && error instanceof Refused && error.code === "busy") {
          this.sentElsewhere++;
        } else if (client?.sentAway !== true) this.errors.push(`${this.name}: ${error}`);
        await pause(PAUSE_MS);
      } finally {
        await client?.close();
      }
    }
  }

  /** Whether what came is to be marked as read: an unread mailbox is full some time. */
  #isDue({ k, out, seq }: Frame & { k: string }): boolean {
    return k === "message" && out !== true && Number(seq) % READ_EVERY === 0;
  }

  /** One after another: a connection may have a bounded number of commands under way. */
  async #read(client: Client, seq: unknown): Promise<void> {
    for (const user of this.others) {
      // One of a connection that ends meanwhile is made up for by the next.
      if (user !== this.name) {
        await client.command("read", { with: user, upTo: seq }).catch(() => {});
      }
    }
  }

  async #lane(client: Client): Promise<void> {
    for (;;) {
      const next = this.#unsure.shift() ?? (this.stopped ? undefined : this.#fresh());
      if (next === undefined) return;
      try {
        const { id: key, to, sinceMs } = next;
        const body = `${this.name} ${key}`;
        const { seq } = await client.command<{ seq: number }>("send", { to, key, body });
        this.acked.set(key, { to, seq });
        this.slowestMs = Math.max(this.slowestMs, performance.now() - sinceMs);
        if (this.restMs > 0) await pause(this.restMs);
      } catch (error) {
        this.#unsure.unshift(next);
        this.repeated++;
        throw error;
      }
    }
  }

  #fresh(): Send {
    const others = this.others.filter((user) => user !== this.name);
    const id = `${this.name}-${++this.#next}`;
    return { id, to: others[this.#next % others.length]!, sinceMs: performance.now() };
  }
}

/** Repeats what a cell refuses for a moment, after the loss of a node. */
export async function again<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await run();
    } catch (error) {
      if (tries === TRIES) throw error;
      await pause(PAUSE_MS * 5);
    }
  }
}

/** Watches everybody from one node, as long as that lives; notes who is shown offline. */
export async function watch(
  server: ServerProcess,
  token: string,
  falsely: string[],
  device = `at-${server.url.split(":").at(-1)}`,
): Promise<Client> {
  const seen = (event: Frame) => {
    if (event["k"] !== "presence" || event["user"] === WATCHER) return;
    if (event["show"] === "offline") falsely.push(`${event["user"]} at ${server.url}`);
  };
  const client = await again(async () => {
    const made = await rest<{ token: string }>(server.url, "POST", "/v1/auth/password", {
      body: { user: WATCHER, password: token, device },
    });
    return await Client.connect(server.wsUrl, { auth: { token: made.token } });
  });
  // What was true before it came is no news.
  await pause(500);
  client.onEvent = seen;
  return client;
}

/** Makes the watcher, a contact of all users; returns its password. */
export async function befriend(
  server: ServerProcess,
  tokens: ReadonlyMap<string, string>,
): Promise<string> {
  const password = `password of ${WATCHER}`;
  const { token } = await rest<{ token: string }>(server.url, "POST", "/v1/register", {
    body: { user: WATCHER, password },
  });
  const change = (token: string, contact: string, type: string) =>
    rest(server.url, "POST", `/v1/contacts/${contact}/subscription`, { token, body: { type } });
  for (const [user, its] of tokens) {
    await change(token, user, "subscribe");
    await pause(100);
    await change(its, WATCHER, "subscribed");
  }
  return password;
}

/** How long until every request has succeeded, each repeated until it does (ms). */
export async function untilAll(
  tokens: readonly string[],
  request: (token: string) => Promise<unknown>,
): Promise<number> {
  const beganMs = performance.now();
  await Promise.all(tokens.map(async (token) => {
    for (;;) {
      try {
        return await request(token);
      } catch {
        await pause(PAUSE_MS);
      }
    }
  }));
  return performance.now() - beganMs;
}

/** How long until every shard serves at a node that lives (ms). */
export function untilServed({ url }: ServerProcess, tokens: readonly string[]): Promise<number> {
  return untilAll(tokens, (token) => rest(url, "GET", "/v1/devices", { token }));
}

/** Makes users whose points are in all shards; returns their tokens. */
export async function probes(server: ServerProcess): Promise<string[]> {
  const tokens: string[] = [];
  for (let i = 0; i < PROBES; i++) {
    const { token } = await rest<{ token: string }>(server.url, "POST", "/v1/register", {
      body: { user: `probe${i}`, password: "password of a probe" },
    });
    tokens.push(token);
  }
  return tokens;
}

/** What became of it; `servesMs`: within what time every shard must have served after each kill. */
export function verdictOf(
  senders: readonly Sender[],
  faults: readonly string[],
  falsely: readonly string[],
  times: readonly number[],
  servesMs: number,
): Verdict {
  const sorted = [...times].sort((a, b) => a - b);
  const worst = sorted.at(-1)!;
  return {
    pass: faults.length === 0 && falsely.length === 0 && worst < servesMs,
    figures: {
      kills: times.length,
      acked: senders.reduce((sum, s) => sum + s.acked.size, 0),
      "sends repeated": senders.reduce((sum, s) => sum + s.repeated, 0),
      "lost, doubled or reordered": faults.length,
      "falsely offline": falsely.length,
      "until every shard serves, median ms": Math.round(sorted[sorted.length >> 1]!),
      "worst ms": Math.round(worst),
    },
  };
}
