// @ts-check
/** The listeners of a client. */
import { badRequest } from "./error.js";

/**
 * @import * as Api from "../client.d.ts"
 */

/** Every event. @type {readonly (keyof Api.Events)[]} */
export const EVENTS = [
  "message",
  "change",
  "undelivered",
  "receipt",
  "read",
  "presence",
  "roster",
  "request",
  "signal",
  "snapshot",
  "status",
  "error",
];

/** See the head of this file. */
export class Emitter {
  /** @type {Map<string, Set<(detail: never) => void>>} */
  #listeners = new Map();

  /**
   * Throws `bad_request` for a name that is no event's.
   * @template {keyof Api.Events} K
   * @param {K} event
   * @param {(detail: Api.Events[K]) => void} listener
   */
  on(event, listener) {
    if (!EVENTS.includes(event)) {
      throw badRequest(`Cannot listen to ${String(event)}: events are ${EVENTS.join(", ")}`);
    }
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /**
   * @template {keyof Api.Events} K
   * @param {K} event
   * @param {Api.Events[K]} detail
   */
  emit(event, detail) {
    for (const listener of [...this.#listeners.get(event) ?? []]) {
      try {
        listener(/** @type {never} */ (detail));
      } catch (error) {
        // An error of the application is reported as uncaught; the client goes on.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
