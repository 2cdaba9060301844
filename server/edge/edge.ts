/**
 * The edge of a node: opens sessions, takes them up again, hands packets of shards to them, and
 * ends them. Everything else is done by a session itself.
 */
import type { AccountName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { Result } from "../../shard/errors.ts";
import { Announcer } from "./announcer.ts";
import { Drain, type DrainPlan, type SendAwayPlan } from "./drain.ts";
import type { EdgeDeps } from "./edge_deps.ts";
import { gaugesOf } from "./gauges.ts";
import { Notices } from "./notices.ts";
import { OpenRate } from "./open_rate.ts";
import { Opening } from "./opening.ts";
import { Packets } from "./packets.ts";
import { Resuming } from "./resuming.ts";
import { Sessions } from "./sessions.ts";
import type { EdgeGauges, EdgeLimits, OpenedSession, OpenSession, Session } from "./types.ts";

/** The sessions of one node. */
export interface Edge {
  /**
   * Opens a session, or takes up the one that `resume` names; calls back once, possibly before this
   * returns. Refused with `limit_reached` where the account has too many sessions, `rate_limited`
   * where it has opened many or large ones in a short time, `busy` where the
   * node has or is draining, and with what the shard says. The caller starts the session.
   */
  open(options: OpenSession, done: (result: Result<OpenedSession>) => void): void;
  /** The live session of this id, where it is this device's. */
  find(id: SessionId, user: AccountName, device: DeviceId): Session | null;
  /** The live session of this id, of any account. */
  session(id: SessionId): Session | null;
  /** Takes a packet from a shard; returns how many sessions it concerns. Never throws. */
  deliver(packet: EdgePacket): number;
  /** The node stops: sends all clients away and refuses new ones; `done` when shards know it. */
  drain(plan: DrainPlan, done: () => void): void;
  /** Sends all clients away and refuses new ones until `takeBack`; `done` when all have gone. */
  sendAway(plan: SendAwayPlan, done: () => void): void;
  takeBack(): void;
  /**
   * Sends up to `count` clients away that have been connected for at least `ageMs`, without refusing
   * any; returns how many went. `retryAfterMs` as in `SendAwayPlan`.
   */
  shed(count: number, ageMs: number, retryAfterMs: number): number;
  /** Sends an encoded soft event to all sessions that have a client, spread over some seconds. */
  notify(event: string): void;
  gauges(): EdgeGauges;
}

/** Makes the edge of a node. */
export function createEdge(deps: EdgeDeps, limits: EdgeLimits): Edge {
  return new NodeEdge(deps, limits);
}

class NodeEdge implements Edge {
  readonly #deps: EdgeDeps;
  readonly #sessions: Sessions;
  readonly #opens: OpenRate;
  readonly #opening: Opening;
  readonly #packets: Packets;
  readonly #drain: Drain;
  readonly #notices: Notices;

  constructor(deps: EdgeDeps, limits: EdgeLimits) {
    this.#deps = deps;
    this.#sessions = new Sessions(deps, limits);
    this.#opens = new OpenRate(deps.clock, limits.opens, deps.share);
    this.#opening = new Opening(deps, this.#sessions);
    this.#packets = new Packets(this.#sessions, new Announcer(deps, this.#sessions));
    this.#drain = new Drain(deps, this.#sessions);
    this.#notices = new Notices(deps, this.#sessions);
  }

  open(options: OpenSession, done: (result: Result<OpenedSession>) => void): void {
    const { user } = options;
    const refusal = this.#drain.refusal();
    if (refusal !== null) return done(refusal);
    const tooMany = this.#opens.refusal(user);
    if (tooMany !== null) return this.#opening.refuse(options, tooMany, done);
    this.#resumeOrOpen(options, (result) => {
      if (result.ok) this.#opens.charge(user, result.value.snapshot);
      if (result.ok && !result.value.resumed) this.#deps.records?.opened(options);
      done(result);
    });
  }

  #resumeOrOpen(options: OpenSession, done: (result: Result<OpenedSession>) => void): void {
    const { user, device, resume } = options;
    const old = resume === null ? null : this.#sessions.find(resume, user, device);
    if (old === null) return this.#opening.open(options, done);
    new Resuming(this.#deps, old, options, done).run();
  }

  find(id: SessionId, user: AccountName, device: DeviceId): Session | null {
    return this.#sessions.find(id, user, device);
  }

  session(id: SessionId): Session | null {
    const session = this.#sessions.get(id);
    return session === undefined || session.attaching ? null : session;
  }

  deliver(packet: EdgePacket): number {
    return this.#packets.deliver(packet);
  }

  drain(plan: DrainPlan, done: () => void): void {
    this.#drain.start(plan, done);
  }

  sendAway(plan: SendAwayPlan, done: () => void): void {
    this.#drain.sendAway(plan, done);
  }

  takeBack(): void {
    this.#drain.stop();
  }

  shed(count: number, ageMs: number, retryAfterMs: number): number {
    return this.#drain.shed(count, ageMs, retryAfterMs);
  }

  notify(event: string): void {
    this.#notices.send(event);
  }

  gauges(): EdgeGauges {
    return gaugesOf(this.#sessions);
  }
}
