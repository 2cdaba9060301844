/**
 * Presence that services set for users: a device of the user, `service:NAME`, for as long as was
 * asked. Who has the service as a contact, in either direction, and does not block it has agreed;
 * everybody else is answered like a name that nobody has. Like all presence it is not durable.
 */
import { newId, pointOf } from "../../shard/name/ids.ts";
import type { AccountName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { DevicePresence, Snapshot } from "../../shard/ops.ts";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import { Detaches } from "../edge/detaches.ts";
import type { Cancel } from "../node/ports.ts";
import type { GatewayDeps } from "./gateway_deps.ts";
import { accountOf } from "./service.ts";
import { CellCount } from "./cell_count.ts";
import { question } from "../node/asks.ts";

/** A presence that stands. */
interface Standing {
  readonly service: string;
  readonly user: AccountName;
  readonly session: SessionId;
  readonly presence: DevicePresence;
  /** When it ends (monotonic ms). */
  readonly untilMs: number;
  cancel: Cancel;
}

/** Takes away what a node has set. */
const CLEAR = question<{ readonly service: string; readonly user: AccountName }, null>(
  "presence.clear",
);
const REFUSED = fail("not_found", "There is no such user who has this service as a contact");
/** A device ends by its timer; its right lasts a little longer. */
const RIGHT_MARGIN_MS = 60_000;

/** Whether the user has agreed that the service acts for it. */
export function agrees(snapshot: Snapshot, service: string): boolean {
  const account = accountOf(service);
  if (snapshot.blocked.includes(account)) return false;
  return snapshot.roster.some((item) => item.contact === account && item.subscription !== "none");
}

/** See the head of this file. */
export class Presences {
  readonly #deps: GatewayDeps;
  readonly #detaches: Detaches;
  /** How many one service may have standing. */
  readonly #perServiceMax: number;
  readonly #standing = new Map<string, Standing>();
  readonly #counts = new Map<string, number>();
  /** Those that are being set for the first time. */
  readonly #opening = new Map<string, number>();
  /** Both, at all nodes. */
  readonly #inCell: CellCount;

  constructor(deps: GatewayDeps, perServiceMax: number) {
    this.#deps = deps;
    this.#detaches = new Detaches(deps, () => {});
    this.#perServiceMax = perServiceMax;
    this.#inCell = new CellCount(deps, "presences", (service) => {
      return (this.#counts.get(service) ?? 0) + (this.#opening.get(service) ?? 0);
    });
    deps.cell?.asks.on(CLEAR, ({ service, user }, done) => {
      this.#clear(service, user);
      done(ok(null));
    });
  }

  /** Standing presences of all services. */
  get size(): number {
    return this.#standing.size;
  }

  /** Sets a user's presence for `ttlMs`; null takes it away, and is never refused. */
  set(
    service: string,
    user: AccountName,
    presence: DevicePresence | null,
    ttlMs: number,
    done: (result: Result<null>) => void,
  ): void {
    const old = this.#standing.get(keyOf(service, user));
    if (presence === null) {
      const { cell } = this.#deps;
      if (cell !== undefined) return cell.asks.all(CLEAR, { service, user }, () => done(ok(null)));
      this.#clear(service, user);
      return done(ok(null));
    }
    if (old !== undefined) return this.#ask(service, user, presence, ttlMs, done);
    this.#inCell.of(service, (count) => {
      const max = this.#perServiceMax;
      if (count >= max) {
        return done(fail("limit_reached", `The service has presence set for ${max} users already`));
      }
      this.#opening.set(service, (this.#opening.get(service) ?? 0) + 1);
      this.#ask(service, user, presence, ttlMs, (result) => {
        this.#opened(service);
        done(result);
      });
    });
  }

  #opened(service: string): void {
    const left = this.#opening.get(service)! - 1;
    if (left > 0) this.#opening.set(service, left);
    else this.#opening.delete(service);
  }

  #ask(
    service: string,
    user: AccountName,
    presence: DevicePresence,
    ttlMs: number,
    done: (result: Result<null>) => void,
  ): void {
    this.#deps.router.request(user, "mailbox.snapshot", {}, (result) => {
      if (!result.ok) return done(refusalOf(result));
      if (agrees(result.value.snapshot, service)) {
        return this.#stand(service, user, presence, ttlMs, done);
      }
      const standing = this.#standing.get(keyOf(service, user));
      if (standing !== undefined) this.#end(standing);
      done(REFUSED);
    });
  }

  #stand(
    service: string,
    user: AccountName,
    presence: DevicePresence,
    ttlMs: number,
    done: (result: Result<null>) => void,
  ): void {
    const { router, clock, random } = this.#deps;
    // Attached anew each time: the same device's earlier session is replaced without a gap.
    const session: SessionId = newId(random.bytes(12));
    const auth = issuedUntil(clock.wallMs() + ttlMs);
    const input = { ...attachInput(service, session, presence), auth };
    router.request(user, "session.attach", input, (result) => {
      if (!result.ok) {
        // It may be attached all the same.
        if (result.code === "unavailable") this.#detaches.add(user, session);
        return done(refusalOf(result));
      }
      const key = keyOf(service, user);
      const before = this.#standing.get(key);
      if (before === undefined) this.#counts.set(service, (this.#counts.get(service) ?? 0) + 1);
      else before.cancel();
      const untilMs = clock.monoMs() + ttlMs;
      const standing: Standing = { service, user, session, presence, untilMs, cancel: () => {} };
      standing.cancel = this.#deps.timers.after(ttlMs, () => this.#end(standing));
      this.#standing.set(key, standing);
      done(ok(null));
    });
  }

  /**
   * The shard of the points `[lo, hi)` was taken over: attaches again what stands there. `done`
   * comes when all have their answers; what cannot be attached ends.
   */
  announce(lo: number, hi: number, done: () => void): void {
    const { router, clock } = this.#deps;
    const standing = [...this.#standing.values()].filter(({ user }) => {
      const point = pointOf(user);
      return point >= lo && point < hi;
    });
    let left = standing.length;
    if (left === 0) return done();
    for (const each of standing) {
      const { service, user, session, presence, untilMs } = each;
      const input = {
        ...attachInput(service, session, presence),
        auth: issuedUntil(clock.wallMs() + untilMs - clock.monoMs()),
        announced: true,
      };
      router.request(user, "session.attach", input, (result) => {
        const over = this.#standing.get(keyOf(service, user)) !== each;
        // This may have been taken after the shard was notified of its end.
        if (over && (result.ok || result.code === "unavailable")) this.#detaches.add(user, session);
        else if (!result.ok) this.#end(each);
        left--;
        if (left === 0) done();
      });
    }
  }

  #clear(service: string, user: AccountName): void {
    const standing = this.#standing.get(keyOf(service, user));
    if (standing !== undefined) this.#end(standing);
  }

  /** Sessions have ended at their shards, as when another node has set the presence anew. */
  closed(sessions: readonly SessionId[]): void {
    for (const standing of [...this.#standing.values()]) {
      if (sessions.includes(standing.session)) this.#forget(standing);
    }
  }

  /** The user has changed what there is between it and the service: does it still agree? */
  recheck(service: string, user: AccountName): void {
    const key = keyOf(service, user);
    if (!this.#standing.has(key)) return;
    this.#deps.router.request(user, "mailbox.snapshot", {}, (result) => {
      if (result.ok && agrees(result.value.snapshot, service)) return;
      // Where it cannot be notified, too: the service can set it again.
      const standing = this.#standing.get(key);
      if (standing !== undefined) this.#end(standing);
    });
  }

  /** The service is gone, or (null) the server is going. */
  endAll(service: string | null): void {
    for (const standing of [...this.#standing.values()]) {
      if (service === null || standing.service === service) this.#end(standing);
    }
  }

  #end(standing: Standing): void {
    if (this.#forget(standing)) this.#detaches.add(standing.user, standing.session);
  }

  /** Returns whether it was standing. */
  #forget(standing: Standing): boolean {
    const key = keyOf(standing.service, standing.user);
    if (this.#standing.get(key) !== standing) return false;
    standing.cancel();
    this.#standing.delete(key);
    this.#counts.set(standing.service, (this.#counts.get(standing.service) ?? 1) - 1);
    return true;
  }
}

/**
 * The way of packets to an edge: what services have set is announced before its sessions are, and
 * learns what its shards have ended.
 */
export function announceFirst(
  presences: Pick<Presences, "announce" | "closed">,
  deliver: (packet: EdgePacket) => void,
): (packet: EdgePacket) => void {
  return (packet) => {
    if (packet.kind === "closed") presences.closed(packet.sessions);
    if (packet.kind !== "announce" || packet.refused) return deliver(packet);
    presences.announce(packet.lo, packet.hi, () => deliver(packet));
  };
}

function attachInput(service: string, session: SessionId, presence: DevicePresence) {
  return { session, device: `service:${service}` as DeviceId, cursor: null, presence };
}

function issuedUntil(endsMs: number) {
  return { kind: "issuer", expiresAt: endsMs + RIGHT_MARGIN_MS } as const;
}

function keyOf(service: string, user: string): string {
  return `${service} ${user}`;
}

/** What does not tell whether there is such a user. */
function refusalOf(failure: Failure): Failure {
  const passing = ["unavailable", "busy", "limit_reached"].includes(failure.code);
  return passing ? failure : REFUSED;
}
