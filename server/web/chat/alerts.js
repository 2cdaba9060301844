// @ts-check
/**
 * Notifications and a sound for messages that come while nobody looks at the page: whether, is
 * decided for each browser. Of several tabs one alerts, and none while another is looked at.
 */
import { choiceIn } from "./alert_choice.js";
import { oneLine } from "./rich_text.js";
import { t } from "./texts.js";

/**
 * @import { Choice } from "./alert_choice.js"
 * @import { Chat } from "./app.js"
 */

/** The sound is not heard more often (ms). */
const RING_MS = 2000;
/** Tabs have an event within this time of each other (ms). */
const TABS_MS = 3000;
/** Of a message so many characters are shown. */
const LENGTH_MAX = 140;

/** Two short tones; nothing where the browser does not let the page be heard yet. */
function ring() {
  if (!("AudioContext" in globalThis) || navigator.userActivation?.hasBeenActive === false) return;
  const audio = new AudioContext();
  const gain = audio.createGain();
  gain.connect(audio.destination);
  const start = audio.currentTime;
  gain.gain.setValueAtTime(0.0001, start);
  gain.gain.exponentialRampToValueAtTime(0.08, start + 0.02);
  gain.gain.exponentialRampToValueAtTime(0.0001, start + 0.32);
  [660, 880].forEach((frequency, i) => {
    const tone = audio.createOscillator();
    tone.frequency.value = frequency;
    tone.connect(gain);
    tone.start(start + i * 0.12);
    tone.stop(start + 0.34);
    if (i === 1) tone.onended = () => audio.close();
  });
}

/** Whether somebody looks at this tab. */
const isLookedAt = () => document.visibilityState === "visible" && document.hasFocus();

/** See the head of this file. */
export class Alerts {
  #chat;
  #key;
  /** Shown notifications, by whom they are about. @type {Map<string, Notification>} */
  #shown = new Map();
  /** Ends the lock that says that this tab is looked at. @type {(() => void) | null} */
  #unlook = null;
  /** The name of this lock. */
  #looked;
  #rang = 0;

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
    this.#key = `roost chat alerts ${chat.client.state.user}`;
    this.#looked = `${this.#key} looked at`;
    for (const event of ["focus", "blur"]) addEventListener(event, () => this.#look());
    document.addEventListener("visibilitychange", () => this.#look());
    this.#look();
  }

  get choice() {
    try {
      return choiceIn(localStorage.getItem(this.#key));
    } catch {
      return choiceIn(null);
    }
  }

  /** Whether notifications are shown: they are wanted, and the browser allows them. */
  get notifies() {
    return this.choice.notify && "Notification" in globalThis &&
      Notification.permission === "granted";
  }

  /**
   * Decides for this browser. For notifications the browser asks the user, so that it is to be
   * called when the user wants them. Whether they are shown then.
   * @param {Partial<Choice>} choice
   */
  async choose(choice) {
    if (choice.notify === true && "Notification" in globalThis) {
      await Notification.requestPermission();
    }
    try {
      localStorage.setItem(this.#key, JSON.stringify({ ...this.choice, ...choice }));
    } catch {
      // Then nothing is decided, and there are none.
    }
    if (choice.sound === true) ring();
    return this.notifies;
  }

  /** A tab that is looked at holds a lock, which ends with the tab, whatever ends it. */
  #look() {
    if (!isLookedAt()) {
      this.#unlook?.();
      this.#unlook = null;
      return;
    }
    this.#closeAll();
    if (this.#unlook !== null || !("locks" in navigator)) return;
    const { promise, resolve } =
      /** @type {PromiseWithResolvers<void>} */ (Promise.withResolvers());
    this.#unlook = resolve;
    navigator.locks.request(this.#looked, { mode: "shared" }, () => promise);
  }

  /**
   * A message came.
   * @param {import("../client.d.ts").Message} message
   */
  message({ with: peer, body, out, seq }) {
    const { client, isSelf, titleOf } = this.#chat;
    if (out === true || isSelf(peer) || client.blocked.has(peer)) return;
    this.#alert(`${seq}`, peer, titleOf(peer), oneLine(body).slice(0, LENGTH_MAX));
  }

  /** Somebody wants to be a contact. @param {string} name */
  request(name) {
    this.#alert(`request ${name}`, name, name, t.requests.wants);
  }

  /**
   * @param {string} event what it is about, the same in all tabs
   * @param {string} peer
   * @param {string} title
   * @param {string} body
   */
  async #alert(event, peer, title, body) {
    if (isLookedAt() || (!this.choice.sound && !this.notifies)) return;
    if (!("locks" in navigator)) return this.#show(peer, title, body);
    const { held = [] } = await navigator.locks.query();
    if (held.some(({ name }) => name === this.#looked)) return;
    await navigator.locks.request(
      `${this.#key} ${event}`,
      { ifAvailable: true },
      async (mine) => {
        if (mine === null) return;
        this.#show(peer, title, body);
        // Other tabs have the same event: they find the lock taken.
        await new Promise((resolve) => setTimeout(resolve, TABS_MS));
      },
    );
  }

  /**
   * @param {string} peer
   * @param {string} title
   * @param {string} body
   */
  #show(peer, title, body) {
    if (this.choice.sound && Date.now() - this.#rang > RING_MS) {
      this.#rang = Date.now();
      ring();
    }
    if (!this.notifies) return;
    try {
      const icon = new URL("icon.svg", import.meta.url).href;
      const push = this.#chat.push();
      // So that it and a push message about the same are one.
      if (push.worker !== null) return void push.show(peer, title, body, icon);
      const note = new Notification(title, { body, tag: `roost ${peer}`, icon, silent: true });
      this.#shown.get(peer)?.close();
      this.#shown.set(peer, note);
      note.addEventListener("click", () => {
        focus();
        this.#chat.open(peer);
        note.close();
      });
      note.addEventListener("close", () => {
        if (this.#shown.get(peer) === note) this.#shown.delete(peer);
      });
    } catch {
      // Some phones show none of a page that is open.
    }
  }

  #closeAll() {
    for (const note of this.#shown.values()) note.close();
    this.#shown.clear();
    this.#chat.push().clear();
  }
}
