/** Pushing changed presence to the nodes that are interested in it. */
import type { Attempts } from "./attempts.ts";
import { cellOf } from "../federation/cell_node.ts";
import type { NodeId } from "../name/ids.ts";
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

/** What a watcher is shown of a user. */
function shownOf(turn: Turn, p: Presentity) {
  const { proxied } = p;
  if (proxied === null) {
    const devices = visibleDevices(p);
    return { epoch: turn.presence.epochOf(p), version: p.version, devices, lastSeen: p.lastSeen };
  }
  const { epoch, version, devices, lastSeen } = proxied;
  return { epoch, version, devices, lastSeen };
}

function push(turn: Turn, p: Presentity): void {
  if (p.proxied?.unknown === true) {
    const packet = { kind: "unknown", watched: p.name, watchedId: p.id } as const;
    // Edges that wait for its home go on with what they saw.
    for (const node of new Set([...p.nodes, ...p.proxied.waiting])) {
      turn.emit(null, { kind: "edge", node, packet });
    }
    return;
  }
  pushTo(turn, p, p.nodes);
}

/** Shows a user to some of the nodes that are interested. */
export function pushTo(turn: Turn, p: Presentity, nodes: readonly NodeId[]): void {
  if (nodes.length === 0) return;
  const packet = {
    kind: "presence",
    sinceMs: turn.now.mono,
    watched: p.name,
    watchedId: p.id,
    ...shownOf(turn, p),
  } as const;
  const abroad = { ...packet, revoked: p.revoked };
  for (const node of nodes) {
    turn.emit(null, { kind: "edge", node, packet: cellOf(node) === null ? packet : abroad });
  }
}
