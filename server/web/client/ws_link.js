// @ts-check
/** A WebSocket to the server. */
import { offline, refusal } from "./error.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { RoostError } from "./error.js"
 * @import { Host, Json, Link, Op } from "./types.d.ts"
 */

/** See the head of this file. It reports nothing after its end. @implements {Link} */
export class WsLink {
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
          const { code, message, servers } = this.#fault;
          const wait = retryAfterMs ?? this.#fault.retryAfterMs;
          const said = this.welcomed ? "offline" : code;
          return this.#end(refusal({ code: said, message, retryAfterMs: wait, servers }));
        }
        const code = reason === "revoked" || reason === "expired" ? "unauthorized" : String(reason);
        if (reason === "shutdown") this.host.sentAway(this, frame["servers"]);
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

  /** Checks whether the server is still reachable. */
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
