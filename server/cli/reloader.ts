/** Reads the configuration of a running server again: at SIGHUP, and when its files have changed. */
import type { Cancel } from "../node/ports.ts";
import { shownSettings } from "../config/show.ts";
import type { Loaded } from "./config.ts";
import { type CliHost, UsageError, type WatchedFiles } from "./host.ts";
import type { Reload, RunningRoost } from "./launcher.ts";

/** See the head of this file. What asks for a reload before `begin` has it then. */
export class Reloader {
  readonly #host: CliHost;
  readonly #load: () => Promise<Loaded>;
  readonly #ignore: Cancel;
  #running: Pick<RunningRoost, "reload"> | null = null;
  #status = "";
  #watch: WatchedFiles | null = null;
  #busy = false;
  /** Somebody has asked for another reload meanwhile. */
  #again = false;

  /** `load` reads the configuration; it rejects with `UsageError`. */
  constructor(host: CliHost, load: () => Promise<Loaded>) {
    this.#host = host;
    this.#load = load;
    this.#ignore = host.onReload(() => this.#ask());
  }

  /** Notices changes of the files of what was loaded, for a server that starts. */
  async watch({ watched }: Loaded): Promise<void> {
    this.#watch = this.#host.watchFiles(() => this.#ask());
    await this.#watch.watch(watched);
  }

  /** The server serves. `status`: what the service manager gets after a reload. */
  begin(running: Pick<RunningRoost, "reload">, status: string): void {
    this.#running = running;
    this.#status = status;
    if (this.#again) this.#ask();
  }

  stop(): void {
    this.#running = null;
    this.#watch?.stop();
    this.#ignore();
  }

  /** One reload at a time: those that are asked for meanwhile are one more. */
  #ask(): void {
    this.#again = true;
    if (this.#busy || this.#running === null) return;
    this.#busy = true;
    this.#all().finally(() => this.#busy = false);
  }

  async #all(): Promise<void> {
    const { serviceManager } = this.#host;
    serviceManager?.reloading();
    while (this.#again && this.#running !== null) {
      this.#again = false;
      await this.#running.reload(await this.#read());
    }
    if (this.#running !== null) serviceManager?.notify("READY=1", this.#status);
  }

  async #read(): Promise<Reload> {
    try {
      const loaded = await this.#load();
      const { config, effective, input, watched } = loaded;
      // Before they are read: what changes later is noticed.
      await this.#watch?.watch(watched);
      return { kind: "config", config, settings: shownSettings(effective), input };
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return { kind: "faults", faults: error.lines };
    }
  }
}
