/**
 * A device's attachment to this node: attaching → opened → live → ended. A live session has a sink,
 * or is polled, or is lost: then it lives for its grace and keeps nothing that the mailbox or the
 * watched users can tell again. It knows no protocol and no socket.
 */
import type { AccountId, AccountName, Cursor, DeviceId, SessionId } from "../../shard/ids.ts";
import type { MailboxEvent, Ops, WatchTarget } from "../../shard/ops.ts";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import type { Clock, Random } from "../ports.ts";
import type { CatchUp, Lagging } from "./catch_up.ts";
import type { Deadlines, Timed } from "./deadlines.ts";
import { type EventBatch, Feed, type FeedDeps } from "./feed.ts";
import type { Flushed, Flusher } from "./flusher.ts";
import { Outbox, type Unacknowledged } from "./outbox.ts";
import type { Watched, Watcher, Watchers } from "./watchers.ts";
import type { Cancelled, CloseReason, EdgeLimits, PollBatch, Session, Sink } from "./types.ts";

/** How long the first batch waits for the presence of all contacts, ms. */
const BATCH_WAIT_MS = 250;
/** The grace is this part longer or shorter, so that lost sessions do not end all at once. */
const GRACE_JITTER = 0.1;
/** A sink with so many bytes untaken is looked after. */
const UNTAKEN_BYTES = 16_384;

/** What the sessions of a node share. */
export interface SessionDeps extends FeedDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: EdgeLimits;
  readonly flusher: Flusher<LiveSession>;
  readonly watchers: Watchers;
  readonly deadlines: Deadlines<LiveSession>;
  readonly catchUp: CatchUp;
  /** The session is over; `detach`: its shard has to be told. */
  ended(session: LiveSession, detach: boolean): void;
}

interface Parked {
  readonly done: (result: Result<PollBatch>) => void;
  readonly untilMs: number;
}

/** How a sink has taken what it was sent. */
interface Lag {
  bufferedBytes: number;
  sentBytes: number;
  /** When it was last seen to take something. */
  takenAtMs: number;
}

/** See the head of this file. */
export class LiveSession implements Session, Watcher, Flushed, Timed, Lagging {
  readonly id: SessionId;
  readonly user: AccountName;
  readonly device: DeviceId;
  userId = "" as AccountId;
  /** Milliseconds since 1970. */
  expiresAt = Infinity;
  readonly watched: Watched[] = [];
  readonly feed: Feed;
  slot = -1;
  /** Rises whenever another transport takes over. */
  attachment = 0;
  /** Why it has ended. */
  endReason: CloseReason | null = null;
  readonly #deps: SessionDeps;
  #phase: "attaching" | "opened" | "live" | "ended" = "attaching";
  #sink: Sink | null;
  /** Without a sink: whether it is the polls' turn; else it is lost. */
  #polling: boolean;
  #parked: Parked | null = null;
  #outbox: Outbox | null = null;
  #unacknowledged: Unacknowledged | null = null;
  /** Soft events sent so far. */
  #soft = 0;
  /** Whom to watch, until it starts. */
  #targets: readonly WatchTarget[] | null = null;
  /** Waits for the presence of all targets. */
  #collecting = false;
  #flushAsked = false;
  #behind = false;
  #lag: Lag | null = null;
  #sentBytes = 0;
  /** Whether other devices of the user were last shown online. */
  #othersShown = false;
  /** End of the grace or of the parked poll's wait, monotonic ms. */
  #dueMs = Infinity;
  #batchMs = Infinity;

  constructor(
    deps: SessionDeps,
    who: { readonly id: SessionId; readonly user: AccountName; readonly device: DeviceId },
    sink: Sink | null,
  ) {
    this.#deps = deps;
    this.id = who.id;
    this.user = who.user;
    this.device = who.device;
    this.feed = new Feed(deps, who.user);
    this.#sink = sink;
    this.#polling = sink === null;
  }

  get alive(): boolean {
    return this.#phase !== "ended";
  }

  get attaching(): boolean {
    return this.#phase === "attaching";
  }

  /** Its grace runs. */
  get lostNow(): boolean {
    return this.alive && this.#sink === null && !this.#polling;
  }

  get polling(): boolean {
    return this.alive && this.#polling;
  }

  get behind(): boolean {
    return this.#behind;
  }

  /** Bytes that wait here or in the sink. */
  get unsentBytes(): number {
    return (this.#outbox?.durableBytes ?? 0) + (this.#sink?.bufferedBytes() ?? 0);
  }

  // ---- beginning

  /** The shard has attached it. */
  attached(out: Ops["session.attach"]["out"], cursor: Cursor | null): void {
    this.#phase = "opened";
    this.userId = out.id;
    this.expiresAt = out.expiresAt;
    this.#targets = out.watch;
    // Events that were pushed before this answer are known already.
    this.feed.moveTo(out.mailboxId, out.mode === "resume" ? cursor?.seq ?? out.seq : out.seq);
    this.feed.heard(out.seq);
    if (this.#polling) this.#beginGrace();
    else this.#schedule();
  }

  /** Another transport takes over; nothing is pushed before `start`. */
  reattach(sink: Sink | null): void {
    const old = this.#sink;
    this.#dropTransport();
    this.#sink = sink;
    this.#polling = sink === null;
    this.#phase = "opened";
    if (this.#polling) this.#beginGrace();
    else {
      this.#dueMs = Infinity;
      this.#schedule();
    }
    if (old !== sink) old?.close("replaced");
  }

  start(): void {
    if (this.#phase !== "opened") return;
    this.#phase = "live";
    const targets = this.#targets;
    this.#targets = null;
    if (targets === null) this.#presentAll();
    else this.#collect(targets);
    if (this.#sink !== null && !this.feed.complete) this.#fallBehind();
    if (this.#outbox !== null) this.#askFlush();
  }

  #collect(targets: readonly WatchTarget[]): void {
    this.#collecting = true;
    this.#deps.watchers.register([this], targets, () => this.#collected());
    if (!this.#collecting || !this.alive) return;
    this.#batchMs = this.#deps.clock.monoMs() + BATCH_WAIT_MS;
    this.#schedule();
  }

  #collected(): void {
    if (!this.#collecting) return;
    this.#collecting = false;
    this.#batchMs = Infinity;
    if (this.#outbox !== null) this.#askFlush();
  }

  /** The client may have missed any change: tells it everything again. */
  #presentAll(): void {
    for (const user of this.watched) this.#pending().addPresence(user);
    this.#askFlush();
  }

  // ---- what comes from shards

  /** Newly committed events. */
  pushEvents(batch: EventBatch): void {
    const { feed } = this;
    const { limits } = this.#deps;
    const listens = this.#phase === "live" && !this.#behind &&
      (this.#sink !== null || this.#parked !== null);
    if (!listens) {
      for (const event of batch.events) feed.heard(event.seq);
      return;
    }
    const room = limits.outboxBytesMax - (this.#sink?.bufferedBytes() ?? 0);
    if (!feed.take(batch, this.#pending(), room)) this.#fallBehind();
    this.#askFlush();
  }

  /** A signal, already encoded. */
  pushSignal(text: string): void {
    const { counters } = this.#deps;
    if (this.#phase !== "live" || this.lostNow) counters.signalsDropped++;
    else {
      if (!this.#pending().pushSignal(text)) counters.signalsDropped++;
      this.#askFlush();
    }
  }

  presenceChanged(user: Watched, first: boolean): void {
    if (this.#phase !== "live" || this.lostNow) return;
    // Whoever was never listed counts as offline already.
    if (first && user.devices.length === 0 && user.lastSeen === 0) return;
    if (!this.#pending().addPresence(user)) this.#deps.counters.presenceCoalesced++;
    this.#askFlush();
  }

  presenceRevoked(user: Watched): void {
    // Lost sessions too have to remember whom they must take back.
    this.#pending().revokePresence(user);
    const sent = this.#unacknowledged;
    if (sent !== null) sent.presence = sent.presence.filter((pending) => pending !== user);
    this.#askFlush();
  }

  // ---- sending

  flush(): void {
    this.#flushAsked = false;
    if (this.#phase !== "live" || this.#collecting) return;
    const sink = this.#sink;
    if (sink === null) return this.#flushToPoll();
    const outbox = this.#outbox;
    if (outbox === null) return;
    const { limits, catchUp, codec, counters, clock } = this.#deps;
    const buffered = sink.bufferedBytes();
    if (buffered > UNTAKEN_BYTES) catchUp.add(this);
    if (buffered >= limits.outboxBytesMax) return;
    this.#outbox = null;
    const events = this.#encodeSoft(outbox.takePresence(), outbox.takeGone(), outbox.takeSignals());
    this.#soft += events.length;
    const durable = outbox.takeDurable();
    counters.durableEvents += durable.length;
    if (events.length + durable.length > 0) {
      const text = codec.frame(this.#soft, durable.length === 0 ? events : events.concat(durable));
      counters.frames++;
      this.#sentBytes += text.length;
      sink.send(text);
    }
    if (this.#behind) this.pump(clock.monoMs());
  }

  /** The texts of soft events: whoever is gone first, for they may be seen again since. */
  #encodeSoft(
    presence: readonly Watched[],
    gone: readonly AccountName[],
    signals: readonly string[],
  ): string[] {
    const { codec, counters } = this.#deps;
    const texts = gone.map((name) => codec.presence(name, [], 0, null));
    for (const user of presence) {
      const text = user.name === this.user
        ? this.#encodeOwn(user)
        : user.encoded ??= codec.presence(user.name, user.devices, user.lastSeen, null);
      if (text !== null) texts.push(text);
    }
    counters.presenceDeliveries += texts.length;
    counters.signals += signals.length;
    return signals.length === 0 ? texts : texts.concat(signals);
  }

  /** The user's own presence is that of the other devices; null where it is not worth telling. */
  #encodeOwn(user: Watched): string | null {
    const others = user.devices.some(({ device }) => device !== this.device);
    if (!others && !this.#othersShown) return null;
    this.#othersShown = others;
    return this.#deps.codec.presence(user.name, user.devices, 0, this.device);
  }

  #pending(): Outbox {
    return this.#outbox ??= new Outbox();
  }

  #askFlush(): void {
    if (this.#flushAsked || this.#phase !== "live") return;
    this.#flushAsked = true;
    this.#deps.flusher.add(this);
  }

  // ---- sinks that lag

  #fallBehind(): void {
    if (this.#sink === null) {
      // A parked poll reads right away, for it has room.
      if (this.#parked !== null && this.feed.mayRead) this.#readForPoll(this.#parked);
      return;
    }
    this.#behind = true;
    this.#deps.counters.behind++;
    this.#deps.catchUp.add(this);
    this.pump(this.#deps.clock.monoMs());
  }

  pump(nowMs: number): boolean {
    const sink = this.#sink;
    if (this.#phase !== "live" || sink === null) return false;
    const { limits } = this.#deps;
    const buffered = sink.bufferedBytes();
    if (this.#stalled(buffered, nowMs)) {
      this.#deps.counters.stalled++;
      sink.terminate();
      this.lost(sink);
      return false;
    }
    if (buffered <= limits.outboxBytesMax / 2) {
      const pending = this.#outbox?.durableBytes ?? 0;
      if (this.#behind && pending === 0 && this.feed.mayRead) this.#readOn();
      if (this.#outbox !== null) this.#askFlush();
    }
    if (this.#behind || this.#outbox !== null || buffered > UNTAKEN_BYTES) return true;
    this.#lag = null;
    return false;
  }

  #stalled(bufferedBytes: number, nowMs: number): boolean {
    const lag = this.#lag ??= { bufferedBytes, sentBytes: this.#sentBytes, takenAtMs: nowMs };
    const untaken = lag.bufferedBytes + this.#sentBytes - lag.sentBytes;
    if (bufferedBytes < untaken || bufferedBytes === 0) lag.takenAtMs = nowMs;
    lag.bufferedBytes = bufferedBytes;
    lag.sentBytes = this.#sentBytes;
    return nowMs - lag.takenAtMs >= this.#deps.limits.stalledMs;
  }

  #readOn(): void {
    this.feed.read(() => this.#pending(), (failure) => {
      if (failure?.code === "reset") return this.#cutOff();
      if (failure === null && this.feed.complete) {
        this.#behind = false;
        this.#deps.counters.caughtUp++;
      }
      if (this.#outbox !== null) this.#askFlush();
    });
  }

  /** The mailbox has moved on: the client has to come back for a snapshot. */
  #cutOff(): void {
    const sink = this.#sink;
    if (sink === null) return;
    this.lost(sink);
    sink.close("slow");
  }

  // ---- transports go

  lost(sink: Sink): void {
    if (this.#sink !== sink) return;
    this.#dropTransport();
    this.#sink = null;
    this.#polling = false;
    this.#beginGrace();
  }

  /** Forgets what only the present transport needs. */
  #dropTransport(): void {
    this.attachment++;
    this.#answerParked([]);
    this.feed.rewind(this.#outbox);
    this.#outbox = this.#outbox?.onlyGone() ?? null;
    this.#unacknowledged = null;
    this.#behind = false;
    this.#lag = null;
    this.#deps.catchUp.delete(this);
  }

  #beginGrace(): void {
    const { limits, random, clock } = this.#deps;
    const jitter = 1 + GRACE_JITTER * (2 * random.number() - 1);
    this.#dueMs = clock.monoMs() + limits.graceMs * jitter;
    this.#schedule();
  }

  end(reason: CloseReason): void {
    this.finish(reason, { detach: true });
  }

  /** Ends it, once. `detach`: its shard does not know yet. */
  finish(
    reason: CloseReason,
    { detach, retryAfterMs }: { readonly detach: boolean; readonly retryAfterMs?: number },
  ): void {
    if (this.#phase === "ended") return;
    const sink = this.#sink;
    const parked = this.#parked;
    this.#phase = "ended";
    this.endReason = reason;
    this.attachment++;
    this.#sink = null;
    this.#parked = null;
    this.#outbox = null;
    this.#unacknowledged = null;
    const { watchers, deadlines, catchUp, counters } = this.#deps;
    watchers.leave(this);
    deadlines.clear(this);
    catchUp.delete(this);
    counters.ended++;
    this.#deps.ended(this, detach);
    sink?.close(reason, retryAfterMs);
    parked?.done(ended(reason, retryAfterMs));
  }

  // ---- long-poll

  poll(
    { cursor, soft, waitMs }: {
      readonly cursor: Cursor | null;
      readonly soft: number;
      readonly waitMs: number;
    },
    done: (result: Result<PollBatch>) => void,
  ): Cancelled {
    if (this.#phase === "ended") {
      done(ended(this.endReason ?? "signed_out"));
      return () => {};
    }
    this.#deps.counters.polls++;
    this.#takeOverByPoll();
    this.#acknowledge(soft);
    if (cursor !== null && cursor.mailboxId !== this.feed.mailboxId) {
      done(fail("reset", "The cursor is one of another mailbox"));
      return () => {};
    }
    if (cursor !== null) this.feed.moveTo(cursor.mailboxId, cursor.seq);
    const parked: Parked = { done, untilMs: this.#deps.clock.monoMs() + waitMs };
    this.#parked = parked;
    this.#dueMs = parked.untilMs;
    this.#schedule();
    return () => this.#unpark(parked);
  }
}

function ended(reason: CloseReason, retryAfterMs?: number): Failure {
  return reason === "shutdown"
    ? fail("busy", "The server is going away for a moment", retryAfterMs ?? 1000)
    : fail("unauthorized", `The session has ended: ${reason}`);
}
