/** Users of cells that move: each writes to a few others, follows to its home, and notes how long. */
import { Client, type Frame, Refused } from "../process/client.ts";
import { pause } from "./cell_load.ts";
import { type RetryPolicy, retryWaitMs } from "../../shard/retry.ts";

/** When it is tried again to connect: as the client library does. */
const CONNECT: RetryPolicy = { leastMs: 0, baseMs: 500, capMs: 30_000, askedMaxMs: 600_000 };
/** Least and most wait before a message is sent again (ms). */
const AGAIN_MS = [100, 600] as const;

interface Message {
  readonly key: string;
  readonly to: string;
  /** Place in the sender's mailbox; 0: not acknowledged. */
  seq: number;
}

/** One user with one connection, or on its way to one. */
export class MovingUser {
  readonly name: string;
  readonly token: string;
  /** What it has sent, in order. */
  readonly sent: Message[] = [];
  /** What it got from others, by their names. */
  readonly got = new Map<string, string[]>();
  /** The longest time without a connection, and until a message was acknowledged (ms). */
  gapMs = 0;
  ackMs = 0;
  /** Cursors that were not continued. */
  resets = 0;
  readonly faults: string[] = [];
  #urls: readonly string[];
  #client: Client | null = null;
  #cursor: { readonly id: string; seq: number } | null = null;
  #lostMs: number | null = null;
  #sending: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(name: string, token: string, urls: readonly string[]) {
    this.name = name;
    this.token = token;
    this.#urls = urls;
  }

  get online(): boolean {
    return this.#client !== null;
  }

  /**
   * Connects, wherever it is at home. Where it is sent to it goes at once, but not in a circle: two
   * cells may send it to each other while they decide.
   */
  async connect(): Promise<void> {
    for (let [tries, follows] = [0, false]; !this.#ended;) {
      const [url, ...others] = this.#urls as [string, ...string[]];
      try {
        return await this.#connectTo(url);
      } catch (error) {
        const refused = error instanceof Refused ? error : null;
        this.#urls = [...others, url];
        follows = !follows && refused?.code === "moved";
        if (follows) continue;
        await pause(retryWaitMs(CONNECT, ++tries, Math.random(), refused?.retryAfterMs));
      }
    }
  }

  async #wait(): Promise<void> {
    const [least, most] = AGAIN_MS;
    await pause(least + Math.random() * (most - least));
  }

  async #connectTo(url: string): Promise<void> {
    const after = this.#cursor === null ? {} : {
      after: `${this.#cursor.id}:${this.#cursor.seq}`,
    };
    const hello = { auth: { token: this.token }, ...after };
    const client = await Client.connect(
      url.replace("http", "ws") + "/v1/ws",
      hello,
      (event) => this.#take(event),
    );
    const [id, seq] = String(client.welcome["cursor"]).split(":") as [string, string];
    if (this.#cursor !== null && client.welcome["mode"] !== "resume") this.resets++;
    if (this.#cursor === null) this.#cursor = { id, seq: Number(seq) };
    if (this.#lostMs !== null) {
      this.gapMs = Math.max(this.gapMs, performance.now() - this.#lostMs);
    }
    this.#lostMs = null;
    this.#client = client;
    client.closed.then(() => {
      this.#client = null;
      if (this.#ended) return;
      this.#lostMs = performance.now();
      this.connect();
    });
  }

  #take(event: Frame & { k: string }): void {
    const seq = Number(event["seq"] ?? 0);
    if (seq === 0 || this.#cursor === null) return;
    // A resumed connection begins where it was.
    if (seq <= this.#cursor.seq) return;
    if (seq !== this.#cursor.seq + 1) {
      this.faults.push(`${this.name} gets event ${seq} after ${this.#cursor.seq}`);
    }
    this.#cursor.seq = seq;
    if (event.k !== "message" || event["out"] === true) return;
    const from = String(event["with"]);
    const texts = this.got.get(from) ?? [];
    this.got.set(from, texts);
    texts.push(String(event["id"]));
  }

  /** Sends a message after those before it, until it is acknowledged. */
  send(to: string): void {
    const message: Message = { key: `${this.name}.${this.sent.length}`, to, seq: 0 };
    this.sent.push(message);
    this.#sending = this.#sending.then(() => this.#deliver(message));
  }

  async #deliver(message: Message): Promise<void> {
    const sinceMs = performance.now();
    const { to, key } = message;
    while (!this.#ended) {
      try {
        const fields = { to, key, body: key };
        const { seq } = await this.#client!.command<{ seq: number }>("send", fields);
        message.seq = seq;
        this.ackMs = Math.max(this.ackMs, performance.now() - sinceMs);
        return;
      } catch {
        await this.#wait();
      }
    }
  }

  /** All that it has sent is acknowledged. */
  settled(): Promise<void> {
    return this.#sending;
  }

  async close(): Promise<void> {
    this.#ended = true;
    await this.#client?.close();
  }
}

/** What is lost, doubled or reordered. */
export function faultsOf(users: readonly MovingUser[]): readonly string[] {
  const byName = new Map(users.map((user) => [user.name, user]));
  return users.flatMap((user) => {
    const faults = [...user.faults];
    if (user.resets > 0) faults.push(`${user.name}: ${user.resets} cursors were not continued`);
    for (const to of new Set(user.sent.map((message) => message.to))) {
      const sent = user.sent.filter((m) => m.to === to && m.seq > 0).map(({ key }) => key);
      const got = byName.get(to)!.got.get(user.name) ?? [];
      if (sent.join() !== got.join()) {
        faults.push(`${user.name} to ${to}: ${sent.length} acknowledged, ${got.length} arrived`);
      }
    }
    return faults;
  });
}
