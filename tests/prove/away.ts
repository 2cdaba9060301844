/**
 * Two users at two nodes of a cell, who see each other and write nothing: what works for them, and
 * how fast, while the cell's store is away.
 */
import { again, pause } from "./cell_load.ts";
import { Client, rest } from "../process/client.ts";
import { movesOf } from "./move_phases.ts";
import type { ServerProcess } from "../process/server.ts";
import type { Verdict } from "./proof.ts";

/** Who changes presence and reads, and who sees it. */
const [CHANGES, SEES] = ["fay", "gus"] as const;
/** Between two marks, ms; a mark that takes longer than `LATE_MS` is lost. */
const MARK_MS = 250;
const LATE_MS = 2000;

/** See the head of this file. */
export class Bystanders {
  /** When each mark was sent. */
  readonly #began = new Map<string, number>();
  readonly #reads: number[] = [];
  readonly #seen: Map<string, number>;
  readonly #changes: Client;
  readonly #sees: Client;
  /** What was refused, and why. */
  readonly #refused: string[] = [];
  #sent = 0;

  private constructor(seen: Map<string, number>, changes: Client, sees: Client) {
    this.#seen = seen;
    this.#changes = changes;
    this.#sees = sees;
  }

  /** Makes the two, contacts of each other, at two nodes. */
  static async at(one: ServerProcess, other: ServerProcess): Promise<Bystanders> {
    const tokens = new Map<string, string>();
    for (const user of [CHANGES, SEES]) {
      const { token } = await rest<{ token: string }>(one.url, "POST", "/v1/register", {
        body: { user, password: `password of ${user}` },
      });
      tokens.set(user, token);
    }
    for (const type of ["subscribe", "subscribed"]) {
      for (const [user, contact] of [[CHANGES, SEES], [SEES, CHANGES]] as const) {
        const path = `/v1/contacts/${contact}/subscription`;
        const token = tokens.get(user)!;
        await again(() => rest(one.url, "POST", path, { token, body: { type } }));
        await pause(200);
      }
    }
    const seen = new Map<string, number>();
    const note = (mark: unknown) => void seen.set(String(mark), performance.now());
    const auth = (user: string) => ({ auth: { token: tokens.get(user)! } });
    const sees = await Client.connect(one.wsUrl, auth(SEES), (event) => {
      if (event.k === "presence" && event["user"] === CHANGES) note(event["status"]);
      else if (event.k === "signal") note(event["body"]);
    });
    const changes = await Client.connect(other.wsUrl, auth(CHANGES));
    return new Bystanders(seen, changes, sees);
  }

  /** Changes presence, signals and reads until `done` has resolved. */
  async run(done: Promise<unknown>): Promise<void> {
    let over = false;
    done.finally(() => over = true).catch(() => {});
    while (!over) await this.#mark();
  }

  async #mark(): Promise<void> {
    const mark = `mark ${++this.#sent}`;
    const signal = `signal ${mark}`;
    const beganMs = performance.now();
    this.#began.set(mark, beganMs);
    const refused = (error: unknown) => {
      this.#refused.push(`${mark} after ${Math.round(performance.now() - beganMs)} ms: ${error}`);
      return null;
    };
    this.#changes.command("presence", { show: "away", status: mark }).catch(refused);
    this.#changes.command("signal", { to: SEES, type: "typing", body: signal }).catch(refused);
    const read = this.#changes.command("snapshot")
      .then(() => performance.now() - beganMs, refused);
    await pause(MARK_MS);
    const ms = await Promise.race([read, pause(LATE_MS).then(() => null)]);
    this.#reads.push(ms ?? Infinity);
  }

  async close(): Promise<void> {
    await this.#changes.close();
    await this.#sees.close();
  }

  /** What arrived of all that was sent, and how fast. */
  get verdict(): Verdict {
    const figures: Record<string, string | number> = {};
    let pass = this.#sent > 0;
    const after = (prefix: string) =>
      [...this.#began].map(([mark, ms]) => (this.#seen.get(prefix + mark) ?? Infinity) - ms);
    const times = { presence: after(""), signals: after("signal "), reads: this.#reads };
    for (const [what, all] of Object.entries(times)) {
      const arrived = all.filter((ms) => ms < LATE_MS).sort((a, b) => a - b);
      const median = arrived[arrived.length >> 1] ?? Infinity;
      figures[`${what} without the store`] = `${arrived.length} of ${this.#sent}, median ` +
        `${median.toFixed(1)} ms, worst ${(arrived.at(-1) ?? Infinity).toFixed(1)} ms`;
      pass &&= arrived.length === this.#sent;
    }
    if (this.#refused.length > 0) figures["refused"] = this.#refused.join("; ");
    return { pass, figures };
  }
}

/** Which node has each shard, as one of the live nodes says. */
export async function ownersOf(
  server: ServerProcess,
  nodes: number,
): Promise<ReadonlyMap<number, string>> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", "--quiet", "main.ts", "cluster", "status", "--json"],
      ...["--data", server.dataDir],
    ],
    cwd: new URL("../..", import.meta.url).pathname,
  }).output();
  const rows = JSON.parse(new TextDecoder().decode(stdout)) as {
    readonly id: string;
    readonly shards: readonly number[];
  }[];
  const live = rows.slice(0, nodes);
  return new Map(live.flatMap(({ id, shards }) => shards.map((shard) => [shard, id] as const)));
}

/**
 * The shards that have another owner than before, but for those that were only given away for the
 * sake of even load, which these nodes have logged.
 */
export function takenOver(
  before: ReadonlyMap<number, string>,
  after: ReadonlyMap<number, string>,
  nodes: readonly ServerProcess[],
): string {
  const given = new Set(movesOf(nodes).map(({ move }) => Number(move.split(" ")[0])));
  return [...before.keys()]
    .filter((shard) => after.get(shard) !== before.get(shard) && !given.has(shard))
    .map((shard) => `${shard}: ${before.get(shard)} to ${after.get(shard)}`)
    .join(", ");
}
