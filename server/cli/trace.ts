/** `roost trace`: the latest messages, and the way of one of them through the nodes of the cell. */
import type { Command } from "commander";
import { z } from "zod";
import { type AdminCall, MISSING, noteMissing } from "./client.ts";
import { addConfigOptions } from "./config.ts";
import { type CliHost, UsageError } from "./host.ts";
import { type ConfigOptions, withServer } from "./inspect.ts";
import { listed } from "./table.ts";

const MESSAGE = z.object({
  trace: z.string(),
  from: z.string(),
  to: z.string(),
  id: z.string(),
  at: z.number(),
  steps: z.number(),
});
const MESSAGES = z.object({ messages: z.array(MESSAGE), missing: MISSING });
const STEP = z.object({
  node: z.string(),
  step: z.string(),
  at: z.number(),
  from: z.string(),
  to: z.string(),
  other: z.string().nullable(),
  n: z.number().optional(),
  seq: z.number().optional(),
  sessions: z.number().optional(),
  code: z.string().optional(),
});
const STEPS = z.object({ trace: z.string(), steps: z.array(STEP), missing: MISSING });

const HELP = `
Each node remembers its latest steps (log.traceStepsMax), without texts. Without ID the latest
messages are listed. Lines of the log at debug, and spans that OpenTelemetry gets, have the same id.
Steps: received (from a client), routed (to the node of the sender's shard), taken, accepted
(committed) or refused, replied, forwarded (to the recipient's shard), arrived, settled (committed or
refused there), delivered (to a node with sessions), pushed. A step comes after the one that has
caused it; times are those of each node's own clock. A message to another cell is followed there:
nodes of other cells are named as CELL/NODE.`;

interface TraceOptions extends ConfigOptions {
  readonly user?: string;
  readonly limit: number;
  readonly json?: true;
}

function limitOf(text: string): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= 200) return limit;
  throw new UsageError(`--limit is ${text}: it must be a whole number from 1 to 200`);
}

function detailOf({ step, other, n, seq, sessions, code }: z.output<typeof STEP>): string {
  const way = step === "taken" || step === "arrived" || step === "pushed" ? "from" : "to";
  return [
    other === null ? "" : `${way} ${other}`,
    n === undefined ? "" : `number ${n}`,
    seq === undefined ? "" : `seq ${seq}`,
    sessions === undefined ? "" : `sessions ${sessions}`,
    code ?? "",
  ].filter((text) => text !== "").join(", ");
}

function time(at: number): string {
  return new Date(at).toISOString();
}

async function show(host: CliHost, call: AdminCall, trace: string, json: boolean): Promise<void> {
  const path = `/admin/traces/${encodeURIComponent(trace)}`;
  const { steps, missing } = await call({ method: "GET", path }, STEPS);
  const [first] = steps;
  if (first === undefined) {
    noteMissing(host, missing);
    throw new Error(`No node remembers a step of ${trace}`);
  }
  if (!json) host.out(`${trace}: a message from ${first.from} to ${first.to}\n`);
  host.out(listed(json, steps, ["time at the node", "node", "step", ""], (step) => {
    return [time(step.at), step.node, step.step, detailOf(step)];
  }));
  noteMissing(host, missing);
}

async function list(host: CliHost, call: AdminCall, options: TraceOptions): Promise<void> {
  const query = new URLSearchParams({ limit: String(options.limit), user: options.user ?? "" });
  const path = `/admin/traces?${query}`;
  const { messages, missing } = await call({ method: "GET", path }, MESSAGES);
  const head = ["trace", "time", "from", "to", "key", "steps"];
  host.out(listed(options.json === true, messages, head, ({ trace, at, from, to, id, steps }) => {
    return [trace, time(at), from, to, id, String(steps)];
  }));
  noteMissing(host, missing);
}

/** Adds `roost trace`. */
export function addTraceCommand(program: Command, host: CliHost): void {
  addConfigOptions(program.command("trace [id]"))
    .description("the way of a message through the nodes of a running server's cell")
    .option("--user <name>", "without ID: only messages of or to this account")
    .option("--limit <n>", "without ID: how many messages, 1 to 200", limitOf, 20)
    .option("--json", "as one JSON array")
    .addHelpText("after", HELP)
    .allowExcessArguments(false)
    .action((id: string | undefined, options: TraceOptions) =>
      withServer(host, options, async (call) => {
        if (id === undefined) await list(host, call, options);
        else await show(host, call, id.toLowerCase(), options.json === true);
      })
    );
}
