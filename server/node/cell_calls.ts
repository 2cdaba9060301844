/** What one node of a cell asks another one to do: a call has one reply, or fails in time. */
import type { AskedId, CellCall, Peer, PeerFrame, SessionCall } from "./peers.ts";
import type { Cancel, Timers } from "./ports.ts";
import { fail, type Result } from "../../shard/errors.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { Reshape } from "../../shard/table/table.ts";

/** How long a caller waits (ms): longer than any change of shards waits for them to quiesce. */
export const CALL_TIMEOUT_MS = 5000;
/** When it makes sense to ask again (ms). */
const AGAIN_MS = 250;
// Clients get these about their sessions: they do not name the node. Lists for operators name it.
const NO_REPLY = "It does not reply in time: what it was asked may be done";
const BROKEN = "It was lost before it replied: what it was asked may be done";

type Done = (result: Result<unknown>) => void;

interface Waiting {
  readonly peer: NodeId;
  readonly done: Done;
  readonly cancel: Cancel;
}

/** What it needs of its cell. */
export interface CallsHost {
  timers(): Pick<Timers, "after">;
  /** The nodes that are linked, by their processes. */
  linked(): ReadonlyMap<NodeId, Peer>;
  send(peer: NodeId, frame: PeerFrame): void;
  /** Replies to a question; see `Asks`. */
  ask(question: CellCall & { readonly kind: "ask" }, done: Done): void;
  /** Gives a shard to another node. */
  move(shard: number, to: NodeRef, done: Done): void;
  /** Makes a change of shards that this node has. */
  reshape(change: Reshape, done: Done): void;
}

/** Acts on a session of this node's edge; the returned function cancels a poll. */
export type ServeSession = (call: SessionCall, done: Done) => Cancel;

/** See the head of this file. */
export class CellCalls {
  /** Acts on sessions of this node's edge; the edge sets it. */
  serveSession: ServeSession = (_call, done) => {
    done(fail("unavailable", "The node is starting", AGAIN_MS));
    return () => {};
  };
  readonly #host: CallsHost;
  readonly #waiting = new Map<AskedId, Waiting>();
  /** Calls of other nodes that wait here: no more than this edge has sessions, in the end. */
  readonly #serving = new Map<NodeId, Map<AskedId, Cancel>>();
  #last: AskedId = 0;

  constructor(host: CallsHost) {
    this.#host = host;
  }

  /** The nodes that can be called. */
  get linked(): Iterable<Peer> {
    return this.#host.linked().values();
  }

  isLinked(peer: NodeId): boolean {
    return this.#host.linked().has(peer);
  }

  /**
   * Asks a node; `done` gets its result once. `unavailable` where it is not linked, or has not replied
   * within `forMs`: it may have done what it was asked all the same.
   */
  call(peer: NodeId, call: CellCall, done: Done, forMs = CALL_TIMEOUT_MS): void {
    this.#ask(peer, (asked) => ({ kind: "call", asked, call }), done, forMs);
  }

  /**
   * Asks the edge of a node for something about one of its sessions; as `call`, but that the returned
   * function ends it without a result, there as well.
   */
  session(peer: NodeId, call: SessionCall, done: Done, forMs: number): Cancel {
    const asked = this.#ask(peer, (asked) => ({ kind: "session", asked, call }), done, forMs);
    return () => {
      const waiting = this.#waiting.get(asked);
      if (waiting === undefined) return;
      this.#waiting.delete(asked);
      waiting.cancel();
      this.#host.send(peer, { kind: "cancel", asked });
    };
  }

  #ask(
    peer: NodeId,
    frameOf: (asked: AskedId) => PeerFrame,
    done: Done,
    forMs: number,
  ): AskedId {
    const asked = ++this.#last;
    if (!this.isLinked(peer)) {
      done(fail("unavailable", "It cannot be reached", AGAIN_MS));
      return asked;
    }
    const frame = frameOf(asked);
    const cancel = this.#host.timers().after(forMs, () => {
      if (frame.kind === "session") this.#host.send(peer, { kind: "cancel", asked });
      this.#end(asked, fail("unavailable", NO_REPLY, AGAIN_MS));
    });
    this.#waiting.set(asked, { peer, done, cancel });
    this.#host.send(peer, frame);
    return asked;
  }

  /** Takes a frame that is a call, the reply to one or its end; returns whether it was. */
  take(from: Peer, frame: PeerFrame): boolean {
    switch (frame.kind) {
      case "called":
        if (this.#waiting.get(frame.asked)?.peer === from.key) this.#end(frame.asked, frame.result);
        return true;
      case "cancel":
        this.#served(from.key, frame.asked)?.();
        return true;
      case "call":
        this.#perform(frame.call, this.#replies(from.key, frame.asked));
        return true;
      case "session":
        this.#serve(from.key, frame.asked, frame.call);
        return true;
      default:
        return false;
    }
  }

  #replies(peer: NodeId, asked: AskedId): Done {
    return (result) => this.#host.send(peer, { kind: "called", asked, result });
  }

  #serve(peer: NodeId, asked: AskedId, call: SessionCall): void {
    const reply = this.#replies(peer, asked);
    let over = false;
    const cancel = this.serveSession(call, (result) => {
      over = true;
      this.#served(peer, asked);
      reply(result);
    });
    if (over) return;
    const serving = this.#serving.get(peer) ?? new Map<AskedId, Cancel>();
    this.#serving.set(peer, serving.set(asked, cancel));
  }

  /** Forgets a call of another node; returns what cancels it, where it waits. */
  #served(peer: NodeId, asked: AskedId): Cancel | undefined {
    const serving = this.#serving.get(peer);
    const cancel = serving?.get(asked);
    serving?.delete(asked);
    if (serving?.size === 0) this.#serving.delete(peer);
    return cancel;
  }

  /** Does what another node asks for. */
  #perform(call: CellCall, done: Done): void {
    switch (call.kind) {
      case "ask":
        return this.#host.ask(call, done);
      case "move":
        return this.#host.move(call.shard, call.to, done);
      case "reshape":
        return this.#host.reshape(call, done);
      default:
        // A later version may ask for more.
        return done(fail("bad_request", "This node does not know what it is asked for"));
    }
  }

  /** The link with a node is broken: what it was asked may be done, or not. */
  unlinked(peer: NodeId): void {
    const serving = this.#serving.get(peer);
    this.#serving.delete(peer);
    for (const cancel of serving?.values() ?? []) cancel();
    for (const [asked, waiting] of this.#waiting) {
      if (waiting.peer !== peer) continue;
      this.#end(asked, fail("unavailable", BROKEN, AGAIN_MS));
    }
  }

  #end(asked: AskedId, result: Result<unknown>): void {
    const waiting = this.#waiting.get(asked);
    if (waiting === undefined) return;
    this.#waiting.delete(asked);
    waiting.cancel();
    waiting.done(result);
  }
}
