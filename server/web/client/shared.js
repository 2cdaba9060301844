// @ts-check
/**
 * One client for several tabs. The tab that holds a lock, the leader, has the client with its
 * connection and storage; the others mirror what it shows and have it do what they are asked. When
 * the leader closes, another tab gets the lock, goes on from the storage, and repeats what the old
 * leader had not settled: messages have keys, so that they are delivered once all the same. A leader
 * that the browser freezes gives the lock up; from one that does not answer another tab takes it.
 */
import { newKey } from "./bytes.js";
import { RoostClient } from "./client.js";
import { Emitter, EVENTS } from "./emitter.js";
import { closed, offline, RoostError } from "./error.js";
import { ANSWER_MS, Heartbeat } from "./heartbeat.js";
import { Forwarding } from "./forwarding.js";
import { Mirror, partOf, wholeOf } from "./mirror.js";
import { errorOf, faultOf } from "./tab_message.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Part } from "./mirror.js"
 * @import { Call, Fault, Message, Method, Said, Told } from "./tab_message.js"
 */

/** What must not be done twice. */
const ONCE = ["register", "revoke", "changePassword", "signal", "typing", "passkeyRequest"];

/** See the head of this file. @implements {Api.Client} */
export class SharedClient extends Forwarding {
  #options;
  #env;
  #tabs;
  #name;
  #id = newKey();
  #emitter = new Emitter();
  #mirror;
  /** In the leader. @type {RoostClient | null} */
  #client = null;
  /** Whether it goes on with what the leader before it did. */
  #ready = false;
  /** Whether another tab leads and has answered. */
  #led = false;
  #channel;
  /** Of the latest leader that this tab knows of. */
  #term = 0;
  #heartbeat;
  #unlisten = () => {};
  #leave = () => {};
  #stopWait = () => {};
  /** @type {Map<number, Call>} */
  #calls = new Map();
  #call = 0;
  /** Position of the last event that this tab has shown; 0 where that is not known. */
  #seq = 0;
  /** Events are missing before the next snapshot. */
  #missed = false;
  #closed = false;

  /**
   * @param {Api.ClientOptions} options
   * @param {Api.Platform} env
   * @param {Api.Tabs} tabs
   * @param {string} name of what is shared: the same in all tabs
   */
  constructor(options, env, tabs, name) {
    const mirror = new Mirror();
    super(mirror, (method, args) => this.#take(method, args));
    this.#mirror = mirror;
    this.#options = options;
    this.#env = env;
    this.#tabs = tabs;
    this.#name = name;
    this.#channel = tabs.channel(name, (message) => this.#heard(/** @type {Message} */ (message)));
    this.#heartbeat = new Heartbeat(env, {
      ask: () => this.#post({ k: "ping", from: this.#id }),
      missed: () => this.#follow(true),
    });
    this.#follow(false);
    this.#unlisten = env.onFreeze?.((frozen) => frozen ? this.#freeze() : this.#follow(false)) ??
      this.#unlisten;
  }

  /**
   * @template {keyof Api.Events} K
   * @param {K} event
   * @param {(detail: Api.Events[K]) => void} listener
   */
  on(event, listener) {
    return this.#emitter.on(event, listener);
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#unlisten();
    this.#stopWait();
    this.#heartbeat.stop();
    const client = this.#client;
    this.#client = null;
    client?.close();
    // The storage is not used any more: another tab may lead.
    this.#leave();
    this.#channel.close();
    for (const { reject } of this.#calls.values()) reject(closed());
    this.#calls.clear();
    this.#mirror.apply({ state: Object.freeze({ ...this.state, status: "closed" }) });
    this.#emitter.emit("status", this.state);
  }

  // Who leads.

  /** Waits for the lock, or takes it. @param {boolean} steal */
  #follow(steal) {
    this.#leave();
    this.#heartbeat.stop();
    if (steal) this.#led = false;
    this.#leave = this.#tabs.lead(this.#name, steal, {
      got: () => this.#lead(),
      lost: () => this.#lost(),
    });
    this.#post({ k: "hello", from: this.#id });
    this.#stopWait();
    this.#stopWait = this.#env.after(ANSWER_MS, () => {
      if (this.#client === null && !this.#led) this.#follow(true);
    });
  }

  #lead() {
    this.#stopWait();
    this.#heartbeat.stop();
    this.#led = false;
    this.#term = Math.max(this.#term + 1, Date.now());
    const client = this.#client = new RoostClient(this.#options);
    const stored = client.position;
    this.#missed = this.#seq > 0 && stored > this.#seq;
    for (const event of EVENTS) {
      client.on(event, (detail) => {
        if (this.#client === client) this.#told(client, event, detail);
      });
    }
    const { status } = this.state;
    this.#ready = status === "signed_out" || status === "stopped";
    if (this.#ready) {
      this.#mirror.apply({ state: client.state });
      return this.#begin(client);
    }
    const off = client.on("status", () => {
      off();
      this.#ready = true;
      this.#begin(client);
    });
    client.signIn().catch(() => {});
  }

  /** The client can be asked. @param {RoostClient} client */
  #begin(client) {
    const { pending } = client;
    this.#mirror.apply({ pending });
    this.#tell({ k: "leader", to: null, whole: { pending }, seq: this.#seq });
    this.#again();
  }

  /** Another tab took the lock, for this one slept. */
  #lost() {
    this.#stepDown();
    this.#follow(false);
  }

  #stepDown() {
    const client = this.#client;
    this.#client = null;
    client?.close();
  }

  /** The browser is about to freeze this tab: another one may lead at once. */
  #freeze() {
    this.#stepDown();
    this.#stopWait();
    this.#heartbeat.stop();
    this.#led = false;
    this.#leave();
  }

  /** Has a new leader do what is not settled. */
  #again() {
    for (const [id, call] of this.#calls) {
      if (call.posted && ONCE.includes(call.method)) {
        this.#calls.delete(id);
        call.reject(offline("The tab with the connection was closed: the outcome is unknown"));
      } else this.#dispatch(id, call);
    }
  }

  // Events.

  /**
   * @param {RoostClient} client
   * @param {keyof Api.Events} event
   * @param {unknown} detail
   */
  #told(client, event, detail) {
    const part = partOf(client, event, /** @type {Readonly<Record<string, unknown>>} */ (detail));
    if (detail instanceof RoostError) {
      this.#tell({ k: "event", event, detail: null, fault: faultOf(detail), part });
    } else this.#tell({ k: "event", event, detail, part });
    this.#show(event, detail, part);
  }

  /**
   * @param {keyof Api.Events} event
   * @param {unknown} detail
   * @param {Part} part
   */
  #show(event, detail, part) {
    const { seq } = /** @type {{ seq?: number }} */ (detail);
    this.#mirror.apply(part);
    if (event === "snapshot") {
      const { reset } = /** @type {Api.SnapshotEvent} */ (detail);
      this.#emitter.emit("snapshot", { reset: reset || this.#missed });
      this.#missed = false;
      if (reset) this.#seq = 0;
      return;
    }
    if (typeof seq === "number") {
      // A new leader may begin before what the old one has shown.
      if (seq <= this.#seq) return;
      const gap = this.#seq > 0 && seq > this.#seq + 1;
      this.#seq = seq;
      if (gap) this.#emitter.emit("snapshot", { reset: true });
    }
    this.#emitter.emit(event, /** @type {never} */ (detail));
  }

  // The channel.

  /** @param {Message} message */
  #post(message) {
    this.#channel.post(message);
  }

  /** Says something as the leader. @param {Said} message */
  #tell(message) {
    this.#post({ ...message, term: this.#term });
  }

  /** @param {Message} message */
  #heard(message) {
    if (this.#closed) return;
    const client = this.#client;
    switch (message.k) {
      case "hello":
        if (client !== null) {
          const whole = wholeOf(client);
          this.#tell({ k: "leader", to: message.from, whole, seq: this.#seq });
        }
        return;
      case "ping":
        if (client !== null) this.#tell({ k: "pong" });
        return;
      case "call":
        if (client !== null) this.#serve(client, message);
        return;
      default:
        this.#heardLeader(message);
    }
  }

  /** @param {Told} message */
  #heardLeader(message) {
    // One that has slept does not know yet that another tab leads.
    if (message.term < this.#term) return;
    // This tab has slept, and another one leads.
    if (message.term > this.#term && this.#client !== null) this.#lost();
    if (this.#client !== null) return;
    this.#term = message.term;
    this.#heartbeat.heard();
    switch (message.k) {
      case "leader":
        if ((message.to ?? this.#id) === this.#id) this.#haveLeader(message);
        return;
      case "result":
        if (message.to === this.#id) this.#settle(message);
        return;
      case "event": {
        const { event, detail, fault, part } = message;
        this.#show(event, fault === undefined ? detail : errorOf(fault), part);
      }
    }
  }

  /** @param {Told & { k: "leader" }} message */
  #haveLeader({ to, whole, seq }) {
    this.#stopWait();
    this.#heartbeat.start();
    this.#led = true;
    this.#mirror.apply(whole);
    if (to !== null) {
      // The browser may not keep for a frozen tab what the others say meanwhile.
      this.#missed ||= this.#seq > 0 && seq > this.#seq;
      if (this.#missed) this.#seq = seq;
      if (this.messagesFrom !== null) {
        this.#emitter.emit("snapshot", { reset: this.#missed });
        this.#missed = false;
      }
      this.#emitter.emit("status", this.state);
    }
    this.#again();
  }

  /**
   * @param {RoostClient} client
   * @param {Message & { k: "call" }} message
   */
  #serve(client, { from: to, id, method, args }) {
    /** @param {{ value: unknown } | { fault: Fault }} result */
    const answer = (result) => {
      // The next leader does it again.
      if (this.#client !== client) return;
      this.#tell({ k: "result", to, id, ...result, part: { pending: client.pending } });
    };
    this.#run(client, method, args).then(
      (value) => answer({ value }),
      (error) => answer({ fault: faultOf(error) }),
    );
    this.#mirror.apply({ pending: client.pending });
  }

  /** @param {Told & { k: "result" }} message */
  #settle({ id, value, fault, part }) {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    this.#mirror.apply(part);
    if (fault === undefined) call?.resolve(/** @type {never} */ (value));
    else call?.reject(errorOf(fault));
  }

  // Calls.

  /**
   * @param {RoostClient} client
   * @param {Method} method
   * @param {readonly unknown[]} args
   * @returns {Promise<unknown>}
   */
  #run(client, method, args) {
    // Another tab has signed in already.
    if (method === "signIn" && args[0] === undefined && client.state.status === "online") {
      return Promise.resolve(client.state);
    }
    const run = /** @type {(...args: readonly unknown[]) => Promise<unknown>} */ (client[method]);
    return run.apply(client, [...args]);
  }

  /**
   * @param {number} id
   * @param {Call} call
   */
  #dispatch(id, call) {
    const { method, args } = call;
    const client = this.#client;
    if (client !== null) {
      if (!this.#ready) return;
      const done = () => {
        this.#calls.delete(id);
        this.#mirror.apply({ pending: client.pending });
      };
      this.#run(client, method, args).then((value) => {
        // Another tab leads: it does it again.
        if (this.#client !== client && !this.#closed) return;
        done();
        call.resolve(/** @type {never} */ (value));
      }, (error) => {
        if (this.#client !== client && !this.#closed && error.code === "closed") return;
        done();
        call.reject(error);
      });
      this.#mirror.apply({ pending: client.pending });
    } else if (this.#led) {
      call.posted = true;
      this.#post({ k: "call", from: this.#id, id, method, args });
    }
  }

  /**
   * @param {Method} method
   * @param {readonly unknown[]} args
   * @returns {Promise<unknown>}
   */
  #take(method, args) {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closed());
      const id = ++this.#call;
      /** @type {Call} */
      const call = { method, args, posted: false, resolve, reject };
      this.#calls.set(id, call);
      this.#dispatch(id, call);
    });
  }
}
