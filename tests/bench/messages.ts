/**
 * What a message costs without sockets: 5,000/s of virtual time between 1,000 users with 40 contacts,
 * each of whom acknowledges once a second. One process runs the node and its edge; what they write
 * goes to Deno KV in the same order. Counts are exact. The CPU of each thread is comparable between two
 * checkouts that take turns, however busy the machine is.
 */
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { Bench, Figure } from "./bench.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { Mutation } from "../../server/node/ports.ts";
import type { Session, Sink } from "../../server/edge/types.ts";
import { makeEdge } from "../sim/test_node.ts";
import { NodeFixture, ONLINE } from "../sim/node_fixture.ts";
import { tempDir } from "../process/server.ts";
import { cpuOfThreads } from "./thread_cpu.ts";

const USERS = 1000;
const CONTACTS = 40;
const SENDS_PER_MS = 5;
const WARM_MS = 4000;
const MEASURED_MS = 12_000;
const BODY = "See you at seven at the usual place, then? I bring the tickets.";
const DEVICE = "phone" as DeviceId;

const user = (i: number) => `user${String(i % USERS).padStart(4, "0")}` as AccountName;

/** A socket that takes everything; counts its writes, each of all that a turn sends. */
class CountingSink implements Sink {
  readonly #writes: { count: number };
  #corked = false;

  constructor(writes: { count: number }) {
    this.#writes = writes;
  }

  send(): void {
    if (!this.#corked) this.#writes.count++;
    this.#corked = true;
  }

  uncork(): void {
    this.#corked = false;
  }

  bufferedBytes(): number {
    return 0;
  }

  close(): void {}

  terminate(): void {}
}

class Crowd {
  readonly fixture = new NodeFixture({
    shards: 16,
    limits: { inboundMessageBurst: 1e9, checkpointMs: 2000, cacheAccountsMax: 1e6 },
  });
  readonly writes = { count: 0 };
  sent = 0;
  /** Writes of the node that KV has not made yet. */
  readonly #queue: (readonly Mutation[])[] = [];
  readonly #sessions: Session[] = [];
  readonly #sinks: CountingSink[] = [];
  readonly #lastSeq = new Map<AccountName, number>();
  #pending = 0;

  constructor() {
    const { disk } = this.fixture;
    const submit = disk.submitWrite.bind(disk);
    disk.submitWrite = (mutations, done) => {
      this.#queue.push(mutations);
      submit(mutations, done);
    };
  }

  #ask<K extends OpName>(name: AccountName, op: K, input: Ops[K]["in"]): void {
    this.#pending++;
    this.fixture.node.request(name, op, input, (result) => {
      if (!result.ok) throw new Error(`${op} of ${name}: ${result.message}`);
      this.#pending--;
    });
  }

  #settle(): void {
    const { time } = this.fixture;
    time.runWhile(() => this.#pending > 0, time.nowMs + 600_000);
    time.runFor(3000);
    this.#queue.length = 0;
  }

  provision(): void {
    for (let i = 0; i < USERS; i++) this.#ask(user(i), "account.create", { credentials: null });
    this.#settle();
    const pairs = Array.from(
      { length: USERS * CONTACTS / 2 },
      (_, i): [AccountName, AccountName] => {
        return [user(i), user(i + 1 + Math.floor(i / USERS))];
      },
    );
    const steps = [
      ["subscribe", false],
      ["subscribed", true],
      ["subscribe", true],
      ["subscribed", false],
    ] as const;
    for (const [type, back] of steps) {
      for (const [a, b] of pairs) {
        this.#ask(back ? b : a, "roster.subscription", { contact: back ? a : b, type });
      }
      this.#settle();
    }
  }

  signIn(): void {
    const { node, ports, process, time } = this.fixture;
    const { edge } = makeEdge({ node, ports });
    this.fixture.deliver = (packet: EdgePacket) => {
      if (packet.kind === "events") {
        for (const { seq } of packet.events) this.#lastSeq.set(packet.owner, seq);
      }
      edge.deliver(packet);
    };
    for (let i = 0; i < USERS; i++) {
      const sink = new CountingSink(this.writes);
      const auth = { kind: "issuer", expiresAt: process.clock.wallMs() + 86_400_000 } as const;
      const who = { user: user(i), device: DEVICE, auth, provedUntil: null, sink };
      edge.open({ ...who, cursor: null, presence: ONLINE, resume: null }, (opened) => {
        if (!opened.ok) throw new Error(opened.message);
        opened.value.session.start();
        this.#sessions.push(opened.value.session);
        this.#sinks.push(sink);
      });
      time.runFor(20);
    }
    this.#settle();
  }

  #send(i: number): void {
    const away = 1 + (this.sent * 7) % (CONTACTS / 2);
    const to = user(this.sent % 2 === 0 ? i + away : i - away + USERS);
    const id = `3f1c0c9e-77ab-4c51-9d3b-${String(++this.sent).padStart(12, "0")}`;
    const input = { device: DEVICE, to, id, body: BODY, ext: "" };
    this.fixture.node.request(user(i), "message.send", input, (result) => {
      if (!result.ok) throw new Error(result.message);
      this.#sinks[i]!.send();
      this.#sessions[i]!.flush();
    });
  }

  /** Lets the users send and acknowledge; KV makes the node's writes in turn. */
  async run(kv: Deno.Kv, forMs: number): Promise<void> {
    for (let ms = 0; ms < forMs; ms++) {
      for (let k = 0; k < SENDS_PER_MS; k++) this.#send((ms * SENDS_PER_MS + k) % USERS);
      const seq = this.#lastSeq.get(user(ms)) ?? 0;
      this.fixture.node.request(user(ms), "mailbox.ack", { seq }, () => {
        this.#sinks[ms % USERS]!.send();
      });
      this.fixture.time.runFor(1);
      for (const sink of this.#sinks) sink.uncork();
      for (const mutations of this.#queue.splice(0)) {
        const atomic = kv.atomic();
        for (const m of mutations) {
          if (m.kind === "set") atomic.set(m.key, m.value);
          else atomic.delete(m.key);
        }
        await atomic.commit();
      }
    }
  }
}

/** Messages at 5,000/s of virtual time. */
export const messagesBench: Bench = {
  name: "messages",
  what: "CPU and writes of a message at 5,000/s, without sockets; Linux alone",
  seconds: 20,
  async run(say): Promise<readonly Figure[]> {
    using dir = tempDir();
    using kv = await Deno.openKv(`${dir.path}/kv.sqlite3`);
    const crowd = new Crowd();
    say("1,000 users with 40 contacts each");
    crowd.provision();
    crowd.signIn();
    await crowd.run(kv, WARM_MS);
    const { stats } = crowd.fixture.node.committer;
    const before = { ...stats, sent: crowd.sent, writes: crowd.writes.count };
    const began = cpuOfThreads(Deno.pid);
    await crowd.run(kv, MEASURED_MS);
    const ended = cpuOfThreads(Deno.pid);
    const messages = crowd.sent - before.sent;
    const perSecond = (count: number) => count / (MEASURED_MS / 1000);
    const cpu = (of: "main" | "store" | "other") => (ended[of] - began[of]) / messages;
    return [
      ["messages: CPU of the main thread", cpu("main"), "µs"],
      ["messages: CPU of the store's thread", cpu("store"), "µs"],
      ["messages: CPU of V8's threads", cpu("other"), "µs"],
      ["messages: writes to sockets", (crowd.writes.count - before.writes) / messages, ""],
      ["messages: log", (stats.bytes - before.bytes) / messages, "B"],
      ["messages: checkpoints", (stats.checkpointBytes - before.checkpointBytes) / messages, "B"],
      ["commits", perSecond(stats.commits - before.commits), "/s"],
      ["log rows", perSecond(stats.rows - before.rows), "/s"],
      ["checkpoint writes", perSecond(stats.checkpointWrites - before.checkpointWrites), "/s"],
      ["checkpoint rows", perSecond(stats.checkpointRows - before.checkpointRows), "/s"],
    ];
  },
};
