/** Faults for which the WebSocket transport ends a connection, and what they cost. */

/** Why the transport itself ends a connection. */
export type Fault =
  | "binary"
  | "flood"
  | "silent"
  | "no_hello"
  | "unread"
  | "frame"
  | "too_large"
  | "late";

/** What a fault costs, in requests: a flood has had up to 64 KiB of small frames taken apart. */
export const PENALTY: Readonly<Record<Fault, number>> = {
  binary: 1,
  frame: 1,
  too_large: 1,
  no_hello: 0,
  silent: 0,
  unread: 0,
  flood: 100,
  late: 100,
};

/** `ws`'s codes of a frame over `maxPayload`, and of one over 2⁵³ bytes. */
const TOO_LARGE: readonly (string | undefined)[] = [
  "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH",
  "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH",
];

/**
 * `ws`'s code of a message in more than `PARTS_MAX` parts: it takes as much work as many frames.
 */
const TOO_MANY_PARTS = "WS_ERR_TOO_MANY_BUFFERED_PARTS";

/** What an error of `ws` counts as. */
export function faultOf(code: string | undefined): Fault {
  if (code === TOO_MANY_PARTS) return "flood";
  return TOO_LARGE.includes(code) ? "too_large" : "frame";
}
