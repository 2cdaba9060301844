/** `roost profile …` and `roost log level`: they need a server that runs. */
import { join } from "node:path";
import { type Command, Option } from "commander";
import { z } from "zod";
import { type AdminCall, adminCall, MISSING, noteMissing } from "./client.ts";
import { addConfigOptions, loadConfig } from "./config.ts";
import { type CliHost, sized, UsageError } from "./host.ts";
import { CPU_SECONDS_MAX } from "../ops/inspect_api.ts";
import type { ClaimedFile } from "../system/text_file.ts";
import { NoServerError } from "../ops/socket.ts";

/** What `addConfigOptions` adds. */
export type ConfigOptions = Parameters<typeof loadConfig>[1];

interface ProcessOptions {
  /** Number of a process of a server of several. */
  readonly worker?: number;
}

interface CpuOptions extends ConfigOptions, ProcessOptions {
  readonly seconds: number;
  readonly out: string;
}

interface HeapOptions extends ConfigOptions, ProcessOptions {
  readonly out: string;
  readonly force?: true;
}

const LEVELS = ["debug", "info", "warn", "error"] as const;
const NOTHING = z.unknown();
const SNAPSHOT = z.object({ file: z.string(), bytes: z.number(), tookMs: z.number() });
const LEVEL = z.object({
  level: z.string(),
  nodes: z.array(z.object({ node: z.string(), level: z.string() })),
  missing: MISSING,
});

/**
 * Runs `task` on the server that uses the data directory; rejects where none does. `worker`: the
 * process of a server of several, else the first one that serves.
 */
export async function withServer(
  host: CliHost,
  options: ConfigOptions & { readonly worker?: number },
  task: (call: AdminCall) => Promise<void>,
): Promise<void> {
  const { config } = await loadConfig(host, options);
  const { worker } = options;
  const socket = worker === undefined ? "admin.sock" : `w${worker}.sock`;
  try {
    await task(adminCall(host.adminSocket(join(config.dataDir, socket))));
  } catch (error) {
    if (!(error instanceof NoServerError)) throw error;
    const what = worker === undefined ? "server" : `worker ${worker}`;
    throw new Error(`No ${what} runs on --data ${config.dataDir}: this is about one that does`);
  }
}

/** The same with the file `out`, which is not made where it fails. */
async function intoFile(
  host: CliHost,
  options: ConfigOptions & ProcessOptions & { readonly out: string },
  task: (call: AdminCall, file: ClaimedFile) => Promise<void>,
): Promise<void> {
  await withServer(host, options, async (call) => {
    const file = await host.claimFile(options.out);
    try {
      await task(call, file);
    } catch (error) {
      await file.release();
      throw error;
    }
  });
}

function workerNumber(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new UsageError(`--worker is ${text}: it must be the number of a worker, from 1 on`);
}

function workerOption(): Option {
  return new Option("--worker <n>", "which process, where the server has several workers")
    .argParser(workerNumber);
}

function seconds(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= CPU_SECONDS_MAX) return value;
  throw new UsageError(`--seconds is ${text}: it must be from 1 to ${CPU_SECONDS_MAX}`);
}

async function profileCpu(host: CliHost, options: CpuOptions): Promise<void> {
  await intoFile(host, options, async (call, file) => {
    await call({ method: "POST", path: "/admin/profile/cpu/start" }, NOTHING);
    host.err(`Profiling for ${options.seconds} s.\n`);
    await host.pause(options.seconds * 1000);
    const profile = await call({ method: "POST", path: "/admin/profile/cpu/stop" }, NOTHING);
    await file.write(JSON.stringify(profile));
    host.out(`${options.out}\n`);
  });
}

async function profileHeap(host: CliHost, options: HeapOptions): Promise<void> {
  await intoFile(host, options, async (call, file) => {
    const request = { force: options.force === true };
    const path = "/admin/profile/heap";
    const made = await call({ method: "POST", path, body: request }, SNAPSHOT);
    // The server wrote it: it may be larger than what an answer should hold.
    await file.take(made.file);
    host.out(`${options.out}\n`);
    host.err(
      `${sized(made.bytes)}; the server stood still for ${made.tookMs} ms. It holds messages.\n`,
    );
  });
}

/** Adds `roost profile` and `roost log`. */
export function addInspectCommands(program: Command, host: CliHost): void {
  const profile = program.command("profile").description("look into a running server");
  addConfigOptions(profile.command("cpu"))
    .description("where its time goes, as a .cpuprofile for a browser's developer tools")
    .addOption(
      new Option("--seconds <n>", `for how long, 1 to ${CPU_SECONDS_MAX}`)
        .argParser(seconds).default(10),
    )
    .requiredOption("--out <file>", "the new file")
    .addOption(workerOption())
    .allowExcessArguments(false)
    .action((options: CpuOptions) => profileCpu(host, options));
  addConfigOptions(profile.command("heap"))
    .description("what holds its memory, as a .heapsnapshot; the server stands still meanwhile")
    .requiredOption("--out <file>", "the new file")
    .addOption(workerOption())
    .option("--force", "even while it is under load")
    .allowExcessArguments(false)
    .action((options: HeapOptions) => profileHeap(host, options));
  const log = program.command("log").description("the log of a running server's cell");
  addConfigOptions(log.command("level [level]"))
    .description(
      `show the level, or set it at all nodes until the next start: ${LEVELS.join(", ")}`,
    )
    .allowExcessArguments(false)
    .action((level: string | undefined, options: ConfigOptions) => {
      if (level !== undefined && !(LEVELS as readonly string[]).includes(level)) {
        throw new UsageError(`the level is ${level}: it must be one of ${LEVELS.join(", ")}`);
      }
      return withServer(host, options, async (call) => {
        const path = "/admin/log";
        const answer = level === undefined
          ? await call({ method: "GET", path }, LEVEL)
          : await call({ method: "PUT", path, body: { level } }, LEVEL);
        const { nodes, missing } = answer;
        // Once where all of them have the same.
        const same = nodes.every(({ level }) => level === answer.level);
        host.out(same ? `${answer.level}\n` : nodes.map((n) => `${n.node} ${n.level}\n`).join(""));
        noteMissing(host, missing);
      });
    });
}
