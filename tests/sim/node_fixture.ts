/** A node in a simulation, asked directly, without edges or codecs. */
import assert from "node:assert/strict";
import type { AccountId, AccountName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import type { EdgePacket, InterestAnswer } from "../../shard/edge_packet.ts";
import type { MailboxEvent, OpName, Ops } from "../../shard/ops.ts";
import type { Result } from "../../shard/errors.ts";
import type { PushEffect, SilentCause } from "../../shard/effects.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";
import type { ShardLimits } from "../../shard/limits.ts";
import type { Ports } from "../../server/node/ports.ts";
import { MemoryDisk } from "./memory_store.ts";
import { type LogLine, memoryLog } from "./sim_ports.ts";
import { Node } from "../../server/node/node.ts";
import { Prng } from "./prng.ts";
import { VirtualTime } from "./virtual_time.ts";
import { SHARD_LIMITS } from "./limits.ts";
import { makeNode, startNode } from "./test_node.ts";

/** Presence of a device that is simply online. */
export const ONLINE = { show: "online", status: "", priority: 0, ext: "" } as const;

/** One node, its disk and its time. */
export class NodeFixture {
  readonly time = new VirtualTime();
  readonly prng: Prng;
  readonly disk: MemoryDisk;
  readonly limits: ShardLimits;
  readonly shards: number;
  readonly writers: number;
  /** What shards told the edge. */
  packets: EdgePacket[] = [];
  /** Takes the packets for the edge. */
  deliver = (packet: EdgePacket): void => void this.packets.push(packet);
  /** Whether a packet from one shard to another gets lost, or late: `arrive` delivers it. */
  loses: (packet: ShardPacket, arrive: () => void) => boolean = () => false;
  /** Push messages that shards have asked for. */
  pushes: PushEffect[] = [];
  /** Messages that were refused without telling their sender, by cause. */
  readonly refused: Partial<Record<SilentCause, number>> = {};
  process = this.time.process();
  ports!: Ports;
  node!: Node;
  #sessions = 0;
  readonly #memory = memoryLog();

  constructor(
    options: { seed?: number; limits?: Partial<ShardLimits>; shards?: number; writers?: number } =
      {},
  ) {
    this.prng = new Prng(options.seed ?? 1);
    this.disk = new MemoryDisk(this.time, this.prng.fork("disk"));
    this.limits = { ...SHARD_LIMITS, ...options.limits };
    this.shards = options.shards ?? 4;
    this.writers = options.writers ?? 1;
    this.start();
  }

  /** Starts the process, again after `kill`. */
  start(): void {
    this.process = this.time.process();
    const made = makeNode({
      process: this.process,
      disk: this.disk,
      prng: this.prng.fork("random"),
      log: this.#memory.log,
      deliver: (packet) => this.deliver(packet),
      node: {
        limits: this.limits,
        shards: this.shards,
        writers: this.writers,
        observeRefused: (cause, count) => this.refused[cause] = (this.refused[cause] ?? 0) + count,
        push: (push) => void this.pushes.push(push),
        carry: (packet, arrive) => this.loses(packet, arrive) || arrive(),
      },
    });
    this.ports = made.ports;
    this.node = made.node;
    startNode(this.time, this.node);
  }

  /** Lines of the log of this event, of all processes so far. */
  logged(event: string): readonly LogLine[] {
    return this.#memory.lines.filter((line) => line.event === event);
  }

  /** kill -9, and power loss with it. */
  kill(): void {
    this.process.kill();
    this.disk.crash();
  }

  /** Asks and lets time run until the answer. */
  ask<K extends OpName>(name: string, op: K, input: Ops[K]["in"]): Result<Ops[K]["out"]> {
    let result: Result<Ops[K]["out"]> | null = null;
    this.node.request(name as AccountName, op, input, (r) => result = r);
    this.time.runWhile(() => result === null, this.time.nowMs + 30_000);
    assert.ok(result, `${op} was not answered`);
    return result;
  }

  /** Asks, and fails the test where the answer is a refusal. */
  must<K extends OpName>(name: string, op: K, input: Ops[K]["in"]): Ops[K]["out"] {
    const result = this.ask(name, op, input);
    assert.ok(result.ok, `${op} of ${name}: ${JSON.stringify(result)}`);
    return result.value;
  }

  /** Lets what is under way finish. */
  settle(ms = 3000): void {
    this.time.runFor(ms);
  }

  /** Creates an account. */
  account(name: string): AccountId {
    return this.must(name, "account.create", { credentials: null }).id;
  }

  /** Makes two accounts contacts of each other. */
  befriend(a: string, b: string): void {
    const subscribe = (from: string, to: string, type: "subscribe" | "subscribed") =>
      this.must(from, "roster.subscription", { contact: to as AccountName, type });
    subscribe(a, b, "subscribe");
    this.settle(200);
    subscribe(b, a, "subscribed");
    subscribe(b, a, "subscribe");
    this.settle(200);
    subscribe(a, b, "subscribed");
    this.settle(200);
  }

  /** Attaches a session as an outside issuer's token would. */
  attach(
    name: string,
    device = "phone",
    presence: Ops["session.attach"]["in"]["presence"] = ONLINE,
  ) {
    const session = `session${String(++this.#sessions).padStart(9, "0")}` as SessionId;
    const value = this.must(name, "session.attach", {
      session,
      device: device as DeviceId,
      auth: { kind: "issuer", expiresAt: this.process.clock.wallMs() + 86_400_000 },
      cursor: null,
      presence,
    });
    return { session, ...value };
  }

  /** Registers the node's interest in everything the session may watch. */
  watch(name: string, attached: ReturnType<NodeFixture["attach"]>): InterestAnswer[] {
    const answers: InterestAnswer[] = [];
    this.node.interest(
      attached.watch.map((t) => ({
        watcher: name as AccountName,
        watcherId: attached.id,
        watched: t.name,
        watchedId: t.id,
      })),
      (some) => answers.push(...some),
    );
    this.time.runWhile(() => answers.length < attached.watch.length, this.time.nowMs + 5000);
    return answers;
  }

  /** Sends a message. */
  send(from: string, to: string, id: string, body = id): Ops["message.send"]["out"] {
    return this.must(from, "message.send", {
      device: "phone" as DeviceId,
      to: to as AccountName,
      id,
      body,
      ext: "",
    });
  }

  /** Everything retained in a mailbox. */
  mailbox(name: string): readonly MailboxEvent[] {
    const events: MailboxEvent[] = [];
    let cursor: Ops["mailbox.read"]["in"]["cursor"] = null;
    for (;;) {
      const page: Ops["mailbox.read"]["out"] = this.must(name, "mailbox.read", {
        cursor,
        limit: 100,
        bytesMax: 65_536,
      });
      events.push(...page.events);
      const last = page.events.at(-1)?.seq ?? page.seq;
      if (last >= page.seq) return events;
      cursor = { mailboxId: page.mailboxId, seq: last };
    }
  }

  /** Bodies of the messages in a mailbox, in order. */
  bodies(name: string): string[] {
    return this.mailbox(name).flatMap((e) => e.kind === "message" ? [e.body] : []);
  }
}
