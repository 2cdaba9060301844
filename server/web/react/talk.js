// @ts-check
/** A conversation for a component: its messages, live and from the history. */
import { changed, isOf } from "../client/changes.js";
import { same, TALKING } from "./view.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { ConversationView } from "./hooks.d.ts"
 */

/** One who types and says nothing more has stopped (ms): signals are repeated every 3 s. */
const TYPING_MS = 6000;

/** @typedef {Api.Message | Api.Undelivered} TalkEvent */
/** @typedef {Omit<ConversationView, "send" | "loadEarlier" | "markRead" | "typed">} Shown */

/** See the head of this file. It listens to the client while somebody listens to it. */
export class Talk {
  #client;
  #peer;
  #limit;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** @type {readonly (() => void)[]} */
  #ends = [];
  /** What is loaded, by position. @type {Map<number, TalkEvent>} */
  #events = new Map();
  #more = true;
  /** Counts what was begun anew: a page that was asked for before is thrown away. */
  #turn = 0;
  /** @type {Promise<void> | null} */
  #loading = null;
  #loaded = false;
  /** @type {Api.RoostError | null} */
  #error = null;
  #typing = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {Shown} */
  #shown;

  /**
   * @param {Api.Client} client
   * @param {string} peer
   * @param {number | undefined} limit of events on a page
   */
  constructor(client, peer, limit) {
    this.#client = client;
    this.#peer = peer;
    this.#limit = limit;
    this.#shown = this.#read();
  }

  /** @param {() => void} changed */
  subscribe = (changed) => {
    this.#listeners.add(changed);
    if (this.#listeners.size === 1) this.#begin();
    return () => {
      this.#listeners.delete(changed);
      if (this.#listeners.size === 0) this.#end();
    };
  };

  get = () => this.#shown;

  /** @type {ConversationView["send"]} */
  send = (body, options) => {
    const sent = this.#client.send(this.#peer, body, options);
    this.#changed();
    const settled = () => this.#changed();
    sent.then(settled, settled);
    return sent;
  };

  loadEarlier = () => this.#more ? this.#load() : Promise.resolve();

  markRead = async () => {
    const last = this.#shown.events.at(-1);
    if (last !== undefined) await this.#client.markRead(this.#peer, last.seq);
  };

  /** @type {ConversationView["typed"]} */
  typed = (active) => this.#client.typing(this.#peer, active);

  #begin() {
    const client = this.#client;
    const changed = () => this.#changed();
    this.#ends = [
      ...TALKING.map((event) => client.on(event, changed)),
      client.on("message", (event) => this.#take(event)),
      client.on("change", (event) => this.#change(event)),
      client.on("undelivered", (event) => this.#take(event)),
      client.on("signal", (signal) => this.#signal(signal)),
      client.on("snapshot", ({ reset }) => reset ? this.#renew() : this.#first()),
      client.on("status", () => {
        if (client.state.status === "signed_out") this.#forget();
        this.#first();
        this.#changed();
      }),
    ];
    // Nobody has listened meanwhile: events may be missing behind those that are loaded.
    this.#renew();
  }

  #end() {
    for (const end of this.#ends) end();
    this.#ends = [];
    clearTimeout(this.#timer);
    this.#typing = false;
  }

  #forget() {
    this.#turn++;
    this.#loading = null;
    this.#loaded = false;
    this.#events.clear();
    this.#more = true;
    this.#error = null;
  }

  #renew() {
    this.#forget();
    this.#first();
    this.#changed();
  }

  /** Loads the newest page, where that was not done and can be. */
  #first() {
    if (!this.#loaded && this.#client.state.status === "online") this.#load();
  }

  /** Loads the page before what was loaded. @returns {Promise<void>} */
  #load() {
    return this.#loading ??= this.#loadPage(this.#turn);
  }

  /** @param {number} turn */
  async #loadPage(turn) {
    // Live messages may be before the first page: what is before them is on it.
    const before = this.#loaded ? Math.min(...this.#events.keys()) : Infinity;
    const options = {
      ...(before === Infinity ? {} : { before }),
      ...(this.#limit === undefined ? {} : { limit: this.#limit }),
    };
    /** @type {Api.Page | null} */
    let page = null;
    /** @type {Api.RoostError | null} */
    let fault = null;
    try {
      page = await this.#client.history(this.#peer, options);
    } catch (error) {
      fault = /** @type {Api.RoostError} */ (error);
    }
    if (turn !== this.#turn) return;
    this.#loading = null;
    this.#error = fault;
    if (page !== null) {
      this.#loaded = true;
      this.#more = page.more;
      for (const event of page.events) this.#events.set(event.seq, event);
    }
    this.#changed();
  }

  /** @param {TalkEvent} event */
  #take(event) {
    if (event.with !== this.#peer) return;
    this.#events.set(event.seq, event);
    if (event.k === "message" && event.out !== true) this.#types(false);
    this.#changed();
  }

  /** @param {Api.Change} event */
  #change(event) {
    if (event.with !== this.#peer) return;
    const message = [...this.#events.values()].findLast((known) => isOf(event, known));
    if (message?.k === "message") this.#events.set(message.seq, changed(message, event));
    this.#changed();
  }

  /** @param {Api.Signal} signal */
  #signal({ from, type }) {
    if (from !== this.#peer || (type !== "typing" && type !== "paused")) return;
    this.#types(type === "typing");
    this.#changed();
  }

  /** @param {boolean} active */
  #types(active) {
    clearTimeout(this.#timer);
    this.#typing = active;
    if (!active) return;
    this.#timer = setTimeout(() => {
      this.#typing = false;
      this.#changed();
    }, TYPING_MS);
  }

  /** @returns {Shown} */
  #read() {
    const client = this.#client;
    const conversation = client.conversations.get(this.#peer);
    return {
      conversation,
      events: [...this.#events.values()].sort((a, b) => a.seq - b.seq),
      pending: client.pending.filter(({ to }) => to === this.#peer),
      more: this.#more,
      loading: this.#loading !== null,
      error: this.#error,
      typing: this.#typing,
    };
  }

  /** Takes what has changed, and keeps the parts that have not. */
  #changed() {
    const shown = this.#shown;
    const next = this.#read();
    if (same(next, shown)) return;
    /** @type {Shown} */
    this.#shown = {
      ...next,
      events: same(next.events, shown.events) ? shown.events : next.events,
      pending: same(next.pending, shown.pending) ? shown.pending : next.pending,
    };
    for (const listener of [...this.#listeners]) listener();
  }
}
