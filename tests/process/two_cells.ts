/** Two cells for tests, each a real server. */
import assert from "node:assert/strict";
import { roost } from "./cli.ts";
import { ServerProcess } from "./server.ts";
import { until } from "./until.ts";

/** Two cells that are linked and members of one federation. */
export class TwoCells {
  readonly a: ServerProcess;
  readonly b: ServerProcess;
  readonly #restart: () => Promise<ServerProcess>;

  private constructor(a: ServerProcess, b: ServerProcess, restart: TwoCells["restart"]) {
    this.a = a;
    this.b = b;
    this.#restart = restart;
  }

  /** `flags`: more of both. */
  static async start(dir: string, flags: readonly string[] = []): Promise<TwoCells> {
    const secret = `${dir}/secret`;
    Deno.writeTextFileSync(secret, "a secret of a federation, which has no other use\n", {
      mode: 0o600,
    });
    const start = (name: string, ...more: string[]) => {
      const own = ["--cells-name", name, "--cells-listen", "127.0.0.1:0", ...more];
      const all = ["--cells-secret-file", secret, ...own, ...flags];
      return ServerProcess.start({ dataDir: `${dir}/${name}`, flags: all });
    };
    const seen = async ({ dataDir }: ServerProcess) => {
      const { out, err, code } = await roost(["cells", "--json", "--data", dataDir]);
      assert.equal(code, 0, err);
      return JSON.parse(out);
    };
    const a = await start("a");
    const { self: { address } } = await seen(a);
    const restart = () => start("b", "--cells-join", address);
    const b = await restart();
    await until("the federation", async () => {
      const both = [await seen(a), await seen(b)];
      return both.every(({ members }) => members.version === 2);
    });
    return new TwoCells(a, b, restart);
  }

  /** Starts `b` again. */
  restart(): Promise<ServerProcess> {
    return this.#restart();
  }
}
