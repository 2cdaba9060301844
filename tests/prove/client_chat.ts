/**
 * People who write to each other with the client library over a faulty network, and check what they
 * are shown: every message once and in order, and every event of the mailbox in order.
 */
import { createClient, type RoostError } from "../../server/web/client.js";
import type { Client, Timing, Transport } from "../../server/web/client.d.ts";
import { FaultProxy } from "./fault_proxy.ts";
import type { Prng } from "../sim/prng.ts";
import { Client as Plain, rest } from "../process/client.ts";

/** Limits that are not what is tested. */
export const CHAT_FLAGS: readonly string[] = [
  "--registration",
  "open",
  ...[
    "limits.sendsPerSecond=100000",
    "limits.sendsBurst=100000",
    "limits.framesPerSecond=100000",
    "limits.framesBurst=100000",
    "limits.receivedPerSecond=100000",
    "limits.receivedBurst=100000",
    "limits.requestsPerAddressPerSecond=100000",
    "limits.requestsPerAddressBurst=100000",
    "storage.mailboxEventsMax=1000000",
  ].flatMap((s) => ["--set", s]),
];

/** As in a network that is a hundred times faster than the one that breaks so often. */
const TIMING: Partial<Timing> = {
  backoffBaseMs: 20,
  backoffCapMs: 300,
  connectMs: 1000,
  idleMs: 600,
  answerMs: 800,
  ackMs: 50,
  upgradeMs: 600,
  pollMs: 2000,
  pollGapMs: 5,
};
/** Messages that one person has on the way at once. */
const PENDING = 40;

/** What is to be done. */
export interface ChatOptions {
  /** The server, without the proxy. */
  readonly server: string;
  /** Names of the people, who must be new. */
  readonly people: readonly string[];
  readonly messages: number;
  readonly transport: Transport | "both";
  /** How often each person's application ends and starts again with what it has stored. */
  readonly restarts: number;
  readonly meanMs: number;
  readonly stallMs: number;
  readonly prng: Prng;
  readonly withinMs: number;
  /** Another library than the real one. */
  readonly createClient?: typeof createClient;
}

/** What came of it. */
export interface ChatResult {
  readonly faults: readonly string[];
  readonly figures: Readonly<Record<string, number>>;
}

interface Durable {
  readonly seq: number;
}

/** Who sends to whom: the texts of one direction, in order. */
type Way = { readonly from: string; readonly to: string; readonly texts: readonly string[] };

class Person {
  readonly name: string;
  readonly faults: string[] = [];
  /** Texts shown, by `from>to`. */
  readonly shown = new Map<string, string[]>();
  readonly #options: ChatOptions;
  readonly #url: string;
  readonly #token: string;
  readonly #items = new Map<string, string>();
  readonly #todo: { readonly to: string; readonly text: string }[];
  readonly counts = { events: 0, links: 0, acked: 0, restarts: 0, snapshots: 0, ws: 0, poll: 0 };
  #seq = 0;
  #client: Client;

  constructor(name: string, token: string, url: string, ways: readonly Way[], o: ChatOptions) {
    this.name = name;
    this.#token = token;
    this.#url = url;
    this.#options = o;
    const own = ways.filter(({ from }) => from === name);
    const longest = Math.max(...own.map(({ texts }) => texts.length));
    this.#todo = Array.from({ length: longest }, (_, i) => i).flatMap((i) =>
      own.flatMap(({ to, texts }) => texts[i] === undefined ? [] : [{ to, text: texts[i] }])
    );
    this.#client = this.#open();
  }

  get done(): number {
    return [...this.shown.values()].reduce((sum, texts) => sum + texts.length, 0);
  }

  get left(): number {
    return this.#todo.length;
  }

  #open(): Client {
    const { transport } = this.#options;
    const client = (this.#options.createClient ?? createClient)({
      url: this.#url,
      storage: {
        getItem: (key) => this.#items.get(key) ?? null,
        setItem: (key, value) => void this.#items.set(key, value),
        removeItem: (key) => void this.#items.delete(key),
      },
      timing: TIMING,
      ...(transport === "both" ? {} : { onlyTransport: transport }),
    });
    for (const event of ["undelivered", "receipt", "read", "roster", "request"] as const) {
      client.on(event, (e: Durable) => this.#durable(e));
    }
    client.on("message", (e) => {
      this.#durable(e);
      const way = e.out ? `${this.name}>${e.with}` : `${e.with}>${this.name}`;
      this.shown.set(way, [...this.shown.get(way) ?? [], e.body]);
    });
    client.on("snapshot", ({ reset }) => {
      this.counts.snapshots++;
      if (reset) this.faults.push(`${this.name} had to begin anew`);
    });
    client.on("error", (error) => this.faults.push(`${this.name}: ${error.code} ${error.message}`));
    client.on("status", ({ status, transport, reason }) => {
      if (status === "connecting") this.counts.links++;
      if (status === "online" && transport !== null) this.counts[transport]++;
      if (status === "stopped" || status === "signed_out") {
        this.faults.push(`${this.name} was given up: ${status} ${reason}`);
      }
    });
    return client;
  }

  #durable({ seq }: Durable): void {
    this.counts.events++;
    const wanted = this.#seq + 1;
    if (this.#seq !== 0 && seq !== wanted) {
      this.faults.push(`${this.name} was shown event ${seq} where ${wanted} was due`);
    }
    this.#seq = seq;
  }

  async signIn(): Promise<void> {
    await this.#client.signIn({ token: this.#token });
  }

  /** Hands over as much as may be on the way. */
  feed(): void {
    let room = PENDING - this.#client.pending.length;
    for (; room > 0 && this.#todo.length > 0; room--) {
      const { to, text } = this.#todo.shift()!;
      this.#client.send(to, text).then(
        () => this.counts.acked++,
        (error: RoostError) => {
          if (error.code !== "closed") this.faults.push(`${this.name}: ${text}: ${error.message}`);
        },
      );
    }
  }

  restart(): void {
    this.counts.restarts++;
    this.#client.close();
    this.#client = this.#open();
    this.#client.signIn().catch((error: RoostError) => {
      if (error.code !== "closed") this.faults.push(`${this.name}: ${error.message}`);
    });
  }

  close(): void {
    this.#client.close();
  }
}

async function register(server: string, user: string): Promise<string> {
  const body = { user, password: `password of ${user}` };
  const { token } = await rest<{ token: string }>(server, "POST", "/v1/register", { body });
  await rest(server, "PUT", "/v1/settings", { token, body: { messagesFrom: "anyone" } });
  return token;
}

/** Who writes what: an equal share for each pair. */
function plan({ people, messages }: ChatOptions): readonly Way[] {
  const pairs = people.flatMap((from) =>
    people.filter((to) => to !== from).map((to) => ({ from, to }))
  );
  return pairs.map(({ from, to }, i) => ({
    from,
    to,
    texts: Array.from(
      { length: Math.ceil((messages - i) / pairs.length) },
      (_, n) => `${from} to ${to}: ${n}`,
    ),
  }));
}

/** What the server has in a mailbox, read without faults and without the library. */
async function kept(server: string, user: string, token: string): Promise<Map<string, string[]>> {
  const plain = await Plain.connect(`${server.replace("http", "ws")}/v1/ws`, { auth: { token } });
  const mailbox = String(plain.welcome["cursor"]).split(":")[0];
  const texts = new Map<string, string[]>();
  for (let after = 0;;) {
    const { events } = await plain.command<
      { events: { seq: number; k: string; with: string; out?: true; body: string }[] }
    >("events", { after: `${mailbox}:${after}`, limit: 500 });
    if (events.length === 0) break;
    after = events.at(-1)!.seq;
    for (const e of events.filter(({ k }) => k === "message")) {
      const way = e.out ? `${user}>${e.with}` : `${e.with}>${user}`;
      texts.set(way, [...texts.get(way) ?? [], e.body]);
    }
  }
  await plain.close();
  return texts;
}

/** How a list differs from what it should be; null where it does not. */
function difference(got: readonly string[], wanted: readonly string[]): string | null {
  const at = wanted.findIndex((text, i) => got[i] !== text);
  if (at < 0 && got.length === wanted.length) return null;
  const seen = new Set(got);
  const lost = wanted.filter((text) => !seen.has(text)).length;
  return `${lost} lost, ${got.length - seen.size} doubled, the first fault at ${at}: ${got[at]}`;
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Lets people write until everything has been shown, or the time is over. */
export async function chat(options: ChatOptions): Promise<ChatResult> {
  const { server, people: names, prng } = options;
  const ways = plan(options);
  const total = ways.reduce((sum, { texts }) => sum + texts.length, 0);
  const { meanMs, stallMs } = options;
  const proxy = new FaultProxy(server, prng, { meanMs, stallMs, noWebSockets: false });
  const tokens = new Map<string, string>();
  for (const name of names) tokens.set(name, await register(server, name));
  const people = names.map((name) => new Person(name, tokens.get(name)!, proxy.url, ways, options));
  const began = performance.now();
  await Promise.all(people.map((person) => person.signIn()));
  const shown = () => people.reduce((sum, person) => sum + person.done, 0);
  const due = people.map(() => 1);
  for (let round = 0; shown() < 2 * total; round++) {
    const tookMs = performance.now() - began;
    if (tookMs > options.withinMs || people.some(({ faults }) => faults.length > 0)) break;
    // A second and a half with WebSockets, and as long without.
    if (options.transport === "both") proxy.options.noWebSockets = tookMs % 3000 >= 1500;
    people.forEach((person, i) => {
      person.feed();
      const part = shown() / (2 * total);
      if (part < due[i]! / (options.restarts + 1) || due[i]! > options.restarts) return;
      due[i]!++;
      person.restart();
    });
    await sleep(5);
  }
  const seconds = (performance.now() - began) / 1000;
  // What is shown too often comes late.
  proxy.calm();
  await sleep(500);
  for (const person of people) person.close();
  await proxy.close();
  return await judge(options, { ways, people, tokens, proxy, seconds });
}

async function judge(
  { server }: ChatOptions,
  { ways, people, tokens, proxy, seconds }: {
    ways: readonly Way[];
    people: readonly Person[];
    tokens: ReadonlyMap<string, string>;
    proxy: FaultProxy;
    seconds: number;
  },
): Promise<ChatResult> {
  const faults = people.flatMap((person) => person.faults);
  for (const { name, shown } of people) {
    const mailbox = await kept(server, name, tokens.get(name)!);
    for (const { from, to, texts } of ways.filter((w) => w.from === name || w.to === name)) {
      const way = `${from}>${to}`;
      const wrong = difference(shown.get(way) ?? [], texts);
      if (wrong !== null) faults.push(`${name} was shown ${way} wrongly: ${wrong}`);
      const lost = difference(mailbox.get(way) ?? [], texts);
      if (lost !== null) faults.push(`the server keeps ${way} for ${name} wrongly: ${lost}`);
    }
  }
  const sum = (of: (counts: Person["counts"]) => number) =>
    people.reduce((total, { counts }) => total + of(counts), 0);
  return {
    faults,
    figures: {
      messages: ways.reduce((total, { texts }) => total + texts.length, 0),
      seconds: Math.round(seconds * 10) / 10,
      // Those of applications that had ended were acknowledged to nobody.
      "acknowledged to their sender": sum(({ acked }) => acked),
      "events shown": sum(({ events }) => events),
      links: sum(({ links }) => links),
      "online by WebSocket": sum(({ ws }) => ws),
      "online by long-poll": sum(({ poll }) => poll),
      "applications restarted": sum(({ restarts }) => restarts),
      connections: proxy.connections,
      ...proxy.counts,
    },
  };
}
