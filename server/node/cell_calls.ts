/** What one node of a cell asks another one to do: a call has one reply, or fails in time. */
import type { AskedId, CellCall, Peer, PeerFrame } from "./peers.ts";
import type { Cancel, Timers } from "./ports.ts";
import { fail, type Result } from "../../shard/errors.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { Reshape } from "../../shard/table/table.ts";

/** How long a caller waits (ms): longer than any change of shards waits for them to quiesce. */
export const CALL_TIMEOUT_MS = 5000;
/** When it makes sense to ask again (ms). */
const AGAIN_MS = 250;

type Done = (result: Result<unknown>) => void;

interface Waiting {
  readonly peer: NodeId;
  readonly done: Done;
  readonly cancel: Cancel;
}

/** What it needs of its cell. */
export interface CallsHost {
  timers(): Pick<Timers, "after">;
  isLinked(peer: NodeId): boolean;
  send(peer: NodeId, frame: PeerFrame): void;
  /** Replies to a question; see `Asks`. */
  ask(question: CellCall & { readonly kind: "ask" }, done: Done): void;
  /** Gives a shard to another node. */
  move(shard: number, to: NodeRef, done: Done): void;
  /** Makes a change of shards that this node has. */
  reshape(change: Reshape, done: Done): void;
}

/** See the head of this file. */
export class CellCalls {
  readonly #host: CallsHost;
  readonly #waiting = new Map<AskedId, Waiting>();
  #last: AskedId = 0;

  constructor(host: CallsHost) {
    this.#host = host;
  }

  /**
   * Asks a node; `done` gets its result once. `unavailable` where it is not linked, or has not replied
   * within `forMs`: it may have done what it was asked all the same.
   */
  call(peer: NodeId, call: CellCall, done: Done, forMs = CALL_TIMEOUT_MS): void {
    if (!this.#host.isLinked(peer)) {
      return done(fail("unavailable", `There is no link to ${peer}`, AGAIN_MS));
    }
    const asked = ++this.#last;
    const cancel = this.#host.timers().after(forMs, () => {
      this.#end(asked, fail("unavailable", `${peer} does not reply`, AGAIN_MS));
    });
    this.#waiting.set(asked, { peer, done, cancel });
    this.#host.send(peer, { kind: "call", asked, call });
  }

  /** Takes a frame that is a call or the reply to one; returns whether it was. */
  take(from: Peer, frame: PeerFrame): boolean {
    if (frame.kind === "called") {
      if (this.#waiting.get(frame.asked)?.peer === from.key) this.#end(frame.asked, frame.result);
      return true;
    }
    if (frame.kind !== "call") return false;
    const { asked, call } = frame;
    this.#perform(call, (result) => {
      this.#host.send(from.key, { kind: "called", asked, result });
    });
    return true;
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
    for (const [asked, waiting] of this.#waiting) {
      if (waiting.peer !== peer) continue;
      this.#end(asked, fail("unavailable", `The link to ${peer} is broken`, AGAIN_MS));
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
