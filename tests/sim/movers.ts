/** Accounts move between the cells of a simulation while everything else goes on. */
import type { AccountName } from "../../shard/name/ids.ts";
import type { Cluster } from "./cluster.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { Result } from "../../shard/errors.ts";
import { MoveFaults } from "./move_faults.ts";
import type { Person } from "./person.ts";
import type { Prng } from "./prng.ts";
import type { SimGroup } from "./group.ts";
import type { SimNode } from "./sim_node.ts";
import { Violation } from "./history.ts";

/** How many moves a seed tries: one of these. */
const MOVES = [0, 1, 2, 5] as const;
/** The same where cells have several nodes: more can happen to each. */
const MOVES_SEVERAL = [1, 3, 6, 12] as const;
/** How often it is tried again, and looked how far a move is (ms). */
const LOOK_MS = 300;
/** How often the homes are looked at (ms). */
const CHECK_MS = 50;
/** One in so many moves is to be given up soon after its beginning. */
const CANCEL_CHANCE = 0.15;

/** Moves accounts to other cells, one after another and at the same time. */
export class Movers {
  /** A cell that is evacuated: no other moves begin or end there. */
  closed: SimGroup | null = null;
  readonly #cluster: Cluster;
  /** Which of the nodes of a cell is asked. */
  readonly #asked: Prng;
  /** What goes wrong meanwhile, where a cell has several nodes. */
  readonly #faults: MoveFaults | null;
  #left = 0;
  #moving = 0;
  #number = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    const prng = cluster.prng.fork("movers");
    this.#asked = prng.fork("asked");
    this.#faults = cluster.several.length > 0 ? new MoveFaults(cluster) : null;
    const count = prng.pick(cluster.several.length > 0 ? MOVES_SEVERAL : MOVES);
    for (let i = 0; i < count; i++) {
      const person = prng.pick(cluster.people);
      const atMs = prng.int(0, cluster.config.chaosMs);
      const target = prng.pick(cluster.groups.slice(0, cluster.config.cells));
      const cancels = prng.chance(CANCEL_CHANCE);
      this.#left++;
      cluster.time.global.timers.after(atMs, () => this.#begin(person, target, cancels));
    }
    if (count > 0 || cluster.config.evacuates) this.#scheduleCheck();
  }

  /** Whether all moves are over. */
  get over(): boolean {
    return this.#left === 0;
  }

  /** How many accounts are being moved. */
  get moving(): number {
    return this.#moving;
  }

  /** Operators do one thing at a time to an account. */
  #begin(person: Person, target: SimGroup, cancels: boolean): void {
    const source = this.#cluster.groupOf(person.name);
    const idle = person.busy || person.life === null || source === target;
    if (idle || [source, target].includes(this.closed!)) return void this.#left--;
    person.busy = true;
    this.#moving++;
    const move = `move ${++this.#number}`;
    this.#faults?.around(person.name, source, target);
    this.#order(person, source, target, move, cancels);
  }

  #later(run: () => void): void {
    this.#cluster.time.global.timers.after(LOOK_MS, run);
  }

  /** Asks a process of a cell; null: it has ended, or does not serve. */
  ask<K extends OpName>(
    { nodes }: SimGroup,
    name: string,
    op: K,
    input: Ops[K]["in"],
    done: (result: Result<Ops[K]["out"]> | null) => void,
  ): void {
    const node = nodes.length === 1 ? nodes[0]! : this.#asked.pick(nodes);
    if (!node.serving) return done(null);
    const { running } = node;
    let over = false;
    const end = (result: Result<Ops[K]["out"]> | null) => {
      if (!over) done(result);
      over = true;
    };
    running.node.request(name as AccountName, op, input, end);
    const look = () => {
      if (over) return;
      if (node.up && node.running === running) return this.#later(look);
      end(null);
    };
    look();
  }

  #order(
    person: Person,
    source: SimGroup,
    target: SimGroup,
    move: string,
    cancels: boolean,
  ): void {
    const { history } = this.#cluster;
    const to = target.name!;
    this.ask(source, person.name, "move.begin", { to, move }, (result) => {
      history.add("operator", `moves ${person.name} to ${to}: ${result?.ok}`, person.name);
      if (result?.ok !== true) {
        return this.#later(() => this.#order(person, source, target, move, cancels));
      }
      if (cancels) this.#cancel(person, source, target);
      else this.#follow(person, source, target);
    });
  }

  /** It stays, or has been decided by then. */
  #cancel(person: Person, source: SimGroup, target: SimGroup): void {
    this.ask(source, person.name, "move.cancel", {}, () => this.#follow(person, source, target));
  }

  #follow(person: Person, source: SimGroup, target: SimGroup): void {
    const again = () => this.#later(() => this.#follow(person, source, target));
    this.ask(source, person.name, "move.state", {}, (result) => {
      if (result?.ok !== true) return again();
      const view = result.value;
      if (view !== null && view.phase !== "moved") return again();
      if (view === null) this.#ended(person, "stays");
      else this.#await(person, target);
    });
  }

  /** The new home learns a moment later that it is one. */
  #await(person: Person, target: SimGroup): void {
    this.arrives(person, target, () => {
      this.#ended(person, `has moved to ${target.nodes[0]!.who}`);
    });
  }

  /** Waits until the account is at home in a cell. */
  arrives(person: Person, target: SimGroup, done: () => void): void {
    this.ask(target, person.name, "account.info", {}, (result) => {
      if (result?.ok !== true) return this.#later(() => this.arrives(person, target, done));
      this.#cluster.moved(person.name, target);
      done();
    });
  }

  #ended(person: Person, text: string): void {
    this.#cluster.history.add("operator", `${person.name} ${text}`, person.name);
    person.busy = false;
    this.#moving--;
    this.#left--;
  }

  /** No account is served where the cell knows another home, nor by two cells at once. */
  #scheduleCheck(): void {
    this.#cluster.time.global.timers.after(CHECK_MS, () => {
      const serving = new Map<string, SimNode>();
      for (const node of this.#cluster.nodes) {
        if (node.serving && node.process.state === "running") this.#check(node, serving);
      }
      if (!this.over || this.#cluster.evacuations?.over === false) this.#scheduleCheck();
    });
  }

  #check(node: SimNode, serving: Map<string, SimNode>): void {
    const cell = this.#cluster.cellOf(node);
    const several = this.#cluster.groupAt(node).cell !== null;
    const { answering } = node;
    for (const shard of node.running.node.shards) {
      // What a former owner has in memory is nothing to others.
      if (several && !answering.includes(shard.id)) continue;
      for (const { name, alive, register } of shard.inspect().served) {
        const home = register?.chosen?.value ?? cell;
        if (!alive) continue;
        const fault = home !== cell
          ? `${node.who} serves it, and knows ${home} as its home`
          : serving.has(name)
          ? `${node.who} and ${serving.get(name)!.who} serve it`
          : null;
        if (fault !== null) throw new Violation("a name has one home", `${name}: ${fault}`, [name]);
        serving.set(name, node);
      }
    }
  }
}
