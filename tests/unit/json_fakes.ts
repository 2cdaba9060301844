/** Everything around the JSON protocol, under control: shards, sign-in, edge, transport, time. */
import { fakeFactors, fakePasskeys } from "./json_factor_fakes.ts";
import {
  type AccountId,
  type AccountName,
  type DeviceId,
  type MailboxId,
  newId,
  type SessionId,
} from "../../shard/name/ids.ts";
import { SignInQueue } from "../../server/http/sign_in_queue.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { Outsider } from "../../server/auth/identity.ts";
import type { DevicePresence, OpName, Ops, Snapshot } from "../../shard/ops.ts";
import type { Router } from "../../server/node/router.ts";
import type {
  CloseReason,
  OpenedSession,
  OpenSession,
  Session,
  Sink,
} from "../../server/edge/types.ts";
import type { FailureLimits, ScramExchange, SignIn, Verified } from "../../server/auth/types.ts";
import { hashToken, mintToken } from "../../server/auth/token.ts";
import type { ConnectionLimits } from "../../server/v1/connection_limits.ts";
import { makeConnector } from "../../server/v1/connection.ts";
import { makeProtocol } from "../../server/v1/protocol.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { VirtualTime } from "../sim/virtual_time.ts";
import { CONNECTION_LIMITS, PROTOCOL_LIMITS } from "../sim/limits.ts";
import { FIXED_SIGN_IN_QUEUE } from "../../server/config/fixed.ts";

/** The protocol under its default limits; zod compiles its schemas once for all tests. */
export const PROTOCOL = makeProtocol(PROTOCOL_LIMITS);

/** The one account's id. */
export const ID = "AAAAAAAAAAAAAAAA" as AccountId;
/** The one account's mailbox. */
export const MAILBOX = "MMMMMMMMMMMMMMMM" as MailboxId;
/** A cursor in it. */
export const CURSOR = `${MAILBOX}:7`;
/** An empty snapshot. */
export const SNAPSHOT: Snapshot = {
  seq: 7,
  roster: [],
  requests: [],
  blocked: [],
  conversations: [],
  messagesFrom: "contacts",
};

/** A request to the router as it was made. */
export interface Asked {
  readonly name: string;
  readonly op: OpName;
  readonly input: unknown;
}

type Answers = { [K in OpName]?: (input: Ops[K]["in"], name: string) => Result<Ops[K]["out"]> };

const contact = {
  contact: "bob" as AccountName,
  label: "Bob",
  groups: ["Friends"],
  subscription: "both" as const,
  pendingOut: false,
  approved: false,
};

const [id, label] = ["phone" as DeviceId, ""];
const PHONE = { device: id, label, createdAt: 1, expiresAt: 2, online: true };

/** Answers where a test sets no others. */
const ANSWERS: Answers = {
  "export.account": () => fail("not_found", "There is no such account"),
  "message.send": () => ok({ seq: 8, at: 1000, num: 3 }),
  "mailbox.ack": () => ok(null),
  "conversation.read": () => ok({ unread: 0 }),
  "conversation.history": () => ok({ events: [], more: false, blocks: 0 }),
  "mailbox.search": () => ok({ found: [], next: null, bytes: 0 }),
  "mailbox.read": () => ok({ mailboxId: MAILBOX, events: [], seq: 7 }),
  "mailbox.snapshot": () => ok({ mailboxId: MAILBOX, snapshot: SNAPSHOT }),
  "presence.set": () => ok(null),
  "push.set": () => ok(null),
  "push.remove": () => ok(null),
  "push.list": () => ok([]),
  "signal.send": () => ok(null),
  "roster.set": () => ok(contact),
  "roster.remove": () => ok(null),
  "roster.subscription": () => ok(null),
  "roster.block": () => ok(null),
  "settings.set": () => ok(null),
  "device.list": () => ok([PHONE]),
  "device.revoke": () => ok(null),
};

/** A router that notes every request, and answers at once unless `held`. */
export class FakeRouter implements Router {
  readonly asked: Asked[] = [];
  readonly answers: Answers = { ...ANSWERS };
  /** While true, answers wait for `release`. */
  held = false;
  readonly #waiting: (() => void)[] = [];

  request<K extends OpName>(
    name: AccountName,
    op: K,
    input: Ops[K]["in"],
    done: (result: Result<Ops[K]["out"]>) => void,
  ): void {
    this.asked.push({ name, op, input });
    const answer = this.answers[op];
    if (answer === undefined) throw new Error(`FakeRouter: ${op} is not expected here`);
    const run = () => done(answer(input, name));
    if (this.held) this.#waiting.push(run);
    else run();
  }

  /** Answers the oldest request that waits. */
  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) throw new Error("FakeRouter: nothing waits");
    next();
  }

  interest(): void {}
  uninterest(): void {}
}

const random = simRandom(new Prng("json tests"));

/** A token of alice, for the device `phone`. */
export const TOKEN = mintToken("alice" as AccountName, random);

/** A sign-in where everybody's password is `secret` and every SCRAM message `good` is right. */
export class FakeSignIn implements SignIn, FailureLimits {
  readonly failures: string[] = [];
  readonly asked: unknown[] = [];
  refusal: ReturnType<FailureLimits["allowed"]> = null;
  now: () => number = () => 0;
  #begun = 0;

  allowed() {
    return this.refusal;
  }
  noteFailure(address: string) {
    this.failures.push(address);
  }
  register(input: Parameters<SignIn["register"]>[0], done: (r: Result<Verified>) => void) {
    this.asked.push(input);
    if (input.user === "taken") done(fail("conflict", "Cannot register: not available"));
    else done(ok(verified(input.user)));
  }
  password(input: Parameters<SignIn["password"]>[0], done: (r: Result<Verified>) => void) {
    this.asked.push(input);
    if (input.password !== "secret") done(fail("unauthorized", "That is not right"));
    else done(ok(verified(input.user)));
  }
  scram(input: Parameters<SignIn["scram"]>[0], done: (r: Result<ScramExchange>) => void) {
    this.asked.push(input);
    if (input.message !== "first") return done(fail("bad_request", "Not a client-first"));
    this.#begun++;
    done(ok(this.#exchange(`${this.#begun}`, this.now() + 60_000)));
  }
  /** Sealed as `number.until`; nobody has to break this seal. */
  reopenScram(sealed: string): ScramExchange | null {
    const [number, until] = sealed.split("_");
    return Number(until) > this.now() ? this.#exchange(number!, Number(until)) : null;
  }
  #exchange(number: string, untilMs: number): ScramExchange {
    return {
      user: verified("alice").user,
      message: `server-first ${number}`,
      seal: () => `${number}_${untilMs}`,
      finish: (message, end) => {
        if (message !== "good") end(fail("unauthorized", "That is not right"));
        else end(ok({ ...verified("alice"), serverFinal: "v=proof" }));
      },
    };
  }
  issuer(
    input: Parameters<SignIn["issuer"]>[0],
    done: (r: Result<Verified & { readonly expiresAt: number }>) => void,
  ) {
    if (input.jwt !== "a.b.c") return done(fail("unauthorized", "The token is not accepted"));
    done(ok({ ...verified("alice"), expiresAt: 5000 }));
  }
  resetPassword(input: Parameters<SignIn["resetPassword"]>[0], done: (r: Result<null>) => void) {
    this.asked.push(input);
    done(input.code === "spent" ? fail("forbidden", "The link is not valid") : ok(null));
  }
  outside({ names }: Outsider, _address: string, done: (r: Result<Verified>) => void) {
    done(ok(verified(names[0]!)));
  }
  mint(input: Parameters<SignIn["mint"]>[0], done: Parameters<SignIn["mint"]>[1]) {
    this.asked.push(input);
    const device = input.device ?? newId<DeviceId>(random.bytes(12));
    done(ok({ token: mintToken(input.user, random), device, expiresAt: 9000 }));
  }
  second(input: Parameters<SignIn["second"]>[0], done: Parameters<SignIn["second"]>[1]) {
    this.asked.push(input);
    if (input.code === "000000") return done(fail("unauthorized", "The code is not right"));
    const of = verified("alice");
    this.mint({ ...of, ...input }, (m) => done(m.ok ? ok({ ...m.value, user: of.user }) : m));
  }
  readonly factors = fakeFactors((input) => this.asked.push(input));
  readonly passkeys = fakePasskeys((input) => this.asked.push(input));
  changePassword(
    input: Parameters<SignIn["changePassword"]>[0],
    done: (r: Result<null>) => void,
  ) {
    this.asked.push(input);
    done(input.oldPassword === "secret" ? ok(null) : fail("forbidden", "The old one is wrong"));
  }
}

function verified(user: string): Verified {
  return { user: user as AccountName, id: ID, proof: null, place: 7 };
}

/** A session that notes what happens to it. */
export class FakeSession implements Session {
  readonly userId = ID;
  readonly happened: string[] = [];
  readonly id: SessionId;
  readonly user: AccountName;
  readonly device: DeviceId;
  readonly sink: Sink | null;

  sentPast(): void {}
  readonly presence = null;
  /** Every presence that was set. */
  readonly presences: (DevicePresence | null)[] = [];
  present(presence: DevicePresence | null, done: (result: Result<null>) => void): void {
    this.presences.push(presence);
    done(ok(null));
  }

  constructor(options: OpenSession, number: number) {
    this.id = `S${String(number).padStart(15, "0")}` as SessionId;
    this.user = options.user;
    this.device = options.device;
    this.sink = options.sink;
  }
  flushes = 0;
  flush(): void {
    this.flushes++;
  }
  proved(untilMs: number | null) {
    this.happened.push(`proved until ${untilMs}`);
  }
  start() {
    this.happened.push("start");
  }
  lost(sink: Sink) {
    this.happened.push(sink === this.sink ? "lost" : "lost by a stranger");
  }
  end(reason: CloseReason) {
    this.happened.push(`end ${reason}`);
    this.sink?.close(reason);
  }
  poll() {
    return () => {};
  }
}

/** An edge that opens every session but those of unknown tokens. */
export class FakeEdge {
  readonly opened: OpenSession[] = [];
  readonly sessions: FakeSession[] = [];
  mode: OpenedSession["mode"] = "snapshot";
  /** While set, opening waits for `release`. */
  held = false;
  #waiting: (() => void)[] = [];

  open(options: OpenSession, done: (result: Result<OpenedSession>) => void): void {
    this.opened.push(options);
    const { auth } = options;
    const known = auth.kind === "issuer" || !sameBytes(auth.tokenHash, hashToken(UNKNOWN_TOKEN));
    const run = () => {
      if (!known) return done(fail("unauthorized", "The token is not valid"));
      const session = new FakeSession(options, this.sessions.length);
      this.sessions.push(session);
      const snapshot = this.mode === "resume" ? null : SNAPSHOT;
      const { mode } = this;
      const resumed = options.resume !== null;
      const seq = mode === "resume" ? options.cursor?.seq ?? 0 : SNAPSHOT.seq;
      const at = { mailboxId: MAILBOX, seq, expiresAt: 9000 };
      done(ok({ session, resumed, mode, snapshot, ...at }));
    };
    if (this.held) this.#waiting.push(run);
    else run();
  }

  release(): void {
    for (const run of this.#waiting.splice(0)) run();
  }

  session(id: SessionId): Session | null {
    return this.sessions.find((session) => session.id === id) ?? null;
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** A well-formed token that nobody has. */
export const UNKNOWN_TOKEN = `${TOKEN.slice(0, -43)}${"A".repeat(43)}`;

/** One frame, parsed. */
export type Frame = Readonly<Record<string, unknown>>;

/** A transport's end of a connection. */
export class FakeSink implements Sink {
  readonly frames: Frame[] = [];
  buffered = 0;
  ended: CloseReason | "terminated" | null = null;
  retryAfterMs: number | null = null;

  send(text: string) {
    if (this.ended !== null) throw new Error("FakeSink: a frame after the end");
    this.frames.push(JSON.parse(text));
  }
  bufferedBytes() {
    return this.buffered;
  }
  close(reason: CloseReason, retryAfterMs?: number) {
    if (this.ended !== null) throw new Error("FakeSink: closed twice");
    this.ended = reason;
    this.retryAfterMs = retryAfterMs ?? null;
  }
  terminate() {
    this.ended = "terminated";
  }
}

/** A node's edge with one protocol on it, and any number of connections. */
export function openNode(connection: Partial<ConnectionLimits> = {}) {
  const time = new VirtualTime();
  const { clock, timers } = time.global;
  const router = new FakeRouter();
  const signIn = new FakeSignIn();
  signIn.now = () => time.nowMs;
  const edge = new FakeEdge();
  const { log, lines } = memoryLog(true);
  const outcomes: string[] = [];
  const signIns: string[] = [];
  const limits: string[] = [];
  const gate: { refusal: ReturnType<FailureLimits["allowed"]>; asked: string[] } = {
    refusal: null,
    asked: [],
  };
  const knownHash = hashToken(TOKEN);
  router.answers["auth.token"] = ({ tokenHash }) =>
    sameBytes(tokenHash, knownHash)
      ? ok({ id: ID, device: "phone" as DeviceId, expiresAt: 9000 })
      : fail("unauthorized", "The token is not valid");
  const deps = {
    router,
    signIn,
    random,
    domain: "example.com",
    clock,
    timers,
    log,
    protocol: PROTOCOL,
    connection: { ...CONNECTION_LIMITS, ...connection },
    admit: (kind: "signIn" | "write") => {
      gate.asked.push(kind);
      return gate.refusal;
    },
    servers: { all: () => [], others: () => [] },
    signInQueue: new SignInQueue({ clock, random, timers }, FIXED_SIGN_IN_QUEUE),
    open: edge.open.bind(edge),
    acked: () => {},
    observe: (name: string, outcome: string) => void outcomes.push(`${name} ${outcome}`),
    signedIn: (kind: string, outcome: string) => void signIns.push(`${kind} ${outcome}`),
    limited: (limit: string) => void limits.push(limit),
  };
  const connector = makeConnector(deps);
  return { time, router, signIn, edge, lines, outcomes, signIns, limits, gate, deps, connector };
}

/** A client's end: says frames, and takes what was answered since. */
export function connect(node: ReturnType<typeof openNode>) {
  const sink = new FakeSink();
  const handler = node.connector({ sink, address: "192.0.2.1" });
  const say = (frame: unknown): readonly Frame[] => {
    handler.frame(typeof frame === "string" ? frame : JSON.stringify(frame));
    return sink.frames.splice(0);
  };
  /** Signs in by token, and takes the welcome. */
  const welcomed = () => {
    say({ t: "hello", v: 1, auth: { token: TOKEN }, device: "phone" });
    return node.edge.sessions.at(-1)!;
  };
  return { sink, handler, say, welcomed };
}
