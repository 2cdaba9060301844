/**
 * A node with its edge and gateway in virtual time, and receivers of webhooks that come and go: the
 * code of production from the HTTP routes' inside down to the store.
 */
import assert from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import type { HookAnswer, HookRequest, PostHook } from "../../server/node/ports.ts";
import type { HookRecord } from "../../server/gateway/hook_events.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { Result } from "../../shard/errors.ts";
import type { ShardLimits } from "../../shard/limits.ts";
import type { Scope } from "../../server/gateway/service.ts";
import { announceFirst } from "../../server/gateway/presences.ts";
import { type Edge } from "../../server/edge/edge.ts";
import { Gateway, type GatewayLimits } from "../../server/gateway/gateway.ts";
import { MemoryDisk } from "./memory_store.ts";
import { memoryLog } from "./sim_ports.ts";
import { Node } from "../../server/node/node.ts";
import { Prng } from "./prng.ts";
import { RegisterPoll } from "../../server/node/register_poll.ts";
import { verifySignature } from "../../server/gateway/sign.ts";
import { VirtualTime } from "./virtual_time.ts";
import { GATEWAY_LIMITS, SHARD_LIMITS } from "./limits.ts";
import { makeEdge, makeNode, startNode } from "./test_node.ts";

/** An event of a webhook. */
export type HookEvent = Readonly<Record<string, unknown>> & { readonly n: number };

/** A receiver: what it got, and whether it is up. */
export class Receiver {
  /** `hangs`: takes connections and says nothing. */
  state: "up" | "down" | "hangs" | "full" = "up";
  secret = "";
  readonly events: HookEvent[] = [];
  /** Of batches that it took. */
  readonly ids: string[] = [];
  /** When requests came (ms). */
  readonly times: number[] = [];
  /** With `full`: when it wants to be asked again. */
  retryAfterMs: number | null = null;
  /** Positions that came again. */
  repeated = 0;
  requests = 0;
  /** Longest body, in characters. */
  longest = 0;
  /** Takes the events, but its answer is lost: so many times. */
  losesAnswers = 0;

  take(request: HookRequest, nowMs: number): HookAnswer | null {
    this.requests++;
    this.times.push(nowMs);
    this.longest = Math.max(this.longest, request.body.length);
    if (this.state === "down") return { kind: "failed", reason: "connection refused" };
    if (this.state === "hangs") return null;
    if (this.state === "full") {
      return { kind: "answered", status: 503, retryAfterMs: this.retryAfterMs };
    }
    const { headers, body } = request;
    const signed = {
      id: headers["webhook-id"]!,
      timestamp: Number(headers["webhook-timestamp"]),
      body,
    };
    assert.ok(verifySignature(this.secret, signed, headers["webhook-signature"]!), "signature");
    const { events } = JSON.parse(body) as { readonly events: readonly HookEvent[] };
    const last = this.events.at(-1)?.n ?? 0;
    const fresh = events.filter(({ n }) => n > last);
    this.repeated += events.length - fresh.length;
    this.events.push(...fresh);
    this.ids.push(signed.id);
    if (this.losesAnswers-- > 0) return { kind: "failed", reason: "connection reset" };
    return { kind: "answered", status: 204, retryAfterMs: null };
  }
}

/** See the head of this file. */
export class GatewayFixture {
  readonly time = new VirtualTime();
  readonly prng: Prng;
  readonly disk: MemoryDisk;
  readonly limits: GatewayLimits;
  readonly receivers = new Map<string, Receiver>();
  process = this.time.process();
  node!: Node;
  edge!: Edge;
  gateway!: Gateway;
  readonly #memory = memoryLog();

  readonly #shard: Partial<ShardLimits>;

  constructor(
    options: {
      readonly seed?: number;
      readonly limits?: Partial<GatewayLimits>;
      readonly shard?: Partial<ShardLimits>;
    } = {},
  ) {
    this.#shard = options.shard ?? {};
    this.prng = new Prng(options.seed ?? 1);
    this.disk = new MemoryDisk(this.time, this.prng.fork("disk"));
    this.limits = { ...GATEWAY_LIMITS, ...options.limits };
    this.start();
  }

  /** Starts the process, again after `kill`. */
  start(): void {
    this.process = this.time.process();
    const limits = {
      ...SHARD_LIMITS,
      inboundMessageMs: 1,
      inboundMessageBurst: 100_000,
      subscriptionRequestBurst: 100_000,
      ...this.#shard,
    };
    let deliver: (packet: EdgePacket) => void = () => {};
    const made = makeNode({
      process: this.process,
      disk: this.disk,
      prng: this.prng.fork("random"),
      log: this.#memory.log,
      deliver: (packet) => deliver(packet),
      node: { limits, cacheUsersMax: 5000 },
    });
    const { ports } = made;
    this.node = made.node;
    this.edge = makeEdge(made).edge;
    const open = this.edge.open.bind(this.edge);
    const registers = new RegisterPoll(ports);
    const deps = { ...ports, router: this.node, post: this.#post(), registers, open };
    this.gateway = new Gateway(deps, this.limits);
    deliver = announceFirst(this.gateway.presences, (packet) => void this.edge.deliver(packet));
    startNode(this.time, this.node);
    this.wait((done) => this.gateway.load((error) => done(error)));
    this.gateway.start();
    this.time.runFor(500);
  }

  #post(): PostHook {
    const { process } = this;
    return (request, done) => {
      const receiver = this.receivers.get(request.url)!;
      // What arrives, arrives after a while on the wire; the answer takes as long.
      return process.timers.after(2, () => {
        const answer = receiver.take(request, this.time.nowMs) ??
          { kind: "failed", reason: "no answer" };
        const waits = receiver.state === "hangs" ? request.timeoutMs : 2;
        process.timers.after(waits, () => done(answer));
      });
    };
  }

  /** kill -9, and power loss with it. */
  kill(): void {
    this.process.kill();
    this.disk.crash();
  }

  /** Lets time run until `start` calls back. */
  wait<T>(start: (done: (value: T) => void) => void): T {
    const answers: T[] = [];
    start((value) => answers.push(value));
    this.time.runWhile(() => answers.length === 0, this.time.nowMs + 60_000);
    assert.equal(answers.length, 1, "no answer in time");
    return answers[0]!;
  }

  /** As `wait`, and fails where it is a refusal. */
  must<T>(start: (done: (result: Result<T>) => void) => void): T {
    const result = this.wait(start);
    assert.ok(result.ok, JSON.stringify(result));
    return result.value;
  }

  ask<K extends OpName>(name: string, op: K, input: Ops[K]["in"]): Ops[K]["out"] {
    return this.must((done) => this.node.request(name as AccountName, op, input, done));
  }

  /** Makes a service. */
  service(name: string, scopes: readonly Scope[]): string {
    return this.must<{ readonly token: string }>((done) =>
      this.gateway.registry.add(name, scopes, null, done)
    ).token;
  }

  /** Makes a webhook and its receiver. */
  hook(service: string, id: string, topics: HookRecord["topics"]): Receiver {
    const receiver = new Receiver();
    const url = `https://${service}-${id}.example/`;
    this.receivers.set(url, receiver);
    const record = { service, id, url, topics, users: null };
    receiver.secret = this.must<HookRecord>((done) => this.gateway.putHook(record, done)).secret;
    return receiver;
  }

  /** Makes a person who has the service as a contact, which may see them. */
  person(name: string, service: string): void {
    this.ask(name, "account.create", { credentials: null });
    const contact = `service.${service}` as AccountName;
    this.ask(name, "roster.subscription", { contact, type: "subscribed" });
    this.ask(name, "roster.subscription", { contact, type: "subscribe" });
    this.time.runFor(200);
  }

  /** The fields of all lines of the log of one kind. */
  logged(event: string): readonly Readonly<Record<string, unknown>>[] {
    return this.#memory.lines.filter((line) => line.event === event).map(({ fields }) => fields);
  }

  /** Rows in the store under `meta`, whose second part is `kind`, and their bytes. */
  rows(kind: string): { readonly count: number; readonly bytes: number } {
    const rows = this.disk.rows(["meta", kind]);
    return { count: rows.length, bytes: rows.reduce((sum, { value }) => sum + value.length, 0) };
  }
}
