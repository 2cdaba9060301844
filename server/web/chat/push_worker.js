// @ts-check
/** Push messages in the service worker: a notification for each, and what a click on it does. */
import { noteOf } from "./push_note.js";

/**
 * @import { NoteData, PushScope, WindowClient } from "./worker_scope.d.ts"
 */

/** A window that has not answered after so long is not waited for (ms). */
const ASK_MS = 500;

/** See the head of this file. */
export class PushWorker {
  #scope;
  #root;

  /**
   * @param {PushScope} scope
   * @param {URL} root the page's address, with a slash at its end
   */
  constructor(scope, root) {
    this.#scope = scope;
    this.#root = root;
  }

  /** Shows a push message, unless its conversation is being looked at. @param {string} text */
  async push(text) {
    const note = noteOf(text);
    const { to, peer, title, body, tag, total } = note;
    const seen = (await this.#windows()).some(({ client, told }) =>
      client.focused && told.user === to && peer !== null && told.peer === peer
    );
    if (seen) return;
    const at = (/** @type {string} */ path) => new URL(path, this.#root).href;
    await this.#scope.registration.showNotification(title, {
      body,
      tag,
      icon: at("chat/icon-192.png"),
      badge: at("chat/badge-96.png"),
      data: { to, peer },
    });
    await this.#scope.navigator.setAppBadge?.(total).catch(() => {});
  }

  /**
   * A notification was clicked: a window of its account shows the conversation, or a new one.
   * @param {NoteData | null} data
   */
  async open(data) {
    const { to = "", peer = null } = data ?? {};
    const windows = (await this.#windows()).filter(({ told }) => told.user === to);
    const found = windows.find(({ client }) => client.focused) ?? windows[0];
    if (found === undefined) {
      const hash = peer === null ? "" : `#/${encodeURIComponent(peer)}`;
      return void await this.#scope.clients.openWindow(this.#root.href + hash);
    }
    found.client.postMessage({ kind: "open", peer });
    // Not every browser lets a window come to the front.
    await found.client.focus().catch(() => {});
  }

  /** The windows with the chat, with whose it is and what it shows. */
  async #windows() {
    const all = await this.#scope.clients.matchAll({ type: "window", includeUncontrolled: true });
    const { origin, pathname } = this.#root;
    const chats = all.filter(({ url }) => {
      const at = new URL(url);
      return at.origin === origin && [pathname, pathname.slice(0, -1)].includes(at.pathname);
    });
    return await Promise.all(
      chats.map(async (client) => ({ client, told: await this.#ask(client) })),
    );
  }

  /**
   * @param {WindowClient} client
   * @returns {Promise<{ user: string | null, peer: string | null }>}
   */
  #ask(client) {
    return new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      const end = (/** @type {{ user: string | null, peer: string | null }} */ told) => {
        clearTimeout(timer);
        port1.close();
        resolve(told);
      };
      const timer = setTimeout(() => end({ user: null, peer: null }), ASK_MS);
      port1.onmessage = ({ data }) => end(data);
      client.postMessage({ kind: "look" }, [port2]);
    });
  }
}
