/**
 * What clients that keep no rules cost the others: a reader that stalls in a presence storm, 1,000
 * bad connections at once, and floods of every kind. Two ordinary users go on meanwhile.
 */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { ATTEMPTS, Bystander, type Seen } from "../process/bystander.ts";
import { burst, BURSTS } from "../process/hostile_burst.ts";
import { crowd, CROWD_SETTINGS, type CrowdFigures, GONE_MS } from "../process/hostile_crowd.ts";
import { flood, floodKinds } from "../process/hostile_flood.ts";
import { stall, STORM_SETTINGS } from "../process/hostile_stall.ts";
import { Metrics } from "../process/metrics.ts";
import { besideServer, peakRssOf, pinnedServer, rssOf } from "../process/pinned.ts";
import { befriend, Pulse, PULSE_SETTINGS, register, type Stretch } from "../process/pulse.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

const OUTBOX_BYTES_MAX = 262_144;
const STALLED_MS = 5000;
const CONTACTS = 100;
const CROWD = 1000;
/** Over how long they come (ms). */
const CROWD_OPENING_MS = 1000;
const ROUNDS = 3;
const QUIET_MS = 8000;
const FLOOD_MS = 5000;
/**
 * What ordinary users may notice at most: this, or five times what they have in quiet times. The
 * crowd's coming takes half a second of CPU; of a flood of requests whatever was read at once is
 * parsed. A server that gives way stands still for seconds.
 */
const P99_MS_MAX = 250;
const RSS_RISE_MAX_MB = 128;
/** Connections of a burst, which are all open before any of them writes. */
const BURST = 1500;
const BURST_MS = 8000;
/** What a client of another address may notice of floods and bursts: p99 (ms). */
const SEEN_P99_MS_MAX = { healthz: 250, "sign-in": 500, ack: 500 } as const;
/** What the server may take for a burst (MB). */
const BURST_PEAK_MAX_MB = 600;
/** Most memory during the crowds and floods (MB). */
const FLOODS_PEAK_MAX_MB = 400;
/**
 * When the memory left is looked at (ms after the floods), with no client left: what is kept for
 * minutes is kept then, too, for the longest debt of an address is over after 20 s.
 */
const REST_MS = [0, 20_000, 45_000] as const;
/** How long the C library may take to give back its free blocks (ms). */
const TRIM_MS = 2000;
/** What may be left of floods in the end (MB above the start): see tests/README.md. */
const REST_RISE_MAX_MB = 64;
const MB = 2 ** 20;

type Figures = Record<string, string | number>;

/** A part of the verdict. */
interface Part {
  readonly pass: boolean;
  readonly figures: Figures;
}

async function withServer<T>(
  settings: readonly string[],
  run: (server: ServerProcess) => Promise<T>,
): Promise<T> {
  using dir = tempDir();
  const flags = ["--registration", "open", ...settings.flatMap((s) => ["--set", s])];
  // Deno then gives back what the C library holds when it gets SIGUSR2, see `memoryAfter`.
  const command = ["env", "DENO_USR2_MEMORY_TRIM=1", ...pinnedServer()];
  const server = await ServerProcess.start({ dataDir: dir.path, flags, command });
  try {
    return await run(server);
  } finally {
    await server.stop();
  }
}

async function stalled({ say }: ProofOptions): Promise<Part> {
  const settings = [...STORM_SETTINGS, `timeouts.stalledMs=${STALLED_MS}`];
  const seen = await withServer(settings, (server) => stall(server, CONTACTS));
  say(`stalled reader: ${JSON.stringify(seen)}`);
  const { outboxTopBytes, goneAfterMs } = seen;
  return {
    pass: outboxTopBytes <= OUTBOX_BYTES_MAX && seen.unread === 1 &&
      goneAfterMs >= STALLED_MS * 0.9 && goneAfterMs < STALLED_MS + 1500,
    figures: {
      "stalled reader: most bytes unsent": outboxTopBytes,
      "stalled reader: the bound": OUTBOX_BYTES_MAX,
      "stalled reader: gone after (ms)": goneAfterMs,
      "stalled reader: the time for it (ms)": STALLED_MS,
    },
  };
}

function shown({ messages, presence, missing }: Stretch): string {
  return `messages p50 ${messages.p50} p99 ${messages.p99} ms, ` +
    `presence p99 ${presence.p99} ms, ${missing} missing of ${messages.count}`;
}

/** Whether others were disturbed no more than they may be. */
type Judge = (during: Stretch) => boolean;

function judge(quiet: Stretch): Judge {
  const most = Math.max(P99_MS_MAX, 5 * quiet.messages.p99);
  return ({ messages, presence, missing }) =>
    missing === 0 && messages.count > 0 && messages.p99 <= most && presence.p99 <= most;
}

function crowdIsGone({ kinds, counted, expected }: CrowdFigures): boolean {
  return JSON.stringify(counted) === JSON.stringify(expected) &&
    Object.values(kinds).every(({ left, refused, told, opened, lastedMs }) =>
      left + refused === 0 && told === opened && lastedMs < GONE_MS
    );
}

async function rssMb({ url }: ServerProcess): Promise<number> {
  return Math.round((await Metrics.of(url)).get("roost_resident_memory_bytes") / 2 ** 20);
}

async function crowds(
  server: ServerProcess,
  pulse: Pulse,
  undisturbed: Judge,
  options: ProofOptions,
) {
  let pass = true;
  const p99: number[] = [];
  const rss = [await rssMb(server)];
  for (let round = 1; round <= ROUNDS; round++) {
    const seen = await crowd(server, pulse, CROWD, CROWD_OPENING_MS);
    rss.push(await rssMb(server));
    p99.push(seen.during.messages.p99);
    const ok = crowdIsGone(seen) && undisturbed(seen.during);
    pass &&= ok;
    options.say(
      `${CROWD} bad connections, round ${round}: ${shown(seen.during)}; gone after ` +
        `${seen.tookMs} ms; counted ${JSON.stringify(seen.counted)}${ok ? "" : " FAULT"}`,
    );
    if (!ok) options.say(JSON.stringify(seen.kinds));
  }
  pass &&= rss.at(-1)! - rss[0]! <= RSS_RISE_MAX_MB;
  return {
    pass,
    figures: {
      "bad connections": CROWD * ROUNDS,
      "bad connections: p99 of others (ms)": p99.join(", "),
      "bad connections: RSS before, after each round (MB)": rss.join(", "),
    },
  };
}

/** A client with an address of its own. */
async function startBystander({ url, wsUrl }: ServerProcess): Promise<Bystander> {
  const [token, peerToken] = [await register(url, "ann"), await register(url, "vera")];
  await befriend(url, ["ann", token], ["vera", peerToken]);
  return await Bystander.start({ url, wsUrl, from: "127.0.0.9", token, peerToken, to: "vera" });
}

/** Whether a bystander was served, and in time. */
function served({ latencies, failed }: Seen): boolean {
  return ATTEMPTS.every((attempt) =>
    failed[attempt] === 0 && latencies[attempt].count > 0 &&
    latencies[attempt].p99 <= SEEN_P99_MS_MAX[attempt]
  );
}

function noticed({ latencies, failed }: Seen): string {
  return ATTEMPTS.map((attempt) => {
    const faults = failed[attempt] > 0 ? ` (${failed[attempt]} failed)` : "";
    return `${attempt} ${latencies[attempt].p99}${faults}`;
  }).join(", ");
}

async function floods(
  server: ServerProcess,
  pulse: Pulse,
  bystander: Bystander,
  undisturbed: Judge,
  { say }: ProofOptions,
) {
  const kinds = Object.entries(floodKinds(await register(server.url, "mallory")));
  const figures: Figures = {};
  let pass = true;
  for (const [i, [name, kind]] of kinds.entries()) {
    // From an address of its own: the bound of one shall not shield the server from the next.
    bystander.cut();
    const from = `127.0.1.${i + 1}`;
    const { during, opened, writtenBytes } = await flood(server, pulse, kind, from, FLOOD_MS);
    const seen = bystander.cut();
    const ok = undisturbed(during) && served(seen);
    pass &&= ok;
    const sent = `${opened} connections, ${Math.round(writtenBytes / MB)} MB`;
    const memory = `memory ${Math.round(rssOf(server.pid) / MB)} MB`;
    const aside = `p99 of a bystander: ${noticed(seen)} ms`;
    say(
      `flood of ${name}: ${sent}; ${shown(during)}; ${aside}; ${memory}${ok ? "" : " FAULT"}`,
    );
    const { p50, p99 } = during.messages;
    figures[`flood of ${name}: p50, p99 of messages (ms)`] = `${p50}, ${p99}; ${aside}`;
  }
  return { pass, figures };
}

/** A server for each burst, for addresses that have burst are shut out for a while. */
async function bursts({ say, scale }: ProofOptions): Promise<Part> {
  const figures: Figures = {};
  let pass = true;
  for (const [name, kind] of Object.entries(BURSTS)) {
    const { seen, quiet, peakMb, restMb, opened } = await withServer(
      ["limits.sendsPerSecond=20"],
      async (server) => {
        const bystander = await startBystander(server);
        const from = Array.from({ length: 6 }, (_, i) => `127.0.1.${i + 1}`);
        const order = { count: Math.ceil(BURST * scale), from, keptMs: BURST_MS };
        bystander.cut();
        await new Promise((resolve) => setTimeout(resolve, BURST_MS));
        const quiet = bystander.cut();
        const seen = await burst(server, bystander, kind, order);
        bystander.stop();
        return { ...seen, quiet };
      },
    );
    const ok = peakMb <= BURST_PEAK_MAX_MB && served(seen);
    const shown = `${noticed(seen)} (quiet: ${noticed(quiet)})`;
    pass &&= ok;
    const memory = `peak ${peakMb}, rest ${restMb}`;
    say(`burst of ${name}: ${opened} opened, p99 ${shown} ms, ${memory} MB${ok ? "" : " FAULT"}`);
    figures[`burst of ${name}: p99 of others, overdue included (ms)`] = shown;
    figures[`burst of ${name}: memory (MB)`] = memory;
  }
  return { pass, figures };
}

/** What the floods took, and what they left. */
async function memoryAfter(
  { pid }: ServerProcess,
  startMb: number,
  { say }: ProofOptions,
): Promise<Part> {
  const peakMb = Math.round(peakRssOf(pid) / MB);
  const rest: number[] = [];
  let waitedMs = 0;
  for (const restMs of REST_MS) {
    await new Promise((resolve) => setTimeout(resolve, restMs - waitedMs));
    waitedMs = restMs;
    rest.push(Math.round(rssOf(pid) / MB));
  }
  // What is left then is used; the rest were free blocks between used ones.
  Deno.kill(pid, "SIGUSR2");
  await new Promise((resolve) => setTimeout(resolve, TRIM_MS));
  const trimmedMb = Math.round(rssOf(pid) / MB);
  const after = REST_MS.map((ms) => ms / 1000).join(", ");
  const memory = `start ${startMb}, peak ${peakMb}, rest ${rest.join(", ")}, ` +
    `without free blocks of the C library ${trimmedMb}`;
  say(`memory: ${memory} MB`);
  return {
    pass: peakMb <= FLOODS_PEAK_MAX_MB && rest.at(-1)! - startMb <= REST_RISE_MAX_MB,
    figures: { [`memory of crowds and floods, and ${after} s after them (MB)`]: memory },
  };
}

async function beside(options: ProofOptions): Promise<readonly Part[]> {
  return await withServer([...CROWD_SETTINGS, ...PULSE_SETTINGS], async (server) => {
    const pulse = await Pulse.start(server.url, server.wsUrl);
    const startMb = Math.round(rssOf(server.pid) / MB);
    pulse.cut();
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    const quiet = pulse.cut();
    options.say(`quiet: ${shown(quiet)}`);
    const undisturbed = judge(quiet);
    const bystander = await startBystander(server);
    const parts = [
      await crowds(server, pulse, undisturbed, options),
      await floods(server, pulse, bystander, undisturbed, options),
    ];
    bystander.stop();
    await pulse.stop();
    parts.push(await memoryAfter(server, startMb, options));
    const { log } = server;
    const faults = log.match(/^\S+ ERROR.*$/gm) ?? [];
    for (const fault of faults) options.say(`FAULT ${fault}`);
    const { p50, p99 } = quiet.messages;
    const figures = { "quiet: p50, p99 of others (ms)": `${p50}, ${p99}` };
    return [{ pass: faults.length === 0, figures }, ...parts];
  });
}

/** A stalled reader, 1,000 bad connections, floods; and what others notice. */
export const hostileProof: Proof = {
  name: "hostile",
  claim:
    "stalled readers, 1,000 bad connections, floods and bursts disturb nobody, and cost little",
  seconds: 260,
  async run(options): Promise<Verdict> {
    const parts = await besideServer(async () => [
      await stalled(options),
      await bursts(options),
      ...await beside(options),
    ]);
    return {
      pass: parts.every((part) => part.pass),
      figures: Object.assign({}, ...parts.map((part) => part.figures)),
    };
  },
};
