/**
 * A service's attachment to the server: a session of its account, as any client has one. What the
 * session tells is what the service may know. Every request to see the service is approved, for
 * that is how users take one as a contact; where its scopes allow it asks to see them in turn.
 */
import type { AccountName, Cursor, DeviceId } from "../../shard/name/ids.ts";
import { parseCursor } from "../../shard/name/ids.ts";
import type { Cancel } from "../node/ports.ts";
import type { EventObjects, EventReader, OpenedSession, Session } from "../edge/types.ts";
import type { GatewayDeps } from "./gateway_deps.ts";
import type { Hooks } from "./hooks.ts";
import type { Listeners } from "./listeners.ts";
import { type Outcome, outcomesOf, type PresenceView, presenceView, unseen } from "./outcome.ts";
import { accountOf, type ServiceRecord } from "./service.ts";

/** The hub's device, among those that the account's contacts may see; in a cell each node has one. */
const DEVICE = "gateway";
const ONLINE = { show: "online", status: "", priority: 0, ext: "" } as const;
const DAY_MS = 86_400_000;
/**
 * So long after it is attached, everybody's presence has come (ms): a little over the edge's own.
 */
const COLLECT_MS = 400;

/** See the head of this file. */
export class Hub {
  readonly #deps: GatewayDeps;
  readonly #service: ServiceRecord;
  /** Where the events of its session are stored for webhooks. */
  readonly #hooks: Hooks;
  readonly #listeners: Listeners;
  readonly #isActive: () => boolean;
  readonly #presence = new Map<string, PresenceView>();
  /** Users of whom the server does not know yet whether they are online. */
  readonly #pending = new Set<string>();
  /** Users whom the last session saw. */
  #before: readonly string[];
  #session: Session | null = null;
  /** Of the session that it has, or waits for. */
  #reader: EventReader | null = null;
  #mailboxId = "";
  #cursor = "";
  #ready = false;
  #stopped = false;
  #cancel: Cancel = () => {};
  /** Times in a row that it was not attached. */
  #failed = 0;

  /**
   * `isActive`: whether this node does what one node does for the service; `before`: the users whom a
   * former attachment saw.
   */
  constructor(
    deps: GatewayDeps,
    service: ServiceRecord,
    hooks: Hooks,
    listeners: Listeners,
    isActive: () => boolean,
    before: Iterable<string>,
  ) {
    this.#before = [...before];
    this.#deps = deps;
    this.#isActive = isActive;
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
    const reader: EventReader = {
      take: (objects, done) => this.#take(reader, objects, done),
      close: () => this.#lost(reader),
    };
    this.#reader = reader;
    const expiresAt = this.#deps.clock.wallMs() + DAY_MS;
    // Where the events that are still to be stored begin; null: those from now on.
    const cursor = earliest(this.#hooks.cursors(this.#service.name));
    this.#deps.open({
      user: accountOf(this.#service.name),
      device: this.#device,
      auth: { kind: "issuer", expiresAt },
      provedUntil: null,
      cursor,
      presence: ONLINE,
      resume: null,
      sink: null,
      reader,
    }, (result) => {
      if (this.#stopped) return result.ok ? result.value.session.end("signed_out") : undefined;
      if (!result.ok) return this.#again(result.message, result.retryAfterMs);
      this.#opened(result.value, cursor);
    });
  }

  get #device(): DeviceId {
    const { cell } = this.#deps;
    return (cell === undefined ? DEVICE : `${DEVICE}.${cell.node}`) as DeviceId;
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
      // What happened while there was no session.
      this.#listeners.moved(this.#service.name);
      this.#cancel = this.#deps.timers.after(COLLECT_MS, () => this.#collected());
    };
    if (mode !== "reset" || asked === null) return begin();
    const news = { outcomes: [], presence: [], cursor: this.#cursor, gap: true };
    this.#hooks.store(this.#service.name, news, begin);
  }

  /** Everybody's presence has come: a user who was seen before and is not now is offline. */
  #collected(): void {
    this.#ready = true;
    for (const user of this.#before) {
      if (this.#presence.has(user) || this.#pending.has(user)) continue;
      this.#listeners.presence(this.#service.name, unseen(user));
    }
    this.#before = [];
  }

  /** Its session is gone: takes another. */
  #lost(reader: EventReader): void {
    if (this.#reader !== reader || this.#stopped) return;
    this.#session = null;
    this.#again("the session has ended");
  }

  #again(why: string, retryAfterMs?: number): void {
    this.#ready = false;
    this.#before = [...this.#before, ...this.#pending, ...this.#presence.keys()];
    this.#presence.clear();
    this.#pending.clear();
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

  #take(reader: EventReader, objects: EventObjects, done: () => void): void {
    if (this.#reader !== reader || this.#stopped) return;
    const { gone, pending, presence, events } = objects;
    for (const name of pending) this.#pending.add(name);
    const views = [...gone.map(unseen), ...presence.map(presenceView)];
    for (const view of views) this.#changed(view);
    const outcomes: Outcome[] = [];
    for (const event of events) {
      if (event.kind === "request" && event.pending) this.#accept(event.from);
      outcomes.push(...outcomesOf(event, this.#mailboxId));
    }
    const last = events.at(-1);
    const cursor = last === undefined ? "" : `${this.#mailboxId}:${last.seq}`;
    if (cursor !== "") this.#cursor = cursor;
    const { name } = this.#service;
    this.#hooks.store(name, { outcomes, presence: views, cursor, gap: false }, done);
    if (cursor !== "") this.#listeners.moved(name);
  }

  #changed(view: PresenceView): void {
    this.#pending.delete(view.user);
    if (view.show === "offline" && view["lastSeen"] === undefined) this.#presence.delete(view.user);
    else this.#presence.set(view.user, view);
    this.#listeners.presence(this.#service.name, view);
  }

  /**
   * An account that wants the service as a contact has it; a refusal is asked for again at the next
   * start.
   */
  #accept(name: AccountName): void {
    if (!this.#isActive()) return;
    this.#subscription(name, "subscribed");
    const { scopes } = this.#service;
    const seesPresence = scopes.includes("presence.read") || scopes.includes("watch");
    if (seesPresence) this.#subscription(name, "subscribe");
  }

  #subscription(name: AccountName, type: "subscribed" | "subscribe"): void {
    const user = accountOf(this.#service.name);
    const input = { contact: name, type };
    this.#deps.router.request(user, "roster.subscription", input, (result) => {
      if (result.ok) return;
      const service = this.#service.name;
      this.#deps.log.warn("service cannot answer a contact", { service, code: result.code });
    });
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
