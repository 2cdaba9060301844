/**
 * A device's attachment to this node: attaching → opened → live → ended. A live session has a way
 * out, or is lost: then it lives for its grace and keeps nothing that the mailbox or the watched
 * users can tell again. It knows no protocol and no socket.
 */
import type { AccountId, AccountName, Cursor, DeviceId, SessionId } from "../../shard/name/ids.ts";
import type { Ops, WatchTarget } from "../../shard/ops.ts";
import type { Result } from "../../shard/errors.ts";
import type { Timed } from "./deadlines.ts";
import { EventBatch, Feed } from "./feed.ts";
import type { Flushed } from "./flusher.ts";
import { Handover } from "./handover.ts";
import { Outgoing } from "./outgoing.ts";
import type { OutletHost } from "./outlet.ts";
import { OwnPresence } from "./own_presence.ts";
import { type Poll, pollEnded, Polls, SENT_AWAY } from "./polls.ts";
import { Push } from "./push.ts";
import { Right } from "./right.ts";
import type { Sessions } from "./sessions.ts";
import { FirstBatch } from "./first_batch.ts";
import { SessionTime } from "./session_time.ts";
import { Targets } from "./targets.ts";
import type { PresenceNews, Watched, Watcher } from "./watched.ts";
import type { Cancelled, EndReason, OpenSession, PollBatch, Session, Sink } from "./types.ts";

/** See the head of this file. */
export class LiveSession implements Session, Watcher, Flushed, Timed, OutletHost {
  readonly id: SessionId;
  readonly user: AccountName;
  readonly device: DeviceId;
  userId = "" as AccountId;
  readonly watched: Watched[] = [];
  frozen: Map<AccountName, Watched> | null = null;
  refused: Map<AccountName, AccountId> | null = null;
  undecided: Map<AccountName, Watched> | null = null;
  readonly feed: Feed;
  readonly outgoing: Outgoing;
  slot = -1;
  heldUntilMs = 0;
  /** Rises whenever the transport changes. */
  attachment = 0;
  /** Why it has ended. */
  endReason: EndReason | null = null;
  readonly #shared: Sessions;
  readonly #right: Right;
  #phase: "attaching" | "opened" | "live" | "ended" = "attaching";
  readonly own: OwnPresence;
  /** null while it is lost. */
  #outlet: Push | Polls | Handover | null;
  /** What its end counts as if nobody returns. */
  #lostAs: "lost" | "slow" = "lost";
  readonly #targets = new Targets();
  /** Its client was sent to another node: polls are refused until it is taken up again. */
  #away = false;
  readonly #batch: FirstBatch;
  #flushAsked = false;
  readonly time: SessionTime<LiveSession>;

  constructor(
    shared: Sessions,
    who: Pick<OpenSession, "user" | "device" | "auth" | "presence" | "sink" | "reader"> & {
      readonly id: SessionId;
    },
  ) {
    this.#shared = shared;
    this.id = who.id;
    this.user = who.user;
    this.device = who.device;
    this.#right = new Right(who.auth);
    this.own = new OwnPresence(shared.router, this, who.presence, () => shared.unknown(this));
    this.time = new SessionTime<LiveSession>(shared, this);
    this.#batch = new FirstBatch(shared.watchers, this);
    this.feed = new Feed(shared, who.user);
    this.outgoing = new Outgoing(shared, this, who.device);
    this.#outlet = this.#outletTo(who.sink, who.reader);
  }

  #outletTo(sink: Sink | null, reader?: OpenSession["reader"]): Push | Polls | Handover {
    if (reader !== undefined) return new Handover(this.#shared, this, this.user, reader);
    return sink === null ? new Polls(this.#shared, this) : new Push(this.#shared, this, sink);
  }

  /** When its right ends; milliseconds since 1970. */
  get expiresAt(): number {
    return this.#right.expiresAt;
  }

  get alive(): boolean {
    return this.#phase !== "ended";
  }

  get attaching(): boolean {
    return this.#phase === "attaching";
  }

  /** Its grace runs. */
  get isLost(): boolean {
    return this.alive && this.#outlet === null;
  }

  /** Whether it has a client that can connect to another node. */
  get mayGo(): boolean {
    return !this.attaching && this.#outlet !== null && !(this.#outlet instanceof Handover);
  }

  get isPolled(): boolean {
    return this.#outlet instanceof Polls;
  }

  get isBehind(): boolean {
    return this.#outlet !== null && "behind" in this.#outlet && this.#outlet.behind;
  }

  /** Bytes that wait here or in the sink. */
  get unsentBytes(): number {
    const buffered = this.#outlet instanceof Push ? this.#outlet.sink.bufferedBytes() : 0;
    return (this.outgoing.queue?.durableBytes ?? 0) + buffered;
  }

  // ---- beginning

  /** The shard has attached it. */
  attached(out: Ops["session.attach"]["out"], cursor: Cursor | null): void {
    this.#phase = "opened";
    this.userId = out.id;
    this.#right.expiresAt = out.expiresAt;
    this.#targets.attached(out.watch);
    this.feed.mailboxId = out.mailboxId;
    this.feed.seek(out.mode === "resume" && cursor !== null ? cursor.seq : out.seq);
    // Events that were pushed before this answer are known already.
    this.feed.heard(out.seq);
    if (this.isPolled) this.beginGrace();
    else this.time.schedule();
  }

  /** Watches `target` too when it starts; false where it has started already. */
  watchLater(target: WatchTarget): boolean {
    if (this.#phase !== "attaching" && !this.#targets.wait) return false;
    this.#targets.add(target);
    return true;
  }

  /** It will not watch `name` when it starts. */
  unwatchLater(name: AccountName): void {
    this.#targets.remove(name);
  }

  /** The client has proved by this whose it is. */
  proof(auth: OpenSession["auth"]): void {
    this.#right.prove(auth);
  }

  proved(untilMs: number | null): void {
    if (untilMs === null || untilMs === this.expiresAt) return;
    this.#right.expiresAt = untilMs;
    this.time.schedule();
  }

  get presence(): OpenSession["presence"] {
    return this.own.wanted;
  }

  present(presence: OpenSession["presence"], done: (result: Result<null>) => void): void {
    this.own.set(presence, done);
  }

  /** What attaches it again to a shard that knows no sessions. */
  announcement(): Ops["session.attach"]["in"] {
    const { mailboxId, sent: seq } = this.feed;
    return {
      session: this.id,
      device: this.device,
      auth: this.#right.auth(),
      cursor: { mailboxId, seq },
      presence: this.own.said,
      announced: true,
    };
  }

  /** The shard has it again: catches up with what it was not told meanwhile. */
  announced(out: Ops["session.attach"]["out"]): void {
    this.#right.expiresAt = out.expiresAt;
    this.time.schedule();
    this.feed.heard(out.seq);
    if (this.#phase === "live") this.#outlet?.push(new EventBatch(this.#shared.codec, []));
    if (this.#targets.wait) this.#targets.replace(out.watch);
    else this.#shared.watchers.rewatch(this, out.watch);
  }

  /** Another transport takes over; nothing is pushed before `start`. */
  reattach(sink: Sink | null): void {
    const old = this.#outlet;
    this.#dropOutlet();
    this.#away = false;
    this.#phase = "opened";
    this.outgoing.othersShown = true;
    this.#outlet = this.#outletTo(sink);
    this.time.restart();
    if (sink === null) this.beginGrace();
    else this.time.schedule();
    old?.close("replaced");
  }

  /**
   * After `reattach`: goes on after `seq`, where the mailbox was read. False where it does not go
   * on there.
   */
  continueFrom(seq: number, page: Ops["mailbox.read"]["out"]): boolean {
    this.feed.seek(seq);
    this.feed.heard(page.seq);
    if (this.isPolled) return true;
    return this.feed.accept(page.events, page.seq, this.outgoing.pending()) === null;
  }

  start(): void {
    if (this.#phase !== "opened") return;
    this.#phase = "live";
    const targets = this.#targets.take();
    // Taken up again, the client may have missed any change.
    if (targets === null) this.outgoing.addAllPresence();
    else this.#batch.collect(targets);
    this.#outlet?.start();
    if (this.outgoing.queue !== null) this.askFlush();
  }

  /** Sends what has waited for presence. */
  flushBatch(): void {
    if (this.outgoing.queue !== null) this.askFlush();
  }

  // ---- what comes from shards

  /** Newly committed events. */
  pushEvents(batch: EventBatch): void {
    if (this.#phase === "live" && this.#outlet !== null) return this.#outlet.push(batch);
    for (const { seq } of batch.events) this.feed.heard(seq);
  }

  /** A signal, already encoded. */
  pushSignal(text: string): void {
    if (this.#phase !== "live" || this.#outlet === null) {
      this.#shared.counters.signalsDropped++;
      return;
    }
    this.outgoing.addSignal(text);
    this.askFlush();
  }

  presenceChanged(user: Watched, news: PresenceNews): void {
    if (this.#phase !== "live" || this.#outlet === null) return;
    // A contact that was never listed counts as offline already.
    if (news === "first" && user.isPlain) return;
    this.outgoing.addPresence(user);
    if (news === "came" && this.#shared.storm.active) this.#shared.heldArrivals.hold(this);
    else this.askFlush();
  }

  presenceRevoked(user: Watched): void {
    // Lost sessions too have to remember whom they must take back.
    this.outgoing.pending().revokePresence(user);
    this.askFlush();
  }

  /** Who was offline already stays so, and nothing is sent: after a sign-out neither is. */
  presenceFrozen(before: Watched | null, frozen: Watched, missed: boolean): void {
    if (before === null) return this.presenceChanged(frozen, "first");
    const pending = this.outgoing.queue?.dropPresence(before) ?? false;
    const same = !missed && before.devices.length === 0 && before.lastSeen === frozen.lastSeen;
    if (pending || !same) this.presenceChanged(frozen, "changed");
  }

  presenceThawed(frozen: Watched): void {
    this.outgoing.queue?.dropPresence(frozen);
  }

  // ---- sending

  get ready(): boolean {
    return this.#phase === "live" && !this.#batch.waits;
  }

  askFlush(): void {
    if (this.#flushAsked || this.#phase !== "live" || this.#outlet === null) return;
    this.#flushAsked = true;
    this.#shared.flusher.add(this);
  }

  sentPast(bytes: number): void {
    if (this.#outlet instanceof Push) this.#outlet.sentPast(bytes);
  }

  flush(): void {
    this.#flushAsked = false;
    this.heldUntilMs = 0;
    this.#outlet?.flush();
  }

  poll(poll: Poll, done: (result: Result<PollBatch>) => void): Cancelled {
    if (this.#phase !== "ended" && !this.#away) {
      if (!(this.#outlet instanceof Polls)) this.reattach(null);
      this.start();
      // Starting asks shards, and an answer may have ended it.
      if (this.#outlet instanceof Polls) return this.#outlet.poll(poll, done);
    }
    done(this.alive ? SENT_AWAY : pollEnded(this.endReason ?? "idle"));
    return () => {};
  }

  // ---- the end of transports, and of the session

  lost(sink: Sink): void {
    if (!(this.#outlet instanceof Push) || this.#outlet.sink !== sink) return;
    this.#lostAs = "lost";
    this.#dropOutlet();
    this.beginGrace();
  }

  /**
   * Sends its client to another node; it lives for its grace, so that nobody sees its user go. Readers
   * in this process have no other node to go to.
   */
  sendAway(retryAfterMs: number): void {
    const outlet = this.#outlet;
    if (outlet === null) return;
    if (!this.mayGo) return this.finish("shutdown", true, retryAfterMs);
    this.#away = true;
    outlet.close("shutdown", retryAfterMs);
    if (this.#outlet !== outlet) return;
    this.#lostAs = "lost";
    this.#dropOutlet();
    this.beginGrace();
  }

  stalled(sink: Sink): void {
    this.lost(sink);
    this.#lostAs = "slow";
  }

  /** Forgets what only the present transport needs. */
  #dropOutlet(): void {
    const outlet = this.#outlet;
    this.attachment++;
    if (outlet instanceof Polls) outlet.yield();
    outlet?.drop();
    this.#outlet = null;
    this.feed.rewind(this.outgoing.queue);
    this.outgoing.keepGone();
  }

  beginGrace(): void {
    this.time.beginGrace();
  }

  end(reason: EndReason): void {
    this.finish(reason, true);
  }

  /** Ends it, once. `detach`: its shard does not know yet. */
  finish(reason: EndReason, detach: boolean, retryAfterMs?: number): void {
    if (this.#phase === "ended") return;
    const outlet = this.#outlet;
    const { watchers, deadlines } = this.#shared;
    // Until it is attached, the answer to who wanted it comes first, and from there the rest.
    const opened = !this.attaching;
    this.#phase = "ended";
    this.endReason = reason;
    this.attachment++;
    this.#outlet = null;
    this.outgoing.queue = null;
    this.#targets.take();
    watchers.leave(this);
    deadlines.clear(this);
    const as = reason === "idle" && outlet === null ? this.#lostAs : reason;
    outlet?.drop();
    this.#shared.ended(this, detach && opened, opened ? as : null);
    if (opened) outlet?.close(reason, retryAfterMs);
  }

  waitUntil(dueMs: number): void {
    this.time.waitUntil(dueMs);
  }

  /** Something may be due. */
  wake(nowMs: number): void {
    const outlet = this.#outlet;
    if (this.#shared.clock.wallMs() >= this.expiresAt) return this.end("expired");
    if (nowMs >= this.time.batchMs) this.#batch.due();
    if (nowMs >= this.time.dueMs) {
      if (!(outlet instanceof Polls && outlet.parked)) return this.end("idle");
      outlet.due();
    }
    this.time.schedule();
  }
}
