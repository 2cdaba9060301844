/** An edge at one moment, counted by looking at every session: for metrics. */
import { isSynthetic } from "../node/reserved_names.ts";
import type { Sessions } from "./sessions.ts";
import type { EdgeGauges } from "./types.ts";

/** Looks at all sessions. */
export function gaugesOf(sessions: Sessions): EdgeGauges {
  const { watchers, detaches } = sessions;
  let lost = 0;
  let polling = 0;
  let behind = 0;
  let outboxBytes = 0;
  let outboxBytesTop = 0;
  let syntheticUsers = 0;
  let syntheticSessions = 0;
  let syntheticLost = 0;
  let syntheticPolling = 0;
  for (const user of sessions.users()) if (isSynthetic(user)) syntheticUsers++;
  for (const session of sessions.all()) {
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
    users: sessions.userCount,
    syntheticUsers,
    syntheticSessions,
    syntheticLost,
    syntheticPolling,
    sessions: sessions.size,
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
