// @ts-check
/**
 * The connection of a client: one link to the server, a WebSocket, or long-polls where that does
 * not get through. Links break and are replaced. A link that was replaced is ignored.
 */
import { retryWaitMs } from "./backoff.js";
import { PASSING } from "./commands.js";
import { offline } from "./error.js";
import { PollLink } from "./poll_link.js";
import { WsLink } from "./ws_link.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { RoostError } from "./error.js"
 * @import { Addresses } from "./addresses.js"
 * @import { Host, Json, Link } from "./types.d.ts"
 */

/**
 * `opening`: what a new link sends first. `welcomed` takes a welcome before the status is `online`,
 * `online` goes on after it. `released`: a link was left, and with it what it has not settled.
 * `malformed`: the server refused the opening as such; the client forgets what it had stored.
 * `unreached`: a new link found no server, or one that takes nobody now, and no other is known. `down`:
 * the link is lost, with the network or alone.
 * @typedef {Pick<Host, "events" | "settled" | "cursor"> & {
 *   opening: () => {
 *     url: string, hello: Json, headers: Record<string, string>, opening: Json
 *   },
 *   welcomed: (welcome: Json) => void,
 *   online: (link: Link, welcome: Json) => void,
 *   released: (link: Link) => void,
 *   down: (network: boolean) => void,
 *   malformed: () => void,
 *   addresses: Addresses,
 *   unreached: () => void,
 *   changed: () => void,
 *   gaveUp: (error: RoostError) => void
 * }} ConnectionHost
 */

/** Longest wait that the server may ask for (ms). */
const ASKED_MAX_MS = 600_000;
/** Failed tries of WebSocket in a row, before long-poll is tried. */
const WS_FAILURES_MAX = 2;
/** With the network back, all of its clients would connect at one moment: spread over (ms). */
const BACK_MS = 500;
/** Links in a row that another client of this device replaced, after which this one gives up. */
const REPLACED_MAX = 4;
/** Ends of a link that mean that another client of this device has the session. */
const REPLACED = ["replaced", "conflict"];
/** Ends of a link whose server goes away, or has no room for now. */
const SENT_AWAY = ["shutdown", "busy"];
/** Refusals of a client that was online, which no repetition changes. */
const FINAL = ["unauthorized", "forbidden", "unsupported"];
/** Refusals of a greeting that a repetition can change; after every other one it gives up. */
const AGAIN = [...PASSING, ...REPLACED, "shutdown", "slow", "idle", "signed_out", "protocol"];

/**
 * Part of the time for a welcome that it waits at a server of another cell for a home that is lost: that
 * one is the first to know who has taken over.
 */
const HOME_WAIT = 0.8;
/**
 * The waits between tries at a server that sends on at once grow so many times slower than those of others:
 * it serves its own users, and does not know yet that the home is lost, or is of a version that lets
 * nobody wait. Of a hundred clients, all are to find who has taken over within 6 s.
 */
export const MOVED_SLOWER = 4;
/** What came sooner came at once (ms). */
export const AT_ONCE_MS = 1000;

/** See the head of this file. */
export class Connection {
  #env;
  #timing;
  #only;
  #host;
  /** @type {Api.State["status"]} */
  #status = "signed_out";
  /** @type {Link | null} */
  #link = null;
  /** A WebSocket that is tried while long-poll works. @type {Link | null} */
  #trial = null;
  /** The address of the link of now. */
  #at = "";
  /** When that was begun. */
  #begunAt = 0;
  #wsFailures = 0;
  #replaced = 0;
  /** Times in a row that a server has named others. */
  #moves = 0;
  #malformed = 0;
  #upgradeMs;
  /** @type {string | null} */
  #reason = null;
  /** @type {number | null} */
  #retryAt = null;
  #stop = { retry: () => {}, stable: () => {}, upgrade: () => {}, network: () => {} };
  /** @type {Host} */
  #linkHost;

  /**
   * @param {Api.Platform} env
   * @param {Api.Timing} timing
   * @param {Api.Transport | undefined} only
   * @param {ConnectionHost} host
   */
  constructor(env, timing, only, host) {
    this.#env = env;
    this.#timing = timing;
    this.#only = only;
    this.#host = host;
    this.#upgradeMs = timing.upgradeMs;
    this.#linkHost = {
      welcomed: (link, welcome) => this.#welcomed(link, welcome),
      events: host.events,
      settled: host.settled,
      sentAway: (link, servers) => {
        if (link === this.#link) host.addresses.sentAway(servers);
      },
      lost: (link, error) => this.lost(link, error),
      cursor: host.cursor,
    };
    const stopOnline = env.onOnline(() => this.#networkIsBack());
    const stopOffline = env.onOffline(() => this.#networkIsLost());
    this.#stop.network = () => {
      stopOnline();
      stopOffline();
    };
  }

  /** A wait that the server asked for is kept. */
  #networkIsBack() {
    if (this.#status !== "waiting" || this.#reason !== "offline") return;
    const ms = this.#env.random() * BACK_MS;
    if (ms < (this.retryInMs ?? Infinity)) this.#retryAfter(ms);
  }

  /** What is on its way would be waited for until its timeout. */
  #networkIsLost() {
    const link = this.#link;
    if (link === null) return;
    link.drop();
    this.lost(link, offline("The network is lost"), true);
  }

  /** @param {number} ms */
  #retryAfter(ms) {
    this.#stop.retry();
    this.#retryAt = this.#env.now() + ms;
    this.#stop.retry = this.#env.after(ms, () => this.connect());
  }

  get status() {
    return this.#status;
  }
  get reason() {
    return this.#reason;
  }
  get retryInMs() {
    return this.#retryAt === null ? null : Math.max(0, this.#retryAt - this.#env.now());
  }
  /** The link while online. */
  get onlineLink() {
    return this.#status === "online" ? this.#link : null;
  }

  /** Whether it is the link of now. @param {Link} link */
  has(link) {
    return this.#link === link;
  }

  /** Forgets failed tries: a sign-in begins. */
  restart() {
    this.#host.addresses.forgetTries();
    this.#wsFailures = this.#replaced = this.#malformed = 0;
  }

  connect() {
    this.#stop.retry();
    this.#retryAt = null;
    this.#at = this.#host.addresses.current;
    this.#begunAt = this.#env.now();
    const link = this.#makeLink(this.#chooseTransport());
    this.#link = link;
    this.become("connecting");
    // A listener may have closed the client.
    if (this.#link === link) link.open();
  }

  /** @returns {Api.Transport} */
  #chooseTransport() {
    if (this.#only !== undefined) return this.#only;
    return this.#env.socket === null || this.#wsFailures >= WS_FAILURES_MAX ? "poll" : "ws";
  }

  /** @param {Api.Transport} kind */
  #makeLink(kind) {
    const { url, hello, headers, opening } = this.#host.opening();
    const { connectMs, answerMs } = this.#timing;
    const welcomeMs = kind === "poll" ? answerMs : connectMs;
    const isLost = this.#host.addresses.othersFailed;
    const wait = isLost ? Math.floor(welcomeMs * HOME_WAIT / 1000) : 0;
    if (kind === "poll") {
      const target = { url, headers, opening, wait };
      return new PollLink(this.#env, this.#timing, target, this.#linkHost);
    }
    const first = wait === 0 ? hello : { ...hello, wait };
    const target = { url: `${url.replace(/^http/, "ws")}/v1/ws`, hello: first };
    return new WsLink(this.#env, this.#timing, target, this.#linkHost);
  }

  /** @param {Api.State["status"]} status */
  become(status) {
    this.#status = status;
    this.#host.changed();
  }

  /** Leaves the link, if any, and the wait for the next one. */
  disconnect() {
    const { retry, stable, upgrade } = this.#stop;
    for (const stop of [retry, stable, upgrade]) stop();
    this.#retryAt = null;
    for (const link of [this.#trial, this.#link]) {
      if (link === null) continue;
      link.drop();
      this.#host.released(link);
    }
    this.#trial = this.#link = null;
  }

  /** Signed out by the application: listeners are not notified yet. */
  signedOut() {
    this.#reason = null;
    this.#status = "signed_out";
  }

  close() {
    this.disconnect();
    this.#stop.network();
  }

  /**
   * @param {Link} link
   * @param {Json} welcome
   */
  #welcomed(link, welcome) {
    if (link === this.#trial) {
      const old = this.#link;
      this.#trial = null;
      this.#link = link;
      old?.drop();
      if (old !== null) this.#host.released(old);
    }
    if (link !== this.#link) return;
    this.#host.welcomed(welcome);
    if (link.kind === "ws") this.#wsFailures = 0;
    this.#malformed = this.#moves = 0;
    this.#reason = null;
    this.#watchStability(link);
    this.become("online");
    this.#host.online(link, welcome);
  }

  /** @param {Link} link */
  #watchStability(link) {
    this.#stop.stable();
    this.#stop.stable = this.#env.after(this.#timing.stableMs, () => {
      this.#host.addresses.forgetTries();
      this.#replaced = 0;
    });
    if (link.kind === "ws") this.#upgradeMs = this.#timing.upgradeMs;
    else this.#planUpgrade();
  }

  /** Tries a WebSocket again after a while, at a random moment. */
  #planUpgrade() {
    this.#stop.upgrade();
    if (this.#only !== undefined || this.#env.socket === null) return;
    const ms = this.#upgradeMs * (0.5 + this.#env.random());
    this.#upgradeMs = Math.min(this.#upgradeMs * 2, this.#timing.upgradeMs * 10);
    this.#stop.upgrade = this.#env.after(ms, () => {
      if (this.#link?.kind !== "poll" || !this.#link.welcomed) return;
      this.#trial = this.#makeLink("ws");
      this.#trial.open();
    });
  }

  /**
   * A link ended: plans the next one, or gives up where no repetition helps.
   * @param {Link} link
   * @param {RoostError} error
   * @param {boolean} [network] whether the network is lost
   */
  lost(link, error, network = false) {
    this.#host.released(link);
    if (link === this.#trial) {
      this.#trial = null;
      return this.#planUpgrade();
    }
    if (link !== this.#link) return;
    this.#link = null;
    this.#trial?.drop();
    this.#trial = null;
    this.#stop.stable();
    this.#stop.upgrade();
    this.#host.down(network);
    this.#reason = error.code;
    if (error.code === "offline" && !link.welcomed && !network) {
      // Without a network neither gets through: they take turns.
      this.#wsFailures = link.kind === "ws" ? this.#wsFailures + 1 : WS_FAILURES_MAX - 1;
    }
    const contested = REPLACED.includes(error.code) || error.code === "protocol";
    this.#replaced = contested ? this.#replaced + 1 : 0;
    const moved = error.code === "moved";
    const follows = moved && this.#host.addresses.follow(error.servers);
    // Its home may be changing machines: nobody knows an address of it, for now.
    const homeless = moved && (error.servers ?? []).length === 0;
    const passing = homeless || AGAIN.includes(error.code);
    const final = link.welcomed ? FINAL.includes(error.code) : !passing;
    const malformed = error.code === "bad_request" && !link.welcomed;
    if (malformed && this.#malformed++ === 0) {
      // The server may not take what was stored.
      this.#host.malformed();
    } else if (final && !follows) return this.#host.gaveUp(error);
    if (this.#replaced >= REPLACED_MAX) return this.#host.gaveUp(error);
    this.#moves = follows ? this.#moves + 1 : 0;
    const away = error.code === "offline" || error.code === "busy" || homeless;
    const unreached = away && !link.welcomed && !network;
    this.#retryAfter(this.#waitMs(link, error, unreached));
    this.become("waiting");
    if (unreached && this.#at === this.#host.addresses.current) this.#host.unreached();
  }

  /**
   * Chooses the address of the next link; returns the wait before it. Each address has tries of its own.
   * @param {Link} link
   * @param {RoostError} error
   * @param {boolean} unreached
   */
  #waitMs(link, { code, retryAfterMs }, unreached) {
    const { addresses } = this.#host;
    const nowMs = this.#env.now();
    // It says itself when to return: that is no failure, whatever there was before.
    if (link.welcomed && SENT_AWAY.includes(code)) {
      addresses.forgetTries();
      return this.backoffMs(1, retryAfterMs);
    }
    const atOnce = code === "moved" && nowMs - this.#begunAt < AT_ONCE_MS;
    const slower = atOnce ? MOVED_SLOWER : 1;
    addresses.failed(this.#at, nowMs, (tries) => {
      return this.backoffMs(Math.ceil(tries / slower), retryAfterMs);
    });
    if (unreached) addresses.leave();
    const soonMs = this.backoffMs(1);
    // A server that another one has just named is no server that has failed.
    return this.#moves === 1 ? soonMs : addresses.waitMs(this.#at, nowMs, soonMs);
  }

  /** Gives up, if it is not online. @param {RoostError} error */
  refuse(error) {
    if (this.#status !== "waiting" && this.#status !== "connecting") return;
    this.disconnect();
    this.#reason = error.code;
    this.#host.gaveUp(error);
  }

  /**
   * The wait after so many tries.
   * @param {number} tries from 1
   * @param {number} [retryAfterMs] what the server asks for
   */
  backoffMs(tries, retryAfterMs) {
    const { backoffBaseMs: baseMs, backoffCapMs: capMs } = this.#timing;
    const policy = { leastMs: 0, baseMs, capMs, askedMaxMs: ASKED_MAX_MS };
    return retryWaitMs(policy, tries, this.#env.random(), retryAfterMs);
  }
}
