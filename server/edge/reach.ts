/**
 * Sessions as requests over HTTP name them: one request of a client may reach this node and the next
 * one another node of the cell. A session stays where it was opened, which its id says; requests for
 * it are passed on over the link between the nodes, one hop. What a request waits for is bounded by
 * its own wait, and what a node passes on by its connections: each request occupies one.
 */
import type { AccountName, DeviceId, NodeId, SessionId } from "../../shard/name/ids.ts";
import type { Cancelled, PollBatch, Session } from "./types.ts";
import type { DevicePresence } from "../../shard/ops.ts";
import type { Peer, SessionCall } from "../node/peers.ts";
import { CALL_TIMEOUT_MS, type CellCalls, type ServeSession } from "../node/cell_calls.ts";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import { isOfNode } from "./session_id.ts";

/** A session of a client, at whichever node of the cell it is. Each `done` is called once. */
export interface ReachedSession {
  readonly id: SessionId;
  /** Whether this node has it. */
  readonly here: boolean;
  /** Gets its presence; null: invisible. */
  presence(done: (result: Result<{ readonly presence: DevicePresence | null }>) => void): void;
  /** As `Session.present`. */
  present(presence: DevicePresence | null, done: (result: Result<null>) => void): void;
  /** As `Session.poll`, after `Session.proved`. */
  poll(options: PollOptions, done: (result: Result<PollBatch>) => void): Cancelled;
  /** Signs it out. */
  end(done: (result: Result<null>) => void): void;
}

/** What a poll says. */
export type PollOptions = Parameters<Session["poll"]>[0] & {
  /** When what the request proves ends (ms since 1970); null where that is not known. */
  readonly provedUntil: number | null;
};

type Act = SessionCall extends infer Call
  ? Call extends SessionCall ? Omit<Call, "session" | "user" | "device"> : never
  : never;
type Whose = Pick<SessionCall, "session" | "user" | "device">;
type Done<T> = (result: Result<T>) => void;

const NO_SUCH_SESSION = fail("not_found", "There is no such session of this device; open one");
const UNREACHED = fail(
  "not_found",
  "The session's server cannot be reached, or the session is of an earlier version: open one here",
);

/** What it needs of its node. */
export interface ReachDeps {
  readonly node: NodeId;
  /** A live session of this node, of any account. */
  session(id: SessionId): Session | null;
  /** Calls to the other nodes; null where the cell is this node. */
  readonly calls: Pick<CellCalls, "linked" | "isLinked" | "session"> | null;
}

/** See the head of this file. */
export class SessionReach {
  readonly #deps: ReachDeps;

  constructor(deps: ReachDeps) {
    this.#deps = deps;
  }

  /**
   * The session of this id for a client that acts as this device. Anything else than a live session
   * of it is `not_found`, for an id is a secret: at once where this node knows that, else as the
   * result of what is asked of the session.
   */
  find(session: SessionId, user: AccountName, device: DeviceId): Result<ReachedSession> {
    const { calls, node } = this.#deps;
    const own = this.#own({ session, user, device });
    if (own !== null) return ok(new OwnSession(own));
    const peers = [...calls?.linked ?? []].filter(({ id }) => isOfNode(session, id));
    if (calls === null || peers.length === 0) {
      return isOfNode(session, node) ? NO_SUCH_SESSION : UNREACHED;
    }
    return ok(new RemoteSession(calls, peers, { session, user, device }));
  }

  /** Acts on a session of this node as another node's client asks. */
  readonly serve: ServeSession = (call, done) => {
    const session = this.#own(call);
    if (session === null) {
      done(NO_SUCH_SESSION);
      return () => {};
    }
    const own = new OwnSession(session);
    switch (call.kind) {
      case "poll":
        return own.poll(call, done);
      case "present":
        own.present(call.presence, done);
        break;
      case "presence":
        own.presence(done);
        break;
      case "end":
        own.end(done);
    }
    return () => {};
  };

  #own({ session: id, user, device }: Whose): Session | null {
    const session = this.#deps.session(id);
    return session?.user === user && session.device === device ? session : null;
  }
}

class OwnSession implements ReachedSession {
  readonly here = true;
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  get id(): SessionId {
    return this.#session.id;
  }

  presence(done: Done<{ readonly presence: DevicePresence | null }>): void {
    done(ok({ presence: this.#session.presence }));
  }

  present(presence: DevicePresence | null, done: Done<null>): void {
    this.#session.present(presence, done);
  }

  poll({ provedUntil, ...options }: PollOptions, done: Done<PollBatch>): Cancelled {
    this.#session.proved(provedUntil);
    return this.#session.poll(options, done);
  }

  end(done: Done<null>): void {
    this.#session.end("signed_out");
    done(ok(null));
  }
}

class RemoteSession implements ReachedSession {
  readonly here = false;
  readonly #calls: NonNullable<ReachDeps["calls"]>;
  /** Nodes whose session it may be: all but one only by chance. */
  readonly #peers: readonly Peer[];
  readonly #whose: Whose;

  constructor(calls: NonNullable<ReachDeps["calls"]>, peers: readonly Peer[], whose: Whose) {
    this.#calls = calls;
    this.#peers = peers;
    this.#whose = whose;
  }

  get id(): SessionId {
    return this.#whose.session;
  }

  presence(done: Done<{ readonly presence: DevicePresence | null }>): void {
    this.#ask({ kind: "presence" }, 0, done);
  }

  present(presence: DevicePresence | null, done: Done<null>): void {
    this.#ask({ kind: "present", presence }, 0, done);
  }

  poll(options: PollOptions, done: Done<PollBatch>): Cancelled {
    const { cursor, soft, waitMs, provedUntil } = options;
    return this.#ask({ kind: "poll", cursor, soft, waitMs, provedUntil }, waitMs, done);
  }

  end(done: Done<null>): void {
    this.#ask({ kind: "end" }, 0, done);
  }

  /** Asks one node after another, until one has the session. */
  #ask<T>(act: Act, waitMs: number, done: Done<T>): Cancelled {
    let cancel: Cancelled = () => {};
    const call = { ...this.#whose, ...act } as SessionCall;
    const from = (at: number) => {
      const { key } = this.#peers[at]!;
      cancel = this.#calls.session(key, call, (result) => {
        const next = at + 1 < this.#peers.length;
        if (next && !result.ok && result.code === "not_found") return from(at + 1);
        done(result.ok ? ok(result.value as T) : this.#refusal(key, act, result));
      }, waitMs + CALL_TIMEOUT_MS);
    };
    from(0);
    return () => cancel();
  }

  /**
   * A client whose session cannot be reached goes on with another one, here, at its cursor: the new
   * one replaces the old one, wherever that is. Only what may have changed something stays unknown.
   * `unsupported`: its node is of an earlier version.
   */
  #refusal(peer: NodeId, { kind }: Act, failure: Failure): Failure {
    if (failure.code === "unsupported") return UNREACHED;
    const lost = failure.code === "unavailable" && !this.#calls.isLinked(peer);
    return lost && (kind === "poll" || kind === "presence") ? UNREACHED : failure;
  }
}
