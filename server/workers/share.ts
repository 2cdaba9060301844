/**
 * The part of one worker in a server of several processes: what the supervisor tells it, by its
 * standard input, and what it says, by its standard output. One JSON object a line.
 */
import type { Bind } from "../config/address.ts";
import type { Config, ConfigInput } from "../config/config.ts";
import type { Reload, ReloadReport } from "../cli/launcher.ts";
import type { Promoted } from "../standby/station.ts";
import type { UnreplicatedMessage } from "../standby/unreplicated.ts";

/** What makes a process a worker. */
export interface WorkerShare {
  /** From 1 to `count`. */
  readonly number: number;
  readonly count: number;
  /** The port for clients that all workers share. */
  readonly port: number;
  /** Proves to other workers that this process is one: new with every start of the supervisor. */
  readonly secret: string;
}

/** The first line to a worker. */
export interface Assignment {
  readonly input: ConfigInput;
  /** Null where it serves a copy of another cell's store. */
  readonly share: WorkerShare | null;
  /** That copy. */
  readonly promoted?: PromotedStart;
  /** At a worker of a cell that has a standby: the epoch at which the supervisor is its primary. */
  readonly epoch?: number;
}

/**
 * For a process that serves another cell's copy. `join`: where nodes of other cells reach the process
 * that has kept it; `pages`: where clients have reached the cell, whose pages may be open still.
 */
export type PromotedStart = Promoted & { readonly join: string; readonly pages: readonly string[] };

/** A later line to a worker. */
export type SupervisorLine =
  /** Drain, then end. */
  | { readonly kind: "stop" }
  | { readonly kind: "reload"; readonly reload: ReloadInput }
  /** To one that serves a copy: the cell's own place becomes the primary. */
  | { readonly kind: "hand_back" }
  /** The reply to `lease`: for how long it may reply to requests, from when it asked (ms). */
  | { readonly kind: "lease"; readonly n: number; readonly ms: number }
  /** Another place serves the cell, by order: send the clients away, then end. */
  | { readonly kind: "lost" }
  /** A former primary has acknowledged these alone: send them again. */
  | {
    readonly kind: "resubmit";
    readonly n: number;
    readonly messages: readonly UnreplicatedMessage[];
  };

/** What a later line asks a worker to go on with. */
export type ReloadInput =
  | { readonly kind: "config"; readonly input: ConfigInput }
  | { readonly kind: "faults"; readonly faults: readonly string[] };

/** What processes with settings of their own make the same of. */
export function reloadInput(next: Reload): ReloadInput {
  return next.kind === "faults" ? next : { kind: "config", input: workerInput(next.input) };
}

/** A line of a worker. */
export type WorkerLine =
  | {
    readonly kind: "serving";
    /** As in `RunningRoost`. */
    readonly url: string;
    readonly invite: string | null;
    readonly admin: { readonly url: string; readonly tokenFile: string } | null;
  }
  /** What has become of a reload. */
  | { readonly kind: "reloaded"; readonly report: ReloadReport }
  /** Whether another place has become the primary of the copy, as it was ordered. */
  | { readonly kind: "handed"; readonly done: boolean }
  /** Asks until when it may reply to requests, where the cell has a standby. */
  | { readonly kind: "lease"; readonly n: number }
  /** All messages of `resubmit` are durable, or refused for good. */
  | { readonly kind: "resubmitted"; readonly n: number }
  /** It could not start; the message says what to change. */
  | { readonly kind: "failed"; readonly message: string };

/** The first worker does what is done once for all: it makes the first invite, and has the admin's port. */
export function isFirst(share: WorkerShare | null): boolean {
  return share === null || share.number === 1;
}

/** The configuration of one worker. */
export function workerConfig(config: Config, share: WorkerShare): Config {
  const { server, admin, cell, cells } = config;
  return {
    ...config,
    cells: {
      ...cells,
      listen: portOf(cells.listen, share),
      advertise: portOf(cells.advertise, share),
    },
    // Without the store's process they end.
    cell: { ...cell, withoutStoreMs: 0 },
    server: { ...server, bind: { ...server.bind, port: share.port } },
    admin: isFirst(share) ? admin : { ...admin, listen: null },
  };
}

/** The configuration of a process that serves a copy of another cell's store. */
export function promotedConfig(
  config: Config,
  { cell: name, join, pages }: PromotedStart,
): Config {
  const { admin, cell, cells, server, standby, storage } = config;
  return {
    ...config,
    dataDir: `${config.dataDir}/standby/${name}`,
    admin: { ...admin, listen: null },
    cell: { ...cell, workers: 1, publicUrl: null },
    cells: {
      ...cells,
      name,
      listen: standby.listen ?? { host: cells.listen!.host, port: 0 },
      advertise: null,
      join: [join],
      witness: false,
    },
    server: {
      ...server,
      bind: standby.bind ?? { host: server.bind.host, port: 0 },
      publicUrl: standby.publicUrl,
      allowedOrigins: [...server.allowedOrigins, ...pages.map((url) => new URL(url).origin)],
    },
    standby: { ...standby, at: null, voters: [] },
    // It was checked when it was read from the links; clients wait.
    storage: { ...storage, checkAtStartMb: 0 },
  };
}

/** Each worker has a port of its own for other cells. */
function portOf(bind: Bind | null, { number }: WorkerShare): Bind | null {
  return bind === null || bind.port === 0 ? bind : { ...bind, port: bind.port + number - 1 };
}

/** What the workers read the configuration from: of the environment only what is about it. */
export function workerInput(input: ConfigInput): ConfigInput {
  const env = Object.entries(input.env).filter(([name]) => name.startsWith("ROOST_"));
  return { ...input, env: Object.fromEntries(env) };
}
