/** Opens sessions within the bounds of a node: attaches new ones to the shards of their users. */
import type { Ops } from "../../shard/ops.ts";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import type { EdgeDeps } from "./edge_deps.ts";
import { endedMeanwhile } from "./resuming.ts";
import { LiveSession } from "./session.ts";
import { isOfNode, newSessionId } from "./session_id.ts";
import type { Sessions } from "./sessions.ts";
import type { OpenedSession, OpenSession } from "./types.ts";

/** What a client that is refused for want of room is asked to wait, ms. */
const FULL_RETRY_MS = 5000;

/** Gets the session that was opened, or why it was not. */
type Done = (result: Result<OpenedSession>) => void;

/** Opens the sessions of one edge. */
export class Opening {
  readonly #deps: EdgeDeps;
  readonly #sessions: Sessions;

  constructor(deps: EdgeDeps, sessions: Sessions) {
    this.#deps = deps;
    this.#sessions = sessions;
  }

  /** Opens a new session; see `Edge.open`. */
  open(options: OpenSession, done: Done): void {
    const { sessionsMax } = this.#sessions.limits;
    if (this.#sessions.size >= sessionsMax) {
      this.#deps.counters.refused++;
      const retryMs = Math.ceil(FULL_RETRY_MS * (0.5 + this.#deps.random.number()));
      return done(fail("busy", `The server has ${sessionsMax} sessions already`, retryMs));
    }
    const full = this.#accountFull(options);
    if (full === null) this.#attach(options, done);
    else this.refuse(options, full, done);
  }

  /**
   * Refuses a session for what its account has or has done, which is for those alone who have proved
   * that the account is theirs.
   */
  refuse({ user, auth, provedUntil }: OpenSession, full: Failure, done: Done): void {
    this.#deps.counters.refused++;
    if (auth.kind !== "token" || provedUntil !== null) return done(full);
    const { tokenHash } = auth;
    this.#deps.router.request(user, "auth.token", { tokenHash }, (result) => {
      done(result.ok ? full : result);
    });
  }

  #accountFull({ user, device, ends }: OpenSession): Failure | null {
    const { sessionsPerAccountMax } = this.#sessions.limits;
    if (this.#sessions.countOthers(user, [device, ends]) < sessionsPerAccountMax) return null;
    const message = `Cannot open a session: the account has ${sessionsPerAccountMax} already, ` +
      "as many as it may have. End another one first (end)";
    return fail("limit_reached", message);
  }

  #attach(options: OpenSession, done: Done): void {
    const { user, device, auth, cursor, presence, ends } = options;
    const id = newSessionId(this.#deps.node, this.#deps.random);
    const session = new LiveSession(this.#sessions, { id, ...options });
    // Before the request: what the shard sends on may be here before its answer.
    this.#sessions.add(session);
    const ending = ends === undefined ? {} : { ends };
    const input = { session: id, device, auth, cursor, presence, ...ending };
    let replied = false;
    const withdraw = this.#deps.router.request(user, "session.attach", input, (result) => {
      replied = true;
      this.#sessions.attached(session);
      // Without a certain refusal the shard may have the session now.
      const uncertain = result.ok || result.code === "unavailable";
      if (!session.alive) {
        if (uncertain) this.#sessions.detaches.add(user, id);
        return done(result.ok ? endedMeanwhile(session) : result);
      }
      // Others may have been opened meanwhile.
      const refusal = result.ok ? this.#accountFull(options) : result;
      if (result.ok && refusal === null) {
        return done(this.#attached(session, options, result.value));
      }
      // It never was open, so that no client gets a reason.
      session.finish("revoked", false);
      if (uncertain) this.#sessions.detaches.add(user, id);
      if (result.ok) this.#deps.counters.refused++;
      done(refusal!);
    });
    if (replied || withdraw === undefined) return;
    this.#sessions.attaches(session, withdraw);
    options.waits?.(withdraw);
  }

  #attached(
    session: LiveSession,
    { cursor, resume }: OpenSession,
    out: Ops["session.attach"]["out"],
  ): Result<OpenedSession> {
    const { counters, trial } = this.#deps;
    const { mailboxId, seq, mode, snapshot, expiresAt } = out;
    counters.opened++;
    this.#sessions.storm.opened();
    trial?.count(out.id, "opened");
    // One of another node goes on with this one, unseen.
    const over = resume !== null && isOfNode(resume, this.#deps.node);
    if (over) trial?.count(out.id, "falseOffline");
    session.attached(out, cursor);
    const from = mode === "resume" && cursor !== null ? cursor.seq : seq;
    return ok({ session, resumed: false, mailboxId, seq: from, mode, snapshot, expiresAt });
  }
}
