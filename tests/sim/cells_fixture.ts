/** Cells of one node each over simulated links, asked directly, without edges or codecs. */
import assert from "node:assert/strict";
import type { AccountName, CellName, DeviceId, NodeId } from "../../shard/name/ids.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { MailboxEvent } from "../../shard/mailbox/mailbox_event.ts";
import type { Node } from "../../server/node/node.ts";
import type { NodeOptions } from "../../server/node/parts.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { Result } from "../../shard/errors.ts";
import type { ShardLimits } from "../../shard/limits.ts";
import { makeNode, startNode } from "./test_node.ts";
import { memoryLog } from "./sim_ports.ts";
import { MemoryDisk } from "./memory_store.ts";
import { parseCellName } from "../../shard/name/ids.ts";
import { Prng } from "./prng.ts";
import { SHARD_LIMITS } from "./limits.ts";
import { SimWan } from "./sim_wan.ts";
import { type VirtualProcess, VirtualTime } from "./virtual_time.ts";

/** Longest virtual time until a request has its result (ms). */
const ANSWER_MS = 30_000;

/** One cell: a disk that stays, and the process on it. */
export class OneCell {
  readonly name: CellName;
  readonly disk: MemoryDisk;
  readonly packets: EdgePacket[] = [];
  process!: VirtualProcess;
  node!: Node;
  /** What processes are started with that is not the default. */
  options: Pick<NodeOptions, "arrivals" | "noAccounts"> = {};
  readonly fixture: CellsFixture;
  readonly #number: number;
  #starts = 0;

  constructor(fixture: CellsFixture, name: CellName, number: number) {
    this.fixture = fixture;
    this.name = name;
    this.#number = number;
    this.disk = new MemoryDisk(fixture.time, fixture.prng.fork(`disk ${name}`));
  }

  /** Starts a process, again after `kill`. */
  start(): void {
    const { limits, memory, prng, time, wan } = this.fixture;
    this.process = time.process();
    const { node } = makeNode({
      process: this.process,
      disk: this.disk,
      prng: prng.fork(`process ${this.name} ${++this.#starts}`),
      log: memory.log,
      deliver: (packet) => void this.packets.push(packet),
      node: {
        id: `node${String(this.#number).padStart(12, "0")}` as NodeId,
        limits,
        ...this.options,
        cells: wan.links(this.name, this.process),
      },
    });
    this.node = node;
    startNode(time, node);
  }

  /** kill -9, and power loss with it. */
  kill(): void {
    this.process.kill();
    this.disk.crash();
  }

  /** Begins a request; the function that it returns returns the result, or null without one. */
  begin<K extends OpName>(
    name: string,
    op: K,
    input: Ops[K]["in"],
  ): () => Result<Ops[K]["out"]> | null {
    let result: Result<Ops[K]["out"]> | null = null;
    this.node.request(name as AccountName, op, input, (r) => result = r);
    return () => result;
  }

  /** Asks and lets time run until the result. */
  ask<K extends OpName>(name: string, op: K, input: Ops[K]["in"]): Result<Ops[K]["out"]> {
    const { time } = this.fixture;
    const result = this.begin(name, op, input);
    time.runWhile(() => result() === null, time.nowMs + ANSWER_MS);
    return result() ?? assert.fail(`${op} of ${name} has no result`);
  }

  /** Asks, and fails the test where the result is a refusal. */
  must<K extends OpName>(name: string, op: K, input: Ops[K]["in"]): Ops[K]["out"] {
    const result = this.ask(name, op, input);
    assert.ok(result.ok, `${op} of ${name}: ${JSON.stringify(result)}`);
    return result.value;
  }

  /** Registers a name here. */
  register(name: string): Result<Ops["account.create"]["out"]> {
    return this.ask(name, "account.create", { credentials: null });
  }

  /** Sends a message; fails where it is not accepted. */
  send(from: string, to: string, id: string, body = id): void {
    const device = "d1" as DeviceId;
    const input = { device, to: to as AccountName, id, body, ext: "" };
    this.must(from, "message.send", input);
  }

  /** The events of a user's mailbox. */
  events(name: string): readonly MailboxEvent[] {
    const page = { cursor: null, limit: 100, bytesMax: 100_000 };
    return this.must(name, "mailbox.read", page).events;
  }

  /** The texts that a user has from another one, in order. */
  textsFrom(name: string, from: string): readonly string[] {
    return this.events(name).flatMap((e) => {
      return e.kind === "message" && !e.out && e.with === from ? [e.body] : [];
    });
  }
}

/** Several cells. */
export class CellsFixture {
  readonly time = new VirtualTime();
  readonly prng: Prng;
  readonly limits: ShardLimits;
  readonly memory = memoryLog();
  readonly wan: SimWan;
  readonly cells: readonly OneCell[];

  constructor(
    options: { names?: readonly string[]; seed?: number; limits?: Partial<ShardLimits> } = {},
  ) {
    this.prng = new Prng(options.seed ?? 1);
    this.limits = { ...SHARD_LIMITS, ...options.limits };
    const names = (options.names ?? ["aa", "bb", "cc"]).map((name) => parseCellName(name)!);
    this.wan = new SimWan(this.time, this.prng.fork("wan"), names);
    this.cells = names.map((name, i) => new OneCell(this, name, i + 1));
    for (const cell of this.cells) cell.start();
    this.time.runFor(1000);
  }

  /** Lets what is under way finish. */
  settle(forMs = 5000): void {
    this.time.runFor(forMs);
  }

  /** Lets time run until `done` holds; fails after `forMs`. */
  until(what: string, done: () => boolean, forMs = 60_000): void {
    assert.ok(this.time.runWhile(() => !done(), this.time.nowMs + forMs), `${what} did not happen`);
  }
}
