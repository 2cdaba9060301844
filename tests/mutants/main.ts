/**
 * The mutation run: breaks a copy of the code in one way after another and runs seeds on it until
 * one fails. Prints what became of each; a mutant that survives fails the run.
 */
import type { Mutant } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";

const USAGE = `deno task mutants [--seeds N] [--only TEXT] [--jobs N]
  --seeds N     seeds that a mutant may survive (1000 unless said)
  --only TEXT   mutants whose name or file has this text, or one of several: a|b
  --jobs N      processes at a time (2 unless said)`;

/**
 * A mutant that prints no progress for so much CPU time (ms) hangs, and is caught too. By the clock,
 * each one would hang on a machine with much other work.
 */
const HANG_MS = 60_000;
/** How often it is looked whether one hangs (ms). */
const HANG_LOOK_MS = 5000;
/** The unit of CPU time in `/proc` (ms). */
const TICK_MS = 10;

/** The same of a file of tests (ms). */
const TEST_MS = 300_000;

const ROOT = new URL("../../", import.meta.url);
const PARTS = [
  ...["shard", "server", "tests/sim", "tests/scenario", "tests/unit", "tests/process"],
  ...["deno.json", "deno.lock", "main.ts"],
];

/** What became of a mutant. */
interface Outcome {
  readonly mutant: Mutant;
  readonly caught: boolean;
  /** The seed and invariant that caught it, or how it failed otherwise. */
  readonly by: string;
  readonly seconds: number;
}

/** Applies a mutant to a file's text; throws where it does not match exactly once. */
export function mutate(text: string, { name, file, find, replace }: Mutant): string {
  const parts = text.split(find);
  if (parts.length !== 2) {
    throw new Error(`mutant "${name}": ${file} has its text ${parts.length - 1} times, wants 1`);
  }
  return parts.join(replace);
}

async function copyTree(from: URL, to: string): Promise<void> {
  const info = await Deno.stat(from);
  if (!info.isDirectory) return await Deno.copyFile(from, to);
  await Deno.mkdir(to, { recursive: true });
  for await (const entry of Deno.readDir(from)) {
    const suffix = entry.isDirectory ? "/" : "";
    await copyTree(new URL(entry.name + suffix, from), `${to}/${entry.name}`);
  }
}

/** A copy of the code that one process after another is broken in. */
async function makeCopy(): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: "roost-mutants-" });
  for (const part of PARTS) {
    const isDirectory = !part.includes(".");
    await Deno.mkdir(`${dir}/${part.split("/").slice(0, -1).join("/")}`, { recursive: true });
    await copyTree(new URL(isDirectory ? `${part}/` : part, ROOT), `${dir}/${part}`);
  }
  return dir;
}

/** The simulator's arguments for what a mutant runs on. */
function fixtureOf({ nodes = 1, cells = 1, sim }: Mutant): readonly string[] {
  return sim ?? ["--nodes", String(nodes), "--cells", String(cells)];
}

/** The CPU time that a process has used (ms); null where the system does not say, or it has ended. */
function cpuMs(pid: number): number | null {
  try {
    const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
    // utime and stime, see proc(5).
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return null;
  }
}

async function simulate(
  dir: string,
  fixture: readonly string[],
  what: readonly string[],
): Promise<{ code: number; text: string }> {
  const flags = ["--no-check", "--unstable-kv", "--v8-flags=--always-sparkplug"];
  const args = ["run", "-A", ...flags, "tests/sim/main.ts"];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args, ...fixture, ...what],
    cwd: dir,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let usedMs = cpuMs(child.pid) ?? 0;
  const look = setInterval(() => {
    if ((cpuMs(child.pid) ?? 0) - usedMs > HANG_MS) child.kill("SIGKILL");
  }, HANG_LOOK_MS);
  const errors = new Response(child.stderr).text();
  let text = "";
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    usedMs = cpuMs(child.pid) ?? 0;
  }
  const { code } = await child.status;
  clearInterval(look);
  return { code, text: text + await errors };
}

function secondsSince(beganMs: number): number {
  return (performance.now() - beganMs) / 1000;
}

/** Whether the tests of a file pass; those that hang do not. */
async function passes(dir: string, test: string): Promise<boolean> {
  const signal = AbortSignal.timeout(TEST_MS);
  const args = ["test", "-A", "--no-check", "--quiet", test];
  const options = { args, cwd: dir, stdout: "null", stderr: "null", signal } as const;
  return (await new Deno.Command(Deno.execPath(), options).output()).success;
}

/** What passes without a mutant: each seed and each file of tests is tried once. */
class Unbroken {
  readonly #tried = new Map<string, Promise<boolean>>();

  /** `run` tries it on a copy that is not broken. */
  passes(name: string, run: () => Promise<boolean>): Promise<boolean> {
    const passes = this.#tried.get(name) ?? run();
    this.#tried.set(name, passes);
    return passes;
  }
}

async function tryMutant(
  dir: string,
  mutant: Mutant,
  seeds: number,
  unbroken: Unbroken,
): Promise<Outcome> {
  const path = `${dir}/${mutant.file}`;
  const original = await Deno.readTextFile(path);
  const began = performance.now();
  await Deno.writeTextFile(path, mutate(original, mutant));
  if (mutant.test !== undefined) {
    const { test } = mutant;
    const caught = !await passes(dir, test).finally(() => Deno.writeTextFile(path, original));
    // Tests that fail anyway have found nothing.
    const anyway = caught && !await unbroken.passes(test, () => passes(dir, test));
    const by = anyway ? `${test} fails without the mutant: correct that first` : test;
    return { mutant, caught: caught && !anyway, by, seconds: secondsSince(began) };
  }
  const fixture = fixtureOf(mutant);
  const { code, text } = await simulate(dir, fixture, ["--seeds", String(seeds), "--fail-fast"])
    .finally(() => Deno.writeTextFile(path, original));
  const seconds = secondsSince(began);
  const found = /^seed (\d+) fails: (.*)$/m.exec(text);
  if (found === null) {
    return { mutant, caught: code !== 0, by: code === 0 ? "" : "crash", seconds };
  }
  const [, seed = "", check] = found;
  // A seed that fails anyway has found nothing.
  const passesAnyway = await unbroken.passes(
    [...fixture, seed].join(" "),
    async () => (await simulate(dir, fixture, ["--seed", seed])).code === 0,
  );
  if (!passesAnyway) {
    const by = `seed ${seed} fails without the mutant: correct that first`;
    return { mutant, caught: false, by, seconds };
  }
  const detail = check === "bug" ? /^seed \d+ fails: bug\n(.*)$/m.exec(text)?.[1] ?? "bug" : check;
  return { mutant, caught: true, by: `seed ${seed}: ${detail}`, seconds };
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

function show({ mutant, caught, by, seconds }: Outcome): string {
  const head = `${caught ? "caught  " : "SURVIVED"} ${seconds.toFixed(1).padStart(5)} s`;
  return `${head}  ${mutant.name} (${mutant.file})${by === "" ? "" : `\n${" ".repeat(32)}${by}`}`;
}

function optionsOf(args: readonly string[]) {
  const options = { seeds: 1000, only: "", jobs: 2 };
  for (let i = 0; i < args.length; i += 2) {
    const value = args[i + 1];
    if (value === undefined) return null;
    if (args[i] === "--only") options.only = value;
    else if (args[i] === "--seeds") options.seeds = Number(value);
    else if (args[i] === "--jobs") options.jobs = Number(value);
    else return null;
  }
  return options;
}

/** Runs what the arguments ask for; returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const options = optionsOf(args);
  if (options === null) {
    print(USAGE);
    return 2;
  }
  const { seeds, only, jobs } = options;
  const texts = only.split("|");
  const chosen = MUTANTS.filter((m) => texts.some((t) => m.name.includes(t) || m.file.includes(t)));
  const outcomes: Outcome[] = [];
  const unbroken = new Unbroken();
  const queue = [...chosen];
  const began = performance.now();
  const work = async () => {
    const dir = await makeCopy();
    for (let m = queue.shift(); m !== undefined; m = queue.shift()) {
      const outcome = await tryMutant(dir, m, seeds, unbroken);
      outcomes.push(outcome);
      print(`${String(outcomes.length).padStart(3)} of ${chosen.length}  ${show(outcome)}`);
    }
    await Deno.remove(dir, { recursive: true });
  };
  await Promise.all(Array.from({ length: jobs }, work));
  const missed = outcomes.filter((o) => !o.caught);
  const seconds = (performance.now() - began) / 1000;
  print(
    `${outcomes.length - missed.length} of ${outcomes.length} mutants caught in ${
      seconds.toFixed(0)
    } s`,
  );
  for (const { mutant } of missed) print(`  survived: ${mutant.name} (${mutant.file})`);
  return missed.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
