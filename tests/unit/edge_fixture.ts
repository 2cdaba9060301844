/** An edge under virtual time, and a router that plays all shards and can withhold answers. */
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { AccountId, AccountName, DeviceId, MailboxId, NodeId } from "../../shard/name/ids.ts";
import type { EdgePacket, InterestAnswer, InterestItem } from "../../shard/edge_packet.ts";
import type {
  AttachAuth,
  DevicePresence,
  MailboxEvent,
  OpName,
  Ops,
  PresenceOfDevice,
  Snapshot,
} from "../../shard/ops.ts";
import { UNDECIDED } from "../../shard/presence/returning.ts";
import { createEdge, type Edge } from "../../server/edge/edge.ts";
import type { Trial } from "../../server/edge/edge_deps.ts";
import {
  type EdgeCounters,
  type EdgeLimits,
  newEdgeCounters,
  type OpenedSession,
  type OpenSession,
  type PollBatch,
  type Session,
} from "../../server/edge/types.ts";
import { JSON_CODEC } from "../../server/v1/encode.ts";
import type { EdgeRouter } from "../../server/node/router.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import { memoryLog, simRetries } from "../sim/sim_ports.ts";
import { VirtualTime } from "../sim/virtual_time.ts";
import { EDGE_LIMITS } from "../sim/limits.ts";
import { FakeSink, type Wire } from "./fake_sink.ts";

export { FakeSink, type Wire };

export const MAILBOX = "mailboxMAILBOX00" as MailboxId;
export const EXPIRES_AT = Date.UTC(2025, 0, 31);

export const name = (text: string) => text as AccountName;
export const device = (text: string) => text as DeviceId;
export const idOf = (user: string) => `id-${user}` as AccountId;

export function presenceOf(show: DevicePresence["show"], status = ""): DevicePresence {
  return { show, status, priority: 0, ext: "" };
}

export function message(seq: number, body = `body ${seq}`): MailboxEvent {
  return {
    seq,
    at: 1000 + seq,
    kind: "message",
    with: name("peer"),
    out: false,
    num: seq,
    id: `m${seq}`,
    body,
    ext: "",
    device: "",
  };
}

/** The snapshot of an account that has nothing. */
export const EMPTY_SNAPSHOT: Snapshot = {
  seq: 0,
  roster: [],
  requests: [],
  blocked: [],
  conversations: [],
  messagesFrom: "contacts",
};

interface Waiting {
  readonly op: OpName | "interest";
  readonly run: () => void;
}

/** All shards. Answers before `request` returns, but for operations in `held`. */
export class FakeRouter implements EdgeRouter {
  readonly asked: { readonly op: OpName; readonly name: AccountName; readonly input: object }[] =
    [];
  readonly interests: (readonly InterestItem[])[] = [];
  readonly uninterests: (readonly AccountName[])[] = [];
  /** Every line of both, in the order in which the shards take them. */
  readonly registrations: { readonly name: AccountName; readonly on: boolean }[] = [];
  readonly held = new Set<OpName | "interest">();
  /** Refusals in place of answers, by operation. */
  readonly failing = new Map<OpName, Result<never>>();
  readonly contacts = new Map<string, readonly string[]>();
  readonly online = new Map<string, readonly PresenceOfDevice[]>();
  readonly lastSeen = new Map<string, number>();
  /** Pairs `watcher>watched` that are not allowed. */
  readonly denied = new Set<string>();
  /** What some of those are shown all the same: when the user was last seen. */
  readonly frozen = new Map<string, number>();
  /** Users whose home cells have not replied. */
  readonly undecided = new Set<string>();
  readonly mailboxes = new Map<string, MailboxEvent[]>();
  /** Events before this one are not retained. */
  firstSeq = 1;
  expiresAt = EXPIRES_AT;
  epoch = 1;
  version = 1;
  /** Ranges and epochs that were announced in full. */
  readonly announcements: (readonly [lo: number, hi: number, epoch: number])[] = [];
  #waiting: Waiting[] = [];

  request<K extends OpName>(
    user: AccountName,
    op: K,
    input: Ops[K]["in"],
    done: (result: Result<Ops[K]["out"]>) => void,
  ): void {
    this.asked.push({ op, name: user, input });
    const answer = () => done(this.failing.get(op) ?? this.#answer(user, op, input));
    if (this.held.has(op)) this.#waiting.push({ op, run: answer });
    else answer();
  }

  #answer<K extends OpName>(user: AccountName, op: K, input: Ops[K]["in"]): Result<Ops[K]["out"]> {
    const answers: Partial<{ [Name in OpName]: () => Result<Ops[Name]["out"]> }> = {
      "session.attach": () => this.#attach(user, input as Ops["session.attach"]["in"]),
      "session.detach": () => ok(null),
      "auth.token": () => ok({ id: idOf(user), device: device("phone"), expiresAt: EXPIRES_AT }),
      "presence.set": () => ok(null),
      "mailbox.read": () => this.#read(user, input as Ops["mailbox.read"]["in"]),
      "mailbox.snapshot": () =>
        ok({ mailboxId: MAILBOX, snapshot: { ...EMPTY_SNAPSHOT, seq: this.seq(user) } }),
    };
    const answer = answers[op];
    if (answer === undefined) throw new Error(`FakeRouter: ${op} is not played`);
    return answer() as Result<Ops[K]["out"]>;
  }

  #attach(
    user: AccountName,
    { cursor }: Ops["session.attach"]["in"],
  ): Result<Ops["session.attach"]["out"]> {
    const seq = this.seq(user);
    const valid = cursor !== null && this.#valid(user, cursor);
    const mode = cursor === null ? "snapshot" : valid ? "resume" : "reset";
    const watch = (this.contacts.get(user) ?? []).map((contact) => ({
      name: name(contact),
      id: idOf(contact),
    }));
    const snapshot = valid ? null : { ...EMPTY_SNAPSHOT, seq };
    const { expiresAt } = this;
    return ok({ id: idOf(user), mailboxId: MAILBOX, seq, mode, snapshot, watch, expiresAt });
  }

  #valid(user: AccountName, { mailboxId, seq }: { mailboxId: MailboxId; seq: number }): boolean {
    return mailboxId === MAILBOX && seq >= this.firstSeq - 1 && seq <= this.seq(user);
  }

  #read(
    user: AccountName,
    { cursor, limit, bytesMax }: Ops["mailbox.read"]["in"],
  ): Result<Ops["mailbox.read"]["out"]> {
    if (cursor === null || !this.#valid(user, cursor)) return fail("reset", "no such place");
    const events: MailboxEvent[] = [];
    let bytes = 0;
    for (const event of this.mailboxes.get(user) ?? []) {
      if (event.seq <= cursor.seq) continue;
      bytes += event.kind === "message" ? event.body.length : 0;
      if (events.length === limit || (events.length > 0 && bytes > bytesMax)) break;
      events.push(event);
    }
    return ok({ mailboxId: MAILBOX, events, seq: this.seq(user) });
  }

  /** Position of a user's mailbox. */
  seq(user: string): number {
    return this.mailboxes.get(user)?.length ?? 0;
  }

  /** Appends to a mailbox; the packet is for the test to deliver, or not. */
  append(user: string, bodies: readonly string[]): readonly MailboxEvent[] {
    const mailbox = this.mailboxes.get(user) ?? [];
    const events = bodies.map((body, i) => message(mailbox.length + i + 1, body));
    this.mailboxes.set(user, [...mailbox, ...events]);
    return events;
  }

  interest(
    items: readonly InterestItem[],
    done: (answers: readonly InterestAnswer[]) => void,
  ): void {
    this.interests.push(items);
    for (const item of items) this.registrations.push({ name: item.watched, on: true });
    const answer = () => done(items.map((item) => this.#presence(item)));
    if (this.held.has("interest")) this.#waiting.push({ op: "interest", run: answer });
    else answer();
  }

  #presence({ watcher, watched, watchedId }: InterestItem): InterestAnswer {
    const none = { watcher, watched, lastSeen: null };
    if (this.undecided.has(watched)) return { ...none, presence: { watchedId, ...UNDECIDED } };
    const pair = `${watcher}>${watched}`;
    const frozen = this.frozen.get(pair) ?? null;
    if (this.denied.has(pair)) return { ...none, presence: null, lastSeen: frozen };
    const { epoch, version } = this;
    const [devices, lastSeen] = [this.online.get(watched) ?? [], this.lastSeen.get(watched) ?? 0];
    return { ...none, presence: { watchedId, epoch, version, devices, lastSeen } };
  }

  announced(lo: number, hi: number, epoch: number): void {
    this.announcements.push([lo, hi, epoch]);
  }

  uninterest(watched: readonly AccountName[]): void {
    this.uninterests.push(watched);
    for (const user of watched) this.registrations.push({ name: user, on: false });
  }

  /** Answers what was held, in its order; further ones are held still. */
  release(op?: OpName | "interest"): void {
    const due = this.#waiting.filter((waiting) => op === undefined || waiting.op === op);
    this.#waiting = this.#waiting.filter((waiting) => !due.includes(waiting));
    for (const { run } of due) run();
  }

  /** How often an operation was asked for. */
  count(op: OpName): number {
    return this.asked.filter((request) => request.op === op).length;
  }
}

export const AUTH: AttachAuth = { kind: "token", tokenHash: new Uint8Array(32) };

/** An edge and its fixture. */
export interface Rig {
  readonly edge: Edge;
  readonly router: FakeRouter;
  readonly time: VirtualTime;
  readonly counters: EdgeCounters;
  /** Opens a session and tells what came of it so far. */
  open(options?: Partial<OpenSession> & { readonly user?: AccountName }): Opening;
  /** Opens and starts one. */
  start(options?: Partial<OpenSession>): { readonly session: Session; readonly sink: FakeSink };
  deliver(packet: EdgePacket): number;
  /** Delivers newly appended events to sessions. */
  push(session: Session, bodies: readonly string[]): void;
  presence(watched: string, devices: readonly PresenceOfDevice[], lastSeen?: number): void;
}

/** An opening under way. */
export interface Opening {
  readonly sink: FakeSink;
  results: Result<OpenedSession>[];
}

export function rig(limits: Partial<EdgeLimits> = {}, trial?: Trial): Rig {
  const time = new VirtualTime();
  const router = new FakeRouter();
  const counters = newEdgeCounters();
  const node = "node000000000001" as NodeId;
  const random = simRandom(new Prng(7));
  const ports = { ...time.global, random, log: memoryLog().log, retries: simRetries() };
  const deps = { ...ports, node, router, counters, codec: JSON_CODEC, flushed: () => {} };
  const inTrial = trial === undefined ? deps : { ...deps, trial };
  const edge = createEdge(inTrial, { ...EDGE_LIMITS, ...limits });
  const open: Rig["open"] = (options = {}) => {
    const sink = new FakeSink();
    const opening: Opening = { sink, results: [] };
    const defaults: OpenSession = {
      user: name("alice"),
      device: device("phone"),
      auth: AUTH,
      cursor: null,
      presence: presenceOf("online"),
      provedUntil: null,
      resume: null,
      sink,
    };
    edge.open({ ...defaults, ...options }, (result) => opening.results.push(result));
    return opening;
  };
  return {
    edge,
    router,
    time,
    counters,
    open,
    start(options = {}) {
      const opening = open(options);
      const { session } = opened(opening);
      session.start();
      time.runFor(0);
      return { session, sink: opening.sink };
    },
    deliver: (packet) => edge.deliver(packet),
    push(session, bodies) {
      const events = router.append(session.user, bodies);
      edge.deliver({
        kind: "events",
        owner: session.user,
        sinceMs: 0,
        sessions: [session.id],
        events,
      });
    },
    presence(watched, devices, lastSeen = 0) {
      router.online.set(watched, devices);
      router.lastSeen.set(watched, lastSeen);
      router.version++;
      const { epoch, version } = router;
      const about = { watched: name(watched), watchedId: idOf(watched), devices, lastSeen };
      edge.deliver({ kind: "presence", sinceMs: time.nowMs, epoch, version, ...about });
    },
  };
}

/** What an opening has come to, which must be a session. */
export function opened({ results }: Opening): OpenedSession {
  const [result] = results;
  if (results.length !== 1 || result?.ok !== true) {
    throw new Error(`not opened: ${JSON.stringify(results)}`);
  }
  return result.value;
}

/** The code of the one refusal; "ok" or "" where there is a value or nothing. */
export function codeOf(results: readonly Result<unknown>[]): string {
  const [result] = results;
  return result === undefined ? "" : result.ok ? "ok" : result.code;
}

/** One device with this presence. */
export function on(show: DevicePresence["show"], status = "", id = "d1"): PresenceOfDevice[] {
  return [{ device: device(id), presence: presenceOf(show, status) }];
}

/** A poll's answers so far. */
export interface Polling {
  readonly answers: Result<PollBatch>[];
  readonly cancel: () => void;
}

/** Polls a session. */
export function poll(
  session: Session,
  { seq, soft = 0, waitMs = 30_000 }: { seq?: number; soft?: number; waitMs?: number } = {},
): Polling {
  const answers: Result<PollBatch>[] = [];
  const cursor = seq === undefined ? null : { mailboxId: MAILBOX, seq };
  const cancel = session.poll({ cursor, soft, waitMs }, (result) => answers.push(result));
  return { answers, cancel };
}

/** The batch a poll was answered with, which must be there. */
export function batch({ answers }: Polling): { events: Wire[]; soft: number; seq: number } {
  const answer = answers[0];
  if (answers.length !== 1 || answer === undefined || !answer.ok) {
    throw new Error(`not answered with events: ${JSON.stringify(answers)}`);
  }
  const { events, soft, cursor } = answer.value;
  return { events: events.map((text) => JSON.parse(text) as Wire), soft, seq: cursor.seq };
}
