/**
 * What a page of a conversation costs in mailboxes of 1,000 to 100,000 messages, and what others
 * notice of ten sessions that page through one of them with five requests each in flight.
 */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { ATTEMPTS, Bystander, type Seen } from "../process/bystander.ts";
import { Client, Refused } from "../process/client.ts";
import { Figures } from "./figures.ts";
import { Metrics } from "../process/metrics.ts";
import { besideServer, pinnedServer } from "../process/pinned.ts";
import { befriend, register } from "../process/pulse.ts";
import { roost } from "../process/cli.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

/** Messages of the mailboxes. */
const SIZES = [1000, 4000, 20_000, 100_000] as const;
/** The mailbox that sessions page through: as many messages as one keeps by default. */
const PAGED = 20_000;
/** One message in so many is of the sparse conversation: about one in each block. */
const SPARSE = 60;
/** Peers of the messages that are in neither conversation. */
const OTHERS = 40;
const BODY = "See you at seven at the usual place, then? I bring the tickets.";
const PASSWORD = "a password to prove with";
/** A moment before which all messages are (ms since 1970): a mailbox keeps them for a year. */
const agoMs = (count: number) => Date.now() - count * 1000;

/** Pages of one measurement, and measurements of each size: the least counts. */
const PAGES = 150;
const ROUNDS = 3;
/** How many times the cheapest a message of a page may cost: the last page of a pass is short. */
const FLAT_MAX = 1.6;
/** What a page may cost (ms of CPU). */
const PAGE_CPU_MS_MAX = 10;
const SESSIONS = 10;
const IN_FLIGHT = 5;
const STRETCH_MS = 8000;
/** What a client of another address may notice: p99 (ms). */
const SEEN_P99_MS_MAX = { "default rates": 250, "no rates": 500 } as const;

const RATES_OFF = ["limits.framesPerSecond=10000", "limits.framesBurst=10000"];
const SETTINGS = ["storage.mailboxEventsMax=200000", "limits.sendsPerSecond=20"];

interface Page {
  readonly events: readonly { readonly seq: number }[];
  readonly more: boolean;
}

/** Which pages a curve asks for. */
interface Kind {
  readonly name: string;
  readonly peer: string;
  readonly limit: number;
  /** Mailboxes with fewer messages have no full page. */
  readonly from: number;
}

const KINDS: readonly Kind[] = [
  { name: "dense, 50 a page", peer: "often", limit: 50, from: 0 },
  { name: "sparse, 10 a page", peer: "rare", limit: 10, from: 0 },
  { name: "sparse, 500 a page", peer: "rare", limit: 500, from: 4000 },
];

function userOf(size: number): string {
  return `reader${size}`;
}

function peerOf(i: number): string {
  if (i % SPARSE === 0) return "rare";
  return i % 2 === 0 ? "often" : `other${i % OTHERS}`;
}

/** An export with a mailbox of this size. */
function* linesOf(size: number): Generator<string> {
  const at = agoMs(size);
  const times = { createdAt: at, lastSeen: 0 };
  const head = { state: "active", messagesFrom: "anyone", first: 1, last: size };
  yield JSON.stringify({ t: "account", name: userOf(size), ...times, ...head });
  const last = new Map<string, { seq: number; count: number }>();
  const count = (peer: string) => (last.get(peer)?.count ?? 0) + 1;
  for (let i = 1; i <= size; i++) last.set(peerOf(i), { seq: i, count: count(peerOf(i)) });
  for (const [peer, { seq }] of last) {
    const marks = { readUpTo: size, delivered: 0, read: 0, unread: [], unreadMore: 0 };
    const ends = { lastSeq: seq, lastAt: at + seq * 1000, lastInSeq: seq };
    yield JSON.stringify({ t: "conversation", with: peer, sent: 0, ...ends, ...marks });
  }
  last.clear();
  for (let i = 1; i <= size; i++) {
    const peer = peerOf(i);
    const num = count(peer);
    last.set(peer, { seq: i, count: num });
    const id = `3f1c0c9e-77ab-4c51-9d3b-${String(i).padStart(12, "0")}`;
    const message = { with: peer, num, id, body: BODY };
    yield JSON.stringify({ t: "event", k: "message", seq: i, at: at + i * 1000, ...message });
  }
  yield JSON.stringify({ t: "end", name: userOf(size), events: size });
}

/** Makes the accounts, with a password. */
async function fill(dir: string, sizes: readonly number[], { say }: ProofOptions): Promise<void> {
  const file = `${dir}/mailboxes.ndjson`;
  const head = { t: "roost", v: 1, export: "AAAAAAAAAAAAAAAA", domain: "localhost" };
  const lines = [JSON.stringify(head)];
  for (const size of sizes) lines.push(...linesOf(size));
  lines.push(JSON.stringify({ t: "done", accounts: sizes.length }));
  Deno.writeTextFileSync(file, lines.join("\n") + "\n");
  const began = performance.now();
  const data = ["--data", `${dir}/data`];
  await must(["import", file, "--domain", "localhost", ...data]);
  for (const size of sizes) {
    await must(["user", "passwd", userOf(size), "--password-stdin", ...data], PASSWORD);
  }
  say(`mailboxes of ${sizes.join(", ")} messages: ${Math.round(performance.now() - began)} ms`);
}

async function must(args: readonly string[], input: string | null = null): Promise<void> {
  const { code, err } = await roost(args, input);
  if (code !== 0) throw new Error(`roost ${args.join(" ")}: ${err}`);
}

async function withServer<T>(
  dir: string,
  settings: readonly string[],
  run: (server: ServerProcess) => Promise<T>,
): Promise<T> {
  const flags = ["--registration", "open"];
  for (const setting of [...SETTINGS, ...settings]) flags.push("--set", setting);
  const dataDir = `${dir}/data`;
  const server = await ServerProcess.start({ dataDir, flags, command: pinnedServer() });
  try {
    return await run(server);
  } finally {
    await server.stop();
  }
}

function signIn(server: ServerProcess, size: number, device: string): Promise<Client> {
  const auth = { user: userOf(size), password: PASSWORD };
  return Client.connect(server.wsUrl, { auth, device });
}

/** Pages through a conversation from its end, again from there after its first page. */
class Pager {
  messages = 0;
  readonly #client: Client;
  readonly #kind: Kind;
  #before: number | null = null;

  constructor(client: Client, kind: Kind) {
    this.#client = client;
    this.#kind = kind;
  }

  async next(): Promise<void> {
    const { peer, limit } = this.#kind;
    const before = this.#before === null ? {} : { before: this.#before };
    const page = await this.#client.command<Page>("history", { with: peer, limit, ...before });
    this.messages += page.events.length;
    this.#before = page.more ? page.events[0]!.seq : null;
  }
}

/** What one page costs. */
interface Cost {
  /** CPU of the server (ms). */
  readonly cpuMs: number;
  /** From the request to the response (ms). */
  readonly elapsedMs: number;
  readonly messages: number;
}

async function costOf(
  server: ServerProcess,
  size: number,
  kind: Kind,
  pages: number,
): Promise<Cost> {
  const client = await signIn(server, size, "phone");
  const pager = new Pager(client, kind);
  for (let i = 0; i < pages / 8; i++) await pager.next();
  pager.messages = 0;
  const cpu = async () => (await Metrics.of(server.url)).get("roost_process_cpu_seconds_total");
  const before = await cpu();
  const began = performance.now();
  for (let i = 0; i < pages; i++) await pager.next();
  const elapsedMs = (performance.now() - began) / pages;
  const cpuMs = (await cpu() - before) * 1000 / pages;
  await client.close();
  return { cpuMs, elapsedMs, messages: pager.messages / pages };
}

async function curves(
  dir: string,
  sizes: readonly number[],
  figures: Figures,
  options: ProofOptions,
): Promise<void> {
  await withServer(dir, RATES_OFF, async (server) => {
    const pages = Math.max(16, Math.round(PAGES * options.scale));
    // The first pages of a process cost more: its code is not compiled yet.
    for (const kind of KINDS) await costOf(server, sizes.at(-1)!, kind, pages);
    for (const kind of KINDS) {
      const measured = sizes.filter((size) => size >= kind.from);
      const rounds: (readonly Cost[])[] = [];
      while (rounds.length < ROUNDS) {
        const round: Cost[] = [];
        for (const size of measured) round.push(await costOf(server, size, kind, pages));
        rounds.push(round);
      }
      const costs = measured.map((_, i) => cheapest(rounds.map((round) => round[i]!)));
      costs.forEach(({ cpuMs, elapsedMs, messages }, i) => {
        const details = `${messages.toFixed(1)} messages, ${elapsedMs.toFixed(1)} ms`;
        const name = `${kind.name}, of ${measured[i]}`;
        options.say(`${name}: ${cpuMs.toFixed(2)} ms of CPU a page (${details})`);
        figures.atMost(name, cpuMs, PAGE_CPU_MS_MAX, `ms of CPU a page, ${details}`);
      });
      const each = costs.map(({ cpuMs, messages }) => cpuMs / messages);
      const times = Math.max(...each) / Math.min(...each);
      figures.atMost(`${kind.name}: most to least for a message`, times, FLAT_MAX, "times");
    }
  });
}

function cheapest(costs: readonly Cost[]): Cost {
  return costs.reduce((least, cost) => cost.cpuMs < least.cpuMs ? cost : least);
}

/** Five requests at a time of each session; a refused one waits as long as the server says. */
async function pageThrough(clients: readonly Client[], untilMs: number) {
  const seen = { pages: 0, refused: 0 };
  const session = async (client: Client) => {
    const request = async () => {
      const pager = new Pager(client, KINDS.at(-1)!);
      while (performance.now() < untilMs) {
        try {
          await pager.next();
          seen.pages++;
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
          seen.refused++;
          await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs));
        }
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, request));
  };
  await Promise.all(clients.map(session));
  return seen;
}

function shown({ latencies, failed }: Seen): string {
  const parts = ATTEMPTS.map((attempt) => {
    const faults = failed[attempt] > 0 ? ` (${failed[attempt]} failed)` : "";
    return `${attempt} ${latencies[attempt].p99}${faults}`;
  });
  return `${parts.join(", ")} ms`;
}

/** What a client of another address notices of sessions that page, under these rates. */
async function bystander(
  dir: string,
  size: number,
  rates: "default rates" | "no rates",
  figures: Figures,
  options: ProofOptions,
): Promise<void> {
  await withServer(dir, rates === "no rates" ? RATES_OFF : [], async (server) => {
    const { url, wsUrl } = server;
    const names = rates === "no rates" ? ["ann", "vera"] as const : ["bob", "cleo"] as const;
    const [token, peerToken] = [await register(url, names[0]), await register(url, names[1])];
    await befriend(url, [names[0], token], [names[1], peerToken]);
    const watching = { url, wsUrl, from: "127.0.0.9", token, peerToken, to: names[1] };
    const other = await Bystander.start(watching);
    const stretchMs = Math.max(1000, STRETCH_MS * options.scale);
    await new Promise((resolve) => setTimeout(resolve, stretchMs));
    const quiet = other.cut();
    // Their passwords are not what is measured.
    const clients: Client[] = [];
    while (clients.length < SESSIONS) {
      clients.push(await signIn(server, size, `device${clients.length}`));
    }
    other.cut();
    const { pages, refused } = await pageThrough(clients, performance.now() + stretchMs);
    const seen = other.cut();
    for (const client of clients) await client.close();
    other.stop();
    const what = `${SESSIONS} sessions page, ${rates}`;
    const done = `${Math.round(pages * 1000 / stretchMs)} pages/s, ${refused} refused`;
    const line = `p99 of others: ${shown(seen)} (quiet: ${shown(quiet)}); ${done}`;
    figures.note(what, line);
    options.say(`${what}: ${line}`);
    for (const attempt of ATTEMPTS) {
      const { p99 } = seen.latencies[attempt];
      figures.atMost(`${what}: p99 of ${attempt}`, p99, SEEN_P99_MS_MAX[rates], "ms");
      if (seen.failed[attempt] > 0) figures.fault(`${what}: ${attempt} failed`);
    }
  });
}

/** Pages cost by what they give, and those who page disturb nobody. */
export const historyProof: Proof = {
  name: "history",
  claim:
    "a page of a conversation costs the same in any mailbox, and those who page disturb nobody",
  seconds: 120,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    const sizes = SIZES.map((size) => Math.max(1000, size * options.scale));
    using dir = tempDir();
    await besideServer(async () => {
      await fill(dir.path, sizes, options);
      await curves(dir.path, sizes, figures, options);
      const paged = sizes[SIZES.indexOf(PAGED)]!;
      await bystander(dir.path, paged, "default rates", figures, options);
      await bystander(dir.path, paged, "no rates", figures, options);
    });
    return figures.verdict;
  },
};
