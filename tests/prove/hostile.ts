/**
 * What clients that keep no rules cost the others: a reader that stalls in a presence storm, 1,000
 * bad connections at once, and floods of every kind. Two ordinary users go on meanwhile.
 */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { crowd, CROWD_SETTINGS, type CrowdFigures, GONE_MS } from "../process/hostile_crowd.ts";
import { flood, floodKinds } from "../process/hostile_flood.ts";
import { stall, STORM_SETTINGS } from "../process/hostile_stall.ts";
import { Metrics } from "../process/metrics.ts";
import { Pulse, PULSE_SETTINGS, register, type Stretch } from "../process/pulse.ts";
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
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
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

async function floods(
  server: ServerProcess,
  pulse: Pulse,
  undisturbed: Judge,
  { say }: ProofOptions,
) {
  const kinds = Object.entries(floodKinds(await register(server.url, "mallory")));
  const figures: Figures = {};
  let pass = true;
  for (const [i, [name, kind]] of kinds.entries()) {
    // From an address of its own: the bound of one shall not shield the server from the next.
    const seen = await flood(server, pulse, kind, `127.0.1.${i + 1}`, FLOOD_MS);
    const ok = undisturbed(seen.during);
    pass &&= ok;
    const sent = `${seen.opened} connections, ${Math.round(seen.writtenBytes / 2 ** 20)} MB`;
    say(`flood of ${name}: ${sent}; ${shown(seen.during)}${ok ? "" : " FAULT"}`);
    const { p50, p99 } = seen.during.messages;
    figures[`flood of ${name}: p50, p99 of others (ms)`] = `${p50}, ${p99}`;
  }
  return { pass, figures };
}

async function beside(options: ProofOptions): Promise<readonly Part[]> {
  return await withServer([...CROWD_SETTINGS, ...PULSE_SETTINGS], async (server) => {
    const pulse = await Pulse.start(server.url, server.wsUrl);
    pulse.cut();
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    const quiet = pulse.cut();
    options.say(`quiet: ${shown(quiet)}`);
    const parts = [
      await crowds(server, pulse, judge(quiet), options),
      await floods(server, pulse, judge(quiet), options),
    ];
    await pulse.stop();
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
  claim: "a stalled reader costs its bound; 1,000 bad connections and floods disturb nobody",
  seconds: 150,
  async run(options): Promise<Verdict> {
    const parts = [await stalled(options), ...await beside(options)];
    return {
      pass: parts.every((part) => part.pass),
      figures: Object.assign({}, ...parts.map((part) => part.figures)),
    };
  },
};
