/**
 * Questions that one node of a cell asks others about themselves, such as which of their users are
 * online. Parts that know a reply register it by the question's name; a part that asks gets the
 * replies of all nodes with the names of those that are missing.
 */
import type { AccountName, NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { CellCall } from "./peers.ts";
import type { NodeParts } from "./parts.ts";
import { fail, type Result } from "../../shard/errors.ts";
import { nodeViews } from "./node_view.ts";
import { peerKey } from "./peers.ts";

/** How long a node may take for a reply unless its question says otherwise (ms). */
const REPLY_MS = 2000;

/** A question. What another node replies is not checked: its program may be another version. */
export interface Question<I, O> {
  readonly name: string;
  /** How long a node may take (ms). */
  readonly replyMs: number;
  /** Carries the types alone. */
  readonly of?: (input: I) => O;
}

/** Makes a question; its name is unique in the program. */
export function question<I, O>(name: string, replyMs = REPLY_MS): Question<I, O> {
  return { name, replyMs };
}

/** A node that has not replied, and why. */
export interface Missing {
  readonly node: NodeId;
  readonly why: string;
}

/** What the nodes of a cell have replied, this one first. */
export interface Replies<O> {
  readonly replies: readonly { readonly node: NodeId; readonly value: O }[];
  /** Nodes whose part is not among the replies. */
  readonly missing: readonly Missing[];
}

type Done<O> = (result: Result<O>) => void;
type Replier = (input: unknown, done: Done<unknown>) => void;

/** See the head of this file. */
export class Asks {
  readonly #parts: () => NodeParts;
  readonly #repliers = new Map<string, Replier>();

  constructor(parts: () => NodeParts) {
    this.#parts = parts;
  }

  /** Whether the cell is this node. */
  get alone(): boolean {
    return this.#parts().cell === null;
  }

  /** Registers how this node replies to a question. `reply` calls back once. */
  on<I, O>({ name }: Question<I, O>, reply: (input: I, done: Done<O>) => void): void {
    this.#repliers.set(name, reply as Replier);
  }

  /** Replies to a question, of another node or this one. What a replier throws is a refusal. */
  reply({ what, input }: CellCall & { readonly kind: "ask" }, done: Done<unknown>): void {
    const reply = this.#repliers.get(what);
    if (reply === undefined) return done(fail("not_found", `It knows no question ${what}`));
    let replied = false;
    const once: Done<unknown> = (result) => {
      if (replied) return;
      replied = true;
      done(result);
    };
    try {
      reply(input, once);
    } catch (error) {
      this.#parts().bugs.caught(`reply to ${what}`, error);
      once(fail("unavailable", "The node could not reply; its log says why", REPLY_MS));
    }
  }

  /** Asks one node, which may be this one. `unavailable` where it has not replied in time. */
  one<I, O>(node: NodeRef, of: Question<I, O>, input: I, done: Done<O>): void {
    const { cell, ownership } = this.#parts();
    const call = { kind: "ask", what: of.name, input } as const;
    const reply = done as Done<unknown>;
    if (node.id === ownership.self.id) return this.reply(call, reply);
    if (cell === null) return done(fail("not_found", `The cell has no node ${node.id}`));
    cell.calls.call(peerKey(node), call, reply, of.replyMs);
  }

  /** Asks the node that owns the shard of a user; `unavailable` where nobody does. */
  ownerOf<I, O>(name: AccountName, of: Question<I, O>, input: I, done: Done<O>): void {
    this.owner(this.#parts().map.rowOf(name).id, of, input, done);
  }

  /** Asks the node that owns a shard; `unavailable` where nobody does. */
  owner<I, O>(shard: number, of: Question<I, O>, input: I, done: Done<O>): void {
    const { cell, map, ownership } = this.#parts();
    const row = map.table.shards.find(({ id }) => id === shard);
    if (row === undefined) return done(fail("conflict", `There is no shard ${shard}`));
    const owner = cell === null ? ownership.self : row.owner;
    if (owner === null) {
      return done(fail("unavailable", `Nobody owns shard ${shard} now`, REPLY_MS));
    }
    this.one(owner, of, input, done);
  }

  /** Asks all nodes of the cell, this one included. */
  all<I, O>(of: Question<I, O>, input: I, done: (all: Replies<O>) => void): void {
    const replies: { node: NodeId; value: O }[] = [];
    const missing: Missing[] = [];
    // A dead one whose shards others have by now has nothing to reply.
    const nodes = nodeViews(this.#parts()).filter((n) => n.state !== "dead" || n.shards.length > 0);
    let left = nodes.length;
    for (const node of nodes) {
      this.one(node, of, input, (result) => {
        if (result.ok) replies.push({ node: node.id, value: result.value });
        else missing.push({ node: node.id, why: result.message });
        if (--left > 0) return;
        const place = ({ node }: { readonly node: NodeId }) =>
          nodes.findIndex((n) => n.id === node);
        replies.sort((a, b) => place(a) - place(b));
        done({ replies, missing });
      });
    }
  }
}
