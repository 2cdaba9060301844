/** Pushing changed presence to the nodes that are interested in it. */
import type { Turn } from "../step/turn.ts";
import { visibleDevices } from "./presence.ts";

/** One packet per changed user and interested node, for what changed since the last call. */
export function pushPresence(turn: Turn): void {
  for (const p of turn.presence.takeChanged()) {
    if (p.nodes.length === 0) continue;
    const packet = {
      kind: "presence",
      sinceMs: turn.now.mono,
      watched: p.name,
      watchedId: p.id,
      version: p.version,
      devices: visibleDevices(p),
      lastSeen: p.lastSeen,
    } as const;
    for (const node of p.nodes) turn.emit(null, { kind: "edge", node, packet });
  }
}
