/**
 * An operator evacuates one of several cells while everything else goes on: each node of it runs what
 * the program runs for that, and any of them takes orders. Once it is over, the users are elsewhere.
 */
import type { CellName } from "../../shard/name/ids.ts";
import type { Cluster } from "./cluster.ts";
import { Evacuation, type EvacuationOrder } from "../../server/node/evacuation.ts";
import { MoveFaults } from "./move_faults.ts";
import type { Movers } from "./movers.ts";
import type { Person } from "./person.ts";
import type { Prng } from "./prng.ts";
import { RegisterPoll } from "../../server/node/register_poll.ts";
import type { Result } from "../../shard/errors.ts";
import type { SimGroup } from "./group.ts";
import type { SimNode } from "./sim_node.ts";
import { Violation } from "./history.ts";

/** How often it is tried again, and looked how far it is (ms). */
const LOOK_MS = 300;
/** Accounts that are moved in a second: one of these. */
const RATES = [1, 4, 20] as const;
/** One in so many evacuations is paused for a while, or goes on at another rate. */
const CHANGE_CHANCE = 0.5;

/** Asks the evacuation of a process. */
type Ask = (
  evacuation: Evacuation,
  done: (result: Result<EvacuationOrder | null>) => void,
) => void;

/** See the head of this file. */
export class Evacuations {
  readonly #cluster: Cluster;
  readonly #movers: Movers;
  readonly #prng: Prng;
  readonly #group: SimGroup;
  readonly #to: readonly SimGroup[];
  /** The evacuations of the processes that serve, by node. */
  readonly #running = new Map<SimNode, Evacuation>();
  /** Users whose homes are not known to have changed. */
  readonly #people = new Set<Person>();
  readonly #endMs: number;
  #done = false;
  #over = false;

  constructor(cluster: Cluster, movers: Movers) {
    this.#cluster = cluster;
    this.#movers = movers;
    const { chaosMs, cells } = cluster.config;
    const prng = this.#prng = cluster.prng.fork("evacuations");
    const groups = cluster.groups.slice(0, cells);
    this.#group = prng.pick(groups);
    const others = prng.shuffle(groups.filter((group) => group !== this.#group));
    this.#to = others.slice(0, prng.int(1, others.length));
    this.#endMs = cluster.time.nowMs + chaosMs;
    for (const node of this.#group.nodes) {
      node.onServes = () => this.#serves(node);
      if (node.serving) this.#serves(node);
    }
    this.#after(prng.int(0, Math.floor(chaosMs / 2)), () => this.#prepare());
  }

  /** Whether nothing is left of it. */
  get over(): boolean {
    return this.#over;
  }

  #after(ms: number, run: () => void): void {
    this.#cluster.time.global.timers.after(ms, run);
  }

  /** A process begins as the program does; `openMoves` has the same parts. */
  #serves(node: SimNode): void {
    const { running } = node;
    const { cells, node: router, ports } = running;
    const evacuation = new Evacuation({
      ...ports,
      store: new RegisterPoll(ports),
      router,
      listAccounts: (...page) => router.listAccounts(...page),
      isFirst: () => !running.stopping && router.table.shards[0]?.owner?.id === node.id,
      isLinked: (cell) => cells!.peers.includes(cell) && cells!.isLinked(cell),
    });
    evacuation.start();
    this.#running.set(node, evacuation);
  }

  /** Asks any process of the cell until it replies. */
  #insist(ask: Ask, over: string | null, done: (order: EvacuationOrder | null) => void): void {
    const again = () => this.#after(LOOK_MS, () => this.#insist(ask, over, done));
    const node = this.#prng.pick(this.#group.nodes);
    if (!node.serving) return again();
    const { running } = node;
    let replied = false;
    const end = (result: Result<EvacuationOrder | null> | null) => {
      if (replied) return;
      replied = true;
      if (result?.ok === true) return done(result.value);
      result?.code === over ? done(null) : again();
    };
    ask(this.#running.get(node)!, end);
    const look = () => {
      if (replied) return;
      if (node.up && node.running === running) return this.#after(LOOK_MS, look);
      end(null);
    };
    look();
  }

  /** Operators do one thing at a time to an account. */
  #prepare(): void {
    if (this.#cluster.time.nowMs >= this.#endMs) return void (this.#over = true);
    this.#movers.closed = this.#group;
    const people = this.#cluster.people.filter(({ name }) =>
      this.#cluster.groupOf(name) === this.#group
    );
    if (this.#movers.moving > 0 || people.some(({ busy, life }) => busy || life === null)) {
      return this.#after(LOOK_MS, () => this.#prepare());
    }
    const faults = new MoveFaults(this.#cluster);
    for (const person of people) {
      person.busy = true;
      this.#people.add(person);
      faults.around(person.name, this.#group, this.#prng.pick(this.#to));
    }
    this.#order();
  }

  #order(): void {
    const { history } = this.#cluster;
    const rate = this.#prng.pick(RATES);
    const to = this.#to.map(({ name }) => name!);
    history.add("operator", `evacuates ${this.#group.name} to ${to.join()}, ${rate} a second`);
    this.#insist((evacuation, done) => evacuation.order(to, rate, done), "conflict", () => {
      history.add("operator", `${this.#group.name} is being evacuated`);
      if (this.#prng.chance(CHANGE_CHANCE)) this.#change();
      this.#look();
      for (const person of this.#people) this.#follow(person);
    });
  }

  /** It is paused, and goes on a little later at another rate. */
  #change(): void {
    const { history } = this.#cluster;
    this.#after(this.#prng.int(0, 2000), () => {
      this.#insist((evacuation, done) => evacuation.set("paused", null, done), "conflict", () => {
        history.add("operator", `the evacuation of ${this.#group.name} is paused`);
        const rate = this.#prng.pick(RATES);
        this.#after(this.#prng.int(0, 3000), () => {
          this.#insist(
            (evacuation, done) => evacuation.set("running", rate, done),
            "conflict",
            () => history.add("operator", `the evacuation goes on, ${rate} a second`),
          );
        });
      });
    });
  }

  #look(): void {
    this.#insist((evacuation, done) => evacuation.view(done), null, (order) => {
      if (order?.state !== "done") return this.#after(LOOK_MS, () => this.#look());
      this.#cluster.history.add("operator", `${this.#group.name} is evacuated`);
      this.#done = true;
      this.#end();
    });
  }

  #follow(person: Person): void {
    const { name } = person;
    const done = this.#done;
    this.#movers.ask(this.#group, name, "move.state", {}, (result) => {
      const view = result?.ok === true ? result.value : null;
      if (view?.phase === "moved") return this.#arrives(person, view.to);
      if (done && result?.ok === true) {
        return this.#fail(
          "an evacuated cell has no users",
          name,
          `is left: ${JSON.stringify(view)}`,
        );
      }
      this.#after(LOOK_MS, () => this.#follow(person));
    });
  }

  /** The new home learns a moment later that it is one. */
  #arrives(person: Person, cell: CellName): void {
    const target = this.#to.find((group) => group.name === cell);
    if (target === undefined) {
      return this.#fail("an evacuation has its targets", person.name, `moves to ${cell}`);
    }
    this.#movers.arrives(person, target, () => {
      this.#cluster.history.add("operator", `${person.name} was evacuated to ${cell}`, person.name);
      this.#people.delete(person);
      person.busy = false;
      this.#end();
    });
  }

  /** Not in the callback of a node, which would log it as a bug. */
  #fail(check: string, name: string, text: string): void {
    this.#after(0, () => {
      throw new Violation(check, `${name} ${text}`, [name]);
    });
  }

  #end(): void {
    this.#over = this.#done && this.#people.size === 0;
  }
}
