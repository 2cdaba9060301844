/** What the transports of protocol v1 count. */
import type { OpenStreams } from "./events.ts";
import type { WsCounters } from "./ws.ts";
import { byLabel, byLabels, type Meter } from "../node/meter.ts";

/**
 * Registers what WebSockets count. Faults: `silent` means no pongs, `unread` that the client takes
 * nothing of what it is sent, `flood` that it sends too fast, or after it was sent away.
 */
export function registerWs(to: Meter, counters: WsCounters): void {
  to.value("roost_frames_received_total", () => counters.framesReceived);
  to.value("roost_received_bytes_total", () => counters.bytesReceived);
  to.value("roost_frames_sent_total", () => counters.framesSent);
  to.value("roost_sent_bytes_total", () => counters.bytesSent);
  to.values("roost_connections_bad_total", () => {
    const { faults } = counters;
    return byLabel("fault", {
      malformed: faults.frame + faults.binary,
      too_large: faults.too_large,
      hello_timeout: faults.no_hello,
      flood: faults.flood + faults.late,
      silent: faults.silent,
      unread: faults.unread,
    });
  });
}

/** Registers what event streams count. Their sessions are none of a WebSocket. */
export function registerStreams(to: Meter, streams: OpenStreams): void {
  to.value("roost_frames_sent_total", () => streams.sent);
  to.value("roost_sent_bytes_total", () => streams.sentBytes);
  to.values("roost_sessions", () => {
    const { open, synthetic } = streams;
    return byLabels(["transport", "synthetic"], {
      sse: { false: open - synthetic, true: synthetic },
      websocket: { false: synthetic - open, true: -synthetic },
    });
  });
}

/** Registers the connections that the protocol refused. */
export function registerRefused(
  to: Meter,
  counters: { readonly malformed: number; readonly timeout: number },
): void {
  to.values("roost_connections_bad_total", () => {
    const { malformed, timeout } = counters;
    return byLabel("fault", { malformed, hello_timeout: timeout });
  });
}
