/** Gossip among simulated nodes: who is taken for alive, by whom, and when. */
import assert from "node:assert/strict";
import { HEALTH_SCORE_MAX, LocalHealth } from "../../server/gossip/local_health.ts";
import { PROBE_MS, Swim, type SwimEffect, type SwimInput } from "../../server/gossip/swim.ts";
import { transmissionsOf, Updates, UPDATES_MAX } from "../../server/gossip/updates.ts";
import type { GossipHints, GossipMessage } from "../../server/gossip/message.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { Prng } from "../sim/prng.ts";
import { suspicionTimeoutMs } from "../../server/gossip/suspicion.ts";

const TICK_MS = 100;
const WAY_MS = 10;

const HINTS: GossipHints = { leased: true, table: 1, version: "1", load: 0, addresses: [] };

const key = (n: number) => `node${n}.1` as NodeId;

interface Flight {
  readonly atMs: number;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly message: GossipMessage;
}

/** Nodes that gossip over wires that may lose messages. */
class Net {
  readonly keys: readonly NodeId[];
  readonly prng = new Prng(1);
  readonly swims = new Map<NodeId, Swim>();
  readonly stopped = new Set<NodeId>();
  /** Whether a message is lost. */
  loses: (from: NodeId, to: NodeId) => boolean = () => false;
  sent: Flight[] = [];
  #flights: Flight[] = [];
  nowMs = 0;

  constructor(nodes: number) {
    this.keys = Array.from({ length: nodes }, (_, i) => key(i + 1));
    for (const self of this.keys) {
      const prng = this.prng.fork(self);
      this.swims.set(self, new Swim(self, () => prng.number(), HINTS));
    }
    for (const self of this.keys) this.step(self, { kind: "members", nodes: this.keys });
    // Each ticks at times of its own.
    for (const self of this.keys) this.#ticks(self, this.prng.int(0, TICK_MS - 1));
  }

  readonly #due: { readonly self: NodeId; atMs: number }[] = [];

  #ticks(self: NodeId, atMs: number): void {
    this.#due.push({ self, atMs });
  }

  step(self: NodeId, input: SwimInput): void {
    const effects: readonly SwimEffect[] = this.swims.get(self)!.step(this.nowMs, input);
    for (const effect of effects) {
      if (effect.kind !== "send") continue;
      const flight = { atMs: this.nowMs + WAY_MS, from: self, ...effect };
      this.sent.push(flight);
      if (!this.loses(self, effect.to)) this.#flights.push(flight);
    }
  }

  run(ms: number): void {
    for (const untilMs = this.nowMs + ms; this.nowMs < untilMs; this.nowMs++) {
      const landed = this.#flights.filter(({ atMs }) => atMs <= this.nowMs);
      this.#flights = this.#flights.filter(({ atMs }) => atMs > this.nowMs);
      for (const { from, to, message } of landed) {
        if (!this.stopped.has(to)) this.step(to, { kind: "message", from, message });
      }
      for (const due of this.#due) {
        if (due.atMs > this.nowMs) continue;
        due.atMs += TICK_MS;
        if (!this.stopped.has(due.self)) this.step(due.self, { kind: "tick" });
      }
    }
  }

  /** What each node that runs takes another one for. */
  statesOf(node: NodeId): readonly string[] {
    return this.keys.filter((self) => self !== node && !this.stopped.has(self))
      .map((self) => this.swims.get(self)!.view(node)!.state);
  }

  health(node: NodeId): number {
    return this.swims.get(node)!.health.score;
  }
}

const all = (states: readonly string[], wanted: string) => states.every((s) => s === wanted);

Deno.test("11: what a node has said before another one knew it reaches that one with its first probe", () => {
  const net = new Net(3);
  const [a, b, c] = net.keys as [NodeId, NodeId, NodeId];
  net.step(a, { kind: "members", nodes: [a, b] });
  net.step(c, { kind: "hints", hints: { ...HINTS, table: 2 } });
  net.run(10_000);
  net.step(a, { kind: "members", nodes: [a, b, c] });
  net.run(3 * PROBE_MS);
  assert.equal(net.swims.get(a)!.view(c)!.hints?.table, 2);
});

Deno.test("11.8: a node does not probe for others whom it does not know: it would not learn of it later", () => {
  const net = new Net(3);
  const [a, b, c] = net.keys as [NodeId, NodeId, NodeId];
  net.step(a, { kind: "members", nodes: [a, b] });
  // Only by others can b reach c, and a is asked.
  net.loses = (from, to) => from === b && to === c || from === c && to === b;
  net.run(10_000);
  net.step(a, { kind: "members", nodes: [a, b, c] });
  net.run(3 * PROBE_MS);
  assert.deepEqual(net.swims.get(a)!.view(c)!.hints, HINTS);
});

Deno.test("11: what a node has said while another one could not be reached reaches it once it can", () => {
  const net = new Net(3);
  const [a, b] = net.keys as [NodeId, NodeId];
  net.run(5000);
  net.loses = () => true;
  net.step(a, { kind: "hints", hints: { ...HINTS, table: 2 } });
  net.run(10_000);
  net.loses = () => false;
  net.step(a, { kind: "linked" });
  net.run(10 * PROBE_MS);
  assert.equal(net.swims.get(b)!.view(a)!.hints?.table, 2);
});

Deno.test("11: a suspicion is shorter with each confirmation, and never below its least", () => {
  const of = { nodes: 10, probeMs: 500 };
  const times = [0, 1, 2, 3].map((confirmations) => suspicionTimeoutMs({ ...of, confirmations }));
  assert.equal(times[0], 12_000);
  assert.ok(times[1]! < times[0]! && times[1]! > times[2]!);
  assert.deepEqual(times.slice(2), [2000, 2000]);
  // Nobody could confirm it.
  assert.equal(suspicionTimeoutMs({ nodes: 3, probeMs: 500, confirmations: 0 }), 2000);
  assert.equal(suspicionTimeoutMs({ nodes: 100, probeMs: 500, confirmations: 2 }), 4000);
});

Deno.test("11: local health stays within its bounds and stretches times", () => {
  const health = new LocalHealth();
  health.note(-1);
  assert.deepEqual([health.score, health.scaled(500)], [0, 500]);
  health.note(100);
  assert.deepEqual([health.score, health.scaled(500)], [
    HEALTH_SCORE_MAX,
    500 * (HEALTH_SCORE_MAX + 1),
  ]);
});

Deno.test("11: gossip finds a node that has stopped, within seconds, and no other", () => {
  for (const nodes of [2, 3, 5, 7]) {
    const net = new Net(nodes);
    net.run(5000);
    for (const node of net.keys) assert.ok(all(net.statesOf(node), "alive"));
    const [dead] = net.keys;
    net.stopped.add(dead!);
    net.run(nodes * PROBE_MS + 4000);
    assert.ok(all(net.statesOf(dead!), "dead"), `${nodes} nodes: ${net.statesOf(dead!)}`);
    for (const node of net.keys.slice(1)) assert.ok(all(net.statesOf(node), "alive"));
  }
});

Deno.test("11: two nodes that cannot reach each other do not suspect each other: others can", () => {
  const net = new Net(3);
  const [a, b] = net.keys;
  net.loses = (from, to) => from === a && to === b || from === b && to === a;
  let suspected = false;
  for (let i = 0; i < 300; i++) {
    net.run(100);
    suspected ||= !all(net.statesOf(a!), "alive") || !all(net.statesOf(b!), "alive");
  }
  assert.ok(!suspected);
});

Deno.test("11: a node that was taken for dead refutes it when it is reached again", () => {
  const net = new Net(3);
  const [a] = net.keys;
  // It is heard by nobody, but hears the others.
  net.loses = (from) => from === a;
  net.run(8000);
  assert.ok(all(net.statesOf(a!), "dead"));
  net.loses = () => false;
  net.run(4000);
  assert.ok(all(net.statesOf(a!), "alive"));
  for (const node of net.keys) assert.ok(all(net.statesOf(node), "alive"));
});

Deno.test("11: a statement of an earlier incarnation of a node's gossip changes nothing", () => {
  const net = new Net(3);
  const [a, b, c] = net.keys;
  net.loses = (from) => from === a;
  net.run(8000);
  net.loses = () => false;
  net.run(4000);
  assert.equal(net.swims.get(b!)!.view(a!)!.state, "alive");
  const late = { kind: "dead", node: a!, refuted: 0, by: c! } as const;
  const message = { probe: { kind: "nack", seq: 0 }, updates: [late] } as const;
  net.step(b!, { kind: "message", from: c!, message });
  assert.equal(net.swims.get(b!)!.view(a!)!.state, "alive");
});

Deno.test("11: a node that is cut off finds that it is the one, and waits longer for others", () => {
  const net = new Net(5);
  const [a] = net.keys;
  net.run(3000);
  assert.equal(net.health(a!), 0);
  net.loses = (from, to) => from === a || to === a;
  net.run(3000);
  assert.ok(net.health(a!) >= 3, `its score is ${net.health(a!)}`);
  net.loses = () => false;
  net.run(40_000);
  assert.equal(net.health(a!), 0);
  for (const node of net.keys) assert.ok(all(net.statesOf(node), "alive"));
});

Deno.test("11: a process that was stopped does not take the others for silent", () => {
  const net = new Net(3);
  const [a, b, c] = net.keys;
  net.run(1000);
  net.stopped.add(a!);
  net.run(30_000);
  net.stopped.delete(a!);
  for (let i = 0; i < 20; i++) {
    net.run(100);
    for (const node of [b!, c!]) assert.notEqual(net.swims.get(a!)!.view(node)!.state, "dead");
  }
  net.run(6000);
  for (const node of net.keys) assert.ok(all(net.statesOf(node), "alive"));
});

Deno.test("11.8: a node says itself to each of many others what it says of itself, not by chance alone", () => {
  const nodes = Array.from({ length: 16 }, (_, i) => key(i + 1));
  const [self, ...others] = nodes;
  const swim = new Swim(self!, () => 0.5, HINTS);
  let nowMs = 0;
  swim.step(nowMs, { kind: "members", nodes });
  /** Probes each other node, which replies; returns those that it stated itself to with these hints. */
  const round = (hints: GossipHints) => {
    const told = new Set<NodeId>();
    for (let i = 0; i < others.length * PROBE_MS / TICK_MS; i++) {
      nowMs += TICK_MS;
      for (const effect of swim.step(nowMs, { kind: "tick" })) {
        if (effect.kind !== "send" || effect.message.probe.kind !== "ping") continue;
        const { to, message: { probe: { seq }, updates } } = effect;
        const says = updates.some((u) =>
          u.kind === "alive" && u.node === self && u.hints === hints
        );
        if (says) told.add(to);
        const message = { probe: { kind: "ack", seq }, updates: [] } as const;
        swim.step(nowMs, { kind: "message", from: to, message });
      }
    }
    return told.size;
  };
  assert.equal(round(HINTS), others.length);
  const hints = { ...HINTS, leased: false };
  swim.step(nowMs, { kind: "hints", hints });
  assert.equal(round(hints), others.length);
  round(hints);
  assert.equal(round(hints), 0, "only while it is news");
  swim.step(nowMs, { kind: "linked" });
  assert.equal(round(hints), others.length, "what was said before may be lost");
});

Deno.test("11: what a node says of itself spreads over lossy wires, and only while it is news", () => {
  const net = new Net(7);
  const [a] = net.keys;
  net.loses = () => net.prng.chance(0.3);
  net.run(5000);
  const hints = { ...HINTS, load: 42, addresses: ["https://a.example.org"] };
  net.step(a!, { kind: "hints", hints });
  net.run(10_000);
  for (const self of net.keys.slice(1)) {
    assert.deepEqual(net.swims.get(self)!.view(a!)!.hints, hints);
  }
  net.loses = () => false;
  net.run(20_000);
  net.sent = [];
  net.run(5000);
  assert.ok(net.sent.length > 0);
  assert.ok(net.sent.every(({ message }) => message.updates.length === 0));
});

Deno.test("11: a statement travels with a bounded number of messages, the least spread first", () => {
  const updates = new Updates();
  for (let n = 1; n <= 10; n++) {
    updates.add({ kind: "suspect", node: key(n), refuted: 0, by: key(99) });
  }
  const counts = new Map<NodeId, number>();
  for (let i = 0; i < 100; i++) {
    const taken = updates.take(10, null);
    assert.ok(taken.length <= UPDATES_MAX);
    for (const { node } of taken) counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  assert.deepEqual([...counts.values()], Array.from({ length: 10 }, () => transmissionsOf(10)));
  assert.equal(updates.size, 0);
  assert.deepEqual([transmissionsOf(3), transmissionsOf(10), transmissionsOf(200)], [4, 8, 12]);
});
