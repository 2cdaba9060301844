/**
 * The seam between the WebSocket transport and the protocol: the transport hands each connection
 * over as a `WireConnection` and tells the returned `WireHandler` what comes in.
 */
import type { Sink } from "../edge/types.ts";

/** A connection as a transport hands it over. */
export interface WireConnection {
  /** Where answers and events go. */
  readonly sink: Sink;
  /** The client's IP address after trusted proxies, for rate limits and logs. */
  readonly address: string;
  /** Whether another cell passes it on; absent: it does not. */
  readonly relayed?: boolean;
}

/** What a connection's protocol wants to know. Neither call ever throws. */
export interface WireHandler {
  /** One whole text frame; the transport has bounded its size. Ignored after `closed`. */
  frame(text: string): void;
  /**
   * The connection is gone, no matter which side ended it. Called at least once; repetitions do
   * nothing.
   */
  closed(): void;
}
