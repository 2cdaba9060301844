/** Takes a session up again with another transport, where the client's cursor goes on. */
import type { Cursor } from "../../shard/name/ids.ts";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import type { EdgeDeps } from "./edge_deps.ts";
import { PAGE } from "./feed.ts";
import type { LiveSession } from "./session.ts";
import type { OpenedSession, OpenSession } from "./types.ts";

/** Gets the session that was taken up, or why it was not. */
type Done = (result: Result<OpenedSession>) => void;

/** One session that is being taken up. */
export class Resuming {
  readonly #deps: EdgeDeps;
  readonly #session: LiveSession;
  readonly #options: OpenSession;
  readonly #done: Done;
  /** The attachment that this one made: a later one takes its place. */
  readonly #attachment: number;

  /** Gives the session the transport of `options`; it pushes nothing before it is started. */
  constructor(deps: EdgeDeps, session: LiveSession, options: OpenSession, done: Done) {
    this.#deps = deps;
    this.#session = session;
    this.#options = options;
    this.#done = done;
    session.proof(options.auth);
    session.proved(options.provedUntil);
    session.reattach(options.sink);
    this.#attachment = session.attachment;
  }

  /** Goes on at the cursor, else from a snapshot; calls back once. */
  run(): void {
    const { cursor } = this.#options;
    const session = this.#session;
    if (cursor === null || cursor.mailboxId !== session.feed.mailboxId) {
      return this.#fromSnapshot();
    }
    if (cursor.seq === session.feed.known) {
      session.feed.seek(cursor.seq);
      return this.#resumed(cursor);
    }
    this.#deps.router.request(session.user, "mailbox.read", { cursor, ...PAGE }, (result) => {
      const refused = !result.ok && result.code !== "reset" ? result : null;
      if (!this.#isCurrent(refused)) return;
      if (!result.ok || !session.continueFrom(cursor.seq, result.value)) {
        return this.#fromSnapshot();
      }
      this.#resumed(cursor);
    });
  }

  /** Whether the session still has this transport and nothing failed; else calls back with why. */
  #isCurrent(failure: Failure | null): boolean {
    const session = this.#session;
    if (session.attachment === this.#attachment && failure === null) return true;
    if (!session.alive) this.#done(endedMeanwhile(session));
    else if (session.attachment !== this.#attachment) {
      this.#done(fail("conflict", "The session was taken up by another connection"));
    } else {
      // As if the transport had been lost right away: the client tries again.
      if (this.#options.sink !== null) session.lost(this.#options.sink);
      this.#done(failure!);
    }
    return false;
  }

  #resumed({ mailboxId, seq }: Cursor): void {
    const session = this.#session;
    const { expiresAt } = session;
    this.#count();
    this.#done(
      ok({ session, resumed: true, mailboxId, seq, mode: "resume", snapshot: null, expiresAt }),
    );
  }

  #fromSnapshot(): void {
    const session = this.#session;
    this.#deps.router.request(session.user, "mailbox.snapshot", {}, (result) => {
      if (!this.#isCurrent(result.ok ? null : result) || !result.ok) return;
      const { mailboxId, snapshot } = result.value;
      const { seq } = snapshot;
      const { expiresAt, feed } = session;
      const mode = this.#options.cursor === null ? "snapshot" : "reset";
      feed.mailboxId = mailboxId;
      feed.seek(seq);
      feed.heard(seq);
      this.#count();
      this.#done(ok({ session, resumed: true, mailboxId, seq, mode, snapshot, expiresAt }));
    });
  }

  #count(): void {
    this.#deps.counters.resumed++;
    this.#deps.trial?.count(this.#session.userId, "resumed");
  }
}

/** What is returned for a session that ended while it was being opened or taken up. */
export function endedMeanwhile(session: LiveSession): Failure {
  const reason = session.endReason ?? "idle";
  const code = reason === "replaced" ? "conflict" : reason === "shutdown" ? "busy" : "unauthorized";
  return fail(code, `The session has ended while it was being opened: ${reason}`);
}
