/** Pushing changed presence to the nodes that are interested in it. */
import type { Attempts } from "./attempts.ts";
import type { Turn } from "../handlers/turn.ts";
import { type Presentity, visibleDevices } from "../presence/presence.ts";

/**
 * One packet per changed user and interested node, for what changed since the last call. After a bug
 * the rest is pushed at the next call.
 */
export function pushPresence(turn: Turn, attempts: Attempts): void {
  const changed = turn.presence.takeChanged();
  let pushed = 0;
  try {
    for (; pushed < changed.length; pushed++) push(turn, changed[pushed]!);
  } catch (bug) {
    const [failed, ...rest] = changed.slice(pushed);
    if (attempts.again(failed!)) turn.presence.pushAgain(failed!);
    for (const p of rest) turn.presence.pushAgain(p);
    throw bug;
  }
}

function push(turn: Turn, p: Presentity): void {
  if (p.nodes.length === 0) return;
  const packet = {
    kind: "presence",
    sinceMs: turn.now.mono,
    watched: p.name,
    watchedId: p.id,
    epoch: turn.presence.epoch,
    version: p.version,
    devices: visibleDevices(p),
    lastSeen: p.lastSeen,
  } as const;
  for (const node of p.nodes) turn.emit(null, { kind: "edge", node, packet });
}
