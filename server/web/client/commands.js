// @ts-check
/**
 * Commands that the server has not settled. They wait in lanes, one at a time in each: what belongs
 * together is done in order, however often it is repeated. Messages to one person are one lane.
 */
import { utf8 } from "./bytes.js";
import { closed, offline, RoostError } from "./error.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Json, Link, Op } from "./types.d.ts"
 */

/**
 * `link`: the link to send on; null while not online. `unauthorized`: the server no longer accepts
 * the sign-in of this link.
 * @typedef {{
 *   env: Api.Platform,
 *   link: () => Link | null,
 *   limits: () => Readonly<Record<string, number>>,
 *   backoffMs: (tries: number, retryAfterMs?: number) => number,
 *   tried: (op: Op) => void,
 *   done: (slot: number) => void,
 *   unauthorized: (link: Link, error: RoostError) => void
 * }} CommandsHost
 */

/** Commands under way at once; browsers open six HTTP/1.1 connections, and one is the poll's. */
const IN_FLIGHT_MAX = { ws: 16, poll: 4 };
/** Commands that may wait, besides messages. */
const WAITING_MAX = 256;
/** The server remembers keys of messages for 7 days: an older try may have succeeded. */
const KEY_MS = 6 * 24 * 3600 * 1000;
/** Refusals that do not concern the command: it is repeated later. */
export const PASSING = ["rate_limited", "busy", "unavailable", "offline"];
/**
 * Of those, which may concern one lane only: the datacenter of one person may be away, or much be on
 * its way to them. What is for others goes on.
 */
const OF_LANE = ["busy", "unavailable"];

/** See the head of this file. */
export class Commands {
  #host;
  /** @type {Map<string, Op[]>} */
  #lanes = new Map();
  #inFlight = 0;
  #sends = 0;
  #others = 0;
  #lane = 0;
  /** Until when commands of a kind, or of a lane, are withheld. @type {Map<string, number>} */
  #holds = new Map();
  #stopHold = () => {};

  /** @param {CommandsHost} host */
  constructor(host) {
    this.#host = host;
  }

  /** How many messages wait. */
  get sends() {
    return this.#sends;
  }

  get #all() {
    return [...this.#lanes.values()].flat();
  }

  /** The slots of the messages that wait. */
  get slots() {
    return new Set(this.#all.map((op) => op.slot));
  }

  /** Returns the messages that wait, in the order of `send`. */
  messages() {
    return this.#all.filter(({ t }) => t === "send").sort((a, b) =>
      Number(a.slot) - Number(b.slot)
    );
  }

  /**
   * @param {string} t
   * @param {Json} fields
   * @param {{
   *   lane?: string, merge?: string, repeat?: boolean, slot?: number, at?: number, tries?: number,
   *   deadlineMs?: number
   * }} [how]
   * @returns {Promise<unknown>}
   */
  add(t, fields, how = {}) {
    const { lane = `#${this.#lane++}`, merge = null, repeat = true, slot = null } = how;
    const ops = this.#lanes.get(lane) ?? [];
    const waiting = ops.find((op) => merge !== null && op.merge === merge && op.link === null);
    if (waiting !== undefined) {
      waiting.fields = fields;
      return waiting.promise;
    }
    if (slot === null && this.#others >= WAITING_MAX) {
      const message = `Cannot take a command: ${WAITING_MAX} wait already`;
      return Promise.reject(new RoostError("limit_reached", message));
    }
    const { promise, resolve, reject } = deferred();
    const { at = Date.now(), tries = 0 } = how;
    const stopDeadline = () => {};
    const rest = { lane, merge, repeat, slot, at, tries, promise, resolve, reject, stopDeadline };
    /** @type {Op} */
    const op = { t, fields, link: null, ...rest };
    if (how.deadlineMs !== undefined) {
      op.stopDeadline = this.#host.env.after(how.deadlineMs, () => {
        this.#finish(op, offline("There was no answer in time"), undefined);
      });
    }
    if (slot === null) this.#others++;
    else this.#sends++;
    ops.push(op);
    this.#lanes.set(lane, ops);
    this.pump();
    return promise;
  }

  /** Sends the first of each lane, as far as the limits allow. */
  pump() {
    const { env, link: current, tried } = this.#host;
    const link = current();
    if (link === null) return;
    for (const [lane, ops] of this.#lanes) {
      if (this.#inFlight >= IN_FLIGHT_MAX[link.kind]) return;
      const op = /** @type {Op} */ (ops[0]);
      if (op.link !== null || this.#isHeld(op, env.now())) continue;
      const unfit = this.#unfit(op);
      if (unfit !== null) {
        this.#finish(op, unfit, undefined);
        continue;
      }
      // Lanes take turns.
      this.#lanes.delete(lane);
      this.#lanes.set(lane, ops);
      op.link = link;
      op.tries++;
      this.#inFlight++;
      if (op.slot !== null && op.tries === 1) tried(op);
      link.command(op);
      if (link !== current()) return;
    }
  }

  /** Why a command cannot be sent at all. @param {Op} op */
  #unfit(op) {
    const { frameBytesMax = Infinity } = this.#host.limits();
    const text = JSON.stringify({ ...op.fields, t: op.t, id: Number.MAX_SAFE_INTEGER });
    // A larger frame would end the connection, and the next one, and so on.
    if (text.length * 3 > frameBytesMax && utf8(text).length > frameBytesMax) {
      return new RoostError("too_large", `A frame has at most ${frameBytesMax} bytes`);
    }
    const doubtful = op.slot !== null && op.tries > 0 && Date.now() - op.at > KEY_MS;
    return doubtful ? offline("It was sent too long ago to be repeated safely") : null;
  }

  /**
   * Takes the result of a command from the link that it was sent on.
   * @param {Link} link
   * @param {Op} op
   * @param {RoostError | null} error
   * @param {unknown} value
   */
  settled(link, op, error, value) {
    // Another link has the command now.
    if (op.link !== link) return;
    this.#inFlight--;
    op.link = null;
    if (error !== null && PASSING.includes(error.code) && op.repeat) {
      const { backoffMs } = this.#host;
      const held = OF_LANE.includes(error.code) ? laneKey(op.lane) : op.t;
      this.#hold(held, backoffMs(Math.min(op.tries, 5), error.retryAfterMs));
    } else if (
      error?.code === "unauthorized" && op.t !== "password" && link === this.#host.link()
    ) {
      this.#host.unauthorized(link, error);
    } else this.#finish(op, error, value);
    this.pump();
  }

  /**
   * Withholds commands of a kind, or of a lane, for a while.
   * @param {string} key
   * @param {number} ms
   */
  #hold(key, ms) {
    const until = this.#host.env.now() + Math.max(1, ms);
    this.#holds.set(key, Math.max(until, this.#holds.get(key) ?? 0));
    this.#awaitHolds();
  }

  /**
   * @param {Op} op
   * @param {number} now
   */
  #isHeld({ t, lane }, now) {
    return [t, laneKey(lane)].some((key) => (this.#holds.get(key) ?? 0) > now);
  }

  #awaitHolds() {
    const { env } = this.#host;
    const now = env.now();
    for (const [name, until] of this.#holds) if (until <= now) this.#holds.delete(name);
    this.#stopHold();
    if (this.#holds.size === 0) return;
    const ms = Math.min(...this.#holds.values()) - now;
    this.#stopHold = env.after(Math.max(1, ms), () => {
      this.#awaitHolds();
      this.pump();
    });
  }

  dropHolds() {
    this.#stopHold();
    this.#holds.clear();
  }

  /**
   * Takes a command out and settles it.
   * @param {Op} op
   * @param {RoostError | null} error
   * @param {unknown} value
   */
  #finish(op, error, value) {
    const ops = this.#lanes.get(op.lane) ?? [];
    const at = ops.indexOf(op);
    if (at < 0) return;
    ops.splice(at, 1);
    if (ops.length === 0) this.#lanes.delete(op.lane);
    if (op.link !== null) this.#inFlight--;
    op.link = null;
    op.stopDeadline();
    if (op.slot === null) this.#others--;
    else {
      this.#sends--;
      if (error?.code !== "closed") this.#host.done(op.slot);
    }
    if (error === null) return op.resolve(value);
    // The application that closes the client need not handle what it left.
    if (error.code === "closed") op.promise.catch(() => {});
    op.reject(error);
  }

  /** Takes back what a link has not settled. @param {Link} link */
  release(link) {
    for (const op of this.#all) {
      if (op.link !== link) continue;
      if (op.repeat) {
        op.link = null;
        this.#inFlight--;
      } else if (link.kind === "ws") {
        this.#finish(op, offline("The connection was lost: the outcome is unknown"), undefined);
      }
    }
  }

  /** Rejects every command; messages stay stored where the client was closed. */
  close() {
    this.#rejectAll(closed());
  }

  /** Rejects every command and forgets the messages. */
  forget() {
    const { slots } = this;
    this.#rejectAll(new RoostError("closed", "Signed out before it was done"));
    for (const slot of slots) if (slot !== null) this.#host.done(slot);
  }

  /** @param {RoostError} error */
  #rejectAll(error) {
    for (const op of this.#all) this.#finish(op, error, undefined);
  }
}

/**
 * Messages to one person are one lane, however the name is written.
 * @param {string} to
 */
export function laneOf(to) {
  return `to ${String(to).normalize("NFKC").toLowerCase().split("@")[0]}`;
}

/**
 * The fields that have a value.
 * @param {Readonly<Record<string, unknown>>} fields
 * @returns {Json}
 */
export function given(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** Under which a lane is withheld; no kind of command is called so. @param {string} lane */
const laneKey = (lane) => `lane ${lane}`;

/** `Promise.withResolvers`, which not every browser has. */
function deferred() {
  /** @type {(value: unknown) => void} */
  let resolve = () => {};
  /** @type {(error: RoostError) => void} */
  let reject = () => {};
  const promise = new Promise((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
