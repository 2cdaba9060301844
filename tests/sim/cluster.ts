/**
 * A simulation: one time, one network, nodes with their disks, users with their devices, and
 * the oracle that knows what they were promised. Everything in it follows from one seed.
 */
import type { OpName, Ops } from "../../shard/ops.ts";
import type { Contest } from "./homes.ts";
import type { Credentials } from "../../shard/record/fields.ts";
import { type AccountName, type CellName, parseCellName, pointOf } from "../../shard/name/ids.ts";
import type { OfDevice } from "./sessions_end.ts";
import type { Result } from "../../shard/errors.ts";
import type { SimConfig } from "./config.ts";
import { cellConfigOf, cellsConfigOf, configOf, NAMES } from "./config.ts";
import { deriveCredentials } from "../../server/auth/credentials.ts";
import { Device } from "./device.ts";
import { History, Violation } from "./history.ts";
import { KnownTables } from "./known_tables.ts";
import { MemoryDisk } from "./memory_store.ts";
import type { Movers } from "./movers.ts";
import { Network } from "./network.ts";
import { Oracle } from "./oracle.ts";
import { Person } from "./person.ts";
import { Prng, simRandom } from "./prng.ts";
import { simKdf } from "./sim_ports.ts";
import { checkOwners } from "./check_owners.ts";
import { checkWithheld } from "./check_withheld.ts";
import { SimCell } from "./sim_cell.ts";
import { SimNode } from "./sim_node.ts";
import { SimWan } from "./sim_wan.ts";
import { type VirtualProcess, VirtualTime } from "./virtual_time.ts";
import { StepFaults } from "./step_faults.ts";
import { Wire } from "./wire.ts";

/** How often devices look whether they should connect, and users at what is unsent, ms. */
const LOOK_MS = 250;
/** How often it is looked at which nodes serve what, ms. */
const SERVING_LOOK_MS = 50;
/** How long the votes of nodes count that have a lease again, ms. */
const VOUCHED_MS = 1200;
/** Pause before a node that could not start is started again, ms. */
const RESTART_MS = 500;

/** A link that is so old has brought what its nodes had to tell each other, ms. */
const LINKED_MS = 1000;
/** A stalled reader that holds so many bytes is cut off so long after the bound, at most. */
const STALLED_BYTES = 16_384;
const STALLED_SLACK_MS = 2500;

/** Names of cells. */
const CELL_NAMES = ["aa", "bb", "cc", "dd"];

/** One cluster. */
export class Cluster {
  readonly seed: number;
  readonly time = new VirtualTime();
  readonly prng: Prng;
  readonly config: SimConfig;
  readonly history = new History(() => this.time.nowMs);
  readonly oracle = new Oracle(this.history, () => this.time.nowMs);
  readonly network: Network;
  readonly wire: Wire;
  readonly stepFaults: StepFaults;
  readonly nodes: readonly SimNode[];
  /** What several nodes share; null where there is one. */
  readonly cell: SimCell | null;
  /** The links between cells; null in a lone cell. */
  readonly wan: SimWan | null;
  /** Jumps of wall clocks, and how often the node had been started by then; −1: it was down. */
  readonly jumps: { readonly node: SimNode; readonly deltaMs: number; readonly starts: number }[] =
    [];
  readonly people: readonly Person[];
  /** Accounts that were made by somebody who had taken a shard, in its log. */
  readonly usurped: AccountName[] = [];
  /** Points where nodes were asked to split a shard, which is part of no work of the cell. */
  readonly splits = new Set<number>();
  /** Names that several cells try to get; null in a lone cell, and before the chaos. */
  contest: Contest | null = null;
  /** What moves accounts between cells; null in a lone cell, and before the chaos. */
  movers: Movers | null = null;
  readonly #homes = new Map<string, SimNode>();
  /** Whether requests reach any node, or only the one that has their session. */
  roams = true;
  /** When each node was seen without a lease last. */
  readonly #unleasedMs = new Map<SimNode, number>();
  /** Whether nodes that are down are to be started again. */
  keepUp = true;

  constructor(seed: number, change: Partial<SimConfig> = {}) {
    this.seed = seed;
    const root = new Prng(seed);
    const { cells = 1, nodes = 1 } = change;
    const ofCell = nodes > 1 ? cellConfigOf(seed, root.fork("cell config"), nodes) : {};
    const ofCells = cells > 1 ? cellsConfigOf(root.fork("cells config"), cells) : {};
    this.config = { ...configOf(root.fork("config")), ...ofCell, ...ofCells, ...change };
    this.prng = root.fork("clients");
    this.network = new Network(this.time, root.fork("network"), {
      ...this.config.network,
      loss: this.config.loss,
    });
    // What goes within a shard is not seen: with shards that change, numbers would be missing.
    const whole = this.config.reshards === 0;
    this.wire = new Wire(this.history, root.fork("wire"), this.config.wire, whole);
    this.stepFaults = new StepFaults(root.fork("bugs"));
    const shared = new MemoryDisk(this.time, root.fork("disk 1"));
    const several = this.config.nodes > 1 && cells === 1;
    const apart = CELL_NAMES.slice(0, cells).map((name) => parseCellName(name)!);
    this.wan = cells > 1 ? new SimWan(this.time, root.fork("wan"), apart) : null;
    const { storeServed } = this.config;
    this.cell = several ? new SimCell(this.time, root.fork("cell"), shared, storeServed) : null;
    this.nodes = Array.from({ length: this.config.nodes }, (_, i) => {
      const disk = i === 0 || several
        ? shared
        : new MemoryDisk(this.time, root.fork(`disk ${i + 1}`));
      const prng = root.fork(`node ${i + 1}`);
      return new SimNode(this.#nodeHost(apart[i] ?? null), i + 1, disk, prng);
    });
    this.people = NAMES.slice(0, this.config.users).map((name) => this.#person(name));
    this.#scheduleLook();
    if (several) this.#scheduleServing();
    if (several) this.#watchTables();
  }

  /** No node goes back to an older table or owner. */
  #watchTables(): void {
    const known = new KnownTables();
    this.time.turned = () => {
      for (const node of this.nodes) if (node.up) known.look(node.running.node, node.who);
    };
  }

  #nodeHost(ofCells: CellName | null) {
    const { wan } = this;
    return {
      linksFor: (process: VirtualProcess) => {
        return wan === null || ofCells === null ? null : wan.links(ofCells, process);
      },
      time: this.time,
      config: this.config,
      wire: this.wire,
      cell: this.cell,
      note: (who: string, text: string) => this.history.add(who, text),
      exited: (node: SimNode) => this.restartLater(node, RESTART_MS),
    };
  }

  #person(name: string): Person {
    const person = new Person(this, name);
    const devices = this.prng.int(1, this.config.devicesPerUser);
    for (let i = 1; i <= devices; i++) {
      person.devices.push(new Device(this, person, `d${i}`, `10.0.0.${name.length}.${i}`));
    }
    return person;
  }

  #scheduleLook(): void {
    this.time.global.timers.after(LOOK_MS, () => {
      for (const person of this.people) {
        person.look();
        for (const device of person.devices) device.look();
      }
      this.#lookForStalled();
      if (this.cell !== null) checkOwners(this);
      this.#scheduleLook();
    });
  }

  /** Looks again and again that no two nodes answer for one shard, and none without reason. */
  #scheduleServing(): void {
    this.time.global.timers.after(SERVING_LOOK_MS, () => {
      this.#lookForVouched();
      checkWithheld(this);
      const serving = new Map<number, SimNode>();
      for (const node of this.nodes) {
        // One that is paused answers nothing, and looks at its clock before it does.
        if (!node.up || node.process.state !== "running") continue;
        for (const id of node.answering) {
          const other = serving.get(id);
          if (other !== undefined) {
            const text = `shard ${id} is served by ${other.who} and ${node.who}`;
            throw new Violation("one node serves a shard", text);
          }
          serving.set(id, node);
        }
      }
      this.#scheduleServing();
    });
  }

  /** Who has no lease answers only where a majority had none lately. */
  #lookForVouched(): void {
    const { nowMs } = this.time;
    const runs = (node: SimNode) => node.up && node.process.state === "running";
    for (const node of this.nodes) {
      if (!runs(node) || !node.running.node.leased) this.#unleasedMs.set(node, nowMs);
    }
    const lately = this.nodes.filter((node) => {
      return nowMs - (this.#unleasedMs.get(node) ?? -Infinity) <= VOUCHED_MS;
    });
    if (2 * lately.length > this.nodes.length) return;
    const wrongly = lately.find((node) => {
      return runs(node) && !node.running.node.leased && node.answering.length > 0;
    });
    if (wrongly === undefined) return;
    const text = `${wrongly.who} serves without a lease, and a majority has one`;
    throw new Violation("a majority without leases vouches", text);
  }

  /** A node of the cell that is the home of a name. */
  nodeOf(name: string): SimNode {
    if (this.wan === null) return this.nodes[0]!;
    return this.#homes.get(name) ?? this.nodes[pointOf(name) % this.nodes.length]!;
  }

  /** The home of a name is another cell from now on. */
  moved(name: string, node: SimNode): void {
    this.#homes.set(name, node);
  }

  /** The cell of a node, where each is one. */
  cellOf(node: SimNode): CellName {
    return this.wan!.cells[this.nodes.indexOf(node)]!;
  }

  /** Whether two names have their homes in different cells. */
  areApart(a: string, b: string): boolean {
    return this.wan !== null && this.nodeOf(a) !== this.nodeOf(b);
  }

  /** The node that a device connects to. */
  nodeFor(device: Device, prng: Prng): SimNode {
    return this.wan === null ? prng.pick(this.nodes) : this.nodeOf(device.person.name);
  }

  /** The node that a request of a device reaches whose session is at `opener`. */
  nodeForRequest(device: Device, opener: SimNode): SimNode {
    const roams = this.roams && this.config.nodes > 1 && this.prng.chance(0.3);
    return roams ? this.nodeFor(device, this.prng) : opener;
  }

  /** A user by name. */
  person(name: string): Person {
    const person = this.people.find((p) => p.name === name);
    if (person === undefined) throw new Error(`there is no ${name}`);
    return person;
  }

  // ---- nodes

  /** Kills a node; connections break, some clients do not hear of it. */
  kill(node: SimNode): void {
    if (!node.up) return;
    node.kill();
    this.network.died(node, 0.7);
  }

  /** Stops a node as an operator would, then starts it again. */
  restart(node: SimNode): void {
    if (!node.serving) return;
    node.stop(() => {
      this.network.died(node, 1);
      this.restartLater(node, 100);
    });
  }

  /** Starts a node after a while, if it is still down then. */
  restartLater(node: SimNode, delayMs: number): void {
    this.time.global.timers.after(delayMs, () => {
      if (!node.up && this.keepUp) node.start();
    });
  }

  // ---- operators

  /** Asks a node directly, as the admin API does; null: no answer came. */
  admin<K extends OpName>(
    name: string,
    op: K,
    input: Ops[K]["in"],
    done: (result: Result<Ops[K]["out"]> | null) => void,
  ): void {
    const node = this.wan === null ? this.prng.pick(this.nodes) : this.nodeOf(name);
    const note = (text: string) => this.history.add("operator", `${op} ${name}: ${text}`, name);
    this.network.call<Result<Ops[K]["out"]>>(
      node,
      (reply) => {
        if (node.serving) node.running.node.request(name as AccountName, op, input, reply);
        return () => {};
      },
      (result) => {
        note(result === null ? "no answer" : result.ok ? "ok" : result.code);
        done(result);
      },
      20_000,
    );
  }

  /** Repeats a request until it is done; `over`: codes that mean that it has been done before. */
  insist<K extends OpName>(
    name: string,
    op: K,
    input: Ops[K]["in"],
    over: readonly string[],
    done: () => void,
  ): void {
    this.admin(name, op, input, (result) => {
      if (result !== null && (result.ok || over.includes(result.code))) return done();
      this.time.global.timers.after(300, () => this.insist(name, op, input, over, done));
    });
  }

  /** What an account with this password stores of it. */
  deriveCredentials(password: string, done: (credentials: Credentials) => void): void {
    const ports = { kdf: simKdf(this.time.global.timers), random: simRandom(this.prng) };
    deriveCredentials(ports, password, { sha256: 1, sha1: null }, done);
  }

  /** Gives a name an account, with a password. */
  register(person: Person, done: () => void): void {
    const { oracle } = this;
    const password = `password ${oracle.lives(person.name).length + 1}`;
    const life = oracle.born(person.name, password);
    this.deriveCredentials(password, (credentials) => {
      this.insist(person.name, "account.create", { credentials }, ["conflict"], () => {
        person.reborn(life);
        done();
      });
    });
  }

  /** Whether every node serves, may, and has been linked with all others for a while. */
  get whole(): boolean {
    return this.nodes.every((a) =>
      a.serving && a.running.node.mayServe &&
      this.nodes.every((b) => a === b || this.cell!.linkedMs(a.id, b.id) > LINKED_MS)
    );
  }

  // ---- sessions that are to end

  /** The sessions that a user's devices have now, or one of them. */
  sessionsOf(person: Person, device?: string): readonly OfDevice[] {
    return person.devices.flatMap(({ id, session, life }) =>
      session === null || life !== person.life || (device !== undefined && device !== id)
        ? []
        : [{ device: id, session }]
    );
  }

  /** Readers that take nothing are cut off: nobody holds a node's memory for longer. */
  #lookForStalled(): void {
    const boundMs = this.config.edge.stalledMs + STALLED_SLACK_MS;
    const stalled = this.network.connections.find((c) => {
      return c.stalledMs(STALLED_BYTES) > boundMs;
    });
    if (stalled === undefined) return;
    throw new Violation("stalled readers are cut off", `one is connected after ${boundMs} ms`);
  }

  // ---- time

  /** Lets time run while `wanted` holds, at most `forMs`; true where it ceased to hold. */
  runWhile(wanted: () => boolean, forMs: number): boolean {
    return this.time.runWhile(wanted, this.time.nowMs + forMs);
  }

  /** As `runWhile`; a violation where it holds for longer. */
  await(what: string, wanted: () => boolean, forMs: number): void {
    if (this.runWhile(wanted, forMs)) return;
    throw new Violation("liveness", `${what} not within ${forMs} ms`);
  }
}
