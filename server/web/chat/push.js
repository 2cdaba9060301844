// @ts-check
/**
 * Push messages to this browser, which the service worker shows while no page does: whether, and what
 * they say, is decided for each sign-in of a browser. They end with the sign-in.
 */
import { tagOf } from "./push_note.js";
import { SERVER } from "./server.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Chat } from "./app.js"
 */

/** What they may say. @type {readonly Api.PushContent[]} */
export const CONTENTS = ["full", "sender", "none"];

/** A worker that is not there after so long is not waited for (ms). */
const WORKER_MS = 10_000;
const LOOK_MS = 100;

/** The page's worker once it works; undefined: there is none. */
async function worker() {
  for (let waited = 0; waited < WORKER_MS; waited += LOOK_MS) {
    const registration = await navigator.serviceWorker.getRegistration(SERVER.href);
    if (registration?.active) return registration;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return undefined;
}

/** The server's key, as push subscriptions are made with; undefined: it sends no push messages. */
async function serverKey() {
  const { push } = await (await fetch(new URL("v1/info", SERVER))).json();
  const key = push?.publicKey;
  if (typeof key !== "string") return undefined;
  return Uint8Array.from(
    atob(key.replaceAll("-", "+").replaceAll("_", "/")),
    (character) => character.charCodeAt(0),
  );
}

/**
 * @param {ArrayBuffer | null | undefined} one
 * @param {Uint8Array} other
 */
const isKey = (one, other) => one instanceof ArrayBuffer && `${new Uint8Array(one)}` === `${other}`;

/** See the head of this file. */
export class Push {
  #chat;
  #user;
  #storage;
  #key;
  /** @type {ServiceWorkerRegistration | null} */
  #worker = null;

  /**
   * @param {Chat} chat
   * @param {Storage} storage where what belongs to the sign-in is kept
   */
  constructor(chat, storage) {
    this.#chat = chat;
    this.#user = chat.client.state.user;
    this.#storage = storage;
    this.#key = `roost chat push ${SERVER.pathname} ${this.#user}`;
    if ("serviceWorker" in navigator) {
      navigator.serviceWorker.addEventListener("message", (event) => this.#message(event));
    }
  }

  /** Why there can be none here; null: nothing is in the way. @returns {"missing" | "tab" | null} */
  get obstacle() {
    const able = "serviceWorker" in navigator && "PushManager" in globalThis &&
      "Notification" in globalThis;
    // A sign-in of a tab ends with it: nothing could be opened then.
    return !able ? "missing" : this.#storage !== localStorage ? "tab" : null;
  }

  /** What they say; null: there are none. */
  get content() {
    const kept = this.#storage.getItem(this.#key);
    return CONTENTS.find((content) => content === kept) ?? null;
  }

  /** The worker that shows notifications, while push messages are on. */
  get worker() {
    return this.content === null ? null : this.#worker;
  }

  /** Goes on with what was decided; call it once a page is signed in. */
  async resume() {
    const { content } = this;
    if (content === null || this.obstacle !== null) return;
    if (Notification.permission !== "granted") return await this.end();
    // Without a network: at the next start.
    await this.#subscribe(content).catch(() => {});
    if (document.hasFocus()) await this.clear();
  }

  /**
   * Turns them on, or changes what they say. The browser asks the user: call it when the user wants it.
   * Rejects with a `RoostError` of the server, or of another name where the browser's push service fails.
   * @param {Api.PushContent} content
   * @returns {Promise<"on" | "refused" | "server">} `refused`: by the user; `server`: it has none
   */
  async begin(content) {
    if (await Notification.requestPermission() !== "granted") return "refused";
    return await this.#subscribe(content) ? "on" : "server";
  }

  /** @param {Api.PushContent} content */
  async #subscribe(content) {
    const key = await serverKey();
    const registration = await worker();
    if (key === undefined) return false;
    if (registration === undefined) throw new TypeError();
    const { pushManager } = registration;
    let subscription = await pushManager.getSubscription();
    if (subscription !== null && !isKey(subscription.options?.applicationServerKey, key)) {
      await subscription.unsubscribe();
      subscription = null;
    }
    subscription ??= await pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: key,
    });
    const { endpoint = "", keys: made } = subscription.toJSON();
    const keys = { p256dh: made?.["p256dh"] ?? "", auth: made?.["auth"] ?? "" };
    await this.#chat.client.push({ endpoint, keys, content });
    this.#storage.setItem(this.#key, content);
    this.#worker = registration;
    return true;
  }

  /** Turns them off, at the server too. */
  async end() {
    await Promise.all([this.forget(), this.#chat.client.unpush()]);
  }

  /** Ends them in this browser: its sign-in ends. The server notices by the push service. */
  async forget() {
    const had = this.content !== null;
    this.#storage.removeItem(this.#key);
    this.#worker = null;
    if (!had || this.obstacle === "missing") return;
    const registration = await navigator.serviceWorker.getRegistration(SERVER.href);
    for (const note of await registration?.getNotifications() ?? []) note.close();
    const subscription = await registration?.pushManager.getSubscription();
    await subscription?.unsubscribe();
  }

  /**
   * Shows a notification of the page itself: it takes the place of that of a push message.
   * @param {string} peer
   * @param {string} title
   * @param {string} body
   * @param {string} icon
   */
  async show(peer, title, body, icon) {
    const data = { to: this.#user, peer };
    const options = { body, icon, data, tag: tagOf(peer), silent: true };
    await this.worker?.showNotification(title, options);
  }

  /** Takes away what is shown: somebody looks at the page. */
  async clear() {
    for (const note of await this.worker?.getNotifications() ?? []) note.close();
  }

  /** @param {MessageEvent} event of the worker */
  #message({ data, ports }) {
    if (data?.kind === "look") {
      const peer = document.visibilityState === "visible" ? this.#chat.peer() : null;
      ports[0]?.postMessage({ user: this.#user, peer });
    } else if (data?.kind === "open" && typeof data.peer === "string") {
      focus();
      this.#chat.open(data.peer);
    }
  }
}
