/** Nodes of one cell over PostgreSQL, as processes, some of which may be down. */
import { FLAGS } from "./crash.ts";
import type { Live } from "./cell_load.ts";
import { ServerProcess } from "../process/server.ts";

/** No rate of an address holds the clients of a proof back. */
export const FREE = [
  "limits.requestsPerAddressPerSecond=100000",
  "limits.requestsPerAddressBurst=100000",
  "limits.presencePerSecond=100",
  "limits.presenceBurst=100",
  "registration.perAddressPerHour=100000",
  "registration.perAddressBurst=10000",
].flatMap((setting) => ["--set", setting]);

/** See the head of this file. `store` is the address of their store, `dir` has their directories. */
export class CellNodes {
  readonly all: ServerProcess[] = [];
  readonly #down = new Set<number>();

  constructor(readonly dir: string, readonly store: string) {
    Deno.writeTextFileSync(`${dir}/secret`, "a secret that only the proof knows, and its nodes");
  }

  readonly live: Live = () => this.all.filter((_, n) => !this.#down.has(n));

  /** Starts node `n`; `command`: of another program than this one. */
  async start(n: number, extra: readonly string[] = [], command?: string[]): Promise<void> {
    this.all[n] = await ServerProcess.start({
      dataDir: `${this.dir}/node${n}`,
      ...(command === undefined ? {} : { command }),
      flags: [
        ...FLAGS,
        ...["--store", this.store, "--cell-listen", "127.0.0.1:0"],
        ...["--cell-secret-file", `${this.dir}/secret`],
        ...FREE,
        ...extra,
      ],
    });
    this.#down.delete(n);
  }

  async kill(n: number): Promise<void> {
    this.down(n);
    await this.all[n]!.kill();
  }

  /** From now on no client connects to it. */
  down(n: number): void {
    this.#down.add(n);
  }

  /** Ends it as systemd does before it starts the next version. */
  async stop(n: number): Promise<number> {
    this.down(n);
    return await this.all[n]!.stop();
  }

  async killAll(): Promise<void> {
    await Promise.all(this.all.map((node) => node.kill()));
  }
}
