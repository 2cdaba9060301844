/** Services and their webhooks in a cell: one node sends, and another one goes on in its place. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { HookRecord } from "../../server/gateway/hook_events.ts";
import type { HookPut, HookView } from "../../server/gateway/hook_calls.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { PostHook } from "../../server/node/ports.ts";
import type { Result } from "../../shard/errors.ts";
import type { SimNode } from "../sim/sim_node.ts";
import { claimOf } from "../../server/node/claims.ts";
import { Experiments } from "../../server/gateway/experiments.ts";
import { type Invite, Invites, type InviteView } from "../../server/ops/invites.ts";
import { KEPT_MS } from "../../server/gateway/cell_count.ts";
import { Gateway } from "../../server/gateway/gateway.ts";
import { GATEWAY_LIMITS } from "../sim/limits.ts";
import { CellNodes } from "./cell_nodes.ts";
import { Receiver } from "../sim/gateway_fixture.ts";
import { REGISTER_POLL_MS, RegisterPoll } from "../../server/node/register_poll.ts";

const FAST = {
  inboundMessageMs: 1,
  inboundMessageBurst: 100_000,
  subscriptionRequestBurst: 100_000,
};
const HOOK: Omit<HookRecord, "secret"> = {
  service: "mail",
  id: "main",
  url: "https://mail.example/",
  topics: ["outcomes"],
  users: null,
};
const MAIL = "service.mail" as AccountName;
const ANN = "ann" as AccountName;

function messageOf(id: string): Ops["message.send"]["in"] {
  return { device: "gateway" as DeviceId, to: ANN, id, body: "hello", ext: "" };
}

/** When a refused request may be repeated (ms); 0 where it was done, or is refused for good. */
function retryMs(result: Result<unknown> | null): number {
  return result === null || result.ok ? 0 : result.retryAfterMs ?? 0;
}

/** Users one service may have presence set for. */
const PRESENCES_MAX = 2;

class CellGateways extends CellNodes {
  readonly gateways = new Map<SimNode, Gateway>();
  readonly receiver = new Receiver();
  /** The nodes that have sent, one after another. */
  readonly senders: SimNode[] = [];
  #sent = 0;

  constructor() {
    super(3, 6, 0, FAST);
    for (const node of this.cluster.nodes) this.serve(node);
  }

  /** Starts the gateway of a node that serves. */
  serve(sim: SimNode): void {
    const { edge, node, ports } = sim.running;
    const gateway = new Gateway({
      ...ports,
      router: node,
      post: this.#post(sim),
      registers: new RegisterPoll(ports),
      open: edge.open.bind(edge),
      cell: { node: node.id, asks: node.asks, claimOf: (name) => claimOf(node, name) },
    }, { ...GATEWAY_LIMITS, presencesMax: PRESENCES_MAX });
    this.gateways.set(sim, gateway);
    let loaded = false;
    gateway.load((error) => loaded = error === null);
    this.await("its services", () => loaded, 5000);
    gateway.start();
  }

  #post(sim: SimNode): PostHook {
    const { process } = sim.running;
    return (request, done) => {
      if (this.senders.at(-1) !== sim) this.senders.push(sim);
      return process.timers.after(2, () => {
        const reply = this.receiver.take(request, this.cluster.time.nowMs)!;
        process.timers.after(2, () => done(reply));
      });
    };
  }

  /** Starts it, again where it is refused for a moment. */
  must<T>(what: string, start: (done: (result: Result<T>) => void) => void): T {
    let found: Result<T> | null = null;
    const untilMs = this.cluster.time.nowMs + 10_000;
    do {
      found = null;
      start((result) => found = result);
      this.await(what, () => found !== null, 10_000);
      this.cluster.time.runFor(retryMs(found));
    } while (retryMs(found) > 0 && this.cluster.time.nowMs < untilMs);
    const result = found as Result<T> | null;
    ok(result?.ok, `${what}: ${JSON.stringify(result)}`);
    return result.value;
  }

  request<K extends OpName>(at: SimNode, name: string, op: K, input: Ops[K]["in"]): Ops[K]["out"] {
    return this.must(op, (done) => at.running.node.request(name as AccountName, op, input, done));
  }

  /** The node that owns the shard of the service's account. */
  get owner(): SimNode | undefined {
    return this.cluster.nodes.find((n) => n.up && claimOf(n.running.node, MAIL) !== null);
  }

  get others(): readonly SimNode[] {
    return this.cluster.nodes.filter((n) => n.up && n !== this.owner);
  }

  /** Sends messages of the service, and waits for their outcomes at the receiver. */
  send(at: SimNode, count: number): void {
    for (let i = 0; i < count; i++) {
      const id = `k${this.#sent++}`;
      this.request(at, MAIL, "message.send", messageOf(id));
    }
    this.await("the outcomes", () => this.keys.length === this.#sent, 60_000);
    deepEqual(this.keys, Array.from({ length: this.#sent }, (_, i) => `k${i}`));
    const positions = this.receiver.events.map(({ n }) => n);
    deepEqual(positions, positions.map((_, i) => i + 1), "no position is left out");
  }

  /** Keys of the messages that were reported as accepted, in the order of the reports. */
  get keys(): readonly string[] {
    return this.receiver.events.filter(({ state }) => state === "accepted")
      .map(({ key }) => String(key));
  }
}

function started(): CellGateways {
  const cell = new CellGateways();
  const { owner, others: [other] } = cell;
  const scopes = ["send", "outcomes", "presence.set"] as const;
  const { registry } = cell.gateways.get(other!)!;
  cell.must("a service", (done) => registry.add("mail", scopes, null, done));
  const known = () => cell.gateways.get(owner!)!.hub("mail")?.attached === true;
  cell.await("its attachment", known, 5000);
  cell.request(other!, "ann", "account.create", { credentials: null });
  cell.request(
    other!,
    "ann",
    "roster.subscription",
    { contact: MAIL, type: "subscribed" },
  );
  cell.request(other!, "ann", "roster.subscription", { contact: MAIL, type: "subscribe" });
  cell.cluster.time.runFor(500);
  return cell;
}

Deno.test("11: one node sends for a webhook; another goes on without gap or change of order", () => {
  const cell = started();
  const { cluster, receiver, owner, others: [other] } = cell;
  // Made through a node that is not active.
  const put = cell.must<HookPut>(
    "a webhook",
    (done) => cell.gateways.get(other!)!.hookCalls.put(HOOK, done),
  );
  equal(put.made, true);
  receiver.secret = put.record.secret;
  cell.send(other!, 8);
  deepEqual(cell.senders, [owner]);
  // What is sent while its node is dead waits.
  receiver.state = "down";
  const id = "waits";
  cell.request(other!, MAIL, "message.send", messageOf(id));
  cluster.kill(owner!);
  receiver.state = "up";
  cell.await("another owner", () => cell.owner !== undefined, 5000);
  const waits = () => cell.keys.includes("waits");
  cell.await("what waited", waits, 60_000);
  const heirs = cell.senders.filter((n) => n !== owner);
  deepEqual(heirs, [cell.owner]);
  receiver.events.splice(receiver.events.findIndex(({ key }) => key === "waits"), 1);
  const rest = receiver.events.map(({ n }) => n);
  deepEqual(rest, [...rest].sort((a, b) => a - b));
  const before = cell.keys;
  deepEqual(before, Array.from({ length: 8 }, (_, i) => `k${i}`));
});

Deno.test("11: a stopped sender that goes on after its takeover sends nothing and writes nothing", () => {
  const cell = started();
  const { receiver, owner, others: [other] } = cell;
  const put = cell.must<HookPut>(
    "a webhook",
    (done) => cell.gateways.get(other!)!.hookCalls.put(HOOK, done),
  );
  receiver.secret = put.record.secret;
  cell.send(other!, 4);
  owner!.process.pause();
  cell.await("another owner", () => ![undefined, owner].includes(cell.owner), 10_000);
  cell.send(other!, 4);
  owner!.process.resume();
  cell.cluster.time.runFor(3000);
  const sent = cell.senders.length;
  cell.send(other!, 4);
  ok(cell.senders.slice(sent).every((n) => n !== owner || cell.owner === owner));
  cell.cluster.time.runFor(2000);
  const list = cell.must<readonly HookView[]>(
    "its state",
    (done) => cell.gateways.get(other!)!.hookCalls.list("mail", done),
  );
  deepEqual(list.map(({ id, waiting, dead }) => [id, waiting, dead]), [["main", 0, 0]]);
});

Deno.test("11: presence that a service sets at one node is changed and taken away at any other", () => {
  const cell = started();
  const [first, second, third] = cell.cluster.nodes as [SimNode, SimNode, SimNode];
  const at = (node: SimNode) => cell.gateways.get(node)!.presences;
  const away = { show: "away", status: "", priority: 0, ext: "" } as const;
  const set = (node: SimNode, presence: typeof away | null) =>
    cell.must<null>("presence", (done) => at(node).set("mail", ANN, presence, 60_000, done));
  const sessions = () => {
    const node = cell.cluster.nodes.find((n) => n.running.node.owns(ANN))!.running.node;
    return node.shardOf(ANN).presence.sessions(ANN).length;
  };
  set(first, away);
  set(second, away);
  equal(sessions(), 1);
  set(third, null);
  cell.await("its end", () => sessions() === 0, 1000);
  equal(at(second).size, 0);
});

Deno.test("11: bounds of a service hold over all nodes of a cell", () => {
  const cell = started();
  const [one, two] = cell.cluster.nodes.map((node) => cell.gateways.get(node)!);
  const away = { show: "away", status: "", priority: 0, ext: "" } as const;
  const set = (gateway: Gateway, user: string) => {
    let result: Result<null> | null = null;
    const name = user as AccountName;
    gateway.presences.set("mail", name, away, 60_000, (set) => result = set);
    cell.await("a presence", () => result !== null, 10_000);
    return result as Result<null> | null;
  };
  for (let i = 0; i < PRESENCES_MAX; i++) {
    const user = `user${i}`;
    const [at] = cell.cluster.nodes;
    cell.request(at!, user, "account.create", { credentials: null });
    const input = { contact: MAIL, type: "subscribe" } as const;
    cell.request(at!, user, "roster.subscription", input);
    cell.cluster.time.runFor(500);
    equal(set(one!, user)?.ok, true);
  }
  cell.cluster.time.runFor(KEPT_MS);
  const refused = set(two!, "ann");
  equal(refused?.ok === false && refused.code, "limit_reached");
  // One that it has set already is not counted again.
  equal(set(one!, "user0")?.ok, true);
  one!.listeners.add("mail", { presence: () => {}, moved: () => {}, ended: () => {} });
  let streams = 0;
  two!.streamCount.of("mail", (count) => streams = count);
  cell.await("a count", () => streams === 1, 3000);
});

Deno.test("11: invites, services and experiments are the same at every node of a cell", () => {
  const cell = started();
  const [first, second, third] = cell.cluster.nodes as [SimNode, SimNode, SimNode];
  const invitesAt = ({ running: { ports, node } }: SimNode) => new Invites(ports, node, 60_000);
  const made = cell.must<Invite>("an invite", (done) => invitesAt(first).create(done));
  const listed = () =>
    cell.must<readonly InviteView[]>("invites", (done) => invitesAt(second).list(done));
  deepEqual(listed().map(({ state }) => state), ["open"]);
  const revoke = (done: (result: Result<null>) => void) =>
    invitesAt(third).revoke(listed()[0]!.id, done);
  cell.must<null>("its end", revoke);
  deepEqual(listed().map(({ state, expiresAt }) => [state, expiresAt]), [
    ["revoked", made.expiresAt],
  ]);
  for (const gateway of cell.gateways.values()) {
    deepEqual(gateway.registry.list().map(({ name }) => name), ["mail"]);
  }
  const experimentsAt = ({ running: { ports } }: SimNode) => {
    const registers = new RegisterPoll(ports);
    const experiments = new Experiments({ registers, rows: ports.store }, {
      "offline-grace": null,
    });
    let loaded = false;
    experiments.load((error) => loaded = error === null);
    cell.await("experiments", () => loaded, 1000);
    return experiments;
  };
  const [one, other] = [experimentsAt(first), experimentsAt(third)];
  cell.must("new arms", (done) => one.set("offline-grace", "control=50,short=50", done));
  const arms = () => other.list()[0]!.arms;
  cell.await("the arms", () => arms() === "control=50,short=50", REGISTER_POLL_MS + 1000);
  cell.must<null>("its end", (done) => cell.gateways.get(third)!.registry.revoke("mail", done));
  const ended = () => [...cell.gateways.values()].every(({ registry }) => !registry.get("mail"));
  cell.await("its end at all", ended, 500);
});

Deno.test("11: webhooks are listed, replayed and removed through any node of a cell", () => {
  const cell = started();
  const { owner, others } = cell;
  const [other, last] = others as [SimNode, SimNode];
  const calls = (node: SimNode) => cell.gateways.get(node)!.hookCalls;
  const put = cell.must<HookPut>("a webhook", (done) => calls(other).put(HOOK, done));
  cell.receiver.secret = put.record.secret;
  const again = cell.must<HookPut>("a change", (done) => calls(last).put(HOOK, done));
  deepEqual([again.made, again.record.secret], [false, put.record.secret]);
  cell.send(last, 2);
  for (const node of cell.cluster.nodes) {
    const list = cell.must<readonly HookView[]>("a list", (done) => calls(node).list("mail", done));
    deepEqual(list.map(({ id, url, failures }) => [id, url, failures]), [["main", HOOK.url, 0]]);
    let known = 0;
    calls(node).status((all, missing) => known = all.length + missing.length);
    cell.await("a state", () => known === 1, 3000);
  }
  const name = { service: "mail", id: "main" };
  equal(cell.must<number>("a replay", (done) => calls(last).replay(name, done)), 0);
  cell.must<null>("its end", (done) => calls(other).remove(name, done));
  equal(cell.gateways.get(owner!)!.hooks.of("mail").length, 0);
});

Deno.test("11: a request about a webhook waits until another node has taken over from the active one", () => {
  const cell = started();
  const { owner, others: [other] } = cell;
  cell.cluster.kill(owner!);
  let result: Result<HookPut> | null = null;
  cell.gateways.get(other!)!.hookCalls.put(HOOK, (put) => result = put);
  cell.await("a webhook", () => result !== null, 15_000);
  const put = result as Result<HookPut> | null;
  ok(put?.ok, JSON.stringify(put));
});

Deno.test("11: each node of a cell deletes what is over age in its own shards, without a request", () => {
  const cell = new CellNodes(3, 6, 0, { retentionMs: 60_000, dedupeWindowMs: 60_000 });
  const { cluster } = cell;
  const [first] = cluster.nodes as [SimNode, SimNode, SimNode];
  const names = Array.from({ length: 24 }, (_, i) => `user${i}` as AccountName);
  let left = names.length;
  for (const name of names) {
    first.running.node.request(name, "account.create", { credentials: null }, () => {
      const message = { ...messageOf("note"), to: name };
      first.running.node.request(name, "message.send", message, (sent) => sent.ok && left--);
    });
  }
  cell.await("their messages", () => left === 0, 10_000);
  const heads = () =>
    cluster.nodes.flatMap(({ running: { node } }) =>
      node.shards.map((shard) => [`${node.id} ${shard.id}`, shard.lastLsn] as const)
    );
  cluster.time.runFor(5000);
  const before = new Map(heads());
  cluster.time.runFor(200_000);
  const grown = heads().filter(([shard, lsn]) => lsn > (before.get(shard) ?? Infinity));
  equal(grown.length, 6, `only ${grown.map(([shard]) => shard).join()} have deleted something`);
  let kept = -1;
  first.running.node.request(names[7]!, "account.info", {}, (info) => {
    kept = info.ok ? info.value.events : -1;
  });
  cell.await("a look", () => kept === 0, 5000);
});
