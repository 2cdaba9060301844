/** A machine in memory for the command line. */
import assert from "node:assert/strict";
import { createAdminApp } from "../../server/ops/api.ts";
import { runCli } from "../../server/cli/cli.ts";
import { addLoadCommand } from "../../server/load/command.ts";
import type { CliHost } from "../../server/cli/host.ts";
import { appTransport } from "../../server/cli/client.ts";
import type { Reload, RunningRoost } from "../../server/cli/launcher.ts";
import { NoServerError } from "../../server/ops/socket.ts";
import type { Config } from "../../server/config/config.ts";
import { fakeAccounts } from "./admin_fake.ts";

const NO_FILES: Pick<CliHost, "claimFile" | "createFile" | "readLines"> = {
  claimFile: (path) => Promise.reject(new Error(`no file ${path}`)),
  createFile: (path) => Promise.reject(new Error(`no file ${path}`)),
  readLines: (path) => {
    throw new Error(`no file ${path}`);
  },
};

/** A machine with files, typed lines, and perhaps a running server. */
export class FakeMachine {
  readonly fake = fakeAccounts();
  readonly files = new Map<string, string>();
  readonly env: Record<string, string> = {};
  stdin = "";
  /** What is typed at hidden prompts; null where there is no terminal. */
  typed: string[] | null = null;
  online = false;
  invite: string | null = null;
  /** What is typed where it is shown; null: standard input is no terminal. */
  answers: string[] | null = null;
  admin: RunningRoost["admin"] = null;
  out = "";
  err = "";
  started: Config | null = null;
  offline: "unused" | "open" | "closed" = "unused";
  /** Whether it was opened so that the data directory may be made. */
  made = false;
  /** The domain that the data directory has already. */
  ownDomain: string | null = null;
  /** What is wrong with the files of the configuration. */
  fileFaults: string[] = [];
  sockets: string[] = [];
  stops = 0;
  signal: (name: string) => void = () => assert.fail("nobody listens for signals");
  hangUp: () => void = () => assert.fail("nobody listens for SIGHUP");
  /** Files have changed, of those that are `watched`. */
  changed: () => void = () => assert.fail("nobody watches files");
  watched: readonly string[] = [];
  /** What the server was to go on with, and when each of these has come to an end. */
  readonly reloads: Reload[] = [];
  reloaded: Promise<void> = Promise.resolve();
  finish: (code: number) => void = () => assert.fail("not started");
  /** What was recorded for the log of the next server. */
  readonly recorded: string[] = [];
  /** What the service manager was notified of. */
  readonly notified: string[] = [];
  /** Called when the node has started. */
  onStart: () => void = () => {};

  host(): CliHost {
    const app = createAdminApp(this.fake.deps);
    return {
      env: this.env,
      cwd: "/cwd",
      user: "root",
      recordAction: (dataDir, action) => {
        this.recorded.push(`${dataDir}: ${action}`);
        return Promise.resolve();
      },
      filesMax: 20_000,
      out: (text) => {
        this.out += text;
        if (this.started !== null) queueMicrotask(() => this.onStart());
      },
      err: (text) => void (this.err += text),
      askHidden: () => Promise.resolve(this.typed?.shift() ?? null),
      ask: (prompt) => {
        this.err += prompt;
        return Promise.resolve(this.answers?.shift() ?? null);
      },
      readAll: () => Promise.resolve(this.stdin),
      fileFaults: () => Promise.resolve(this.fileFaults),
      readTextFile: (path) => Promise.resolve(this.files.get(path) ?? null),
      adminSocket: (path) => {
        this.sockets.push(path);
        if (this.online) return appTransport(app);
        return () => Promise.reject(new NoServerError("nobody"));
      },
      launcher: () =>
        Promise.resolve({
          startRoost: (config) => Promise.resolve(this.#start(config)),
          runWorker: () => Promise.reject(new Error("nobody has started this one")),
          openOffline: (config, makes) => {
            this.offline = "open";
            this.made = makes;
            const close = () => Promise.resolve(void (this.offline = "closed"));
            const domain = this.ownDomain ?? config.server.domain;
            return Promise.resolve({ admin: app, domain, close });
          },
        }),
      ...NO_FILES,
      pause: () => Promise.resolve(),
      adminToken: (dataDir, renew) => Promise.resolve(`${renew ? "new" : "kept"} of ${dataDir}`),
      secret: () => "a new secret",
      backups: () => Promise.reject(new Error("no backups here")),
      openShared: () => Promise.reject(new Error("no stores here")),
      repairs: () => Promise.reject(new Error("no stores here")),
      storeCopies: () => Promise.reject(new Error("no stores here")),
      serviceManager: this.#serviceManager(),
      onReload: this.#onReload,
      watchFiles: this.#watchFiles,
      onSignal: (run) => {
        this.signal = run;
        return () => this.signal = () => assert.fail("nobody listens for signals any more");
      },
    };
  }

  run(...args: string[]): Promise<number> {
    return runCli(args, this.host(), [addLoadCommand]);
  }

  readonly #onReload: CliHost["onReload"] = (run) => {
    this.hangUp = run;
    return () => this.hangUp = () => assert.fail("nobody listens for SIGHUP any more");
  };

  readonly #watchFiles: CliHost["watchFiles"] = (changed) => {
    this.changed = changed;
    return {
      watch: (paths) => Promise.resolve(void (this.watched = paths)),
      stop: () => void (this.watched = []),
    };
  };

  #serviceManager(): CliHost["serviceManager"] {
    return {
      notify: (...assignments) => void this.notified.push(...assignments),
      reloading: () => void this.notified.push("RELOADING=1"),
      feedWatchdog: () => {
        this.notified.push("WATCHDOG=1");
        return () => void this.notified.push("fed no more");
      },
    };
  }

  #start(config: Config): RunningRoost {
    this.started = config;
    const stopped = new Promise<number>((resolve) => this.finish = resolve);
    const { invite, admin } = this;
    const stop = () => void this.stops++;
    const reload = async (next: Reload) => {
      this.reloads.push(next);
      await this.reloaded;
      return { changed: [], restart: [], faults: [] };
    };
    return { url: "http://h:1", invite, admin, stop, reload, stopped };
  }
}
