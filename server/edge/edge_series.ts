/** What an edge counts: its sessions and what they are sent. */
import type { EdgeCounters, EdgeGauges } from "./types.ts";
import { byLabel, byLabels, type Meter } from "../node/meter.ts";

/** Registers it. `gauges` looks at every session, so it is read once for all of its series. */
export function registerEdge(to: Meter, counters: EdgeCounters, gauges: () => EdgeGauges): void {
  to.value("roost_presence_deliveries_total", () => counters.presenceDeliveries);
  to.value("roost_presence_coalesced_total", () => counters.presenceCoalesced);
  to.value("roost_messages_delivered_total", () => counters.durableEvents);
  to.value("roost_signals_delivered_total", () => counters.signals);
  to.value("roost_sessions_opened_total", () => counters.opened);
  to.value("roost_sessions_resumed_total", () => counters.resumed);
  to.values("roost_sessions_ended_total", () => byLabel("reason", counters.ended));
  to.value("roost_sessions_fell_behind_total", () => counters.behind);
  to.values("roost_connections_bad_total", () => byLabel("fault", { unread: counters.stalled }));
  to.values("roost_admission_refused_total", () => [
    [{ kind: "signIn", reason: "full" }, counters.refused],
  ]);
  registerGauges(to, to.perReading(gauges));
}

function registerGauges(to: Meter, gauges: () => EdgeGauges): void {
  to.value("roost_presence_watched_users", () => gauges().watched);
  to.value("roost_presence_watchers", () => gauges().watches);
  to.value("roost_sessions_behind", () => gauges().behind);
  to.value("roost_outbox_bytes", () => gauges().outboxBytes);
  to.values("roost_users_online", () => {
    const { users, syntheticUsers } = gauges();
    return byLabel("synthetic", { false: users - syntheticUsers, true: syntheticUsers });
  });
  to.values("roost_sessions", () => byLabels(["transport", "synthetic"], carried(gauges())));
}

/** Live sessions by what carries them; the edge does not tell streams from WebSockets. */
function carried(all: EdgeGauges) {
  const { syntheticSessions, syntheticLost, syntheticPolling } = all;
  return {
    websocket: {
      false: all.sessions - syntheticSessions - (all.lost - syntheticLost) -
        (all.polling - syntheticPolling),
      true: syntheticSessions - syntheticLost - syntheticPolling,
    },
    poll: { false: all.polling - syntheticPolling, true: syntheticPolling },
    none: { false: all.lost - syntheticLost, true: syntheticLost },
  };
}
