// @ts-check
/** The error of the client library, and those that the client makes itself. */

/**
 * @import * as Api from "../client.d.ts"
 * @import { Json } from "./types.d.ts"
 */

/** See client.d.ts. */
export class RoostError extends Error {
  /**
   * @param {Api.ErrorCode} code
   * @param {string} message
   * @param {number} [retryAfterMs]
   */
  constructor(code, message, retryAfterMs) {
    super(message);
    this.name = "RoostError";
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    /** @type {string | undefined} */
    this.key = undefined;
    /** @type {string | undefined} */
    this.to = undefined;
    /** @type {readonly string[] | undefined} */
    this.servers = undefined;
    /** @type {Api.SecondFactor | undefined} */
    this.second = undefined;
  }
}

/**
 * No answer of the server: whether it did anything is unknown.
 * @param {string} message
 */
export const offline = (message) => new RoostError("offline", message);

/** Nobody is signed in. */
export const signedOut = () =>
  new RoostError("signed_out", "Nobody is signed in: call signIn or register first");

/**
 * The application passed what no server takes.
 * @param {string} message
 */
export const badRequest = (message) => new RoostError("bad_request", message);

/** The application closed the client. */
export const closed = () => new RoostError("closed", "The client was closed");

/**
 * The refusal in a frame or body.
 * @param {Json} frame
 */
export function refusal({ code, message, retryAfterMs, second, servers }) {
  const wait = typeof retryAfterMs === "number" ? retryAfterMs : undefined;
  const error = new RoostError(/** @type {Api.ErrorCode} */ (String(code)), String(message), wait);
  if (Array.isArray(servers)) error.servers = servers.map(String);
  if (second !== undefined) error.second = /** @type {Api.SecondFactor} */ (second);
  return error;
}
