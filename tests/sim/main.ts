/**
 * The simulator's command line: runs seeds, prints progress, failures with their history, a
 * summary.
 */
import { runSeed, type SeedReport } from "./seed.ts";
import { runRolesSeed } from "./standby_roles_seed.ts";
import { runPlacesSeed } from "./standby_places_seed.ts";
import { runStandbySeed } from "./standby_seed.ts";

const USAGE =
  `deno task sim [--nodes N] [--cells N] [--seeds N] [--seed S] [--from A --to B] [--fail-fast] [--quiet]
  --nodes N   nodes of the cell (1 unless said); with --cells, each has 1 to N
  --cells N   cells of one name space (1 unless said)
  --standby   a store and its copy at a standby instead
  --places    the processes of a store with a standby, at three places, instead
  --roles     members that take over from each other instead
  --seeds N   seeds 1 to N (1000 unless said)
  --seed S    one seed
  --from A --to B   seeds A to B`;

interface Options {
  readonly nodes: number;
  readonly cells: number;
  /** What is simulated instead of a cell; "" for a cell. */
  readonly part: "" | "--standby" | "--roles" | "--places";
  readonly from: number;
  readonly to: number;
  readonly failFast: boolean;
  readonly quiet: boolean;
}

/** What the arguments say, or null where they say nothing sensible. */
export function parseArgs(args: readonly string[]): Options | null {
  const numbers = new Map<string, number>();
  let failFast = false;
  let quiet = false;
  let part: Options["part"] = "";
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--fail-fast") failFast = true;
    else if (arg === "--quiet") quiet = true;
    else if (["--standby", "--roles", "--places"].includes(arg)) part = arg as Options["part"];
    else {
      const value = Number(args[++i]);
      if (!/^--(nodes|cells|seeds|seed|from|to)$/.test(arg) || !Number.isSafeInteger(value)) {
        return null;
      }
      numbers.set(arg, value);
    }
  }
  const one = numbers.get("--seed");
  const from = one ?? numbers.get("--from") ?? 1;
  const to = one ?? numbers.get("--to") ?? from + (numbers.get("--seeds") ?? 1000) - 1;
  const [nodes, cells] = [numbers.get("--nodes") ?? 1, numbers.get("--cells") ?? 1];
  return { nodes, cells, part, from, to, failFast, quiet };
}

async function runOne(seed: number, { cells, nodes, part }: Options): Promise<SeedReport> {
  if (part === "--places") return await runPlacesSeed(seed);
  if (part === "--standby") return runStandbySeed(seed);
  if (part === "--roles") return runRolesSeed(seed);
  return runSeed(seed, { ...nodes > 1 ? { nodes } : {}, ...cells > 1 ? { cells } : {} });
}

function show(report: SeedReport, { nodes, cells, part }: Options): string {
  const { check, message, history } = report.failure!;
  return `\n${history}\n\nseed ${report.seed} fails: ${check}\n${message}\n\n` +
    `replay: deno task sim${nodes > 1 ? ` --nodes ${nodes}` : ""}${
      cells > 1 ? ` --cells ${cells}` : ""
    }${part === "" ? "" : ` ${part}`} --seed ${report.seed}\n`;
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

/** Runs what the arguments ask for; returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const options = parseArgs(args);
  if (options === null) {
    print(`${USAGE}\n`);
    return 2;
  }
  const { from, to } = options;
  const began = performance.now();
  const failed: SeedReport[] = [];
  let turns = 0;
  let virtualMs = 0;
  let checked = 0;
  let shown = began;
  let ran = 0;
  for (let seed = from; seed <= to; seed++) {
    const report = await runOne(seed, options);
    ran++;
    turns += report.turns;
    virtualMs += report.virtualMs;
    checked += report.checked;
    if (report.failure !== null) {
      failed.push(report);
      print(
        failed.length <= 3
          ? show(report, options)
          : `seed ${seed} fails: ${report.failure.check}\n`,
      );
      if (options.failFast) break;
    } else if (from === to) print(`seed ${seed} passes; history ${report.hash}\n`);
    if (!options.quiet && performance.now() - shown > 5000) {
      shown = performance.now();
      const rate = ran / (shown - began) * 1000;
      print(
        `${ran} of ${to - from + 1} seeds, ${rate.toFixed(1)}/s, ` +
          `${failed.length} failed\n`,
      );
    }
  }
  const seconds = (performance.now() - began) / 1000;
  print(
    `${ran} seeds in ${seconds.toFixed(1)} s (${(ran / seconds).toFixed(1)}/s): ` +
      `${(virtualMs / 3_600_000).toFixed(1)} virtual hours, ${turns} turns, ${checked} checks, ` +
      `${failed.length} failed${
        failed.length > 0 ? `: ${failed.map((f) => f.seed).join(" ")}` : ""
      }\n`,
  );
  return failed.length > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
