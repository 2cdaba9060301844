/**
 * The steps of messages on their way, from the frame to each delivery, as one node sees them. The
 * latest are kept in memory. A trace id names a message at every node: it is computed from what each
 * place knows of the message, when somebody asks for it, so that it costs no byte on the way.
 */
import type { AccountName, CellName, NodeId } from "../../shard/name/ids.ts";
import { cellNode } from "../../shard/federation/cell_node.ts";
import type { Clock, Log } from "./ports.ts";
import type { Done } from "./callers.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";
import { pointOf } from "../../shard/name/ids.ts";

/**
 * What happens to a message, in the order of its way. `received`: from a client, by a node's edge;
 * `routed`: on to the node that owns the sender's shard, which has `taken` it; `accepted`: committed
 * with the sender, or `refused`; `replied`: to the client, where its edge is another node;
 * `forwarded`: to the recipient's shard; `arrived`: there, from another node; `settled`: committed or
 * refused there; `delivered`: to the edge of a node with sessions, which has `pushed` it to them where
 * it is another node.
 */
export const TRACE_STEPS = [
  "received",
  "routed",
  "taken",
  "accepted",
  "refused",
  "replied",
  "forwarded",
  "arrived",
  "settled",
  "delivered",
  "pushed",
] as const;

/** One of them. */
export type TraceStepKind = typeof TRACE_STEPS[number];

/** One step. */
export interface TraceStep {
  readonly step: TraceStepKind;
  /** By the node's clock (ms since 1970), which others need not share. */
  readonly at: number;
  readonly from: string;
  readonly to: string;
  /** The client's key of the message; "" where only its number is known. */
  readonly id: string;
  /** The other node that it went to or came from. */
  readonly node?: NodeId;
  /** Number of the message among those of the sender to the recipient. */
  readonly n?: number;
  /** Position in the mailbox that the step is about. */
  readonly seq?: number;
  /** Sessions that get it. */
  readonly sessions?: number;
  /** Why it was refused. */
  readonly code?: string;
}

/** A message of which steps are known. */
export interface TracedMessage {
  readonly trace: string;
  readonly from: string;
  readonly to: string;
  readonly id: string;
  /** When its first step was that is known. */
  readonly at: number;
  readonly steps: number;
}

/** Events of one packet beyond which it is history that a client reads, and no delivery. */
const LIVE_EVENTS_MAX = 16;
/** Steps of one message that are replied, at most. */
const STEPS_MAX = 500;

/** 16 hexadecimal digits for one message of one sender. */
export function traceOf(from: string, to: string, id: string): string {
  return hex(`${from}\n${to}\n${id}`) + hex(`${id}\n${to}\n${from}`);
}

function hex(text: string): string {
  return pointOf(text).toString(16).padStart(8, "0");
}

/** The same as comparing with `traceOf`, for half of the work where it is another. */
function hasTrace({ from, to, id }: Message, trace: string): boolean {
  return trace.startsWith(hex(`${from}\n${to}\n${id}`)) && traceOf(from, to, id) === trace;
}

/** What it needs of its node. */
export interface TracesHost {
  readonly clock: Pick<Clock, "wallMs">;
  readonly log: Pick<Log, "debug" | "debugOn">;
  /** Called with each step. */
  readonly observe?: ((step: TraceStep) => void) | undefined;
}

type Message = Pick<TraceStep, "from" | "to" | "id">;
type Detail = Pick<TraceStep, "node" | "n" | "seq" | "sessions" | "code">;

/** A place of the ring. Steps are written over those that were there: some six for each message. */
type Place = { -readonly [K in keyof TraceStep]-?: TraceStep[K] | undefined };

function write(place: Place, step: TraceStepKind, at: number, of: Message, detail: Detail): void {
  place.step = step;
  place.at = at;
  place.from = of.from;
  place.to = of.to;
  place.id = of.id;
  place.node = detail.node;
  place.n = detail.n;
  place.seq = detail.seq;
  place.sessions = detail.sessions;
  place.code = detail.code;
}

/** The step at a place, with the fields that it has. */
function stepAt(place: Place): TraceStep {
  const known = Object.entries(place).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known) as unknown as TraceStep;
}

function newPlace(): Place {
  return {
    step: undefined,
    at: undefined,
    from: undefined,
    to: undefined,
    id: undefined,
    node: undefined,
    n: undefined,
    seq: undefined,
    sessions: undefined,
    code: undefined,
  };
}

/** A request of which some are sends. */
interface Request {
  readonly name: AccountName;
  readonly op: OpName;
  readonly input: Ops[OpName]["in"];
}

function messageOf(from: AccountName, input: Ops[OpName]["in"]): Message {
  const { to, id } = input as Ops["message.send"]["in"];
  return { from, to, id };
}

/** See the head of this file. */
export class Traces {
  readonly #host: TracesHost;
  readonly #max: number;
  /** A ring: the oldest step is at `#next` once it is full. */
  readonly #steps: Place[] = [];
  #next = 0;

  /** `max`: steps that are kept. */
  constructor(host: TracesHost, max: number) {
    this.#host = host;
    this.#max = max;
  }

  /** `mailbox`: whose event it is, for the log. */
  #note(step: TraceStepKind, of: Message, detail: Detail, mailbox?: AccountName): void {
    const { clock, log, observe } = this.#host;
    const at = clock.wallMs();
    if (this.#max > 0) write(this.#place(), step, at, of, detail);
    if (observe === undefined && !log.debugOn) return;
    const { from, to, id } = of;
    observe?.({ step, at, from, to, id, ...detail });
    if (!log.debugOn) return;
    const named = id === "" ? {} : { trace: traceOf(from, to, id) };
    const whose = mailbox === undefined ? {} : { mailbox };
    log.debug(`message ${step}`, { ...named, from, to, ...whose, ...detail });
  }

  /** The place of the next step: a new one until the ring is full. */
  #place(): Place {
    if (this.#steps.length < this.#max) {
      const place = newPlace();
      this.#steps.push(place);
      return place;
    }
    const place = this.#steps[this.#next]!;
    this.#next = this.#next + 1 === this.#max ? 0 : this.#next + 1;
    return place;
  }

  // ---- steps

  /**
   * A request, which is a step where it is a send: from a client, or from another node. Returns the
   * `done` that notes its result. `here`: whether the shard of the sender is at this node by then.
   */
  request(
    { name, op, input }: Request,
    node: NodeId | null,
    here: (name: AccountName) => boolean,
    done: Done,
  ): Done {
    if (op !== "message.send") return done;
    const message = messageOf(name, input);
    if (node === null) this.#note("received", message, {});
    else this.#note("taken", message, { node });
    return (result) => {
      if (!result.ok) this.#note("refused", message, { code: result.code });
      else {
        const { seq } = result.value as Ops["message.send"]["out"];
        this.#note(here(name) ? "accepted" : "replied", message, { seq });
      }
      done(result);
    };
  }

  /** A request on its way to the node that owns its shard. */
  routed({ name, op, input }: Request, node: NodeId): void {
    if (op === "message.send") this.#note("routed", messageOf(name, input), { node });
  }

  /** A packet from one shard to another: `arrived` where it comes from another node. */
  packet(packet: ShardPacket, arrivedFrom: NodeId | null): void {
    if (packet.kind === "pair" && packet.payload.kind === "message") {
      const { from, to, n, payload: { id } } = packet;
      if (arrivedFrom === null) this.#note("forwarded", { from, to, id }, { n });
      else this.#note("arrived", { from, to, id }, { n, node: arrivedFrom });
    } else if (packet.kind === "pair_ack" && packet.as === "upTo" && arrivedFrom === null) {
      // It goes from the recipient to the sender.
      this.#note("settled", { from: packet.to, to: packet.from, id: "" }, { n: packet.n });
    }
  }

  /** A packet for the shard of the recipient's home, which is another cell. */
  abroad(packet: ShardPacket, cell: CellName): void {
    if (packet.kind !== "pair" || packet.payload.kind !== "message") return;
    const { from, to, n, payload: { id } } = packet;
    this.#note("forwarded", { from, to, id }, { n, node: cellNode(cell) });
  }

  /** Events for the edge of a node: `delivered` by their shard, `pushed` at another node. */
  events(packet: EdgePacket, step: "delivered" | "pushed", node: NodeId | null): void {
    if (packet.kind !== "events" || packet.events.length > LIVE_EVENTS_MAX) return;
    const { owner, events, sessions: { length: sessions } } = packet;
    for (const event of events) {
      if (event.kind !== "message") continue;
      const { id, seq, out, with: peer } = event;
      const message = { from: out ? owner : peer, to: out ? peer : owner, id };
      const detail = node === null ? { seq, sessions } : { seq, sessions, node };
      this.#note(step, message, detail, owner);
    }
  }

  // ---- what is known

  *#all(): Iterable<TraceStep> {
    for (let i = 0; i < this.#steps.length; i++) {
      yield stepAt(this.#steps[(this.#next + i) % this.#steps.length]!);
    }
  }

  /** The steps of a message in the order in which this node took them, 500 at most. */
  find(trace: string): readonly TraceStep[] {
    const ids = new Map<string, boolean>();
    const isIt = (step: TraceStep) => {
      const key = `${step.from}\n${step.to}\n${step.id}`;
      let known = ids.get(key);
      if (known === undefined) ids.set(key, known = step.id !== "" && hasTrace(step, trace));
      return known;
    };
    const all = [...this.#all()];
    const own = all.filter(isIt);
    const numbered = own.find(({ n }) => n !== undefined);
    if (numbered === undefined) return own.slice(0, STEPS_MAX);
    const { from, to, n } = numbered;
    const settled = all.find((s) =>
      s.step === "settled" && s.from === from && s.to === to && s.n! >= n!
    );
    return all.filter((s) => s === settled || isIt(s)).slice(0, STEPS_MAX);
  }

  /** The messages of the latest steps, the latest first; of or to `user` where that is not "". */
  latest(user: string, limit: number): readonly TracedMessage[] {
    const found = new Map<string, { first: TraceStep; steps: number }>();
    const all = [...this.#all()];
    for (const step of all.reverse()) {
      const { from, to, id } = step;
      if (id === "" || (user !== "" && user !== from && user !== to)) continue;
      const key = `${from}\n${to}\n${id}`;
      const known = found.get(key);
      if (known === undefined) {
        if (found.size === limit) continue;
        found.set(key, { first: step, steps: 1 });
      } else {
        known.first = step;
        known.steps++;
      }
    }
    return [...found.values()].map(({ first: { from, to, id, at }, steps }) => {
      return { trace: traceOf(from, to, id), from, to, id, at, steps };
    });
  }
}
