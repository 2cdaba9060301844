/**
 * A service's attachment to the server: a session of its account, as any client has one. What the
 * session tells is what the service may know. Every request to see the service is approved, for
 * that is how users take one as a contact; where its scopes allow it asks to see them in turn.
 */
import type { AccountName, Cursor, DeviceId } from "../../shard/name/ids.ts";
import { parseCursor } from "../../shard/name/ids.ts";
import type { Cancel } from "../node/ports.ts";
import type { OpenedSession, Session, Sink } from "../edge/types.ts";
import type { GatewayDeps } from "./gateway_deps.ts";
import type { Hooks } from "./hooks.ts";
import type { Listeners } from "./listeners.ts";
import { type Outcome, outcomesOf, type PresenceView } from "./outcome.ts";
import { accountOf, type ServiceRecord } from "./service.ts";

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
  readonly #deps: GatewayDeps;
  readonly #service: ServiceRecord;
  /** Where the events of its session are stored for webhooks. */
  readonly #hooks: Hooks;
  readonly #listeners: Listeners;
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

  constructor(deps: GatewayDeps, service: ServiceRecord, hooks: Hooks, listeners: Listeners) {
    this.#deps = deps;
    this.#service = service;
    this.#hooks = hooks;
    this.#listeners = listeners;
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
    // Where the events that are still to be stored begin; null: those from now on.
    const cursor = earliest(this.#hooks.cursors(this.#service.name));
    this.#deps.open({
      user: accountOf(this.#service.name),
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
    const news = { outcomes: [], presence: [], cursor: this.#cursor, gap: true };
    this.#hooks.store(this.#service.name, news, begin);
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
    this.#deps.log.warn("service is not attached", { service: this.#service.name, why });
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
    const { name } = this.#service;
    // The next frame is taken when `done` was called.
    this.#hooks.store(name, { outcomes, presence, cursor, gap: false }, done);
    if (cursor !== "") this.#listeners.moved(name);
  }

  #changed(event: WireEvent, presence: PresenceView[]): void {
    const { k: _, ...view } = event;
    const seen = view as unknown as PresenceView;
    if (seen.user === accountOf(this.#service.name)) return;
    if (seen.show === "offline" && seen["lastSeen"] === undefined) this.#presence.delete(seen.user);
    else this.#presence.set(seen.user, seen);
    presence.push(seen);
    this.#listeners.presence(this.#service.name, seen);
  }

  /**
   * An account that wants the service as a contact has it; a refusal is asked for again at the next
   * start.
   */
  #accept(name: string): void {
    this.#subscription(name, "subscribed");
    const { scopes } = this.#service;
    const seesPresence = scopes.includes("presence.read") || scopes.includes("watch");
    if (seesPresence) this.#subscription(name, "subscribe");
  }

  #subscription(name: string, type: "subscribed" | "subscribe"): void {
    const user = accountOf(this.#service.name);
    const input = { contact: name as AccountName, type };
    this.#deps.router.request(user, "roster.subscription", input, (result) => {
      if (result.ok) return;
      const service = this.#service.name;
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
