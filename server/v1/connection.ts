/**
 * The WebSocket protocol as a state machine without a socket:
 * greeting (see there) → opening → attached → closed, or waiting for a lost home before a refusal.
 *
 * Bounds: one sign-in per connection; `inFlightMax` commands without an answer; a token bucket of
 * commands for each device, and one of refusals, whose end ends it; no large answers left unread.
 */
import { parseCursor } from "../../shard/name/ids.ts";
import { type RelayClient, relayClient } from "./relay.ts";
import { errorFrame } from "./encode.ts";
import { fail, type Failure, type Result } from "../../shard/errors.ts";
import type { CloseReason, OpenedSession, OpenSession, Session, Sink } from "../edge/types.ts";
import type { WireConnection, WireHandler } from "./wire.ts";
import type { ConnectionState } from "./connection_state.ts";
import { type Command, type CommandContext, type JsonText, routerOf } from "./command.ts";
import type { SignInKind } from "../http/counters.ts";
import { objectText } from "../text/json_text.ts";
import { welcomeFields } from "./protocol.ts";
import type { ProtocolHost } from "./protocol_host.ts";
import {
  rateKey,
  type RateThrottles,
  socketThrottles,
  takeFrom,
  TokenBucket,
  TOO_FAST,
} from "./rates.ts";
import { refuseEvenly } from "../node/even_answers.ts";
import { type Leave, openInTurn } from "../http/sign_in_queue.ts";
import { isObject, parseJson } from "../text/validate.ts";
import { devicePresence, endChoice, noteTokenFailure, sessionChoice } from "./sign_in.ts";
import { EARLY, Greeting, type Proved } from "./greeting.ts";
import type { ShareRate } from "../auth/throttle.ts";
import { Unread } from "./unread.ts";
import type { ConnectionLimits } from "./connection_limits.ts";

/** What connections need. */
export interface ConnectionDeps extends ProtocolHost {
  readonly connection: ConnectionLimits;
  /** Lets rates of devices hold over the cell; absent where there are no other nodes. */
  readonly share?: ShareRate;
}

/** The wait of a client that has used up the allowance of refusals. */
const REFUSALS_RETRY_MS = 5000;
/** Why a client that does not read gets no large answer. */
const UNREAD = "Read the earlier answers first";

/** Makes the function that a WebSocket transport calls for each new connection. */
export function makeConnector(deps: ConnectionDeps): (wire: WireConnection) => WireHandler {
  const commands = new Map<string, Command>(Object.entries(deps.protocol.commands));
  const throttles = socketThrottles(deps.connection.rates, deps.share);
  return (wire) => new Connection(deps, commands, throttles, wire);
}

/**
 * It stands between the edge and the transport's sink as a sink of its own, so that nothing the
 * client sends after its session was ended can still be done.
 */
class Connection implements WireHandler, Sink {
  readonly #deps: ConnectionDeps;
  readonly #commands: ReadonlyMap<string, Command>;
  readonly #wire: WireConnection;
  readonly #throttles: RateThrottles;
  /** Of its device, in `#throttles`. */
  #rateKey = "";
  readonly #unread: Unread;
  /** Made at the first refusal: most never need it. */
  #refusalAllowance: TokenBucket | null = null;
  #state: ConnectionState;
  /** The session to tell when the transport is gone, whatever the state is by then. */
  #session: Session | null = null;
  /** The greeting's frame, as long as it may have to be passed on. */
  #first: string | null = null;
  #inFlight = 0;
  /** A command that ends the session waits for its answer. */
  #leaving = false;
  /** Why the session was ended meanwhile. */
  #endsAs: CloseReason | null = null;

  constructor(
    deps: ConnectionDeps,
    commands: ReadonlyMap<string, Command>,
    throttles: RateThrottles,
    wire: WireConnection,
  ) {
    this.#deps = deps;
    this.#commands = commands;
    this.#throttles = throttles;
    this.#wire = wire;
    this.#unread = new Unread(deps.connection.unreadBytesMax, wire.sink);
    const greeting = new Greeting(deps, deps.connection.helloTimeoutMs, wire.address, {
      send: (text) => this.send(text),
      refuse: (...refused) => this.#refuse(...refused),
      proved: (proved, leave) => this.#open(proved, leave),
    });
    this.#state = { kind: "greeting", greeting };
  }

  // As the transport's handler.

  frame(text: string): void {
    if (this.#state.kind === "closed") return;
    try {
      this.#take(text);
    } catch (error) {
      // A bug that one connection has met must not take the others with it.
      const { message, stack } = error as Error;
      this.#deps.log.error("json.bug", { message, stack });
      this.terminate();
      this.#loseSession();
    }
  }

  #take(text: string): void {
    if (this.#state.kind === "relayed") return this.#state.to.frame(text);
    const parsed = parseJson(text, this.#deps.protocol.limits);
    if (!parsed.ok) return this.#malformed(parsed);
    const frame = parsed.value;
    if (!isObject(frame) || typeof frame["t"] !== "string") {
      return this.#malformed(fail("bad_request", "A frame must be a JSON object with the text t"));
    }
    switch (this.#state.kind) {
      case "greeting":
        if (this.#deps.relay !== undefined && this.#wire.relayed !== true) this.#first ??= text;
        return this.#state.greeting.frame(frame["t"], frame);
      case "opening":
      case "waiting":
        return this.#refuse("early", fail("bad_request", EARLY), null);
      case "attached":
        return this.#command(this.#state.ctx, frame["t"], frame);
    }
  }

  closed(): void {
    this.#stop();
    this.#loseSession();
  }

  // As the session's sink.

  send(text: string): void {
    if (this.#state.kind === "closed") return;
    this.#unread.sentChars += text.length;
    this.#wire.sink.send(text);
  }

  bufferedBytes(): number {
    return this.#wire.sink.bufferedBytes();
  }

  close(reason: CloseReason, retryAfterMs?: number): void {
    // A sign-out revokes the device itself: the answer goes before the end that this causes.
    if (this.#leaving) this.#endsAs = reason;
    else this.#closeNow(reason, retryAfterMs);
  }

  terminate(): void {
    this.#stop();
    this.#wire.sink.terminate();
  }

  // The session.

  #open(proved: Proved, leave: Leave | null): void {
    const { wanted, principal, kind } = proved;
    const { user, device, auth, provedUntil } = principal;
    const { after, session, presence, end } = wanted.input;
    const cursor = after === undefined ? null : parseCursor(after);
    const options: OpenSession = {
      user,
      device,
      auth,
      provedUntil,
      cursor,
      presence: devicePresence(presence),
      resume: sessionChoice(session),
      ...endChoice(end),
      address: this.#wire.address,
      waits: (withdraw) => state.withdraw = withdraw,
      sink: this,
    };
    const state: ConnectionState & { readonly kind: "opening" } = {
      kind: "opening",
      withdraw: () => {},
    };
    this.#state = state;
    const opened = (result: Result<OpenedSession>) => {
      if (!result.ok) {
        noteTokenFailure(this.#deps, this.#wire.address, result);
        return this.#refuse(wanted.greeting, result, kind, wanted.input.wait);
      }
      this.#welcome(proved, result.value);
    };
    const open = (answered: (result: Result<OpenedSession>) => void) => {
      if (leave === null) return openInTurn(this.#deps, options, answered);
      this.#deps.open(options, (result) => {
        leave();
        answered(result);
      });
    };
    // Attaching is what checks some tokens: see `byToken`.
    refuseEvenly(this.#deps, open, opened);
  }

  #welcome({ wanted, principal, kind, scram }: Proved, opened: OpenedSession): void {
    const { session } = opened;
    const token = principal.minted?.token ?? null;
    this.#session = session;
    // The client went while its session was being opened: the session's grace begins now.
    if (this.#state.kind === "closed") return this.#loseSession();
    const { signIn, clock, domain, protocol, log, limited } = this.#deps;
    const { user, device } = session;
    const router = routerOf(this.#deps.router, session.userId);
    const { address } = this.#wire;
    const { limits } = protocol;
    this.#rateKey = rateKey({ user, device, auth: principal.auth });
    const charge = (cost: number) => {
      this.#throttles.frames.charge(clock.monoMs(), this.#rateKey, cost);
    };
    const who = { user, device, session, address };
    const ctx = { router, signIn, clock, domain, limits, ...who, limited, charge };
    this.#state = { kind: "attached", ctx };
    this.#first = null;
    const servers = this.#deps.servers.all();
    const fields = welcomeFields(protocol, clock, { opened, domain, token, scram, servers });
    const welcome = objectText({ t: '"welcome"', ...fields });
    this.#unread.large(welcome.length);
    this.send(welcome);
    this.#deps.observe(wanted.greeting, "ok");
    this.#deps.signedIn(kind, "ok");
    if (log.debugOn) {
      const { client } = wanted.input;
      log.debug("json.attached", { user, device, address, client, mode: opened.mode });
    }
    session.start();
    session.sentPast(welcome.length);
  }

  // Commands.

  #command(ctx: CommandContext, t: string, frame: Readonly<Record<string, unknown>>): void {
    const id = frame["id"];
    if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0) {
      return this.#malformed(fail("bad_request", "id must be a whole number from 0 on"));
    }
    const command = this.#commands.get(t);
    if (command === undefined) {
      return this.#refuseCommand(id, "unknown", fail("unsupported", "There is no such command"));
    }
    const refusal = this.#refusal(command);
    if (refusal !== null) return this.#refuseCommand(id, t, refusal);
    this.#inFlight++;
    if (command.ends) this.#leaving = true;
    const sinceMs = command.name === "send" ? ctx.clock.monoMs() : 0;
    command.run(ctx, frame, (result) => {
      this.#inFlight--;
      if (sinceMs > 0 && result.ok) this.#deps.acked(ctx.clock.monoMs() - sinceMs);
      this.#answer(id, command, result);
      if (command.ends) this.#leave(result.ok);
    });
  }

  /** Why the command is not even begun. */
  #refusal(command: Command): Failure | null {
    const { connection, clock, limited } = this.#deps;
    const nowMs = clock.monoMs();
    if (this.#leaving) return fail("conflict", "The session is being signed out");
    if (this.#inFlight >= connection.inFlightMax) {
      const message = `At most ${connection.inFlightMax} commands may wait for their answers`;
      return fail("busy", message, 100);
    }
    const waitMs = takeFrom(this.#throttles, command, this.#rateKey, nowMs, limited);
    if (waitMs > 0) return fail("rate_limited", TOO_FAST[command.rate], waitMs);
    const fullMs = command.bulky ? this.#unread.fullMs(nowMs) : 0;
    if (fullMs > 0) return fail("busy", UNREAD, fullMs);
    return command.write ? this.#deps.admit("write") : null;
  }

  /** Answers come in the order in which commands are done. After the end they are dropped. */
  #answer(id: number, command: Command, result: Result<JsonText>): void {
    this.#deps.observe(command.name, result.ok ? "ok" : result.code);
    if (this.#state.kind === "closed") return;
    if (!result.ok) return this.#sendAnswer(errorFrame(result, id));
    const fullMs = command.bulky ? this.#unread.fullMs(this.#deps.clock.monoMs()) : 0;
    if (fullMs > 0) return this.#sendAnswer(errorFrame(fail("busy", UNREAD, fullMs), id));
    const value = result.value === null ? "" : `,"value":${result.value}`;
    if (command.bulky) this.#unread.large(value.length);
    this.#sendAnswer(`{"t":"ok","id":${id}${value}}`);
    // The sender's own event exists already: both leave in one write.
    if (command.name === "send") this.#session?.flush();
  }

  /** Small answers too must be read some time: a client that never does is cut off. */
  #sendAnswer(text: string): void {
    if (this.#unread.stalled) return this.#stalled();
    this.send(text);
    this.#unread.look(this.#deps.clock.monoMs());
    this.#session?.sentPast(text.length);
  }

  #stalled(): void {
    this.#deps.log.debug("json.stalled", { address: this.#wire.address });
    this.terminate();
    this.#loseSession();
  }

  /** After the answer to a command that ends the session, or to its failed try. */
  #leave(done: boolean): void {
    this.#leaving = false;
    if (done) {
      this.#session?.end("signed_out");
      this.#session = null;
      this.#closeNow("signed_out");
    } else if (this.#endsAs !== null) this.#closeNow(this.#endsAs);
  }

  // Refusals and the end.

  #refuseCommand(id: number, name: string, failure: Failure): void {
    this.#deps.observe(name, failure.code);
    this.#sendAnswer(errorFrame(failure, id));
    this.#chargeRefusal(1);
  }

  /** A frame that cannot be answered by its id. Before the welcome there is no second try. */
  #malformed(failure: Failure): void {
    this.#deps.observe("malformed", failure.code);
    this.#sendAnswer(errorFrame(failure, null));
    if (this.#state.kind !== "attached") this.#end();
    else this.#chargeRefusal(this.#deps.connection.refusalAllowance.burst / 8);
  }

  #chargeRefusal(cost: number): void {
    const nowMs = this.#deps.clock.monoMs();
    this.#refusalAllowance ??= new TokenBucket(this.#deps.connection.refusalAllowance, nowMs);
    if (this.#refusalAllowance.take(cost, nowMs) === 0) return;
    const failure = fail("rate_limited", "Too many refused frames", REFUSALS_RETRY_MS);
    this.#sendAnswer(errorFrame(failure, null));
    this.#end(REFUSALS_RETRY_MS);
  }

  /** Refuses the sign-in, which ends the connection: every try costs the client a connection. */
  #refuse(greeting: string, failure: Failure, kind: SignInKind | null, wait = 0): void {
    const later = (refusal: Failure) => this.#refuse(greeting, refusal, kind);
    if (wait > 0 && this.#holds(failure, wait, later)) return;
    this.#deps.observe(greeting, failure.code);
    if (kind !== null) this.#deps.signedIn(kind, failure.code);
    if (this.#state.kind === "closed") return;
    const first = this.#first;
    this.#first = null;
    if (failure.code === "moved" && first !== null) return this.#relay(failure, first);
    this.send(errorFrame(failure, null));
    this.#end(failure.retryAfterMs);
  }

  /** Whether it waits for its home instead; one that another cell has passed on does not. */
  #holds(failure: Failure, wait: number, later: (refusal: Failure) => void): boolean {
    if (this.#state.kind === "closed" || this.#wire.relayed === true) return false;
    const leave = this.#deps.lostHomes?.hold(failure, wait, later) ?? null;
    if (leave !== null) this.#state = { kind: "waiting", leave };
    return leave !== null;
  }

  #relay(moved: Failure, first: string): void {
    const { address, sink } = this.#wire;
    const end: RelayClient["ended"] = (reason, retryAfterMs) =>
      reason === null ? this.terminate() : this.#closeNow(reason, retryAfterMs);
    const to = this.#deps.relay!.connect(moved, first, address, relayClient(sink, end));
    // It may have been refused at once.
    if (this.#state.kind !== "closed") this.#state = { kind: "relayed", to };
  }

  #end(retryAfterMs?: number): void {
    this.#closeNow("protocol", retryAfterMs);
    this.#loseSession();
  }

  #closeNow(reason: CloseReason, retryAfterMs?: number): void {
    if (this.#state.kind === "closed") return;
    this.#stop();
    this.#wire.sink.close(reason, retryAfterMs);
  }

  #loseSession(): void {
    const session = this.#session;
    this.#session = null;
    session?.lost(this);
  }

  #stop(): void {
    const state = this.#state;
    this.#state = { kind: "closed" };
    if (state.kind === "greeting") state.greeting.stop();
    // Attached late, it would replace the session of a client that has returned by another node.
    else if (state.kind === "opening") state.withdraw();
    else if (state.kind === "waiting") state.leave();
    else if (state.kind === "relayed") state.to.close();
  }
}
