/** What a shard notes of the move of an account to another cell besides what is durable of it. */
import type { Carried } from "./names.ts";
import type { MoveMessage, MoveView } from "../federation/move_message.ts";

/** One move on its way; in memory only. */
export interface Going {
  readonly move: string;
  phase: Exclude<MoveView["phase"], "moved">;
  tries: number;
  /** When something is said again (monotonic ms). */
  atMs: number;
  /** Rows that the target has. */
  readonly has: Set<string>;
  /** Rows on their way to it. */
  sent: (MoveMessage & { readonly kind: "rows" }) | null;
  batch: number;
  /** Since when the account is frozen (monotonic ms); null: it is not. */
  frozenMs: number | null;
  /** How often it was frozen. */
  freezes: number;
  /** Rows could not be read at last: until they can, it is not frozen for them. */
  unread: boolean;
  /** Its head as it was frozen. */
  head: readonly MoveMessage[];
  readonly held: Carried[];
  /** Why the target does not take it now. */
  refused: MoveView["refused"] | null;
}

/** A move that begins, or goes on. */
export function newGoing(move: string, phase: Going["phase"], atMs: number): Going {
  return {
    move,
    phase,
    tries: 0,
    atMs,
    has: new Set(),
    sent: null,
    batch: 0,
    frozenMs: null,
    freezes: 0,
    unread: false,
    head: [],
    held: [],
    refused: null,
  };
}
