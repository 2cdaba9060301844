/**
 * What several workers gain and cost beside one plain process in the same run, and what PostgreSQL
 * costs beside the embedded store. The load tool shares the machine's cores with the server, so the
 * rates at full load say little on few cores: what counts is the CPU of a unit, which is that of all
 * processes of the server together.
 */
import type { Bench, BenchOptions, Figure } from "./bench.ts";
import { runLoad, startPinned, windowOf } from "../process/pinned.ts";
import type { Window } from "../../server/load/result.ts";
import { startCluster } from "../postgres/cluster.ts";
import { type ServerProcess, tempDir } from "../process/server.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
const WORKERS = 2;
const USERS = 1000;
/** Seconds of a run, and of one of a short bench. */
const SECONDS = 10;
const SHORT_SECONDS = 3;
/** Sign-ins of all users before those that are measured; as many for each process. */
const WARM_LOGINS = 4;
/**
 * Hops of a message between two nodes, on average: from the edge to the sender's shard, from there to
 * the recipient's, and to the recipient's edge, each of them at the other node half of the time.
 */
const HOPS = 1.5;

/** What is measured: at a rate that leaves CPU free, and at one that does not. */
interface Kind {
  readonly scenario: string;
  readonly unit: string;
  readonly calm: number;
  readonly full: number;
  count(window: Window): number;
}

const KINDS: readonly Kind[] = [
  {
    scenario: "presence",
    unit: "delivery",
    calm: 1200,
    full: 6400,
    count: ({ presence }) => presence,
  },
  { scenario: "login", unit: "sign-in", calm: 300, full: 4000, count: ({ signIns }) => signIns },
  { scenario: "chat", unit: "message", calm: 3000, full: 16_000, count: (w) => w.messages },
];

/** A server that is late refuses no work: what is measured is how much it gets done. */
const PATIENT = ["signInLagMs", "connectionLagMs", "writeLagMs"]
  .flatMap((name) => ["--set", `admission.${name}=60000`]);

/** One run: units a second, CPU of one at the server and at the load tool (µs). */
interface Run {
  readonly perSecond: number;
  readonly cpuUs: number;
  readonly toolUs: number;
}

/** A server on any core, for one side of a comparison. */
async function withServer<T>(
  dataDir: string,
  extra: readonly string[],
  use: (server: ServerProcess) => Promise<T>,
): Promise<T> {
  const server = await startPinned(dataDir, [...PATIENT, ...extra], ROOT, null);
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

async function load(
  server: ServerProcess,
  { scenario, count }: Kind,
  rate: number,
  { short }: BenchOptions,
): Promise<Run> {
  const seconds = short ? SHORT_SECONDS : SECONDS;
  const timed = scenario === "login" ? [] : ["--seconds", String(seconds)];
  const args = [scenario, "--users", String(USERS), "--rate", String(rate), ...timed];
  const window = windowOf(await runLoad(server, args));
  const units = count(window);
  return {
    perSecond: units / window.seconds,
    cpuUs: window.serverCpuUs / units,
    toolUs: window.toolCpuUs / units,
  };
}

/**
 * At the calm rate. Runs before it make the code warm: each process compiles its own, by what it has
 * done itself, so that several ones get as much work before, each of them.
 */
async function calmLoad(
  server: ServerProcess,
  kind: Kind,
  options: BenchOptions,
  processes = 1,
): Promise<Run> {
  for (let i = 0; i < processes * (kind.scenario === "login" ? WARM_LOGINS : 1); i++) {
    await load(server, kind, kind.calm, options);
  }
  return await load(server, kind, kind.calm, options);
}

/** A plain process, one with `--workers 1`, and several workers, one after the other. */
async function compare(
  dataDir: string,
  kind: Kind,
  options: BenchOptions,
  say: (line: string) => void,
): Promise<Figure[]> {
  const sides = [
    ["one process", 1, []],
    ["--workers 1", 1, ["--workers", "1"]],
    [`${WORKERS} workers`, WORKERS, ["--workers", String(WORKERS)]],
  ] as const;
  const runs: { readonly calm: Run; readonly full: Run }[] = [];
  const figures: Figure[] = [];
  const { scenario, unit } = kind;
  for (const [name, processes, extra] of sides) {
    const { calm, full } = await withServer(dataDir, extra, async (server) => ({
      calm: await calmLoad(server, kind, options, processes),
      full: await load(server, kind, kind.full, options),
    }));
    say(`${scenario}, ${name}: ${Math.round(full.perSecond)}/s, ${calm.cpuUs.toFixed(1)} µs`);
    runs.push({ calm, full });
    figures.push(
      [`${scenario}, ${name}: at full load`, full.perSecond, "/s"],
      [`${scenario}, ${name}: CPU`, calm.cpuUs, `µs/${unit}`],
    );
  }
  const [plain, one, several] = runs as [typeof runs[0], typeof runs[0], typeof runs[0]];
  figures.push(
    [`${scenario}: CPU of the load tool`, plain.calm.toolUs, `µs/${unit}`],
    [`${scenario}: --workers 1 costs, to one process`, one.calm.cpuUs / plain.calm.cpuUs, "times"],
    [
      `${scenario}: ${WORKERS} workers at full load, to one process`,
      ratio(several, plain),
      "times",
    ],
    [
      `${scenario}: ${WORKERS} workers on as many whole cores, by CPU`,
      WORKERS * plain.calm.cpuUs / several.calm.cpuUs,
      "times",
    ],
    [`${scenario}: CPU of the hops`, several.calm.cpuUs - plain.calm.cpuUs, `µs/${unit}`],
  );
  if (scenario === "chat") {
    const each = (several.calm.cpuUs - plain.calm.cpuUs) / HOPS;
    figures.push([`chat: CPU of one hop, the store's socket included`, each, "µs"]);
  }
  return figures;
}

function ratio(several: { readonly full: Run }, plain: { readonly full: Run }): number {
  return several.full.perSecond / plain.full.perSecond;
}

/** CPU that the processes of a PostgreSQL server have used so far (µs); their directory names them. */
function postgresCpuUs(dir: string): number {
  let ticks = 0;
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^[0-9]+$/.test(name)) continue;
    try {
      if (!Deno.readLinkSync(`/proc/${name}/cwd`).startsWith(dir)) continue;
      const fields = Deno.readTextFileSync(`/proc/${name}/stat`).split(") ")[1]!.split(" ");
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It has ended.
    }
  }
  return ticks * 10_000;
}

/** Messages over PostgreSQL, beside the embedded store. */
async function postgres(options: BenchOptions): Promise<Figure[]> {
  const chat = KINDS.find(({ scenario }) => scenario === "chat")!;
  using own = tempDir();
  using node = tempDir();
  await provision(own.path);
  const cluster = startCluster();
  try {
    const store = ["--store", await cluster.database("scaling")];
    await provision(node.path, store);
    const seconds = options.short ? SHORT_SECONDS : SECONDS;
    const embedded = await withServer(own.path, [], async (server) => ({
      calm: await calmLoad(server, chat, options),
      full: await load(server, chat, chat.full, options),
    }));
    const shared = await withServer(node.path, store, async (server) => {
      await load(server, chat, chat.calm, options);
      const before = postgresCpuUs(cluster.dir);
      const calm = await load(server, chat, chat.calm, options);
      const engineUs = (postgresCpuUs(cluster.dir) - before) / (calm.perSecond * seconds);
      return { calm, engineUs, full: await load(server, chat, chat.full, options) };
    });
    const { engineUs } = shared;
    return [
      ["chat over PostgreSQL: at full load", shared.full.perSecond, "/s"],
      ["chat over PostgreSQL: CPU of the node", shared.calm.cpuUs, "µs/message"],
      ["chat over PostgreSQL: CPU of PostgreSQL, all of the run", engineUs, "µs/message"],
      [
        "chat over PostgreSQL, to embedded: rate",
        shared.full.perSecond / embedded.full.perSecond,
        "times",
      ],
      [
        "chat over PostgreSQL, to embedded: CPU, the engine's included",
        (shared.calm.cpuUs + engineUs) / embedded.calm.cpuUs,
        "times",
      ],
    ];
  } finally {
    cluster.stop();
  }
}

/** Makes the users, and brings each online once. */
async function provision(dataDir: string, extra: readonly string[] = []): Promise<void> {
  const server = await startPinned(dataDir, extra, ROOT, null);
  try {
    await runLoad(server, ["idle", "--users", String(USERS), "--seconds", "1"]);
  } finally {
    await server.stop();
  }
}

/** Workers and PostgreSQL beside one plain process. */
export const scalingBench: Bench = {
  name: "scaling",
  what: "several workers, and PostgreSQL, beside one process: rates, CPU of a unit, cost of a hop",
  seconds: 480,
  async run(say, options) {
    const figures: Figure[] = [["cores of the machine", navigator.hardwareConcurrency, ""]];
    using dir = tempDir();
    await provision(dir.path);
    for (const kind of KINDS) figures.push(...await compare(dir.path, kind, options, say));
    figures.push(...await postgres(options));
    return figures;
  },
};
