/** `roost shards`: what a running server is divided into, and dividing it anew under traffic. */
import type { Command } from "commander";
import { z } from "zod";
import { type AdminCall, AdminError, MISSING, noteMissing } from "./client.ts";
import { addConfigOptions } from "./config.ts";
import { type CliHost, UsageError } from "./host.ts";
import { type ConfigOptions, withServer } from "./inspect.ts";
import { listed } from "./table.ts";
import { POINT_SPACE } from "../../shard/name/ids.ts";
import { SHARDS_MAX } from "../../shard/table/table.ts";

const SHARD = z.object({
  id: z.number(),
  lo: z.number(),
  hi: z.number(),
  ready: z.boolean(),
  accounts: z.number(),
  presences: z.number(),
  logRows: z.number(),
  inherits: z.number(),
  perSecond: z.number(),
  node: z.string().nullable(),
  known: z.boolean(),
});
const SHARDS = z.object({ shards: z.array(SHARD), missing: MISSING });
const STEP = z.object({ lo: z.number(), hi: z.number(), at: z.array(z.number()) });
const PLAN = z.object({ steps: z.array(STEP) });
const RELOADED = z.object({ pauseMs: z.number(), epoch: z.number() });
const DONE = z.object({ pauseMs: z.number(), shards: z.array(z.number()) });
/**
 * How often a step that found no rest is tried again, and after what pause (ms): a fixed one, for
 * one operator repeats one step, and what it waits for is over within a commit or two.
 */
const TRIES = 20;
const PAUSE_MS = 300;

const HEAD = ["shard", "part", "state", "accounts", "presences", "log rows", "inputs/s", "node"];

type Step = z.output<typeof STEP>;

function figuresOf(s: z.output<typeof SHARD>): readonly string[] {
  const logs = s.inherits > 0 ? ` +${s.inherits} logs` : "";
  const { accounts, presences, logRows, perSecond } = s;
  return [String(accounts), String(presences), `${logRows}${logs}`, perSecond.toFixed(0)];
}

function rowOf(s: z.output<typeof SHARD>): readonly string[] {
  return [
    String(s.id),
    `${(s.lo / POINT_SPACE * 100).toFixed(2)}-${(s.hi / POINT_SPACE * 100).toFixed(2)} %`,
    s.known ? s.ready ? "serves" : "starting" : "unknown",
    ...s.known ? figuresOf(s) : ["-", "-", "-", "-"],
    s.node ?? "none",
  ];
}

/** Makes one step, again where the shards did not become quiescent at once. */
async function makeStep(host: CliHost, call: AdminCall, step: Step) {
  const path = "/admin/shards/step";
  return await retried(host, () => call({ method: "POST", path, body: step }, DONE));
}

async function retried<T>(host: CliHost, run: () => Promise<T>): Promise<T> {
  for (let i = 1;; i++) {
    try {
      return await run();
    } catch (error) {
      const later = error instanceof AdminError && ["busy", "unavailable"].includes(error.code);
      if (!later || i === TRIES) throw error;
      await host.pause(PAUSE_MS);
    }
  }
}

/** Reloads a shard, again where it is being changed. */
async function reload(host: CliHost, call: AdminCall, id: number) {
  const path = "/admin/shards/reload";
  return await retried(host, () => call({ method: "POST", path, body: { id } }, RELOADED));
}

function pausesLine(pauses: readonly number[]): string {
  const sorted = [...pauses].sort((a, b) => a - b);
  const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1]!;
  return `held up: p99 ${p99.toFixed(1)} ms, longest ${sorted.at(-1)!.toFixed(1)} ms`;
}

async function setNumber(host: CliHost, call: AdminCall, count: number): Promise<void> {
  const path = "/admin/shards/plan";
  const { steps } = await call({ method: "POST", path, body: { count } }, PLAN);
  if (steps.length === 0) return host.out(`There are ${count} shards already.\n`);
  const pauses: number[] = [];
  for (const [i, step] of steps.entries()) {
    const { pauseMs, shards } = await makeStep(host, call, step);
    pauses.push(pauseMs);
    const what = step.at.length > 0 ? "cut" : "merged";
    host.err(
      `${i + 1} of ${steps.length}: ${what}, shards ${shards.join(", ")}, ` +
        `held up for ${pauseMs.toFixed(1)} ms\n`,
    );
  }
  host.out(`${count} shards; ${pausesLine(pauses)}\n`);
}

function whole(text: string, what: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new UsageError(`${what} is ${text}: it must be a whole number from ${min} to ${max}`);
}

const ID_MAX = Number.MAX_SAFE_INTEGER;

/** `roost shards` has the same options as its subcommands, and takes them wherever they stand. */
function optionsOf(command: Command): ConfigOptions {
  return command.optsWithGlobals<ConfigOptions>();
}

/** Adds `roost shards`. */
export function addShardCommands(program: Command, host: CliHost): void {
  const shards = addConfigOptions(program.command("shards"))
    .description("the shards of a running server's cell: state, size, load, node")
    .option("--json", "as one JSON array")
    .allowExcessArguments(false)
    .action((options: ConfigOptions & { readonly json?: true }) =>
      withServer(host, options, async (call) => {
        const answer = await call({ method: "GET", path: "/admin/shards" }, SHARDS);
        host.out(listed(options.json === true, answer.shards, HEAD, rowOf, "right"));
        noteMissing(host, answer.missing);
      })
    );
  const one = async (call: AdminCall, path: string, body: unknown) => {
    const made = await call({ method: "POST", path, body }, DONE);
    host.out(`shards ${made.shards.join(", ")}; held up for ${made.pauseMs.toFixed(1)} ms\n`);
  };
  addConfigOptions(shards.command("set <count>"))
    .description("divide the users evenly among so many shards, under traffic")
    .allowExcessArguments(false)
    .action((text: string, _own: ConfigOptions, command: Command) => {
      const options = optionsOf(command);
      const count = whole(text, "the number of shards", 1, SHARDS_MAX);
      return withServer(host, options, (call) => setNumber(host, call, count));
    });
  addConfigOptions(shards.command("split <shard>"))
    .description("cut a shard in two")
    .allowExcessArguments(false)
    .action((text: string, _own: ConfigOptions, command: Command) => {
      const options = optionsOf(command);
      const id = whole(text, "the shard", 0, ID_MAX);
      return withServer(host, options, (call) => one(call, "/admin/shards/split", { id }));
    });
  addConfigOptions(shards.command("reload <shards...>"))
    .description("drop what shards have in memory and read their logs, one after another")
    .action((texts: readonly string[], _own: ConfigOptions, command: Command) => {
      const options = optionsOf(command);
      const ids = texts.map((text) => whole(text, "the shard", 0, ID_MAX));
      return withServer(host, options, async (call) => {
        for (const id of ids) {
          const { pauseMs, epoch } = await reload(host, call, id);
          host.out(`shard ${id} has epoch ${epoch}; held up for ${pauseMs.toFixed(1)} ms\n`);
        }
      });
    });
  addConfigOptions(shards.command("merge <shards...>"))
    .description("make one shard of neighbours, in their order")
    .action((texts: readonly string[], _own: ConfigOptions, command: Command) => {
      const options = optionsOf(command);
      if (texts.length < 2) throw new UsageError("name two shards or more, neighbours in order");
      const ids = texts.map((text) => whole(text, "the shard", 0, ID_MAX));
      return withServer(host, options, (call) => one(call, "/admin/shards/merge", { ids }));
    });
}
