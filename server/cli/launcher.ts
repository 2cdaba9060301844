/** What the command line needs of the place that wires a node (`server/start.ts`). */
import type { Hono } from "hono";
import type { Config, ConfigInput } from "../config/config.ts";
import type { ShownSetting } from "../config/show.ts";

/** Name of the hidden command that a worker is started with. */
export const WORKER_COMMAND = "worker";

/** A start that was ended before it served anybody: it has nothing to finish. */
export class StartEnded extends Error {
  constructor() {
    super("the start was ended by a signal");
  }
}

/** A configuration that a running server is to go on with, or why there is none. */
export type Reload =
  | {
    readonly kind: "config";
    readonly config: Config;
    readonly settings: readonly ShownSetting[];
    readonly input: ConfigInput;
  }
  | { readonly kind: "faults"; readonly faults: readonly string[] };

/** What has become of it. */
export interface ReloadReport {
  /** Settings that are in use now. */
  readonly changed: readonly string[];
  /** Settings that would be at the next start. */
  readonly restart: readonly string[];
  /** Why something of it cannot be used: what was in use before still is. */
  readonly faults: readonly string[];
}

/** A node that serves clients. */
export interface RunningRoost {
  /** The address to open: `publicUrl`, or where it listens. */
  readonly url: string;
  /** A new single-use invite on the first start of a server that needs one, else null. */
  readonly invite: string | null;
  /** Where the admin API listens besides the socket, and the file of its token; null: nowhere. */
  readonly admin: { readonly url: string; readonly tokenFile: string } | null;
  /** Begins to drain: goaway, accepted work finished, everything closed. Idempotent. */
  stop(): void;
  /** Goes on with other settings and with the files that they name, and logs it. */
  reload(next: Reload): Promise<ReloadReport>;
  /** The exit code, once everything is closed: 0 after a drain. */
  readonly stopped: Promise<number>;
}

/** The store of a node that does not run, opened for the admin API alone. */
export interface OfflineRoost {
  readonly admin: Hono;
  /** The domain of its accounts, which counts more than the configuration's. */
  readonly domain: string;
  close(): Promise<void>;
}

/**
 * Starts and opens nodes. All reject with an error whose message says what to change. `settings`
 * is what a running server shows of its configuration; `input` is what that was read from, which
 * its workers read too. `ending` ends a start that waits until another place hands its role over:
 * it rejects with `StartEnded`; any other start goes on until it serves.
 */
export interface Launcher {
  startRoost(
    config: Config,
    settings: readonly ShownSetting[],
    input: ConfigInput,
    ending: AbortSignal,
  ): Promise<RunningRoost>;
  /** Serves as a worker of the process that has started this one; resolves with the exit code. */
  runWorker(): Promise<number>;
  /**
   * Takes the data directory's lock, so that it rejects while a node runs; and where there is no
   * directory, unless it `makes` one.
   */
  openOffline(config: Config, makes: boolean): Promise<OfflineRoost>;
}
