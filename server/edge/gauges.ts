/** An edge at one moment, counted by looking at every session: for metrics. */
import { isSynthetic } from "../node/reserved_names.ts";
import type { Detaches } from "./detaches.ts";
import type { Directory } from "./directory.ts";
import type { EdgeGauges } from "./types.ts";
import type { Watchers } from "./watchers.ts";

/** Looks at all sessions. */
export function gaugesOf(
  directory: Directory,
  watchers: Watchers,
  detaches: Detaches,
): EdgeGauges {
  let lost = 0;
  let polling = 0;
  let behind = 0;
  let outboxBytes = 0;
  let outboxBytesTop = 0;
  let syntheticUsers = 0;
  let syntheticSessions = 0;
  let syntheticLost = 0;
  let syntheticPolling = 0;
  for (const user of directory.users()) if (isSynthetic(user)) syntheticUsers++;
  for (const session of directory.all()) {
    if (session.isLost) lost++;
    if (session.isPolled) polling++;
    if (session.isBehind) behind++;
    const bytes = session.unsentBytes;
    outboxBytes += bytes;
    outboxBytesTop = Math.max(outboxBytesTop, bytes);
    if (syntheticUsers === 0 || !isSynthetic(session.user)) continue;
    syntheticSessions++;
    if (session.isLost) syntheticLost++;
    if (session.isPolled) syntheticPolling++;
  }
  return {
    users: directory.userCount,
    syntheticUsers,
    syntheticSessions,
    syntheticLost,
    syntheticPolling,
    sessions: directory.size,
    lost,
    polling,
    behind,
    watched: watchers.size,
    watches: watchers.pairs,
    outboxBytes,
    outboxBytesTop,
    detaching: detaches.size,
  };
}
