/** Cells register the same names at the same time: each name gets one home. */
import type { AccountName } from "../../shard/name/ids.ts";
import { ask } from "./dump.ts";
import type { Cluster } from "./cluster.ts";
import { heads } from "./check_disk.ts";
import type { Prng } from "./prng.ts";
import type { SimGroup } from "./group.ts";
import type { Home } from "../../shard/federation/name_register.ts";
import { Violation } from "./history.ts";

/** Names that are fought for in one seed. */
const NAMES = 6;
/** When a cell that got no decision tries again, ms. */
const AGAIN_MS = 500;

function fail(name: string, text: string): never {
  throw new Violation("a name has one home", `${name}: ${text}`, [name]);
}

/** Several cells try to register a name, each until it knows whether it has it. */
export class Contest {
  readonly #cluster: Cluster;
  /** The cell that has got the name. */
  readonly #winners = new Map<string, string>();
  readonly #prng: Prng;
  #left = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    const prng = this.#prng = cluster.prng.fork("homes");
    for (let i = 0; i < NAMES; i++) {
      const groups = cluster.groups.slice(0, cluster.config.cells);
      const rivals = prng.shuffle(groups).slice(0, prng.int(2, groups.length));
      const atMs = prng.int(0, cluster.config.chaosMs);
      for (const group of rivals) {
        this.#left++;
        const laterMs = prng.pick([0, prng.int(0, 50), prng.int(0, 1000)]);
        cluster.time.global.timers.after(atMs + laterMs, () => this.#try(`shared-${i}`, group));
      }
    }
  }

  /** Whether each cell knows whether it has the names that it tried to get. */
  get decided(): boolean {
    return this.#left === 0;
  }

  /** The names that were fought for. */
  get names(): readonly string[] {
    return [...this.#winners.keys()];
  }

  #try(name: string, group: SimGroup): void {
    const { history, time } = this.#cluster;
    const again = () => time.global.timers.after(AGAIN_MS, () => this.#try(name, group));
    const node = this.#prng.pick(group.nodes);
    if (!node.serving) return void again();
    let over = false;
    const input = { credentials: null };
    const { running } = node;
    running.node.request(name as AccountName, "account.create", input, (result) => {
      over = true;
      history.add(node.who, `registers ${name}: ${result.ok ? "ok" : result.code}`, name);
      if (result.ok) return this.#won(name, group.name!);
      if (result.code === "conflict") return void this.#left--;
      again();
    });
    // A process that ends replies to nobody.
    const look = () => {
      if (over) return;
      if (node.up && node.running === running) return void time.global.timers.after(AGAIN_MS, look);
      over = true;
      again();
    };
    look();
  }

  #won(name: string, who: string): void {
    this.#left--;
    const winner = this.#winners.get(name);
    if (winner !== undefined && winner !== who) fail(name, `${winner} and ${who} have it`);
    this.#winners.set(name, who);
  }
}

/** For a quiescent cluster: no name is an account in two cells, and all cells know the same home. */
export function checkHomes(cluster: Cluster, names: readonly string[]): void {
  for (const name of [...names, ...cluster.people.map((p) => p.name)]) {
    const having = cluster.groups.filter(({ nodes: [node] }) =>
      ask(cluster, node!, name, "account.info", {}).ok
    );
    if (having.length > 1) fail(name, `${having.map((g) => g.name).join(" and ")} have it`);
  }
  const known = new Map<string, Home>();
  for (const { disk } of cluster.groups.map(({ nodes: [node] }) => node!)) {
    for (const { name, register } of heads(disk)) {
      const chosen = register?.chosen ?? null;
      if (chosen === null) continue;
      const other = known.get(name) ?? chosen;
      known.set(name, chosen);
      if (other.value === chosen.value) continue;
      fail(name, `${other.value} and ${chosen.value} are known as its home`);
    }
  }
}
