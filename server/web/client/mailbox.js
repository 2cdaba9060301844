// @ts-check
/**
 * The mailbox as the client has it. Events are taken only in the order of their `seq`, each once; a
 * gap ends the link, and the next one goes on after the cursor.
 */
import { Book, presenceOf } from "./book.js";
import { offline } from "./error.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Emitter } from "./emitter.js"
 * @import { RoostError } from "./error.js"
 * @import { ClientRecord } from "./record.js"
 * @import { Json, Link } from "./types.d.ts"
 */

/**
 * `lost` ends a link. `ask` repeats a command until it is settled; a later one of this kind
 * replaces one that waits. `servers` takes the addresses of the cell in place of those before.
 * @typedef {{
 *   env: Api.Platform,
 *   timing: Api.Timing,
 *   record: ClientRecord,
 *   emitter: Emitter,
 *   has: (link: Link) => boolean,
 *   lost: (link: Link, error: RoostError) => void,
 *   ask: (t: string, fields: Json) => Promise<unknown>,
 *   servers: (list: unknown) => void
 * }} MailboxHost
 */

/** Contacts that the server has not listed so long after the welcome are offline, if it is not slow (ms). */
const LISTED_MS = 1500;
/** A server that has just replied has sent by then what it had to send before (ms). */
const REPLIED_MS = 250;
/** A connection that is back so soon leaves the presence of contacts as it was (ms). */
const UNKNOWN_MS = 2000;

/** See the head of this file. */
export class Mailbox {
  book = new Book();
  #host;
  /** Contacts shown online by an earlier link and not by this one yet. @type {Set<string>} */
  #unlisted = new Set();
  /** Whether the book has its snapshot. */
  #known = false;
  #ackAsked = false;
  #stop = { listed: () => {}, ack: () => {}, unknown: () => {} };

  /** @param {MailboxHost} host */
  constructor(host) {
    this.#host = host;
  }

  /**
   * The link is lost. `network`: it will not be back at once.
   * @param {boolean} network
   */
  down(network) {
    this.#stop.listed();
    this.#stop.unknown();
    const forget = () => {
      for (const event of this.book.forgetPresence()) this.#host.emitter.emit("presence", event);
    };
    if (network) forget();
    else this.#stop.unknown = this.#host.env.after(UNKNOWN_MS, forget);
  }

  /** The client leaves its link. */
  disconnect() {
    this.#stop.listed();
    this.#stop.ack();
    this.#stop.unknown();
    this.#ackAsked = false;
  }

  /** The server may not take the position that was stored. */
  forgetPosition() {
    this.#host.record.session = this.#host.record.cursor = null;
    this.#known = false;
  }

  /** Another account signs in, or none. */
  forget() {
    this.forgetPosition();
    this.book.clear();
  }

  /** Takes the position and the snapshot of a welcome. @param {Json} welcome */
  welcomed({ cursor, snapshot, servers }) {
    this.#host.servers(servers);
    this.#stop.unknown();
    this.book.forgetEarly();
    if (snapshot !== undefined) {
      const [mailbox = "", seq] = String(cursor).split(":");
      this.#host.record.cursor = { mailbox, seq: Number(seq) };
      this.book.replace(Number(seq), /** @type {Json} */ (snapshot));
    }
    this.#expectPresence();
  }

  /** Goes on after a welcome, when listeners know that the client is online. @param {Json} welcome */
  online({ snapshot, mode }) {
    if (snapshot !== undefined) this.#gotSnapshot(mode === "reset");
    else if (!this.#known) {
      this.#askSnapshot();
      this.#askAck();
    }
  }

  /**
   * Contacts that are not listed after the welcome are offline. It may be late for what this side, the
   * network or the server lacks time for: the server is asked for a reply first.
   */
  #expectPresence() {
    this.#stop.listed();
    this.#unlisted = new Set();
    const { contacts, otherDevices } = this.book;
    for (const { name, presence } of contacts.values()) {
      if (presence.show !== "offline") this.#unlisted.add(name);
    }
    if (otherDevices.show !== "offline") this.#unlisted.add(String(this.#host.record.who?.user));
    const { env } = this.#host;
    const end = () => {
      for (const user of this.#unlisted) this.#shown({ user, show: "offline" });
    };
    let stopped = false;
    let stop = env.after(LISTED_MS, () => {
      if (this.#unlisted.size === 0) return;
      const replied = () => {
        if (!stopped) stop = env.after(REPLIED_MS, end);
      };
      this.#host.ask("ping", {}).then(replied, replied);
    });
    this.#stop.listed = () => {
      stopped = true;
      stop();
    };
  }

  /** @param {boolean} reset */
  #gotSnapshot(reset) {
    this.#known = true;
    this.#host.emitter.emit("snapshot", { reset });
  }

  /** After a restart of the application: it goes on after its cursor, but has no contacts yet. */
  #askSnapshot() {
    this.#host.ask("snapshot", {}).then((answer) => {
      const { cursor, snapshot } = /** @type {{ cursor: string, snapshot: Json }} */ (answer);
      if (this.#known || this.#host.record.cursor === null) return;
      const seq = Number(cursor.split(":")[1]);
      // An event of another request has overtaken it: it is not in this snapshot.
      if (seq < this.#host.record.cursor.seq) return this.#askSnapshot();
      this.book.replace(seq, snapshot);
      this.#gotSnapshot(false);
    }, () => {});
  }

  /**
   * @param {Link} link
   * @param {readonly Json[]} events
   */
  events(link, events) {
    const { record } = this.#host;
    let moved = false;
    for (const e of events) {
      // A listener may have closed the client.
      if (!this.#host.has(link) || record.cursor === null) break;
      const { seq } = e;
      if (typeof seq !== "number") {
        this.#soft(e);
        continue;
      }
      if (seq <= record.cursor.seq) continue;
      if (seq !== record.cursor.seq + 1) {
        link.drop();
        this.#host.lost(link, offline(`Event ${seq} came after ${record.cursor.seq}`));
        break;
      }
      record.cursor.seq = seq;
      moved = true;
      this.#durable(e);
    }
    if (moved && record.cursor !== null) record.save();
  }

  /** @param {Json} e */
  #durable(e) {
    this.book.apply(e);
    const { k } = e;
    const changes = k === "message" && e["change"] !== undefined;
    if (k === "message" && e["out"] !== true && !changes) this.#askAck();
    const roster = k === "roster_removed" || k === "blocked" || k === "settings";
    const event = roster ? "roster" : changes ? "change" : /** @type {keyof Api.Events} */ (k);
    this.#host.emitter.emit(event, /** @type {never} */ (e));
  }

  /** @param {Json} e */
  #soft(e) {
    if (e["k"] === "presence") this.#shown(e);
    else if (e["k"] === "presence_pending") this.#pending(String(e["user"]));
    else if (e["k"] === "signal") this.#host.emitter.emit("signal", /** @type {never} */ (e));
    else if (e["k"] === "servers") this.#servers(e["servers"]);
  }

  /** A server was added to the cell since the welcome. @param {unknown} list */
  #servers(list) {
    this.#host.servers(list);
    this.#host.record.save();
  }

  /** @param {Json} e */
  #shown(e) {
    const user = String(e["user"]);
    const presence = presenceOf(e);
    this.#unlisted.delete(user);
    if (user === this.#host.record.who?.user) this.book.otherDevices = presence;
    else this.book.show(user, presence);
    this.#host.emitter.emit("presence", { user, ...presence });
  }

  /** The server has begun lately: the presence of the user follows. @param {string} user */
  #pending(user) {
    this.#unlisted.delete(user);
    const presence = this.book.doubt(user);
    if (presence !== null) this.#host.emitter.emit("presence", { user, ...presence });
  }

  #askAck() {
    if (this.#ackAsked) return;
    this.#ackAsked = true;
    this.#stop.ack = this.#host.env.after(this.#host.timing.ackMs, () => {
      this.#ackAsked = false;
      const { cursor } = this.#host.record;
      if (cursor === null) return;
      this.#host.ask("ack", { seq: cursor.seq }).catch(() => {});
    });
  }
}
