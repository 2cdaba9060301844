// @ts-check
/** What tabs of one browser share: a lock that one of them holds, and a channel between them. */

/**
 * @import * as Api from "../client.d.ts"
 */

/**
 * @typedef {{
 *   request: (
 *     name: string,
 *     options: { steal?: boolean, signal?: AbortSignal },
 *     run: () => Promise<unknown>
 *   ) => Promise<unknown>
 * }} Locks
 */

/** Returns null where the browser has no Web Locks or no BroadcastChannel. @returns {Api.Tabs | null} */
export function tabs() {
  const { locks } = /** @type {{ locks?: Locks }} */ (globalThis.navigator ?? {});
  if (locks === undefined || typeof BroadcastChannel !== "function") return null;
  return {
    channel(name, heard) {
      const channel = new BroadcastChannel(name);
      channel.onmessage = ({ data }) => heard(data);
      return { post: (message) => channel.postMessage(message), close: () => channel.close() };
    },
    lead(name, steal, { got, lost }) {
      const waiting = new AbortController();
      /** @type {((value: unknown) => void) | null} */
      let release = null;
      let over = false;
      const options = steal ? { steal } : { signal: waiting.signal };
      const hold = () =>
        new Promise((resolve) => {
          release = resolve;
          if (over) resolve(undefined);
          else got();
        });
      locks.request(name, options, hold).catch(() => {
        if (release !== null && !over) lost();
      });
      return () => {
        over = true;
        if (release === null) waiting.abort();
        else release(undefined);
      };
    },
  };
}
