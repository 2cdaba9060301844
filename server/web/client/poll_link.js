// @ts-check
/** Long-polls of one session, with commands as requests beside them. */
import { asRequest, rest } from "./rest.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { RoostError } from "./error.js"
 * @import { Host, Json, Link, Op } from "./types.d.ts"
 */

/** Requests in a row that may break before the link counts as lost. */
const STRIKES_MAX = 3;

/** See the head of this file. @implements {Link} */
export class PollLink {
  /** @type {Api.Transport} */
  kind = "poll";
  welcomed = false;
  #over = false;
  #session = "";
  /** Soft events up to here have arrived. */
  #soft = 0;
  #strikes = 0;
  /** Polls in a row that another poller of the session has ended. */
  #replaced = 0;
  #polls = new AbortController();
  #stopTimer = () => {};

  /**
   * @param {Api.Platform} env
   * @param {Api.Timing} timing
   * @param {{ url: string, headers: Record<string, string>, opening: Json, wait: number }} target
   * @param {Host} host
   */
  constructor(env, timing, target, host) {
    this.env = env;
    this.timing = timing;
    this.target = target;
    this.host = host;
  }

  open() {
    const { opening, wait } = this.target;
    const path = wait === 0 ? "/v1/sessions" : `/v1/sessions?wait=${wait}`;
    const { signal } = this.#polls;
    const opened = this.#request("POST", path, { body: opening, signal });
    opened.then((welcome) => {
      if (this.#over) return;
      this.welcomed = true;
      this.#session = String(/** @type {Json} */ (welcome)["session"]);
      this.host.welcomed(this, /** @type {Json} */ (welcome));
      this.#poll();
    }, (error) => this.#end(error));
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{
   *   body?: unknown, headers?: Record<string, string>, signal?: AbortSignal, timeoutMs?: number
   * }} [more]
   */
  #request(method, path, { headers = {}, timeoutMs = this.timing.answerMs, ...more } = {}) {
    const session = this.#session === "" ? {} : { "roost-session": this.#session };
    return rest(this.env, this.target.url + path, {
      method,
      headers: { ...this.target.headers, ...session, ...headers },
      timeoutMs,
      ...more,
    });
  }

  #poll() {
    if (this.#over) return;
    const { env, timing, host } = this;
    const began = env.now();
    const wait = Math.floor(timing.pollMs / 1000);
    const query = `after=${host.cursor()}&wait=${wait}&soft=${this.#soft}`;
    const { signal } = this.#polls;
    const timeoutMs = timing.pollMs + timing.answerMs;
    this.#request("GET", `/v1/events?${query}`, { signal, timeoutMs }).then((batch) => {
      if (this.#over) return;
      this.#strikes = 0;
      const { soft, events, replaced } =
        /** @type {{ soft: number, events: readonly Json[], replaced?: true }} */ (batch);
      this.#soft = soft;
      host.events(this, events);
      const tookMs = env.now() - began;
      this.#replaced = replaced === true ? this.#replaced + 1 : 0;
      // Another poller would be ended in its turn: each waits longer than the time before.
      if (replaced === true) return this.#later(this.#replacedMs());
      // Under load several events come in one response rather than each in its own. Without events,
      // before the time was over: a server of an earlier version ended it for another poll.
      const early = events.length === 0 && tookMs < timing.pollMs / 2;
      this.#later(early ? env.random() * timing.backoffBaseMs : timing.pollGapMs - tookMs);
    }, (error) => {
      if (this.#over) return;
      if (error.code !== "offline" || ++this.#strikes >= STRIKES_MAX) return this.#end(error);
      this.#later(env.random() * timing.backoffBaseMs * this.#strikes);
    });
  }

  /** Full jitter besides the base, with the cap of the other repetitions. */
  #replacedMs() {
    const { backoffBaseMs, backoffCapMs } = this.timing;
    const mostMs = Math.min(backoffCapMs, backoffBaseMs * 2 ** this.#replaced);
    return backoffBaseMs + this.env.random() * (mostMs - backoffBaseMs);
  }

  /** @param {number} ms */
  #later(ms) {
    if (!this.#over) this.#stopTimer = this.env.after(Math.max(0, ms), () => this.#poll());
  }

  /** @param {Op} op */
  command(op) {
    const { method, path, not = [], headers = {} } = asRequest(op.t, op.fields);
    const rest = Object.entries(op.fields).filter(([name]) => !not.includes(name));
    const body = method === "POST" || method === "PUT" ? Object.fromEntries(rest) : undefined;
    // Events come over another connection than replies, which tell nothing of them.
    const reply = op.t === "ping"
      ? Promise.resolve({})
      : this.#request(method, path, { headers, ...(body === undefined ? {} : { body }) });
    reply.then(
      (value) => {
        this.#strikes = 0;
        this.host.settled(this, op, null, value);
      },
      (error) => {
        if (error.code === "offline" && ++this.#strikes >= STRIKES_MAX) this.#end(error);
        this.host.settled(this, op, error, undefined);
      },
    );
  }

  /** @param {RoostError} error */
  #end(error) {
    if (this.#over) return;
    this.drop();
    this.host.lost(this, error);
  }

  drop() {
    this.#over = true;
    this.#stopTimer();
    this.#polls.abort();
  }
}
