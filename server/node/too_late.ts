/**
 * Requests that may reach the owner of their shard when their caller's time is over. It may have
 * repeated such a one at another node by then, and have set something else since: what it has
 * repeated would take effect once more.
 */
import type { OpName } from "../../shard/ops.ts";
import { WRITES } from "../../shard/handlers/handlers.ts";

/** Longest way of a frame over a link that stalls (ms): one that gets nothing for so long is cut off. */
export const WAY_MS = 4000;

/** Writes that change nothing once later ones have taken effect: by their keys, or as marks that rise. */
const HARMLESS: ReadonlySet<OpName> = new Set<OpName>([
  "message.send",
  "mailbox.ack",
  "conversation.read",
]);

/** Whether a copy of a request that arrives late may change back what its caller has set since. */
export function mayUndo(op: OpName): boolean {
  return WRITES.has(op) && !HARMLESS.has(op);
}

/** Whether a request, whose caller waits for so long (ms) yet, is not to be sent to another node. */
export function isTooLate(op: OpName, leftMs: number): boolean {
  return leftMs < WAY_MS && mayUndo(op);
}

/**
 * After how long (ms) the caller of a request, which was sent so long ago over a link that is broken,
 * learns that its outcome is not known: who looks then finds what has become of it.
 */
export function unknownAfterMs(op: OpName, sinceMs: number): number {
  return WRITES.has(op) ? Math.max(0, WAY_MS - sinceMs) : 0;
}
