/**
 * Bits flipped, sectors zeroed and ends cut off in the store and its write-ahead file, as a stopped
 * server and a killed one leave them. Each copy is then opened as a start opens it, and every account
 * is looked at. What is not harmless is then repaired and looked at again.
 */
import type { Found } from "./damage/worker.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { DAMAGES } from "./damage/inflict.ts";

const CASES = 1000;
const WORKER = new URL("damage/worker.ts", import.meta.url).pathname;
/** A refusal says what to do. */
const ADVICE = /roost (check|repair|restore)|Restore it from a backup/;

const OUTCOMES = ["harmless", "account", "shard", "refused", "FAULT"] as const;

/** What became of a case. */
interface Outcome {
  readonly found: Found;
  readonly outcome: typeof OUTCOMES[number];
  readonly faults: readonly string[];
}

/** What the log says of a case. */
class CaseLog {
  readonly users = new Set<string>();
  readonly shards = new Set<number>();
  readonly bugs: string[] = [];

  constructor(lines: readonly string[]) {
    for (const line of lines) {
      if (!line.startsWith("{")) continue;
      const { event, user, shard, error } = JSON.parse(line) as Record<string, unknown>;
      if (event === "account_corrupt" || event === "row_damaged") this.users.add(String(user));
      if (event === "shard_damaged") this.shards.add(Number(shard));
      if (event === "node.bug") this.bugs.push(String(error));
    }
  }
}

function judge(found: Found, lines: readonly string[]): Outcome {
  const log = new CaseLog(lines);
  const faults = [...found.faults, ...log.bugs.map((bug) => `bug: ${bug}`)];
  if (found.refused !== null && !ADVICE.test(found.refused)) {
    faults.push(`refused without advice: ${found.refused}`);
  }
  for (const { name, shard } of found.quarantined) {
    if (!log.users.has(name) && !log.shards.has(shard)) faults.push(`${name} is not named`);
  }
  const outcome = faults.length > 0
    ? "FAULT"
    : found.refused !== null
    ? "refused"
    : found.quarantined.length === 0
    ? "harmless"
    : log.shards.size > 0
    ? "shard"
    : "account";
  return { found, outcome, faults };
}

async function worker(args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", "--unstable-kv", WORKER, ...args],
    stdout: "piped",
    stderr: "piped",
  }).output();
  const lines = (bytes: Uint8Array) => new TextDecoder().decode(bytes).split("\n").filter(Boolean);
  return { code, out: lines(stdout), log: lines(stderr) };
}

/** Runs cases from `first` on; a process that ends before it has said how one went is a fault. */
async function runCases(base: string, seed: number, first: number, count: number) {
  const { code, out, log } = await worker(["try", base, `${seed}`, `${first}`, `${count}`]);
  const outcomes: Outcome[] = [];
  let lines: string[] = [];
  for (const line of log) {
    const found = out[outcomes.length];
    if (!line.startsWith("case ") || found === undefined) lines.push(line);
    else {
      outcomes.push(judge(JSON.parse(found), lines));
      lines = [];
    }
  }
  if (code === 0 && outcomes.length === count) return { outcomes, crash: null };
  return { outcomes, crash: `case ${first + outcomes.length} ends the process: ${lines.at(-1)}` };
}

function table(outcomes: readonly Outcome[]): string[] {
  const kinds = DAMAGES.flatMap((d) => [`${d} in store`, `${d} in wal`]);
  const head = ["".padEnd(16), ...OUTCOMES.map((name) => name.padStart(9))].join("");
  const rows = kinds.map((kind) => {
    const of = outcomes.filter(({ found }) => `${found.damage} in ${found.file}` === kind);
    const counts = OUTCOMES.map((o) => of.filter(({ outcome }) => outcome === o).length);
    return [kind.padEnd(16), ...counts.map((n) => String(n).padStart(9))].join("");
  });
  return [head, ...rows];
}

/** Where the stores of a run with faults are kept. */
function keptDir({ keep, seed }: ProofOptions): string {
  return `${keep}/damage-${seed}`;
}

/**
 * The stores of a seed. They are not the same when they are made again, for ids of accounts and times
 * are not: the cases of a seed are tried on those of a run that has found faults.
 */
async function storesOf(options: ProofOptions): Promise<string> {
  const kept = keptDir(options);
  if (exists(`${kept}/expected.json`)) {
    options.say(`stores of an earlier run: ${kept}`);
    return kept;
  }
  Deno.mkdirSync(options.keep, { recursive: true });
  const dir = Deno.makeTempDirSync({ dir: options.keep, prefix: "damage-" });
  const made = await worker(["make", dir, `${options.seed}`]);
  if (made.code !== 0) throw new Error(`no store was made: ${made.log.join("\n")}`);
  return dir;
}

/** Keeps the stores where a fault was found, with advice how to try a case on them. */
function leave(options: ProofOptions, dir: string, faulty: boolean): void {
  const kept = keptDir(options);
  if (!faulty) {
    // Of all cases only: a single one leaves the stores for the others.
    if (dir !== kept || options.only === null) removeDir(dir);
    return;
  }
  if (dir !== kept) {
    removeDir(kept);
    Deno.renameSync(dir, kept);
  }
  options.say(`to try one again: deno task prove damage --seed ${options.seed} --case N`);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function removeDir(dir: string): void {
  if (exists(dir)) Deno.removeSync(dir, { recursive: true });
}

/** Says what was done in a case, and what is wrong with it. */
function show({ say }: ProofOptions, { found, faults }: Outcome): void {
  const { number, damage, file, at, base, said } = found;
  for (const fault of faults) say(`case ${number}: ${fault}`);
  say(`case ${number}: ${damage} at ${at} of the ${file}, ${base}; repaired:`);
  for (const line of said) say(`  ${line}`);
}

async function run(options: ProofOptions): Promise<Verdict> {
  const { only, say, seed } = options;
  const first = only ?? 0;
  const count = only === null ? options.count ?? Math.ceil(CASES * options.scale) : 1;
  const dir = await storesOf(options);
  const outcomes: Outcome[] = [];
  const crashes: string[] = [];
  for (let done = 0; done < count;) {
    const ran = await runCases(dir, seed, first + done, Math.min(50, count - done));
    outcomes.push(...ran.outcomes);
    done += ran.outcomes.length;
    if (ran.crash !== null) {
      crashes.push(ran.crash);
      done++;
    }
    say(`${done} of ${count}`);
  }
  for (const line of table(outcomes)) say(line);
  const wrong = outcomes.filter(({ faults }) => faults.length > 0);
  for (const outcome of only === null ? wrong : outcomes) show(options, outcome);
  for (const crash of crashes) say(crash);
  leave(options, dir, wrong.length + crashes.length > 0);
  const figures: Record<string, number> = { cases: count };
  for (const repair of ["whole", "given up", "impossible"] as const) {
    figures[`repaired: ${repair}`] = outcomes.filter(({ found }) => found.repair === repair).length;
  }
  for (const o of OUTCOMES) figures[o] = outcomes.filter(({ outcome }) => outcome === o).length;
  return { pass: figures["FAULT"] === 0 && crashes.length === 0, figures };
}

/** Damage of the store's files is never served. */
export const damageProof: Proof = {
  name: "damage",
  claim: "damage to the store's files is harmless, quarantined and named, or refused with advice",
  seconds: 400,
  run,
};
