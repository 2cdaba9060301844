/** What one connection over WebSockets may have. */
import type { Rate, Rates } from "./rates.ts";

/** Bounds of one connection. */
export interface ConnectionLimits {
  /** Time for the first frame, and again for the answer to a challenge. */
  readonly helloTimeoutMs: number;
  /** Commands that wait for their answer; over it `busy`. */
  readonly inFlightMax: number;
  /** Bytes that the client has left unread, over which no page of events is made for it. */
  readonly unreadBytesMax: number;
  /** Commands, by class. */
  readonly rates: Rates;
  /** Refusals: one each, a malformed frame an eighth of the burst. At its end: closed. */
  readonly refusalAllowance: Rate;
}
