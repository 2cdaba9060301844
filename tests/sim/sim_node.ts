/**
 * One node of a simulation: a disk that stays, and processes on it that come and go. It runs
 * the code that production runs, from the protocol down to the store; only the ports, the
 * transports and the rim of HTTP are the simulation's.
 */
import type { AccountName, DeviceId, NodeId } from "../../shard/name/ids.ts";
import { SignInQueue } from "../../server/http/sign_in_queue.ts";
import type { Answer, Greeting } from "./link.ts";
import type { Cancel, Log, Ports } from "../../server/node/ports.ts";
import type { EdgePacket } from "../../shard/ops.ts";
import type { EdgeCounters } from "../../server/edge/types.ts";
import type { LogLine } from "./sim_ports.ts";
import type { MemoryDisk } from "./memory_store.ts";
import type { Prng } from "./prng.ts";
import type { Principal } from "../../server/v1/sign_in.ts";
import type { ProtocolHost } from "../../server/v1/protocol_host.ts";
import type { Result } from "../../shard/errors.ts";
import type { Server } from "./network.ts";
import type { SimCell } from "./sim_cell.ts";
import type { SimConfig } from "./config.ts";
import type { VirtualProcess, VirtualTime } from "./virtual_time.ts";
import type { Wire } from "./wire.ts";
import type { WireConnection, WireHandler } from "../../server/v1/wire.ts";
import {
  byPassword,
  byToken,
  devicePresence,
  endChoice,
  sessionChoice,
} from "../../server/v1/sign_in.ts";
import { routerOf } from "../../server/v1/commands.ts";
import { type Edge } from "../../server/edge/edge.ts";
import { createSignIn } from "../../server/auth/sign_in.ts";
import { makeConnector } from "../../server/v1/connection.ts";
import { objectText } from "../../server/text/json_text.ts";
import { makeProtocol, welcomeFields } from "../../server/v1/protocol.ts";
import { memoryLog } from "./sim_ports.ts";
import { INJECTED } from "./step_faults.ts";
import { Node } from "../../server/node/node.ts";
import { parseCursor, parseSessionId } from "../../shard/name/ids.ts";
import { VisibleCell, VisibleSessions } from "./visible.ts";
import { CONNECTION_LIMITS, PROTOCOL_LIMITS, SIGN_IN_OPTIONS } from "./limits.ts";
import { FIXED_SIGN_IN_QUEUE } from "../../server/config/fixed.ts";
import { makeEdge, makeNode, type TestNode } from "./test_node.ts";

/** The domain of every simulated account. */
export const DOMAIN = "sim.example";

const PROTOCOL = makeProtocol(PROTOCOL_LIMITS);
const CONNECTION = {
  ...CONNECTION_LIMITS,
  rates: {
    ...CONNECTION_LIMITS.rates,
    sends: { perSecond: 50, burst: 50 },
    presence: { perSecond: 10, burst: 10 },
  },
};
/** What keys of the server follow from. */
export const SERVER_SECRET = new Uint8Array(16);

const SIGN_IN = {
  ...SIGN_IN_OPTIONS,
  domain: DOMAIN,
  registration: "open",
  // One iteration: the cost of real ones is virtual time only.
  iterations: { sha256: 1, sha1: null },
  fakeSaltSecret: SERVER_SECRET,
  failures: {
    ...SIGN_IN_OPTIONS.failures,
    perAccount: { burst: 1000, refillMs: 1, keysMax: 100 },
    perAddress: { burst: 1000, refillMs: 1, keysMax: 100 },
  },
} as const;

const UNCOUNTED = { observe: () => {}, acked: () => {}, signedIn: () => {}, limited: () => {} };

/** A process of a node. */
interface Running {
  readonly process: VirtualProcess;
  readonly ports: Ports;
  readonly node: Node;
  readonly edge: Edge;
  readonly counters: EdgeCounters;
  readonly served: ProtocolHost;
  readonly connect: (wire: WireConnection) => WireHandler;
  readonly lines: readonly LogLine[];
  readonly visible: VisibleSessions;
  serving: boolean;
  stopping: boolean;
}

/** What a node needs of its cluster. */
export interface NodeHost {
  readonly time: VirtualTime;
  readonly config: SimConfig;
  note(who: string, text: string): void;
  /** Carries what one shard of a process tells another. */
  readonly wire: Wire;
  /** What it shares with the other nodes of its cell; null where the cell is this node. */
  readonly cell: SimCell | null;
  /** Its process has ended by itself: it could not start. */
  exited(node: SimNode): void;
}

/** One node. */
export class SimNode implements Server {
  readonly id: NodeId;
  readonly who: string;
  readonly disk: MemoryDisk;
  readonly #host: NodeHost;
  readonly #prng: Prng;
  #running: Running | null = null;
  #starts = 0;
  #wallAheadMs = 0;

  constructor(host: NodeHost, number: number, disk: MemoryDisk, prng: Prng) {
    this.#host = host;
    this.id = `node${String(number).padStart(12, "0")}` as NodeId;
    this.who = `node ${number}`;
    this.disk = disk;
    this.#prng = prng;
  }

  get process(): VirtualProcess {
    return this.#running?.process ?? this.#host.time.global;
  }

  /** Whether it is up and every shard has read its log. */
  get serving(): boolean {
    return this.#running?.serving === true && this.#running.process.state === "running";
  }

  /** Whether it is stopping: it refuses what is new. */
  get stopping(): boolean {
    return this.#running?.stopping === true;
  }

  /** How often it has been started. */
  get starts(): number {
    return this.#starts;
  }

  get up(): boolean {
    return this.#running !== null;
  }

  /** The node's code, for checkers. Throws while it is down. */
  get running(): Running {
    if (this.#running === null) throw new Error(`${this.who} is down`);
    return this.#running;
  }

  /** Starts a process. */
  start(): void {
    const { cell, config, time } = this.#host;
    this.#starts++;
    const process = time.process({ monoStartMs: 1000, wallAheadMs: this.#wallAheadMs, rate: 1 });
    const { log, lines } = memoryLog();
    let deliver: (packet: EdgePacket) => void = () => {};
    const visible = new VisibleSessions(cell?.visible ?? new VisibleCell());
    const parts = this.#makeNode(process, log, (packet) => {
      visible.delivered(packet);
      this.#host.wire.deliver(process, packet, () => deliver(packet));
    });
    const { ports, node } = parts;
    visible.watch(node);
    const { edge, counters } = makeEdge(parts, config.edge);
    deliver = (packet) => edge.deliver(packet);
    const served: ProtocolHost = {
      ...ports,
      ...UNCOUNTED,
      protocol: PROTOCOL,
      router: node,
      signIn: createSignIn({ ...ports, ...UNCOUNTED, router: node, issuers: null }, SIGN_IN),
      domain: DOMAIN,
      admit: () => null,
      signInQueue: new SignInQueue(ports, FIXED_SIGN_IN_QUEUE),
      open: (options, done) => edge.open(options, done),
    };
    const connect = makeConnector({ ...served, connection: CONNECTION });
    const made = { process, ports, node, edge, counters, served, connect, lines, visible };
    const running: Running = { ...made, serving: false, stopping: false };
    this.#running = running;
    this.#host.note(this.who, `starts (${this.#starts})`);
    node.start((error) => {
      if (error !== null) {
        this.#host.note(this.who, `cannot start: ${error.kind}`);
        this.kill();
        return this.#host.exited(this);
      }
      running.serving = true;
      this.#host.note(this.who, "serves");
    });
  }

  #makeNode(process: VirtualProcess, log: Log, deliver: (packet: EdgePacket) => void): TestNode {
    const { cell, config: { limits, shards } } = this.#host;
    return makeNode({
      process,
      disk: this.disk,
      store: cell?.store(this.id, process) ?? null,
      prng: this.#prng.fork(`start ${this.#starts}`),
      log,
      deliver,
      node: {
        id: this.id,
        limits,
        shards,
        carry: (packet, arrive) => this.#host.wire.carry(process, packet, arrive),
        ...(cell === null ? {} : { links: cell.links(this.id, process) }),
      },
    });
  }

  /** kill -9 and power loss: the process is gone, and what its disk had not synced. */
  kill(): void {
    const running = this.#running;
    if (running === null) return;
    this.#end(running);
    if (this.#host.cell === null) this.disk.crash();
    this.#host.note(this.who, "is killed");
  }

  /** SIGTERM: sends everybody away, finishes, and closes the disk; `done` when it is gone. */
  stop(done: () => void): void {
    const running = this.running;
    running.stopping = true;
    this.#host.note(this.who, "stops");
    running.edge.drain({ spreadMs: 100, retryAfterMs: 500 }, () => {
      running.node.stop(() => {
        running.ports.store.close(() => {
          if (this.#running !== running) return;
          this.#end(running);
          this.#host.note(this.who, "has stopped");
          done();
        });
      });
    });
  }

  #end(running: Running): void {
    this.#checkLog(running);
    this.#running = null;
    this.#wallAheadMs = running.process.clock.wallMs() - this.#host.time.global.clock.wallMs();
    running.process.kill();
    this.#host.cell?.killed(this.id);
  }

  /** The wall clock of its machine jumps, which the next process starts with while it is down. */
  jumpWall(deltaMs: number): void {
    if (this.#running === null) this.#wallAheadMs += deltaMs;
    else this.#running.process.jumpWall(deltaMs);
  }

  /** Code that catches what it did not expect must not hide it. */
  #checkLog(running: Running): void {
    const bug = running.lines.find(({ event, fields }) => {
      return /bug/.test(event) && !String(fields["error"]).includes(INJECTED);
    });
    if (bug !== undefined) throw new Error(`${bug.event}: ${JSON.stringify(bug.fields)}`);
  }

  /** Looks for what the node has caught and logged as a bug; throws it. */
  checkLog(): void {
    if (this.#running !== null) this.#checkLog(this.#running);
  }

  // ---- Server

  accept(wire: WireConnection): WireHandler | null {
    return this.serving ? this.running.connect(wire) : null;
  }

  // ---- what the REST routes do, without HTTP

  /** POST /v1/auth/password; the value is the token. */
  restSignIn(
    input: { readonly user: string; readonly password: string; readonly device: string },
    address: string,
    reply: (answer: Answer) => void,
  ): void {
    if (!this.serving) return;
    const { served } = this.running;
    const proof = { user: input.user, password: input.password, address };
    const choice = { device: input.device as DeviceId, label: "" };
    byPassword(served, proof, choice, (result) => {
      reply(result.ok ? { ok: true, value: result.value.minted.token } : answerOf(result));
    });
  }

  /** POST /v1/sessions; the value is the welcome's text. */
  restOpen(
    token: string,
    address: string,
    input: Omit<Greeting, "proof" | "device">,
    reply: (answer: Answer) => void,
  ): void {
    this.#authenticated(token, address, reply, (principal) => {
      const { edge, ports } = this.running;
      const options = {
        ...principal,
        cursor: input.after === null ? null : parseCursor(input.after),
        presence: devicePresence(input.presence as Parameters<typeof devicePresence>[0]),
        resume: sessionChoice(input.session ?? undefined),
        ...endChoice(input.end),
        sink: null,
      };
      edge.open(options, (result) => {
        if (!result.ok) return reply(answerOf(result));
        const parts = { opened: result.value, domain: DOMAIN, token: null, scram: null };
        reply({ ok: true, value: objectText(welcomeFields(PROTOCOL, ports.clock, parts)) });
        result.value.session.start();
      });
    });
  }

  /** GET /v1/events. */
  restPoll(
    token: string,
    address: string,
    sessionId: string,
    asked: { readonly after: string | null; readonly soft: number; readonly wait: number },
    reply: (answer: Answer) => void,
  ): Cancel {
    let cancel: Cancel | null = null;
    let wanted = true;
    this.#authenticated(token, address, reply, (principal) => {
      if (!wanted) return;
      const session = this.#session(principal, sessionId);
      if (session === null) return reply({ ok: false, code: "not_found" });
      const options = {
        cursor: asked.after === null ? null : parseCursor(asked.after),
        soft: asked.soft,
        waitMs: asked.wait * 1000,
      };
      cancel = session.poll(options, (result) => {
        if (!result.ok) return reply(answerOf(result));
        const { mailboxId, seq } = result.value.cursor;
        reply({ ok: true, value: { ...result.value, cursor: `${mailboxId}:${seq}` } });
      });
    });
    return () => {
      wanted = false;
      cancel?.();
    };
  }

  /** Any command as a REST request. */
  restCommand(
    token: string,
    address: string,
    sessionId: string | null,
    name: string,
    fields: Readonly<Record<string, unknown>>,
    reply: (answer: Answer) => void,
  ): void {
    this.#authenticated(token, address, reply, (principal) => {
      const { served, served: { signIn, clock, domain, limited } } = this.running;
      const session = sessionId === null ? null : this.#session(principal, sessionId);
      if (sessionId !== null && session === null) return reply({ ok: false, code: "not_found" });
      const command = PROTOCOL.commands[name as keyof typeof PROTOCOL.commands];
      const router = routerOf(served.router, session);
      const here = { router, signIn, clock, domain, limits: PROTOCOL.limits, limited, charge() {} };
      const ctx = { ...here, user: principal.user, device: principal.device, session, address };
      command.run(ctx, fields, (result) => {
        if (!result.ok) return reply(answerOf(result));
        reply({ ok: true, value: result.value === null ? null : JSON.parse(result.value) });
        // DELETE /v1/sessions/{session}
        if (name === "bye") session?.end("signed_out");
      });
    });
  }

  #authenticated(
    token: string,
    address: string,
    reply: (answer: Answer) => void,
    then: (principal: Principal) => void,
  ): void {
    if (!this.serving) return;
    const proof = { token, address, device: null, attaches: false };
    byToken(this.running.served, proof, (result) => {
      if (result.ok) then(result.value);
      else reply(answerOf(result));
    });
  }

  #session(principal: Principal, id: string) {
    const parsed = parseSessionId(id);
    if (parsed === null) return null;
    return this.running.edge.find(parsed, principal.user as AccountName, principal.device);
  }
}

function answerOf(result: Result<unknown>): Answer {
  if (result.ok) return { ok: true, value: result.value };
  const { code, retryAfterMs } = result;
  return retryAfterMs === undefined ? { ok: false, code } : { ok: false, code, retryAfterMs };
}
