// @ts-check
/** The listeners of a client. */

/**
 * @import * as Api from "../client.d.ts"
 */

/** See the head of this file. */
export class Emitter {
  /** @type {Map<string, Set<(detail: never) => void>>} */
  #listeners = new Map();

  /**
   * @template {keyof Api.Events} K
   * @param {K} event
   * @param {(detail: Api.Events[K]) => void} listener
   */
  on(event, listener) {
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
