/**
 * What others notice of 400 sign-ins by password at a time from 100 addresses: users at addresses
 * that their accounts know, users elsewhere, and those who register.
 */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { accountsAt, type Noticed, passwordFlood, TRIED } from "../process/password_flood.ts";
import type { FloodOrder } from "../process/password_flood_worker.ts";
import { Figures } from "./figures.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

/** Connections of the flood, and their addresses. */
const ATTEMPTS = 400;
const ADDRESSES = 100;
/** How often each sends (ms): an address may sign in 20 times a second. */
const PERIOD_MS = 200;
const STRETCH_MS = 15_000;
/**
 * Most that others may notice, p99 (ms), or five times what they have in quiet times where that is
 * more. A registration hashes its password twice.
 */
const P99_MS_MAX = { "known sign-in": 500, "unknown sign-in": 1000, "registration": 1500 } as const;
/**
 * On a machine with other load all is slower: they may also notice what so many hashes take there,
 * by the passwords that the server has checked meanwhile. A queue that is not fair makes them wait
 * for a hundred.
 */
const P99_HASHES_MAX = { "known sign-in": 16, "unknown sign-in": 24, "registration": 36 } as const;
/**
 * How much longer than one of this process at the same time a hash of the server may take: with two at
 * a time beside a flood, on two cores. A server that hashes less than the machine lets it is at fault,
 * and must not widen the bounds by that.
 */
const OWN_HASHES_MAX = 6;
/** Hashes at a time (`auth.passwordConcurrency`). */
const CONCURRENCY = 2;

/** Address lists of the flood, by name. */
const FROM = {
  "one network": Array.from({ length: ADDRESSES }, (_, i) => `127.0.1.${i + 1}`),
  "100 networks": Array.from({ length: ADDRESSES }, (_, i) => `127.1.${i + 1}.1`),
} as const;

/** How long a hash takes while there are always some that wait. */
function hashMsOf({ latencies, flood }: Noticed): number {
  const checked = (flood["200"] ?? 0) + (flood["401"] ?? 0);
  const hashes = TRIED.reduce((sum, what) => {
    return sum + latencies[what].count * (what === "registration" ? 2 : 1);
  }, checked);
  return CONCURRENCY * STRETCH_MS / hashes;
}

function judge(
  { quiet, during }: { readonly quiet: Noticed; readonly during: Noticed },
  name: string,
  { figures, say }: { readonly figures: Figures; readonly say: (line: string) => void },
): void {
  const hashMs = during === quiet ? 0 : hashMsOf(during);
  if (hashMs > 0) {
    const most = OWN_HASHES_MAX * during.ownHashMs;
    figures.note(`${name}: a hash outside the server takes`, during.ownHashMs, "ms");
    figures.atMost(`${name}: a hash takes at most`, hashMs, most, "ms");
  }
  for (const what of TRIED) {
    const { p50, p99, count } = during.latencies[what];
    const quietMs = 5 * quiet.latencies[what].p99;
    const most = Math.max(P99_MS_MAX[what], quietMs, P99_HASHES_MAX[what] * hashMs);
    figures.note(`${name}: ${what}, p50 of ${count}`, p50, "ms");
    figures.atMost(`${name}: ${what}, p99`, p99, most, "ms");
    figures.atMost(`${name}: ${what}, refused or late`, during.failed[what], 0, "");
  }
  figures.note(`${name}: the flood's responses`, JSON.stringify(during.flood));
  say(`${name}: p99 ${TRIED.map((w) => `of ${w} ${during.latencies[w].p99}`).join(", ")} ms`);
}

async function run(options: ProofOptions, figures: Figures): Promise<void> {
  using dir = tempDir();
  const flags = ["--registration", "open"];
  const server = await ServerProcess.start({ dataDir: dir.path, flags, patient: false });
  const { url } = server;
  const count = Math.ceil(ATTEMPTS * options.scale);
  const order = { url, count, from: FROM["one network"], periodMs: PERIOD_MS, accounts: null };
  const { say } = options;
  const watch = (change: Partial<FloodOrder>, prefix: string) =>
    passwordFlood({ ...order, ...change }, prefix, STRETCH_MS);
  try {
    const quiet = await watch({ count: 0 }, "127.10");
    const stretch = async (name: string, change: Partial<FloodOrder>, prefix: string) =>
      judge({ quiet, during: await watch(change, prefix) }, name, { figures, say });
    judge({ quiet, during: quiet }, "quiet", { figures, say });
    await stretch("one network", {}, "127.20");
    await stretch("100 networks", { from: FROM["100 networks"] }, "127.30");
    const from = Array.from({ length: ADDRESSES }, (_, i) => `127.2.${i + 1}.1`);
    await stretch("known places", { from, accounts: await accountsAt(url, from) }, "127.40");
  } finally {
    await server.stop();
  }
}

/** See the head of this file. */
export const floodProof: Proof = {
  name: "flood",
  claim:
    "400 sign-ins at a time from 100 addresses keep nobody else from signing in or registering",
  seconds: 90,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    await run(options, figures);
    return figures.verdict;
  },
};
