/**
 * A service's attachment to the server: a session of its account, as any client has one. What the
 * session tells is what the service may know. Every request to see the service is approved, for
 * that is how users take one as a contact; where its scopes allow it asks to see them in turn.
 */
import type { AccountName, Cursor, DeviceId } from "../../shard/name/ids.ts";
import { parseCursor } from "../../shard/name/ids.ts";
import type { Result } from "../../shard/errors.ts";
import type { Cancel, Clock, Log, Random, Timers } from "../node/ports.ts";
import type { OpenedSession, OpenSession, Session, Sink } from "../edge/types.ts";
import type { Retries } from "../../shard/retry.ts";
import type { Router } from "../node/router.ts";
import { type Outcome, outcomesOf, type PresenceView } from "./outcome.ts";
import { accountOf } from "./service.ts";

/** What a hub needs. */
export interface HubDeps {
  readonly router: Pick<Router, "request">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly retries: Retries;
  readonly log: Pick<Log, "warn" | "info">;
  open(options: OpenSession, done: (result: Result<OpenedSession>) => void): void;
}

/** News for webhooks, in order: outcomes and presence of one frame. */
export interface News {
  readonly outcomes: readonly Outcome[];
  readonly presence: readonly PresenceView[];
  /** The mailbox position after them, "" where none moved it. */
  readonly cursor: string;
  /** Outcomes before these may have been missed: the log did not reach back so far. */
  readonly gap: boolean;
}

/** What a hub is made for. */
export interface HubHost {
  readonly service: string;
  /** Whether to ask for the presence of those who take the service as a contact. */
  readonly seesPresence: boolean;
  /** Where the events that are still to be stored begin; null: those from now on. */
  cursor(): Cursor | null;
  /** Stores news; the next come when `done` was called. */
  store(news: News, done: () => void): void;
  /** Presence has changed: for those who read along. */
  presence(view: PresenceView): void;
  /** The mailbox has something new. */
  moved(): void;
}

/** The hub's device, among those that the account's contacts may see. */
const DEVICE = "gateway" as DeviceId;
const ONLINE = { show: "online", status: "", priority: 0, ext: "" } as const;
const DAY_MS = 86_400_000;
/**
 * So long after it is attached, everybody's presence has come (ms): a little over the edge's own.
 */
const COLLECT_MS = 400;

interface WireEvent extends Readonly<Record<string, unknown>> {
  readonly k: string;
  readonly seq: number;
  readonly at: number;
}

/** See the head of this file. */
export class Hub {
  readonly #deps: HubDeps;
  readonly #host: HubHost;
  readonly #presence = new Map<string, PresenceView>();
  #session: Session | null = null;
  #sink: HubSink | null = null;
  #mailboxId = "";
  #cursor = "";
  #ready = false;
  #stopped = false;
  #cancel: Cancel = () => {};
  /** Times in a row that it was not attached. */
  #failed = 0;

  constructor(deps: HubDeps, host: HubHost) {
    this.#deps = deps;
    this.#host = host;
  }

  /** Whether it has a session. */
  get attached(): boolean {
    return this.#session !== null;
  }

  /** Whether what it says about presence is complete. */
  get ready(): boolean {
    return this.#ready;
  }

  /** The mailbox position up to which events have been stored; "" before it is attached. */
  get cursor(): string {
    return this.#cursor;
  }

  /** Everybody who is seen by now, but for those who are offline since before the server knows. */
  get seen(): ReadonlyMap<string, PresenceView> {
    return this.#presence;
  }

  start(): void {
    const sink = new HubSink(
      (text, done) => this.#frame(sink, text, done),
      () => this.#lost(sink),
    );
    this.#sink = sink;
    const expiresAt = this.#deps.clock.wallMs() + DAY_MS;
    const cursor = this.#host.cursor();
    this.#deps.open({
      user: accountOf(this.#host.service),
      device: DEVICE,
      auth: { kind: "issuer", expiresAt },
      provedUntil: null,
      cursor,
      presence: ONLINE,
      resume: null,
      sink,
    }, (result) => {
      if (this.#stopped) return result.ok ? result.value.session.end("signed_out") : undefined;
      if (!result.ok) return this.#again(result.message, result.retryAfterMs);
      this.#opened(result.value, cursor);
    });
  }

  #opened(opened: OpenedSession, asked: Cursor | null): void {
    const { session, mailboxId, seq, mode, snapshot } = opened;
    this.#session = session;
    this.#failed = 0;
    this.#mailboxId = mailboxId;
    this.#cursor = `${mailboxId}:${seq}`;
    for (const name of snapshot?.requests ?? []) this.#accept(name);
    const begin = (): void => {
      if (this.#session !== session) return;
      session.start();
      this.#cancel = this.#deps.timers.after(COLLECT_MS, () => this.#ready = true);
    };
    if (mode !== "reset" || asked === null) return begin();
    this.#host.store({ outcomes: [], presence: [], cursor: this.#cursor, gap: true }, begin);
  }

  /** Its session is gone: takes another. */
  #lost(sink: HubSink): void {
    if (this.#sink !== sink || this.#stopped) return;
    this.#session = null;
    this.#again("the session has ended");
  }

  #again(why: string, retryAfterMs?: number): void {
    this.#ready = false;
    this.#presence.clear();
    this.#deps.log.warn("service is not attached", { service: this.#host.service, why });
    const { random, retries } = this.#deps;
    const waitMs = retries.againMs("service", ++this.#failed, random.number(), retryAfterMs);
    this.#cancel();
    this.#cancel = this.#deps.timers.after(waitMs, () => this.start());
  }

  /** Signs out. */
  stop(): void {
    this.#stopped = true;
    this.#cancel();
    this.#session?.end("signed_out");
    this.#session = null;
  }

  // ---- what the session tells

  #frame(sink: HubSink, text: string, done: () => void): void {
    if (this.#sink !== sink || this.#stopped) return;
    const { ev } = JSON.parse(text) as { readonly ev?: readonly WireEvent[] };
    const outcomes: Outcome[] = [];
    const presence: PresenceView[] = [];
    const before = this.#cursor;
    for (const event of ev ?? []) {
      if (event.k === "presence") this.#changed(event, presence);
      else if (event.k === "signal") continue;
      else {
        this.#cursor = `${this.#mailboxId}:${event.seq}`;
        if (event.k === "request" && event["pending"] === true) this.#accept(String(event["from"]));
        outcomes.push(...outcomesOf(event.k, event, this.#mailboxId));
      }
    }
    const cursor = this.#cursor === before ? "" : this.#cursor;
    this.#host.store({ outcomes, presence, cursor, gap: false }, done);
    if (cursor !== "") this.#host.moved();
  }

  #changed(event: WireEvent, presence: PresenceView[]): void {
    const { k: _, ...view } = event;
    const seen = view as unknown as PresenceView;
    if (seen.user === accountOf(this.#host.service)) return;
    if (seen.show === "offline" && seen["lastSeen"] === undefined) this.#presence.delete(seen.user);
    else this.#presence.set(seen.user, seen);
    presence.push(seen);
    this.#host.presence(seen);
  }

  /**
   * An account that wants the service as a contact has it; a refusal is asked for again at the next
   * start.
   */
  #accept(name: string): void {
    this.#subscription(name, "subscribed");
    if (this.#host.seesPresence) this.#subscription(name, "subscribe");
  }

  #subscription(name: string, type: "subscribed" | "subscribe"): void {
    const user = accountOf(this.#host.service);
    const input = { contact: name as AccountName, type };
    this.#deps.router.request(user, "roster.subscription", input, (result) => {
      if (result.ok) return;
      const { service } = this.#host;
      this.#deps.log.warn("service cannot answer a contact", { service, code: result.code });
    });
  }
}

/** Takes the frames one after the other; those that wait count as unsent. */
class HubSink implements Sink {
  readonly #take: (text: string, done: () => void) => void;
  readonly #ended: () => void;
  readonly #waiting: string[] = [];
  #waitingChars = 0;
  #taking = false;
  #over = false;

  constructor(take: (text: string, done: () => void) => void, ended: () => void) {
    this.#take = take;
    this.#ended = ended;
  }

  send(text: string): void {
    if (this.#over) return;
    this.#waiting.push(text);
    this.#waitingChars += text.length;
    this.#next();
  }

  #next(): void {
    const text = this.#taking || this.#over ? undefined : this.#waiting.shift();
    if (text === undefined) return;
    this.#taking = true;
    this.#take(text, () => {
      this.#taking = false;
      this.#waitingChars -= text.length;
      this.#next();
    });
  }

  bufferedBytes(): number {
    return this.#waitingChars;
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#waiting.length = 0;
    this.#ended();
  }

  terminate(): void {
    this.close();
  }
}

/** The earliest of cursors of one mailbox; null where they are not all of one, or none is given. */
export function earliest(cursors: readonly string[]): Cursor | null {
  let first: Cursor | null = null;
  for (const text of cursors) {
    const cursor = parseCursor(text);
    if (cursor === null) continue;
    if (first !== null && first.mailboxId !== cursor.mailboxId) return null;
    if (first === null || cursor.seq < first.seq) first = cursor;
  }
  return first;
}
