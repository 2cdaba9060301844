// @ts-check
/**
 * Roost's client library: one module without dependencies for browsers, Deno and Node. The types,
 * which are its reference, are in client.d.ts beside it.
 *
 * A client keeps one link to the server: a WebSocket, or long-polls where that does not come
 * through. Links break and are replaced; whatever a link that is no longer the client's still says
 * is not listened to. What must survive is the client's: where it is in its mailbox (the cursor),
 * and what the server has not answered yet. Events are taken only in the order of their `seq`,
 * each once; a gap ends the link, and the next one goes on after the cursor. Commands wait in
 * lanes, one at a time in each, so that what belongs together is done in order, however often it
 * has to be repeated: messages to one person are a lane.
 */

/**
 * @import * as Api from "./client.d.ts"
 */

/**
 * What the server says; fields are read where they are known to be.
 * @typedef {Readonly<Record<string, unknown>>} Json
 */

/**
 * A command until it is answered. `lane`: commands of one lane are done one after another.
 * `merge`: a later command of this name takes the place of one that waits. `repeat`: done again
 * after a lost link. `slot`: its number in the storage.
 * @typedef {{
 *   t: string, fields: Json, lane: string, merge: string | null, repeat: boolean,
 *   slot: number | null, at: number, tries: number, link: Link | null,
 *   promise: Promise<unknown>, resolve: (value: unknown) => void, reject: (e: RoostError) => void,
 *   stopDeadline: () => void
 * }} Op
 */

/**
 * A connection. `drop` ends it without a word; the client hears nothing of it afterwards but the
 * answers to its requests that are on their way.
 * @typedef {{
 *   kind: Api.Transport, welcomed: boolean,
 *   open: () => void, command: (op: Op) => void, drop: () => void
 * }} Link
 */

/**
 * What a link tells its client.
 * @typedef {{
 *   welcomed: (link: Link, welcome: Json) => void,
 *   events: (link: Link, events: readonly Json[]) => void,
 *   settled: (link: Link, op: Op, error: RoostError | null, value: unknown) => void,
 *   lost: (link: Link, error: RoostError) => void,
 *   cursor: () => string | null
 * }} Host
 */

/**
 * Who the client is. The device of a token that was brought along is known after the welcome.
 * @typedef {{ token?: string, jwt?: string, user: string | null, device: string | null }} Who
 */

/** @type {Api.Timing} */
const TIMING = {
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

/** Failed tries of WebSocket, one after another, before long-poll is tried. */
const WS_FAILURES_MAX = 2;
/** Links in a row that another client of this device took, after which this one gives up. */
const REPLACED_MAX = 4;
/** Requests in a row that may break before a long-polling link counts as lost. */
const STRIKES_MAX = 3;
/** Commands on their way at once; browsers open six HTTP/1.1 connections, and one is the poll's. */
const IN_FLIGHT_MAX = { ws: 16, poll: 4 };
/** Commands that may wait, besides messages. */
const WAITING_MAX = 256;
/** Contacts that the server has not listed so long after the welcome are offline. */
const LISTED_MS = 1500;
/** The server remembers keys of messages for 7 days: an older try may have been a success. */
const KEY_MS = 6 * 24 * 3600 * 1000;
const TYPING_MS = 3000;
const ITERATIONS = { min: 4096, max: 10_000_000 };
/** Refusals that say nothing about the command: it can be repeated. */
const PASSING = ["rate_limited", "busy", "unavailable", "offline"];
/** Refusals of the client itself: to try again would change nothing. */
const FINAL = ["unauthorized", "forbidden", "unsupported"];

/** @type {Api.Presence} */
const OFFLINE = Object.freeze({
  show: "offline",
  status: "",
  priority: 0,
  ext: "",
  device: null,
  devices: 0,
  lastSeen: 0,
});

/** See client.d.ts. */
export class RoostError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {number} [retryAfterMs]
   */
  constructor(code, message, retryAfterMs) {
    super(message);
    this.name = "RoostError";
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    /** @type {string | undefined} */
    this.key = undefined;
    /** @type {string | undefined} */
    this.to = undefined;
  }
}

/** @param {string} message */
const offline = (message) => new RoostError("offline", message);

const closed = () => new RoostError("closed", "The client was closed");

/**
 * The refusal in a frame or body.
 * @param {Json} told
 */
function refusal({ code, message, retryAfterMs }) {
  const wait = typeof retryAfterMs === "number" ? retryAfterMs : undefined;
  return new RoostError(String(code), String(message), wait);
}

/** @returns {Api.Platform} */
function platform() {
  return {
    now: () => performance.now(),
    after(ms, run) {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    random: Math.random,
    socket: typeof WebSocket === "function" ? (url) => new WebSocket(url) : null,
    fetch: (url, init) => fetch(url, init),
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

/** @returns {Api.Storage} */
function memory() {
  /** @type {Map<string, string>} */
  const items = new Map();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}

// ---- SCRAM-SHA-256 (RFC 5802, RFC 7677)

/** @param {string} text */
const utf8 = (text) => Uint8Array.from(new TextEncoder().encode(text));

/** @param {Uint8Array} bytes */
const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));

/** @param {string} text */
const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** 24 characters of letters and digits, new each time. */
function newKey() {
  return toBase64(crypto.getRandomValues(new Uint8Array(18))).replace(/[+/]/g, "0");
}

/**
 * @param {Uint8Array<ArrayBuffer>} key
 * @param {Uint8Array<ArrayBuffer>} data
 */
async function hmac(key, data) {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, data));
}

/**
 * @param {string} password
 * @param {Uint8Array<ArrayBuffer>} salt
 * @param {number} iterations
 */
async function saltedPassword(password, salt, iterations) {
  // OpaqueString (RFC 8265): all spaces are one, NFC.
  const prepared = utf8(password.replace(/\p{Zs}/gu, " ").normalize("NFC"));
  const key = await crypto.subtle.importKey("raw", prepared, "PBKDF2", false, ["deriveBits"]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, 256));
}

/**
 * One exchange: the client-first message, and what to do with the server's answer to it. `expected`
 * is what the server has to say last, for it proves that it knows the password's keys.
 * @param {string} user
 * @param {string} password
 */
function scramExchange(user, password) {
  const nonce = newKey();
  const bare = `n=${user.replaceAll("=", "=3D").replaceAll(",", "=2C")},r=${nonce}`;
  return {
    first: `n,,${bare}`,
    /** @param {string} serverFirst */
    async reply(serverFirst) {
      const [, r, s, i] = /^r=([^,]+),s=([A-Za-z0-9+/=]+),i=([1-9]\d{0,8})$/.exec(serverFirst) ??
        [];
      const iterations = Number(i);
      const fresh = r !== undefined && r.startsWith(nonce) && r !== nonce;
      if (!fresh || iterations < ITERATIONS.min || iterations > ITERATIONS.max) {
        throw new RoostError("untrusted", "The server's SCRAM message is not one to answer");
      }
      const salted = await saltedPassword(
        password,
        fromBase64(/** @type {string} */ (s)),
        iterations,
      );
      const withoutProof = `c=biws,r=${r}`;
      const auth = utf8(`${bare},${serverFirst},${withoutProof}`);
      const clientKey = await hmac(salted, utf8("Client Key"));
      const storedKey = new Uint8Array(await crypto.subtle.digest("SHA-256", clientKey));
      const signature = await hmac(storedKey, auth);
      const proof = clientKey.map((byte, at) => byte ^ Number(signature[at]));
      const server = await hmac(await hmac(salted, utf8("Server Key")), auth);
      return { message: `${withoutProof},p=${toBase64(proof)}`, expected: `v=${toBase64(server)}` };
    },
  };
}

// ---- HTTP

/**
 * One request; rejects with `offline` where there is no answer of the server.
 * @param {Api.Platform} env
 * @param {string} url
 * @param {{
 *   method: string, body?: unknown, headers?: Record<string, string>, timeoutMs: number,
 *   signal?: AbortSignal
 * }} request
 * @returns {Promise<unknown>}
 */
async function rest(env, url, { method, body, headers = {}, timeoutMs, signal }) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const stop = env.after(timeoutMs, abort);
  signal?.addEventListener("abort", abort);
  try {
    const response = await env.fetch(url, {
      method,
      headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
      signal: controller.signal,
      cache: "no-store",
      credentials: "omit",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const told = text === "" ? undefined : JSON.parse(text);
    if (response.ok) return told;
    if (typeof told?.code === "string") throw refusal(told);
    throw offline(`HTTP ${response.status} from something that is not the server`);
  } catch (error) {
    throw error instanceof RoostError ? error : offline(`No answer: ${String(error)}`);
  } finally {
    stop();
    signal?.removeEventListener("abort", abort);
  }
}

/**
 * A command as a request: method, path, and which fields are not the body's.
 * @param {string} t
 * @param {Json} f
 * @returns {{ method: string, path: string, not?: string[], headers?: Record<string, string> }}
 */
function asRequest(t, f) {
  /** @param {unknown} name */
  const part = (name) => encodeURIComponent(String(name));
  const contact = `/v1/contacts/${part(f["contact"])}`;
  switch (t) {
    case "send": {
      const headers = { "idempotency-key": String(f["key"]) };
      return { method: "POST", path: "/v1/messages", not: ["key"], headers };
    }
    case "history": {
      const query = ["before", "after", "limit"].flatMap((name) =>
        f[name] === undefined ? [] : `${name}=${part(f[name])}`
      );
      const path = `/v1/conversations/${part(f["with"])}/messages?${query.join("&")}`;
      return { method: "GET", path };
    }
    case "read":
      return { method: "PUT", path: `/v1/conversations/${part(f["with"])}/read`, not: ["with"] };
    case "signal":
      return { method: "POST", path: "/v1/signals" };
    case "contact":
      return { method: "PUT", path: contact, not: ["contact"] };
    case "uncontact":
      return { method: "DELETE", path: contact };
    case "subscription":
      return { method: "POST", path: `${contact}/subscription`, not: ["contact"] };
    case "block": {
      const method = f["blocked"] === true ? "PUT" : "DELETE";
      return { method, path: `/v1/blocked/${part(f["contact"])}`, not: ["contact", "blocked"] };
    }
    case "revoke":
      return { method: "DELETE", path: `/v1/devices/${part(f["device"])}` };
    case "signout":
      return { method: "DELETE", path: "/v1/auth" };
    case "ack":
      return { method: "POST", path: "/v1/ack" };
    case "devices":
    case "snapshot":
      return { method: "GET", path: `/v1/${t}` };
    default:
      // presence, settings, password
      return { method: "PUT", path: `/v1/${t}` };
  }
}

// ---- links

/** A WebSocket. Nothing is heard of it after its end. */
class WsLink {
  /** @type {Api.Transport} */
  kind = "ws";
  welcomed = false;
  #over = false;
  /** @type {Api.Socket | null} */
  #socket = null;
  /** @type {Map<number, Op>} */
  #ops = new Map();
  #id = 0;
  /** @type {RoostError | null} */
  #fault = null;
  #heardAt = 0;
  /** Since when an answer is awaited with nothing heard. @type {number | null} */
  #askedAt = null;
  #stopTimer = () => {};

  /**
   * @param {Api.Platform} env
   * @param {Api.Timing} timing
   * @param {{ url: string, hello: Json }} target
   * @param {Host} host
   */
  constructor(env, timing, target, host) {
    this.env = env;
    this.timing = timing;
    this.target = target;
    this.host = host;
  }

  open() {
    const { env, timing, target } = this;
    this.#stopTimer = env.after(timing.connectMs, () => this.#end(offline("No welcome in time")));
    try {
      const socket = /** @type {NonNullable<typeof env.socket>} */ (env.socket)(target.url);
      this.#socket = socket;
      socket.onopen = () => socket.send(JSON.stringify(target.hello));
      socket.onmessage = ({ data }) => this.#take(data);
      socket.onclose = () => this.#end(offline("The connection was lost"));
      // A close follows.
      socket.onerror = (event) => event.preventDefault?.();
    } catch (error) {
      const failure = offline(`No WebSocket: ${String(error)}`);
      this.#stopTimer();
      this.#stopTimer = env.after(0, () => this.#end(failure));
    }
  }

  /** @param {unknown} data */
  #take(data) {
    if (this.#over) return;
    this.#heardAt = this.env.now();
    this.#askedAt = this.#ops.size > 0 ? this.#heardAt : null;
    /** @type {Json} */
    let frame;
    try {
      frame = JSON.parse(String(data));
    } catch {
      return this.#end(offline("Something that is not the server answered"));
    }
    switch (frame["t"]) {
      case "welcome":
        this.welcomed = true;
        this.#stopTimer();
        this.#watch();
        return this.host.welcomed(this, frame);
      case "events":
        return this.host.events(this, /** @type {readonly Json[]} */ (frame["ev"]));
      case "ok":
        return this.#answer(frame, null);
      case "error":
        if (frame["id"] !== undefined) return this.#answer(frame, refusal(frame));
        this.#fault = refusal(frame);
        return;
      case "goaway": {
        const { reason, retryAfterMs } = frame;
        if (this.#fault !== null && reason === "protocol") {
          // Once there is a session, it is the frame that was wrong, and not what is stored.
          const { code, message } = this.#fault;
          const wait = retryAfterMs ?? this.#fault.retryAfterMs;
          const told = { code: this.welcomed ? "offline" : code, message, retryAfterMs: wait };
          return this.#end(refusal(told));
        }
        const code = reason === "revoked" || reason === "expired" ? "unauthorized" : String(reason);
        return this.#end(refusal({ code, message: `The server said: ${reason}`, retryAfterMs }));
      }
    }
  }

  /**
   * @param {Json} frame
   * @param {RoostError | null} error
   */
  #answer(frame, error) {
    const id = Number(frame["id"]);
    const op = this.#ops.get(id);
    this.#ops.delete(id);
    if (this.#ops.size === 0) this.#askedAt = null;
    if (op !== undefined) this.host.settled(this, op, error, frame["value"]);
  }

  /** @param {Op} op */
  command(op) {
    const id = ++this.#id;
    this.#ops.set(id, op);
    this.#send({ ...op.fields, t: op.t, id });
  }

  /** @param {Json} frame */
  #send(frame) {
    this.#askedAt ??= this.env.now();
    try {
      this.#socket?.send(JSON.stringify(frame));
    } catch {
      // It is closing: its close event is on the way.
    }
  }

  /** Looks whether the other side is still there. */
  #watch() {
    const { idleMs, answerMs } = this.timing;
    this.#stopTimer = this.env.after(Math.min(idleMs, answerMs) / 4, () => {
      const now = this.env.now();
      const dead = this.#askedAt !== null && now - this.#askedAt >= answerMs;
      if (dead) return this.#end(offline(`Nothing was heard for ${answerMs} ms`));
      if (this.#askedAt === null && now - this.#heardAt >= idleMs) {
        this.#send({ t: "ping", id: ++this.#id });
      }
      this.#watch();
    });
  }

  /** @param {RoostError} error */
  #end(error) {
    if (this.#over) return;
    this.drop();
    const fault = this.welcomed || error.code !== "offline" ? null : this.#fault;
    this.host.lost(this, fault ?? error);
  }

  drop() {
    const socket = this.#socket;
    this.#over = true;
    this.#stopTimer();
    this.#socket = null;
    this.#ops.clear();
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    try {
      socket.close(1000);
    } catch {
      // Some refuse to be closed before they are open.
    }
  }
}

/** Long-polls of one session, and commands as requests beside them. */
class PollLink {
  /** @type {Api.Transport} */
  kind = "poll";
  welcomed = false;
  #over = false;
  #session = "";
  /** Soft events up to here have arrived. */
  #soft = 0;
  #strikes = 0;
  #polls = new AbortController();
  #stopTimer = () => {};

  /**
   * @param {Api.Platform} env
   * @param {Api.Timing} timing
   * @param {{ url: string, headers: Record<string, string>, opening: Json }} target
   * @param {Host} host
   */
  constructor(env, timing, target, host) {
    this.env = env;
    this.timing = timing;
    this.target = target;
    this.host = host;
  }

  open() {
    const { opening } = this.target;
    const { signal } = this.#polls;
    const opened = this.#request("POST", "/v1/sessions", { body: opening, signal });
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
      const { soft, events } = /** @type {{ soft: number, events: readonly Json[] }} */ (batch);
      this.#soft = soft;
      host.events(this, events);
      const tookMs = env.now() - began;
      // Under load several events come in one answer rather than each in its own. Nothing, before
      // the time was over: another poll of this session came between.
      const early = events.length === 0 && tookMs < timing.pollMs / 2;
      this.#later(early ? env.random() * timing.backoffBaseMs : timing.pollGapMs - tookMs);
    }, (error) => {
      if (this.#over) return;
      if (error.code !== "offline" || ++this.#strikes >= STRIKES_MAX) return this.#end(error);
      this.#later(env.random() * timing.backoffBaseMs * this.#strikes);
    });
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
    this.#request(method, path, { headers, ...(body === undefined ? {} : { body }) }).then(
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

// ---- state

/**
 * @param {Json} e
 * @returns {Api.Presence}
 */
function presenceOf(e) {
  if (e["show"] === "offline") return { ...OFFLINE, lastSeen: Number(e["lastSeen"] ?? 0) };
  return {
    show: /** @type {Api.Show} */ (e["show"]),
    status: String(e["status"] ?? ""),
    priority: Number(e["priority"] ?? 0),
    ext: String(e["ext"] ?? ""),
    device: /** @type {string | undefined} */ (e["device"]) ?? null,
    devices: Number(e["devices"] ?? 1),
    lastSeen: 0,
  };
}

/** What the mailbox's events and snapshots say about contacts and conversations. */
class Book {
  /** @type {Map<string, Api.Contact>} */
  contacts = new Map();
  /** @type {Set<string>} */
  requests = new Set();
  /** @type {Set<string>} */
  blocked = new Set();
  /** @type {Map<string, Api.Conversation>} */
  conversations = new Map();
  /** @type {"contacts" | "anyone" | null} */
  messagesFrom = null;
  otherDevices = OFFLINE;
  /** Presences that came before it was known who is a contact. @type {Map<string, Api.Presence>} */
  #early = new Map();
  /** Events up to here are in it. */
  #seq = 0;

  /** A new link tells everybody's presence anew. */
  forgetEarly() {
    this.#early.clear();
  }

  clear() {
    this.#early.clear();
    for (const part of [this.contacts, this.requests, this.blocked, this.conversations]) {
      part.clear();
    }
    this.messagesFrom = null;
    this.otherDevices = OFFLINE;
    this.#seq = 0;
  }

  /**
   * @param {number} seq
   * @param {Json} snapshot
   */
  replace(seq, snapshot) {
    const presences = new Map(this.#early);
    for (const { name, presence } of this.contacts.values()) presences.set(name, presence);
    const { otherDevices } = this;
    this.clear();
    this.otherDevices = otherDevices;
    this.#seq = seq;
    for (const item of /** @type {Json[]} */ (snapshot["roster"])) {
      this.#list(item, presences.get(String(item["contact"])) ?? OFFLINE);
    }
    for (const name of /** @type {string[]} */ (snapshot["requests"])) this.requests.add(name);
    for (const name of /** @type {string[]} */ (snapshot["blocked"])) this.blocked.add(name);
    for (const item of /** @type {Api.Conversation[]} */ (snapshot["conversations"])) {
      this.conversations.set(item.with, { ...item });
    }
    this.messagesFrom = /** @type {"contacts" | "anyone"} */ (snapshot["messagesFrom"]);
  }

  /**
   * @param {Json} item
   * @param {Api.Presence} presence
   */
  #list(item, presence) {
    const name = String(item["contact"]);
    this.contacts.set(name, {
      name,
      label: String(item["label"] ?? ""),
      groups: /** @type {string[] | undefined} */ (item["groups"]) ?? [],
      subscription: /** @type {Api.Contact["subscription"]} */ (item["subscription"]),
      pendingOut: item["pendingOut"] === true,
      approved: item["approved"] === true,
      presence,
    });
  }

  /**
   * Takes a presence; once there is a snapshot, that of somebody who is no contact is not kept.
   * @param {string} user
   * @param {Api.Presence} presence
   */
  show(user, presence) {
    const contact = this.contacts.get(user);
    if (contact !== undefined) this.contacts.set(user, { ...contact, presence });
    else if (this.messagesFrom === null) this.#early.set(user, presence);
  }

  /** @param {Json} e */
  apply(e) {
    const seq = Number(e["seq"]);
    if (seq <= this.#seq) return;
    this.#seq = seq;
    const contact = String(e["contact"]);
    switch (e["k"]) {
      case "message":
      case "receipt":
      case "read":
        return this.#converse(seq, e);
      case "roster":
        return this.#list(e, this.contacts.get(contact)?.presence ?? OFFLINE);
      case "roster_removed":
        return void this.contacts.delete(contact);
      case "request":
        if (e["pending"] === true) this.requests.add(String(e["from"]));
        else this.requests.delete(String(e["from"]));
        return;
      case "blocked":
        if (e["blocked"] === true) this.blocked.add(contact);
        else this.blocked.delete(contact);
        return;
      case "settings":
        this.messagesFrom = /** @type {"contacts" | "anyone"} */ (e["messagesFrom"]);
    }
  }

  /**
   * @param {number} seq
   * @param {Json} e
   */
  #converse(seq, e) {
    const peer = String(e["with"]);
    const none = { lastSeq: 0, lastAt: 0, unread: 0, readUpTo: 0, delivered: 0, read: 0 };
    const c = this.conversations.get(peer) ?? { with: peer, ...none };
    if (e["k"] === "message") {
      const unread = c.unread + (e["out"] === true ? 0 : 1);
      this.conversations.set(peer, { ...c, lastSeq: seq, lastAt: Number(e["at"]), unread });
    } else if (e["k"] === "receipt") {
      const { delivered, read } = e;
      this.conversations.set(peer, { ...c, delivered: Number(delivered), read: Number(read) });
    } else {
      const { upTo, unread } = e;
      this.conversations.set(peer, { ...c, readUpTo: Number(upTo), unread: Number(unread) });
    }
  }
}

// ---- the client

/** See `Client` in client.d.ts. @implements {Api.Client} */
class RoostClient {
  #env;
  #timing;
  #options;
  #base;
  #storage;
  #prefix;
  #book = new Book();
  /** @type {Map<string, Set<(detail: never) => void>>} */
  #listeners = new Map();

  // What is stored.
  /** @type {Who | null} */
  #who = null;
  /** @type {string | null} */
  #session = null;
  /** @type {{ mailbox: string, seq: number } | null} */
  #cursor = null;
  /** Slots of stored messages: all are in first … next − 1. */
  #slots = { first: 0, next: 0 };

  // The connection.
  /** @type {Api.State["status"]} */
  #status = "signed_out";
  /** @type {Link | null} */
  #link = null;
  /** A WebSocket that is tried while long-poll works. @type {Link | null} */
  #trial = null;
  #tries = 0;
  #wsFailures = 0;
  #replaced = 0;
  #badHellos = 0;
  #upgradeMs = 0;
  /** @type {string | null} */
  #reason = null;
  /** @type {number | null} */
  #retryAt = null;
  /** @type {Pick<Api.State, "domain" | "expiresAt" | "limits">} */
  #told = { domain: null, expiresAt: null, limits: {} };
  #stop = {
    retry: () => {},
    stable: () => {},
    upgrade: () => {},
    listed: () => {},
    hold: () => {},
    ack: () => {},
    online: () => {},
  };
  /** Contacts shown online by an earlier link and not by this one yet. @type {Set<string>} */
  #unlisted = new Set();
  /** Whether the book has its snapshot. */
  #known = false;
  #ackAsked = false;
  /** For new sessions; those that go on have it. @type {Api.OwnPresence | null | undefined} */
  #presence = undefined;
  /** @type {{ to: string, at: number }} */
  #typed = { to: "", at: 0 };
  /** @type {{ resolve: (state: Api.State) => void, reject: (e: RoostError) => void }[]} */
  #waiters = [];

  // Commands.
  /** @type {Map<string, Op[]>} */
  #lanes = new Map();
  #inFlight = 0;
  #sends = 0;
  #others = 0;
  #lane = 0;
  /** Until when commands of a kind are held back. @type {Map<string, number>} */
  #holds = new Map();

  /** @type {Host} */
  #host = {
    welcomed: (link, welcome) => this.#welcomed(link, welcome),
    events: (link, events) => this.#events(link, events),
    settled: (link, op, error, value) => this.#settled(link, op, error, value),
    lost: (link, error) => this.#lost(link, error),
    cursor: () => this.#cursorText(),
  };

  /** @param {Api.ClientOptions} options */
  constructor(options) {
    const url = new URL(options.url ?? import.meta.url);
    if (!/^https?:$/.test(url.protocol)) throw new TypeError("createClient needs the server's url");
    this.#base = options.url === undefined ? url.origin : url.href.replace(/\/$/, "");
    this.#options = options;
    this.#env = { ...platform(), ...options.platform };
    this.#timing = { ...TIMING, ...options.timing };
    this.#storage = options.storage ?? memory();
    this.#prefix = options.storageKey ?? `roost ${this.#base}`;
    this.#upgradeMs = this.#timing.upgradeMs;
    this.#load();
    this.#stop.online = this.#env.onOnline(() => {
      // What the server asked for is waited for all the same.
      if (this.#status === "waiting" && this.#reason === "offline") this.#connect();
    });
  }

  // What the application reads.

  /** @returns {Api.State} */
  get state() {
    const { user = null, device = null } = this.#who ?? {};
    const retryInMs = this.#retryAt === null ? null : Math.max(0, this.#retryAt - this.#env.now());
    return Object.freeze({
      status: this.#status,
      transport: this.#status === "online" ? this.#link?.kind ?? null : null,
      user,
      device,
      reason: this.#reason,
      retryInMs,
      ...this.#told,
    });
  }
  get contacts() {
    return this.#book.contacts;
  }
  get requests() {
    return this.#book.requests;
  }
  get blocked() {
    return this.#book.blocked;
  }
  get conversations() {
    return this.#book.conversations;
  }
  get messagesFrom() {
    return this.#book.messagesFrom;
  }
  get otherDevices() {
    return this.#book.otherDevices;
  }
  get pending() {
    const sends = [...this.#lanes.values()].flat().filter(({ t }) => t === "send");
    return sends.sort((a, b) => Number(a.slot) - Number(b.slot)).map(({ fields, at }) => {
      return /** @type {Api.PendingMessage} */ ({ ...fields, at });
    });
  }

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
  #emit(event, detail) {
    for (const listener of [...this.#listeners.get(event) ?? []]) {
      try {
        listener(/** @type {never} */ (detail));
      } catch (error) {
        // What a listener throws is the application's: it is reported as such, and nothing stops.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  // Storage.

  /** @param {() => void} change */
  #store(change) {
    try {
      change();
    } catch (error) {
      this.#emit("error", new RoostError("storage", `Nothing can be stored: ${String(error)}`));
    }
  }

  #save() {
    const record = { ...this.#who, session: this.#session, cursor: this.#cursor, ...this.#slots };
    this.#store(() => this.#storage.setItem(this.#prefix, JSON.stringify(record)));
  }

  #load() {
    /** @type {Record<string, unknown>} */
    let record;
    try {
      record = JSON.parse(this.#storage.getItem(this.#prefix) ?? "{}");
    } catch {
      record = {};
    }
    const { token, jwt, user, device, session, cursor, first = 0, next = 0 } = record;
    this.#slots = { first: Number(first), next: Number(next) };
    const proof = typeof token === "string" ? { token } : typeof jwt === "string" ? { jwt } : null;
    if (typeof user === "string") {
      this.#who = { ...proof, user, device: typeof device === "string" ? device : null };
    }
    this.#session = typeof session === "string" ? session : null;
    this.#cursor = /** @type {{ mailbox: string, seq: number } | undefined} */ (cursor) ?? null;
    for (let slot = this.#slots.first; slot < this.#slots.next; slot++) this.#loadMessage(slot);
  }

  /** @param {number} slot */
  #loadMessage(slot) {
    const text = this.#storage.getItem(`${this.#prefix} ${slot}`);
    if (text === null) return;
    /** @type {{ fields: Json, at: number, tries: number }} */
    let stored;
    try {
      stored = JSON.parse(text);
    } catch {
      return;
    }
    const { fields, at, tries } = stored;
    const to = String(fields["to"]);
    this.#enqueue("send", fields, { lane: laneOf(to), slot, at, tries }).catch((error) => {
      if (error.code === "closed") return;
      this.#emit("error", Object.assign(error, { key: fields["key"], to }));
    });
  }

  /** @param {number} slot */
  #freeSlot(slot) {
    this.#store(() => this.#storage.removeItem(`${this.#prefix} ${slot}`));
    if (slot !== this.#slots.first) return;
    const held = new Set([...this.#lanes.values()].flat().map((op) => op.slot));
    while (this.#slots.first < this.#slots.next && !held.has(this.#slots.first)) {
      this.#slots.first++;
    }
    this.#save();
  }

  // Signing in.

  /** @param {{ user: string, password: string, invite?: string }} account */
  async register({ user, password, invite }) {
    this.#assertOpen();
    const body = { user, password, ...(invite === undefined ? {} : { invite }) };
    const { label, device } = this.#options;
    const signed = await rest(this.#env, `${this.#base}/v1/register`, {
      method: "POST",
      body: { ...body, ...(device ? { device } : {}), ...(label ? { label } : {}) },
      timeoutMs: this.#timing.requestMs,
    });
    return await this.#begin(/** @type {Who} */ (signed));
  }

  /** @param {Api.Credentials} [credentials] */
  async signIn(credentials) {
    this.#assertOpen();
    const who = this.#who;
    if (credentials === undefined) {
      if (who !== null && (who.token ?? who.jwt) !== undefined) return await this.#begin(who);
      throw new RoostError("unauthorized", "Nobody has signed in here");
    }
    if ("password" in credentials) {
      const { user, password } = credentials;
      const known = who !== null && who.user === user ? who.device : null;
      const device = this.#options.device ?? known;
      return await this.#begin(await this.#patiently(() => this.#prove(user, password, device)));
    }
    const same = "token" in credentials
      ? credentials.token === who?.token
      : credentials.jwt === who?.jwt;
    const device = this.#options.device ?? ("jwt" in credentials ? who?.device ?? newKey() : null);
    return await this.#begin(same && who !== null ? who : { ...credentials, user: null, device });
  }

  /**
   * Tries again while the server cannot be reached or sheds load, for some seconds.
   * @param {() => Promise<Who>} prove
   */
  async #patiently(prove) {
    for (let tries = 0;; tries++) {
      try {
        return await prove();
      } catch (error) {
        const { code, retryAfterMs = 0 } = /** @type {RoostError} */ (error);
        if (!PASSING.includes(code) || tries >= 4 || retryAfterMs > 10_000) throw error;
        const ms = retryAfterMs + this.#backoffMs(tries);
        await new Promise((resolve) => this.#env.after(ms, () => resolve(undefined)));
        this.#assertOpen();
      }
    }
  }

  /**
   * Proves the password by SCRAM-SHA-256, and that the server knows its keys.
   * @param {string} user
   * @param {string} password
   * @param {string | null} device
   * @returns {Promise<Who>}
   */
  async #prove(user, password, device) {
    const { label, allowPlainPassword = false } = this.#options;
    const choice = { ...(device === null ? {} : { device }), ...(label ? { label } : {}) };
    /**
     * @param {string} path
     * @param {Json} body
     */
    const post = async (path, body) => {
      const request = { method: "POST", body, timeoutMs: this.#timing.requestMs };
      return /** @type {Json} */ (await rest(this.#env, `${this.#base}/v1/auth/${path}`, request));
    };
    try {
      if (globalThis.crypto?.subtle === undefined) {
        throw new RoostError("unsupported", "There is no WebCrypto here: the page needs HTTPS");
      }
      const exchange = scramExchange(user, password);
      const message = exchange.first;
      const first = await post("scram", { mechanism: "SCRAM-SHA-256", message });
      const reply = await exchange.reply(String(first["message"]));
      const path = `scram/${encodeURIComponent(String(first["exchange"]))}`;
      const signed = await post(path, { message: reply.message, ...choice });
      if (String(signed["scram"]).split(",")[0] === reply.expected) {
        return /** @type {Who} */ (/** @type {unknown} */ (signed));
      }
      throw new RoostError("untrusted", "The server does not know the password's keys");
    } catch (error) {
      const { code } = /** @type {RoostError} */ (error);
      if (code !== "unsupported" || !allowPlainPassword) throw error;
      const signed = await post("password", { user, password, ...choice });
      return /** @type {Who} */ (/** @type {unknown} */ (signed));
    }
  }

  /**
   * Connects as somebody, and waits for the first welcome.
   * @param {Who} who
   * @returns {Promise<Api.State>}
   */
  #begin({ token, jwt, user, device }) {
    this.#assertOpen();
    this.#disconnect();
    const old = this.#who;
    const changed = user !== old?.user || device !== old?.device;
    if (changed) this.#session = null;
    if (user !== null && old?.user !== user && old !== null) this.#forgetMailbox();
    const proof = token === undefined ? { jwt: String(jwt) } : { token };
    this.#who = { ...proof, user: user ?? old?.user ?? null, device };
    this.#tries =
      this.#wsFailures =
      this.#replaced =
      this.#badHellos =
        0;
    this.#save();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#connect();
    });
  }

  async signOut() {
    this.#assertOpen();
    const who = this.#who;
    const signedIn = who !== null && (who.token ?? who.jwt) !== undefined;
    const headers = signedIn ? this.#headers() : {};
    this.#disconnect();
    // Before the server is told, which may take a while: whoever closes the page is signed out here.
    this.#forgetMailbox();
    this.#presence = undefined;
    this.#who = this.#session = null;
    this.#reason = null;
    this.#store(() => this.#storage.removeItem(this.#prefix));
    this.#status = "signed_out";
    this.#settleWaiters(new RoostError("closed", "Signed out"));
    if (!signedIn) {
      this.#become("signed_out");
      return false;
    }
    const request = { method: "DELETE", headers, timeoutMs: 5000 };
    const answer = rest(this.#env, `${this.#base}/v1/auth`, request);
    const told = await answer.then(() => true, ({ code }) => code === "unauthorized");
    // Somebody may have signed in meanwhile.
    if (this.#status === "signed_out") this.#become("signed_out");
    return told;
  }

  close() {
    if (this.#status === "closed") return;
    this.#disconnect();
    this.#stop.online();
    const error = closed();
    this.#rejectAll(error);
    this.#settleWaiters(error);
    this.#become("closed");
  }

  #assertOpen() {
    if (this.#status === "closed") throw closed();
  }

  /** Nothing of this mailbox is of use any more, unsent messages neither. */
  #forgetMailbox() {
    const slots = [...this.#lanes.values()].flat().map((op) => op.slot);
    this.#rejectAll(new RoostError("closed", "Signed out before it was done"));
    for (const slot of slots) if (slot !== null) this.#freeSlot(slot);
    this.#cursor = this.#session = null;
    this.#known = false;
    this.#book.clear();
  }

  /** @param {RoostError | null} error */
  #settleWaiters(error) {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { resolve, reject } of waiters) {
      if (error === null) resolve(this.state);
      else reject(error);
    }
  }

  // Connecting.

  /** @returns {Record<string, string>} */
  #headers() {
    const { token, jwt, device } = /** @type {Who} */ (this.#who);
    const named = jwt === undefined || device === null ? {} : { "roost-device": device };
    return { authorization: `Bearer ${token ?? jwt}`, ...named };
  }

  #cursorText() {
    return this.#cursor === null ? null : `${this.#cursor.mailbox}:${this.#cursor.seq}`;
  }

  /** @param {Api.Transport} kind */
  #makeLink(kind) {
    const { token, jwt, device } = /** @type {Who} */ (this.#who);
    const after = this.#cursorText();
    const opening = {
      ...(this.#session === null ? {} : { session: this.#session }),
      ...(after === null ? {} : { after }),
      ...(this.#presence === undefined ? {} : { presence: this.#presence }),
    };
    if (kind === "poll") {
      const target = { url: this.#base, headers: this.#headers(), opening };
      return new PollLink(this.#env, this.#timing, target, this.#host);
    }
    const { label } = this.#options;
    const hello = {
      t: "hello",
      v: 1,
      auth: token === undefined ? { jwt } : { token },
      ...(device === null ? {} : { device }),
      ...(label ? { label } : {}),
      client: "roost-client/1",
      ...opening,
    };
    const url = `${this.#base.replace(/^http/, "ws")}/v1/ws`;
    return new WsLink(this.#env, this.#timing, { url, hello }, this.#host);
  }

  /** @returns {Api.Transport} */
  #chooseTransport() {
    const { onlyTransport } = this.#options;
    if (onlyTransport !== undefined) return onlyTransport;
    return this.#env.socket === null || this.#wsFailures >= WS_FAILURES_MAX ? "poll" : "ws";
  }

  #connect() {
    this.#stop.retry();
    this.#retryAt = null;
    const link = this.#makeLink(this.#chooseTransport());
    this.#link = link;
    this.#become("connecting");
    // A listener may have closed the client.
    if (this.#link === link) link.open();
  }

  /** @param {Api.State["status"]} status */
  #become(status) {
    this.#status = status;
    this.#emit("status", this.state);
  }

  /** Leaves the link, if any, and waits for nothing. */
  #disconnect() {
    const { retry, stable, upgrade, listed, hold, ack } = this.#stop;
    for (const stop of [retry, stable, upgrade, listed, hold, ack]) stop();
    this.#retryAt = null;
    this.#ackAsked = false;
    this.#holds.clear();
    for (const link of [this.#trial, this.#link]) {
      if (link === null) continue;
      link.drop();
      this.#release(link);
    }
    this.#trial = this.#link = null;
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
      if (old !== null) this.#release(old);
    }
    if (link !== this.#link) return;
    const { domain, user, device, session, expiresAt, limits, cursor, snapshot, mode } =
      /** @type {Json & Record<"domain" | "user" | "device" | "session" | "cursor", string>} */ (
        welcome
      );
    const who = /** @type {Who} */ (this.#who);
    // A token that was brought along is somebody else's than what was stored.
    if (who.user !== null && who.user !== user) this.#forgetMailbox();
    this.#who = { ...who, user, device };
    this.#session = session;
    this.#told = {
      domain,
      expiresAt: Number(expiresAt),
      limits: /** @type {Record<string, number> | undefined} */ (limits) ?? {},
    };
    const [mailbox = "", seq] = cursor.split(":");
    this.#book.forgetEarly();
    if (snapshot !== undefined) {
      this.#cursor = { mailbox, seq: Number(seq) };
      this.#book.replace(Number(seq), /** @type {Json} */ (snapshot));
    }
    this.#save();
    if (link.kind === "ws") this.#wsFailures = 0;
    this.#badHellos = 0;
    this.#reason = null;
    this.#watchStability(link);
    this.#expectPresence();
    this.#become("online");
    this.#settleWaiters(null);
    // A listener may have closed the client.
    if (link !== this.#link) return;
    if (snapshot !== undefined) this.#gotSnapshot(mode === "reset");
    else if (!this.#known) {
      this.#askSnapshot();
      this.#askAck();
    }
    this.#pump();
  }

  /** @param {Link} link */
  #watchStability(link) {
    this.#stop.stable();
    this.#stop.stable = this.#env.after(this.#timing.stableMs, () => {
      this.#tries = this.#replaced = 0;
    });
    if (link.kind === "ws") this.#upgradeMs = this.#timing.upgradeMs;
    else this.#planUpgrade();
  }

  /** Looks for a WebSocket again after a while, at a moment that is not everybody's. */
  #planUpgrade() {
    this.#stop.upgrade();
    if (this.#options.onlyTransport !== undefined || this.#env.socket === null) return;
    const ms = this.#upgradeMs * (0.5 + this.#env.random());
    this.#upgradeMs = Math.min(this.#upgradeMs * 2, this.#timing.upgradeMs * 10);
    this.#stop.upgrade = this.#env.after(ms, () => {
      if (this.#link?.kind !== "poll" || !this.#link.welcomed) return;
      this.#trial = this.#makeLink("ws");
      this.#trial.open();
    });
  }

  /** Who is not listed after the welcome is offline. */
  #expectPresence() {
    this.#stop.listed();
    this.#unlisted = new Set();
    const { contacts, otherDevices } = this.#book;
    for (const { name, presence } of contacts.values()) {
      if (presence.show !== "offline") this.#unlisted.add(name);
    }
    if (otherDevices.show !== "offline") this.#unlisted.add(String(this.#who?.user));
    this.#stop.listed = this.#env.after(LISTED_MS, () => {
      for (const user of this.#unlisted) this.#shown({ user, show: "offline" });
    });
  }

  /** @param {boolean} reset */
  #gotSnapshot(reset) {
    this.#known = true;
    this.#emit("snapshot", { reset });
  }

  /** After a restart of the application: it goes on after its cursor, but has no contacts yet. */
  #askSnapshot() {
    this.#enqueue("snapshot", {}, { lane: "snapshot", merge: "snapshot" }).then((answer) => {
      const { cursor, snapshot } = /** @type {{ cursor: string, snapshot: Json }} */ (answer);
      if (this.#known || this.#cursor === null) return;
      this.#book.replace(Number(cursor.split(":")[1]), snapshot);
      this.#gotSnapshot(false);
    }, () => {});
  }

  /**
   * @param {Link} link
   * @param {RoostError} error
   */
  #lost(link, error) {
    this.#release(link);
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
    this.#stop.listed();
    this.#reason = error.code;
    if (error.code === "offline" && !link.welcomed) {
      // With no network neither gets through: they take turns.
      this.#wsFailures = link.kind === "ws" ? this.#wsFailures + 1 : WS_FAILURES_MAX - 1;
    }
    this.#replaced = error.code === "replaced" ? this.#replaced + 1 : 0;
    const badHello = error.code === "bad_request" && !link.welcomed;
    if (badHello && this.#badHellos++ === 0) {
      // What was stored may be nothing that the server takes.
      this.#session = this.#cursor = null;
      this.#known = false;
    } else if (badHello || FINAL.includes(error.code)) return this.#give(error);
    if (this.#replaced >= REPLACED_MAX) return this.#give(error);
    const ms = (error.retryAfterMs ?? 0) + this.#backoffMs(this.#tries++);
    this.#retryAt = this.#env.now() + ms;
    this.#stop.retry = this.#env.after(ms, () => this.#connect());
    this.#become("waiting");
  }

  /** Full jitter: anything up to the bound. @param {number} tries */
  #backoffMs(tries) {
    const { backoffBaseMs, backoffCapMs } = this.#timing;
    return this.#env.random() * Math.min(backoffCapMs, backoffBaseMs * 2 ** Math.min(tries, 30));
  }

  /** To try again would change nothing. @param {RoostError} error */
  #give(error) {
    const { user = null, device = null } = this.#who ?? {};
    if (error.code === "unauthorized") {
      this.#who = { user, device };
      this.#session = null;
      this.#save();
    }
    this.#settleWaiters(error);
    this.#become(error.code === "unauthorized" ? "signed_out" : "stopped");
  }

  // Events.

  /**
   * @param {Link} link
   * @param {readonly Json[]} events
   */
  #events(link, events) {
    let moved = false;
    for (const e of events) {
      // A listener may have closed the client.
      if (link !== this.#link || this.#cursor === null) break;
      const { seq } = e;
      if (typeof seq !== "number") {
        this.#soft(e);
        continue;
      }
      if (seq <= this.#cursor.seq) continue;
      if (seq !== this.#cursor.seq + 1) {
        link.drop();
        this.#lost(link, offline(`Event ${seq} came after ${this.#cursor.seq}`));
        break;
      }
      this.#cursor.seq = seq;
      moved = true;
      this.#durable(e);
    }
    if (moved && this.#cursor !== null) this.#save();
  }

  /** @param {Json} e */
  #durable(e) {
    this.#book.apply(e);
    const { k } = e;
    if (k === "message" && e["out"] !== true) this.#askAck();
    const roster = k === "roster_removed" || k === "blocked" || k === "settings";
    const event = roster ? "roster" : /** @type {keyof Api.Events} */ (k);
    this.#emit(event, /** @type {never} */ (e));
  }

  /** @param {Json} e */
  #soft(e) {
    if (e["k"] === "presence") this.#shown(e);
    else if (e["k"] === "signal") this.#emit("signal", /** @type {never} */ (e));
  }

  /** @param {Json} e */
  #shown(e) {
    const user = String(e["user"]);
    const presence = presenceOf(e);
    this.#unlisted.delete(user);
    if (user === this.#who?.user) this.#book.otherDevices = presence;
    else this.#book.show(user, presence);
    this.#emit("presence", { user, ...presence });
  }

  #askAck() {
    if (this.#ackAsked) return;
    this.#ackAsked = true;
    this.#stop.ack = this.#env.after(this.#timing.ackMs, () => {
      this.#ackAsked = false;
      if (this.#cursor === null) return;
      const fields = { seq: this.#cursor.seq };
      this.#enqueue("ack", fields, { lane: "ack", merge: "ack" }).catch(() => {});
    });
  }

  // Commands.

  /**
   * @param {string} t
   * @param {Json} fields
   * @param {{
   *   lane?: string, merge?: string, repeat?: boolean, slot?: number, at?: number, tries?: number,
   *   deadlineMs?: number
   * }} [how]
   * @returns {Promise<unknown>}
   */
  #enqueue(t, fields, how = {}) {
    if (this.#status === "closed") {
      return Promise.reject(closed());
    }
    const { lane = `#${this.#lane++}`, merge = null, repeat = true, slot = null } = how;
    const ops = this.#lanes.get(lane) ?? [];
    const waiting = ops.find((op) => merge !== null && op.merge === merge && op.link === null);
    if (waiting !== undefined) {
      waiting.fields = fields;
      return waiting.promise;
    }
    if (slot === null && this.#others >= WAITING_MAX) {
      const message = `${WAITING_MAX} commands wait already`;
      return Promise.reject(new RoostError("limit_reached", message));
    }
    const { promise, resolve, reject } = deferred();
    /** @type {Op} */
    const op = {
      t,
      fields,
      lane,
      merge,
      repeat,
      slot,
      at: how.at ?? Date.now(),
      tries: how.tries ?? 0,
      link: null,
      promise,
      resolve,
      reject,
      stopDeadline: () => {},
    };
    if (how.deadlineMs !== undefined) {
      op.stopDeadline = this.#env.after(how.deadlineMs, () => {
        this.#finish(op, offline("There was no answer in time"), undefined);
      });
    }
    if (slot === null) this.#others++;
    else this.#sends++;
    ops.push(op);
    this.#lanes.set(lane, ops);
    this.#pump();
    return promise;
  }

  /** Sends the first of each lane, as far as may be. */
  #pump() {
    const link = this.#link;
    if (this.#status !== "online" || link === null) return;
    for (const [lane, ops] of this.#lanes) {
      if (this.#inFlight >= IN_FLIGHT_MAX[link.kind]) return;
      const op = /** @type {Op} */ (ops[0]);
      if (op.link !== null || (this.#holds.get(op.t) ?? 0) > this.#env.now()) continue;
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
      if (op.slot !== null && op.tries === 1) this.#storeMessage(op);
      link.command(op);
      if (link !== this.#link) return;
    }
  }

  /** Why a command may not be sent at all. @param {Op} op */
  #unfit(op) {
    const { frameBytesMax = Infinity } = this.#told.limits;
    const text = JSON.stringify({ ...op.fields, t: op.t, id: Number.MAX_SAFE_INTEGER });
    // A larger frame would cost the connection, and the next one, and so on.
    if (text.length * 3 > frameBytesMax && utf8(text).length > frameBytesMax) {
      return new RoostError("too_large", `A frame must have at most ${frameBytesMax} bytes`);
    }
    const doubtful = op.slot !== null && op.tries > 0 && Date.now() - op.at > KEY_MS;
    return doubtful ? offline("It was sent too long ago to be repeated safely") : null;
  }

  /**
   * @param {Link} link
   * @param {Op} op
   * @param {RoostError | null} error
   * @param {unknown} value
   */
  #settled(link, op, error, value) {
    // A link that was left does not decide about what another is doing now.
    if (op.link !== link) return;
    this.#inFlight--;
    op.link = null;
    if (error !== null && PASSING.includes(error.code) && op.repeat) {
      this.#hold(op.t, (error.retryAfterMs ?? 0) + this.#backoffMs(Math.min(op.tries - 1, 4)));
    } else if (error?.code === "unauthorized" && op.t !== "password" && link === this.#link) {
      link.drop();
      this.#lost(link, error);
    } else this.#finish(op, error, value);
    this.#pump();
  }

  /**
   * Holds commands of a kind back for a while.
   * @param {string} t
   * @param {number} ms
   */
  #hold(t, ms) {
    const until = this.#env.now() + Math.max(1, ms);
    this.#holds.set(t, Math.max(until, this.#holds.get(t) ?? 0));
    this.#awaitHolds();
  }

  #awaitHolds() {
    const now = this.#env.now();
    for (const [name, until] of this.#holds) if (until <= now) this.#holds.delete(name);
    this.#stop.hold();
    if (this.#holds.size === 0) return;
    const ms = Math.min(...this.#holds.values()) - now;
    this.#stop.hold = this.#env.after(Math.max(1, ms), () => {
      this.#awaitHolds();
      this.#pump();
    });
  }

  /**
   * Takes a command out and answers it.
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
      if (error?.code !== "closed") this.#freeSlot(op.slot);
    }
    if (error === null) return op.resolve(value);
    // Whoever closes the client need not hear that what they left is not done.
    if (error.code === "closed") op.promise.catch(() => {});
    op.reject(error);
  }

  /** Takes back what a link has not answered. @param {Link} link */
  #release(link) {
    for (const op of [...this.#lanes.values()].flat()) {
      if (op.link !== link) continue;
      if (op.repeat) {
        op.link = null;
        this.#inFlight--;
      } else if (link.kind === "ws") {
        this.#finish(op, offline("The connection was lost: the outcome is not known"), undefined);
      }
    }
  }

  /** @param {RoostError} error */
  #rejectAll(error) {
    for (const op of [...this.#lanes.values()].flat()) this.#finish(op, error, undefined);
  }

  /** @param {Op} op */
  #storeMessage({ slot, fields, at, tries }) {
    const text = JSON.stringify({ fields, at, tries });
    this.#store(() => this.#storage.setItem(`${this.#prefix} ${slot}`, text));
  }

  // What the application asks for.

  /** @type {Api.Client["send"]} */
  send = (to, body, { ext, key = newKey() } = {}) => {
    const { pendingMax = 1000 } = this.#options;
    if (this.#status === "closed") return Promise.reject(closed());
    if (this.#sends >= pendingMax) {
      const message = `${pendingMax} messages wait to be sent already`;
      return Promise.reject(new RoostError("limit_reached", message));
    }
    const fields = { to, key, body, ...(ext === undefined ? {} : { ext }) };
    const at = Date.now();
    const slot = this.#slots.next++;
    const text = JSON.stringify({ fields, at, tries: 0 });
    this.#store(() => this.#storage.setItem(`${this.#prefix} ${slot}`, text));
    this.#save();
    const sent = this.#enqueue("send", fields, { lane: laneOf(to), slot, at });
    return /** @type {Promise<Api.Sent>} */ (sent);
  };

  /**
   * A command that changes something and can be repeated; those of one lane keep their order.
   * @param {string} t
   * @param {Json} fields
   * @param {string} [lane]
   * @param {string} [merge]
   */
  #change(t, fields, lane = "roster", merge) {
    const how = merge === undefined ? { lane } : { lane, merge };
    return /** @type {Promise<void>} */ (this.#enqueue(t, fields, how));
  }

  /**
   * A question, or a change that must not be repeated.
   * @param {string} t
   * @param {Json} fields
   * @param {boolean} [repeat]
   */
  #ask(t, fields, repeat = true) {
    return this.#enqueue(t, fields, { repeat, deadlineMs: this.#timing.requestMs });
  }

  /** @type {Api.Client["setPresence"]} */
  setPresence = (presence) => {
    this.#presence = presence;
    const fields = presence === null ? { invisible: true } : { ...presence };
    return this.#change("presence", fields, "presence", "presence");
  };
  /** @type {Api.Client["subscribe"]} */
  subscribe = (contact) => this.#change("subscription", { contact, type: "subscribe" });
  /** @type {Api.Client["approve"]} */
  approve = (contact) => this.#change("subscription", { contact, type: "subscribed" });
  /** @type {Api.Client["deny"]} */
  deny = (contact) => this.#change("subscription", { contact, type: "unsubscribed" });
  /** @type {Api.Client["unsubscribe"]} */
  unsubscribe = (contact) => this.#change("subscription", { contact, type: "unsubscribe" });
  /** @type {Api.Client["contact"]} */
  contact = (contact, fields = {}) => this.#change("contact", { ...fields, contact });
  /** @type {Api.Client["uncontact"]} */
  uncontact = (contact) => this.#change("uncontact", { contact });
  /** @type {Api.Client["block"]} */
  block = (contact) => this.#change("block", { contact, blocked: true });
  /** @type {Api.Client["unblock"]} */
  unblock = (contact) => this.#change("block", { contact, blocked: false });
  /** @type {Api.Client["setMessagesFrom"]} */
  setMessagesFrom = (messagesFrom) => this.#change("settings", { messagesFrom });
  /** @type {Api.Client["markRead"]} */
  markRead = (peer, upTo = this.#book.conversations.get(peer)?.lastSeq ?? 0) =>
    this.#change("read", { with: peer, upTo }, `read ${peer}`, "read");
  /** @type {Api.Client["history"]} */
  history = (
    peer,
    options = {},
  ) => /** @type {Promise<Api.Page>} */ (this.#ask("history", { ...options, with: peer }));
  /** @type {Api.Client["devices"]} */
  devices = () => /** @type {Promise<readonly Api.Device[]>} */ (this.#ask("devices", {}));
  /** @type {Api.Client["revoke"]} */
  revoke = (device) => /** @type {Promise<void>} */ (this.#ask("revoke", { device }, false));
  /** @type {Api.Client["changePassword"]} */
  changePassword = (
    change,
  ) => /** @type {Promise<void>} */ (this.#ask("password", { ...change }, false));
  /** @type {Api.Client["typing"]} */
  typing = (to, active = true) => {
    const now = this.#env.now();
    const just = this.#typed.to === to && now - this.#typed.at < TYPING_MS;
    if (active && just) return Promise.resolve(true);
    this.#typed = active ? { to, at: now } : { to: "", at: 0 };
    return this.signal(to, active ? "typing" : "paused");
  };
  /** @type {Api.Client["signal"]} */
  signal = async (to, type, options = {}) => {
    if (this.#status !== "online") return false;
    const how = { repeat: false, deadlineMs: this.#timing.answerMs };
    return await this.#enqueue("signal", { ...options, to, type }, how).then(
      () => true,
      () => false,
    );
  };
}

/**
 * Messages to one person are one lane, however the name is written.
 * @param {string} to
 */
function laneOf(to) {
  return `to ${String(to).normalize("NFKC").toLowerCase().split("@")[0]}`;
}

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

/** @type {typeof Api.createClient} */
export const createClient = (options = {}) => new RoostClient(options);
