/**
 * One synthetic user: signs in, follows its commands, and reconnects when its connection breaks.
 */
import type { Cancel } from "../node/ports.ts";
import type { Answer, Channel, ChannelHandler, Command, Refusal, Welcome } from "./channel.ts";
import type { CrowdContext } from "./tally.ts";
import { contactAt, DEVICE } from "./ring.ts";
import { formatTag } from "./tag.ts";
import { loadWaitMs } from "./schedule.ts";
import { Incoming, type Scratch } from "./incoming.ts";
import { showOf } from "./presence_book.ts";

/** Refusals of a sign-in that no repetition can change. */
const FINAL = new Set(["bad_request", "unsupported", "unauthorized", "forbidden", "not_found"]);

interface Unanswered {
  readonly slot: number;
  /** Refusals that pass. */
  tries: number;
  readonly dueUs: number;
  readonly to: string;
  readonly body: string;
}

/** By password, it is another device: it gets a new token, and the pool's is to stay valid. */
const PASSWORD_DEVICE = `${DEVICE}-password`;

/** One user. Every sign-in is repeated with full jitter until it succeeds or never can. */
export class SyntheticUser implements ChannelHandler {
  readonly index: number;
  readonly #crowd: CrowdContext;
  readonly #incoming: Incoming;
  #state: "offline" | "connecting" | "online" | "failed" = "offline";
  #channel: Channel | null = null;
  #cancelRetry: Cancel | null = null;
  #attempt = 0;
  /** When the sign-in under way was due, and when the session before it broke (µs; 0: none). */
  #dueUs = 0;
  #goneUs = 0;
  #session: string | null = null;
  #ackedSeq = 0;
  readonly #unanswered = new Map<string, Unanswered>();
  /** The presence it has set last: the same again after a break, so that nobody hears of it. */
  #version = 0;
  #status = "";

  constructor(crowd: CrowdContext, index: number, scratch: Scratch) {
    this.#crowd = crowd;
    this.index = index;
    this.#incoming = new Incoming(crowd, index, scratch);
  }

  /** Whether it has a session. */
  get online(): boolean {
    return this.#state === "online";
  }

  /** Whether it is neither online nor on its way, and has not been given up. */
  get offline(): boolean {
    return this.#state === "offline";
  }

  /** Whether its sign-in can never succeed. */
  get failed(): boolean {
    return this.#state === "failed";
  }

  /** Sends that have not been answered. */
  get unanswered(): number {
    return this.#unanswered.size;
  }

  // Its commands. Each returns whether it could.

  /**
   * Signs in, or takes its session up again after `vanish`. The latency counts from `dueUs`,
   * whatever refusals come between.
   */
  signIn(dueUs: number): boolean {
    if (this.#state !== "offline") return false;
    this.#dueUs = dueUs;
    this.#attempt = 0;
    if (this.#goneUs === 0) {
      this.#version = this.#crowd.presence.next(this.index);
      this.#status = formatTag(this.#crowd.run, this.#version, dueUs);
    }
    this.#connect();
    return true;
  }

  /** Signs out; the next session is a new one. */
  signOut(): boolean {
    if (this.#state === "offline" || this.#state === "failed") return false;
    this.#crowd.counts.signOuts++;
    this.#session = null;
    this.#goneUs = 0;
    this.#end((channel) => channel.leave());
    return true;
  }

  /** Vanishes; `signIn` then takes the session up again. */
  vanish(): boolean {
    if (this.#state !== "online") return false;
    this.#crowd.counts.vanished++;
    this.#goneUs = this.#crowd.nowUs();
    this.#end((channel) => channel.vanish());
    return true;
  }

  /** Changes its presence. Answers the version of the change, 0 where it could not. */
  changePresence(dueUs: number): number {
    const crowd = this.#crowd;
    if (this.#state !== "online") return 0;
    const version = crowd.presence.next(this.index);
    crowd.counts.changes++;
    const status = formatTag(crowd.run, version, dueUs);
    this.#version = version;
    this.#status = status;
    this.#channel!.command({ t: "presence", show: showOf(version), status }, (answer) => {
      if (answer.ok) return crowd.latencies.record("changed", crowd.nowUs() - dueUs);
      crowd.counts.changesRefused++;
      crowd.faults.add("presence", answer.refusal);
      crowd.presence.refused(this.index, version);
    });
    return version;
  }

  /** Sends a message to the contact in a slot. Answers its number, 0 where it could not. */
  send(slot: number, dueUs: number): number {
    const crowd = this.#crowd;
    if (this.#state !== "online") return 0;
    const number = crowd.messages.next(this.index, slot);
    const key = `${crowd.run.toString(36)}-${slot}-${number}`;
    const body = crowd.body(formatTag(crowd.run, number, dueUs));
    crowd.counts.sends++;
    this.#unanswered.set(key, { slot, tries: 0, dueUs, to: this.#contact(slot), body });
    this.#transmit(key);
    return number;
  }

  /** Sends a signal (as typing is one) to the contact in a slot. */
  signal(slot: number, dueUs: number): boolean {
    const crowd = this.#crowd;
    if (this.#state !== "online") return false;
    crowd.counts.signals++;
    const body = formatTag(crowd.run, 0, dueUs);
    this.#ask({ t: "signal", to: this.#contact(slot), type: "typing", body });
    return true;
  }

  /** Opens the conversation with the contact in a slot: reads its last page, marks it as read. */
  openConversation(slot: number): boolean {
    if (this.#state !== "online") return false;
    const peer = this.#contact(slot);
    this.#crowd.counts.queries++;
    this.#ask({ t: "history", with: peer, limit: 20 });
    this.#ask({ t: "read", with: peer, upTo: this.#incoming.seq });
    return true;
  }

  /** Acknowledges what it has. */
  acknowledge(): boolean {
    const { seq } = this.#incoming;
    if (this.#state !== "online" || this.#ackedSeq === seq) return false;
    this.#ackedSeq = seq;
    this.#ask({ t: "ack", seq });
    return true;
  }

  // As its channel's handler.

  welcome(welcome: Welcome): void {
    const crowd = this.#crowd;
    const now = crowd.nowUs();
    const back = this.#goneUs > 0;
    const { cursor, mode } = welcome;
    this.#state = "online";
    this.#attempt = 0;
    crowd.counts.online++;
    if (back) crowd.counts.resumes++;
    else crowd.counts.signIns++;
    if (back && welcome.resumed) crowd.counts.sessionsKept++;
    if (this.#incoming.cursor !== null) {
      if (mode !== "resume") {
        crowd.counts.begunAnew++;
        crowd.faults.add("return", { code: mode, message: "began anew" });
      } else if (cursor !== this.#incoming.cursor) crowd.messages.gap();
    }
    crowd.latencies.record(back ? "resumed" : "login", now - this.#dueUs);
    if (back) crowd.cameBack(this.index, this.#goneUs, now);
    this.#incoming.begin(cursor, back ? 0 : this.#dueUs);
    this.#goneUs = 0;
    this.#session = welcome.session;
    crowd.presence.signedIn(this.index, welcome.resumed);
    for (const key of this.#unanswered.keys()) this.#repeat(key);
  }

  refused(refusal: Refusal): void {
    const { counts, faults } = this.#crowd;
    faults.add("sign-in", refusal);
    if (this.#state !== "connecting") return;
    this.#end((channel) => channel.vanish());
    if (FINAL.has(refusal.code)) {
      counts.signInsFailed++;
      this.#state = "failed";
      return;
    }
    counts.signInsRefused++;
    this.#retry(refusal.retryAfterMs);
  }

  goaway(retryAfterMs: number | null): void {
    this.#crowd.faults.add("session", { code: "goaway", message: "the server asked to leave" });
    if (this.#state !== "online") return;
    this.#broken();
    this.#end((channel) => channel.vanish());
    this.#retry(retryAfterMs);
  }

  lost(why: string): void {
    const { counts, faults } = this.#crowd;
    const message = `${this.#crowd.name(this.index)}: ${why}`;
    faults.add(this.#state === "online" ? "session" : "sign-in", { code: "lost", message });
    counts.lost++;
    if (this.#state === "online") this.#broken();
    this.#end(() => {});
    this.#retry(null);
  }

  events(bytes: Uint8Array, from: number, to: number, key: "ev" | "events"): void {
    this.#incoming.events(bytes, from, to, key);
  }

  // Inside.

  #contact(slot: number): string {
    return this.#crowd.name(contactAt(this.#crowd.ring, this.index, slot));
  }

  #connect(): void {
    const crowd = this.#crowd;
    this.#state = "connecting";
    if (crowd.presence.version(this.index) !== this.#version) {
      // The last change was refused: what the server holds has another status.
      this.#version = crowd.presence.version(this.index);
      this.#status = formatTag(crowd.run, this.#version, crowd.nowUs());
    }
    const proof = crowd.proof(this.index);
    this.#channel = crowd.open(this.index)({
      user: crowd.name(this.index),
      proof,
      device: proof.kind === "token" ? DEVICE : PASSWORD_DEVICE,
      session: this.#session,
      after: this.#incoming.cursor,
      show: showOf(this.#version),
      status: this.#status,
    }, this);
  }

  /** The session broke without this tool's doing: to be taken up again, timed from now. */
  #broken(): void {
    this.#crowd.counts.broken++;
    this.#goneUs = this.#dueUs = this.#crowd.nowUs();
  }

  #retry(retryAfterMs: number | null): void {
    const random = this.#crowd.random.number();
    const waitMs = loadWaitMs(++this.#attempt, random, retryAfterMs);
    this.#state = "connecting";
    this.#cancelRetry = this.#crowd.timers.after(waitMs, () => {
      this.#cancelRetry = null;
      this.#connect();
    });
  }

  #end(how: (channel: Channel) => void): void {
    if (this.#state === "online") this.#crowd.counts.online--;
    this.#state = "offline";
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#crowd.presence.signedOut(this.index);
    if (this.#channel !== null) how(this.#channel);
    this.#channel = null;
  }

  /** Sends a command whose answer matters only where it is a refusal. */
  #ask(command: Command): void {
    this.#channel!.command(command, (answer) => {
      if (answer.ok) return;
      if (command.t === "history" || command.t === "read") this.#crowd.counts.queriesRefused++;
      this.#crowd.faults.add(command.t, answer.refusal);
    });
  }

  #transmit(key: string): void {
    const sent = this.#unanswered.get(key);
    if (sent === undefined || this.#channel === null) return;
    const { to, body } = sent;
    this.#channel.command({ t: "send", to, key, body }, (answer) => this.#sent(key, answer));
  }

  #repeat(key: string): void {
    this.#crowd.counts.sendsRepeated++;
    this.#transmit(key);
  }

  #sent(key: string, answer: Answer): void {
    const crowd = this.#crowd;
    const sent = this.#unanswered.get(key);
    if (sent === undefined) return;
    if (answer.ok) {
      this.#unanswered.delete(key);
      crowd.counts.sendsAccepted++;
      crowd.messages.accepted(this.index, sent.slot);
      return crowd.latencies.record("sent", crowd.nowUs() - sent.dueUs);
    }
    crowd.faults.add("send", answer.refusal);
    if (answer.refusal.code === "unavailable") {
      const { retryAfterMs } = answer.refusal;
      const random = crowd.random.number();
      const waitMs = loadWaitMs(++sent.tries, random, retryAfterMs);
      crowd.timers.after(waitMs, () => {
        // A return to the server in between has repeated it already.
        if (this.#state === "online" && this.#unanswered.get(key) === sent) this.#repeat(key);
      });
      return;
    }
    this.#unanswered.delete(key);
    crowd.counts.sendsRefused++;
  }
}
