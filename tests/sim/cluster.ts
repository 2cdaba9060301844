/**
 * A simulation: one time, one network, nodes with their disks, users with their devices, and
 * the oracle that knows what they were promised. Everything in it follows from one seed.
 */
import type { OpName, Ops } from "../../shard/ops.ts";
import type { Contest } from "./homes.ts";
import type { Credentials } from "../../shard/record/fields.ts";
import type { AccountName, CellName, NodeId } from "../../shard/name/ids.ts";
import { parseCellName, pointOf } from "../../shard/name/ids.ts";
import type { OfDevice } from "./sessions_end.ts";
import type { Result } from "../../shard/errors.ts";
import type { SimConfig } from "./config.ts";
import { configFor } from "./cells_config.ts";
import { NAMES } from "./config.ts";
import { deriveCredentials } from "../../server/auth/credentials.ts";
import { Device } from "./device.ts";
import { History, Violation } from "./history.ts";
import type { NameMessage } from "../../shard/federation/name_packets.ts";
import { KnownTables } from "./known_tables.ts";
import { MemoryDisk } from "./memory_store.ts";
import type { Evacuations } from "./evacuations.ts";
import type { Movers } from "./movers.ts";
import { Network } from "./network.ts";
import { Oracle } from "./oracle.ts";
import { Person } from "./person.ts";
import { Prng, simRandom } from "./prng.ts";
import { simKdf } from "./sim_ports.ts";
import { checkOwners } from "./check_owners.ts";
import { checkVote } from "./check_votes.ts";
import { checkWithheld } from "./check_withheld.ts";
import { SimCell } from "./sim_cell.ts";
import { SimGroup } from "./group.ts";
import { SimNode } from "./sim_node.ts";
import { SimWan } from "./sim_wan.ts";
import { type VirtualProcess, VirtualTime } from "./virtual_time.ts";
import type { WallJump } from "./wall_jump.ts";
import { StepFaults } from "./step_faults.ts";
import { Wire } from "./wire.ts";

/** How often devices look whether they should connect, and users at what is unsent, ms. */
const LOOK_MS = 250;
/** How often it is looked at which nodes serve what, ms. */
const SERVING_LOOK_MS = 50;
/** Pause before a node that could not start is started again, ms. */
const RESTART_MS = 500;

/** A stalled reader that holds so many bytes is cut off so long after the bound, at most. */
const STALLED_BYTES = 16_384;
const STALLED_SLACK_MS = 2500;

/** Names of cells. */
const CELL_NAMES = ["aa", "bb", "cc", "dd", "ww"];

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
  /** All cells: those with users, then a witness where there is one. */
  readonly groups: readonly SimGroup[];
  /** The nodes of all cells. */
  readonly nodes: readonly SimNode[];
  /** What the nodes of a lone cell share; null where it has one node, or there are several cells. */
  readonly cell: SimCell | null;
  /** The links between cells; null in a lone cell. */
  readonly wan: SimWan | null;
  /** Jumps of wall clocks. */
  readonly jumps: WallJump[] = [];
  readonly people: readonly Person[];
  /** Accounts that were made by somebody who had taken a shard, in its log. */
  readonly usurped: AccountName[] = [];
  /** Points where nodes were asked to split a shard, which is part of no work of the cell. */
  readonly splits = new Set<number>();
  /** Names that several cells try to get; null in a lone cell, and before the chaos. */
  contest: Contest | null = null;
  /** What moves accounts between cells; null in a lone cell, and before the chaos. */
  movers: Movers | null = null;
  /** What evacuates a cell; null in most clusters, and before the chaos. */
  evacuations: Evacuations | null = null;
  readonly #homes = new Map<string, SimGroup>();
  /** How often an account has moved to another cell. */
  movedCount = 0;
  /** Whether requests reach any node, or only the one that has their session. */
  roams = true;
  /** Whether nodes that are down are to be started again. */
  keepUp = true;

  constructor(seed: number, change: Partial<SimConfig> = {}) {
    this.seed = seed;
    const root = new Prng(seed);
    this.config = configFor(seed, root, change);
    this.prng = root.fork("clients");
    this.network = new Network(this.time, root.fork("network"), {
      ...this.config.network,
      loss: this.config.loss,
    });
    // What goes within a shard is not seen: with shards that change, numbers would be missing.
    const whole = this.config.reshards === 0;
    this.wire = new Wire(this.history, root.fork("wire"), this.config.wire, whole);
    this.stepFaults = new StepFaults(root.fork("bugs"));
    const { cells, sizes } = this.config;
    const apart = CELL_NAMES.slice(0, sizes.length).map((name) => parseCellName(name)!);
    this.wan = cells > 1 ? new SimWan(this.time, root.fork("wan"), apart) : null;
    this.groups = sizes.map((size, i) => {
      const first = sizes.slice(0, i).reduce((sum, n) => sum + n, 0);
      return this.#group(root, cells > 1 ? apart[i]! : null, i + 1, { first, size });
    });
    this.nodes = this.groups.flatMap(({ nodes }) => nodes);
    this.cell = this.wan === null ? this.groups[0]!.cell : null;
    if (this.wan !== null) this.#watchWan(this.wan);
    this.people = NAMES.slice(0, this.config.users).map((name) => this.#person(name));
    this.#scheduleLook();
    if (this.several.length > 0) this.#scheduleServing();
    if (this.several.length > 0) this.#watchTables();
  }

  /** No node goes back to an older table or owner. */
  #watchTables(): void {
    const known = new KnownTables();
    this.time.turned = () => {
      for (const node of this.nodes) if (node.up) known.look(node.running.node, node.who);
    };
  }

  /** Makes the `n`-th cell: `size` nodes, after the `first` of those before it. */
  #group(
    root: Prng,
    name: CellName | null,
    n: number,
    { first, size }: { readonly first: number; readonly size: number },
  ): SimGroup {
    const disk = new MemoryDisk(this.time, root.fork(`disk ${n}`));
    const prng = root.fork(name === null ? "cell" : `cell ${n}`);
    const { storeServed } = this.config;
    const cell = size > 1 ? new SimCell(this.time, prng, disk, storeServed) : null;
    const nodes = Array.from({ length: size }, (_, i) => {
      const number = first + i + 1;
      return new SimNode(this.#nodeHost(name, cell), number, disk, root.fork(`node ${number}`));
    });
    return new SimGroup(this.time, name, nodes, cell);
  }

  #watchWan(wan: SimWan): void {
    wan.ownerOf = (cell, point) => this.#ownerOf(cell, point);
    wan.onSaid = (from, to, name, message) => {
      this.history.add("wan", `${from} to ${to}: ${name} ${JSON.stringify(message)}`, name);
      checkVote(this.nodes.find(({ id }) => id === from)!, name, message as NameMessage);
    };
  }

  /** Which node of a cell serves a point now. */
  #ownerOf(cell: CellName, point: number): NodeId | null {
    const group = this.groups.find(({ name }) => name === cell)!;
    const owner = group.nodes.find((n) =>
      n.up && n.running.node.shards.some(({ hi, lo }) => point >= lo && point < hi)
    );
    return owner?.id ?? null;
  }

  #nodeHost(ofCells: CellName | null, cell: SimCell | null) {
    const { wan } = this;
    return {
      linksFor: (node: NodeId, process: VirtualProcess) => {
        return wan === null || ofCells === null ? null : wan.links(ofCells, process, node);
      },
      time: this.time,
      config: this.config,
      wire: this.wire,
      cell,
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
      for (const { nodes } of this.several) checkOwners(nodes);
      this.#scheduleLook();
    });
  }

  /** Looks again and again at what nodes serve and withhold. */
  #scheduleServing(): void {
    this.time.global.timers.after(SERVING_LOOK_MS, () => {
      checkWithheld(this);
      for (const group of this.several) group.lookAtServing();
      this.#scheduleServing();
    });
  }

  /** The cells of several nodes. */
  get several(): readonly SimGroup[] {
    return this.groups.filter(({ cell }) => cell !== null);
  }

  /** The cell that a node is of. */
  groupAt(node: SimNode): SimGroup {
    return this.groups.find(({ nodes }) => nodes.includes(node))!;
  }

  /** The cell that is the home of a name. */
  groupOf(name: string): SimGroup {
    return this.#homes.get(name) ?? this.groups[pointOf(name) % this.config.cells]!;
  }

  /** The first node of the cell that is the home of a name. */
  nodeOf(name: string): SimNode {
    return this.groupOf(name).nodes[0]!;
  }

  /** The home of a name is another cell from now on. */
  moved(name: string, home: SimGroup): void {
    this.#homes.set(name, home);
    this.movedCount++;
  }

  /** The name of a node's cell, where there are several. */
  cellOf(node: SimNode): CellName {
    return this.groupAt(node).name!;
  }

  /** Whether two names have their homes in different cells. */
  areApart(a: string, b: string): boolean {
    return this.groupOf(a) !== this.groupOf(b);
  }

  /** The node that a device connects to. */
  nodeFor(device: Device, prng: Prng): SimNode {
    return prng.pick(this.groupOf(device.person.name).nodes);
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
    const node = this.prng.pick(this.groupOf(name).nodes);
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

  /** Whether every node of every cell serves, may, and has been linked with the others of it. */
  get whole(): boolean {
    return this.groups.every((group) => group.whole);
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
