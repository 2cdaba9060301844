// @ts-check
/** What the client library needs of its surroundings, and its times. */
import { tabs } from "./tabs.js";

/**
 * @import * as Api from "../client.d.ts"
 */

export const TIMING = {
  backoffBaseMs: 500,
  backoffCapMs: 30_000,
  stableMs: 60_000,
  connectMs: 10_000,
  idleMs: 30_000,
  answerMs: 10_000,
  ackMs: 250,
  upgradeMs: 60_000,
  pollMs: 30_000,
  pollGapMs: 40,
  requestMs: 30_000,
};

/** The clock, timers and network of a browser, Deno or Node. @returns {Api.Platform} */
export function platform() {
  return {
    now: () => performance.now(),
    after(ms, run) {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    random: Math.random,
    tabs: tabs(),
    origin: globalThis.location?.origin ?? null,
    socket: typeof WebSocket === "function" ? (url) => new WebSocket(url) : null,
    fetch: (url, init) => fetch(url, init),
    onFreeze(run) {
      /** @typedef {{ document?: EventTarget }} Freezing */
      const { document } = /** @type {Freezing} */ (/** @type {unknown} */ (globalThis));
      const [freeze, resume] = [() => run(true), () => run(false)];
      document?.addEventListener("freeze", freeze);
      document?.addEventListener("resume", resume);
      return () => {
        document?.removeEventListener("freeze", freeze);
        document?.removeEventListener("resume", resume);
      };
    },
    onBlocked(run) {
      /** @param {unknown} event */
      const blocked = (event) => {
        const { blockedURI, effectiveDirective } =
          /** @type {{ blockedURI: string, effectiveDirective: string }} */ (event);
        if (effectiveDirective === "connect-src") run(blockedURI);
      };
      /** @typedef {{ document?: EventTarget }} Page */
      const { document } = /** @type {Page} */ (/** @type {unknown} */ (globalThis));
      document?.addEventListener("securitypolicyviolation", blocked);
      return () => document?.removeEventListener("securitypolicyviolation", blocked);
    },
    onOffline(run) {
      globalThis.addEventListener?.("offline", run);
      return () => globalThis.removeEventListener?.("offline", run);
    },
    onOnline(run) {
      /** @typedef {{ document?: EventTarget & { visibilityState: string } }} Page */
      const { document } = /** @type {Page} */ (/** @type {unknown} */ (globalThis));
      const shown = () => {
        if (document?.visibilityState === "visible") run();
      };
      globalThis.addEventListener?.("online", run);
      document?.addEventListener("visibilitychange", shown);
      return () => {
        globalThis.removeEventListener?.("online", run);
        document?.removeEventListener("visibilitychange", shown);
      };
    },
  };
}

/** A storage that ends with the program. @returns {Api.Storage} */
export function memory() {
  /** @type {Map<string, string>} */
  const items = new Map();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}
