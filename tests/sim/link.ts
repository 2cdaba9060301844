/**
 * How a simulated device is connected: protocol v1 over a simulated WebSocket, or over single
 * requests with a long-poll. Both ask the node's real code, and neither knows what devices want.
 */
import type { Cancel } from "../../server/node/ports.ts";
import type { SimNode } from "./sim_node.ts";
import type { SoftEvent, WireEvent, WireSnapshot } from "./view.ts";
import type { Connection, Network } from "./network.ts";

/** How a device proves who it is. */
export type Proof =
  | { readonly token: string }
  | { readonly user: string; readonly password: string };

/** The presence that a client gives; null: invisible. */
export interface PresenceFields {
  readonly show?: string;
  readonly status?: string;
  readonly priority?: number;
  readonly ext?: string;
}

/** What a device opens its session with. */
export interface Greeting {
  readonly proof: Proof;
  readonly device: string;
  readonly after: string | null;
  readonly session: string | null;
  readonly presence: PresenceFields | null;
  /** Another device of the account, whose session ends for this one. */
  readonly end?: string;
}

/** A welcome, as far as devices look at it. */
export interface Welcome {
  readonly user: string;
  readonly device: string;
  readonly session: string;
  readonly resumed: boolean;
  readonly mode: "resume" | "snapshot" | "reset";
  readonly cursor: string;
  readonly token?: string;
  readonly snapshot?: WireSnapshot;
}

/** The answer to a command. */
export type Answer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly retryAfterMs?: number };

/** What a link tells its device. Nothing comes after `down`. */
export interface LinkHost {
  welcome(welcome: Welcome): void;
  events(events: readonly (WireEvent | SoftEvent)[]): void;
  /** A token was made for the device, before its session is opened. */
  token(token: string): void;
  /** It is over; `code`: what the node said about it, null where it said nothing. */
  down(code: string | null, retryAfterMs: number): void;
}

/** A device's connection to its node. */
export interface Link {
  readonly kind: "socket" | "poll";
  /** null: the answer never came. */
  command(
    name: string,
    fields: Readonly<Record<string, unknown>>,
    done: (answer: Answer | null) => void,
  ): void;
  /** The device goes; `silently`: the node is not told. */
  close(silently: boolean): void;
  /** Only some links can: the connection under it. */
  readonly connection: Connection | null;
}

/** Longest wait for an answer, ms: longer than any that the server promises. */
const ANSWER_MS = 20_000;
const POLL_S = 10;

interface Frame {
  readonly t: string;
  readonly id?: number;
  readonly code?: string;
  readonly value?: unknown;
  readonly ev?: readonly (WireEvent | SoftEvent)[];
  readonly retryAfterMs?: number;
  readonly reason?: string;
}

/** Over a WebSocket. */
export class SocketLink implements Link {
  readonly kind = "socket";
  readonly connection: Connection;
  readonly #network: Network;
  readonly #host: LinkHost;
  readonly #pending = new Map<number, (answer: Answer | null) => void>();
  #id = 0;
  #open = true;
  /** What the node said last that was no answer. */
  #said: string | null = null;
  #retryAfterMs = 0;
  #heardMs: number;
  #beat: Cancel | null = null;

  constructor(
    network: Network,
    node: SimNode,
    address: string,
    greeting: Greeting,
    host: LinkHost,
    _nodeOf?: () => SimNode,
  ) {
    this.#network = network;
    this.#host = host;
    this.#heardMs = network.time.nowMs;
    this.connection = network.connect(node, address, {
      frame: (text) => this.#frame(JSON.parse(text) as Frame),
      closed: () => this.#down(),
    });
    const { proof, device, after, session, presence, end } = greeting;
    this.#send({
      t: "hello",
      v: 1,
      auth: proof,
      device,
      ...(after === null ? {} : { after }),
      ...(session === null ? {} : { session }),
      ...(end === undefined ? {} : { end }),
      ...(presence !== null && Object.keys(presence).length === 0 ? {} : { presence }),
    });
    this.#watch();
  }

  command(
    name: string,
    fields: Readonly<Record<string, unknown>>,
    done: (answer: Answer | null) => void,
  ): void {
    if (!this.#open) return done(null);
    const id = this.#id++;
    this.#pending.set(id, done);
    this.#send({ t: name, id, ...fields });
  }

  close(silently: boolean): void {
    if (!this.#open) return;
    this.connection.end(silently);
    this.#end();
  }

  /** Gives a connection up that is silent for too long, as clients do. */
  #watch(): void {
    this.#beat = this.#network.time.global.timers.after(5000, () => {
      const silentMs = this.#network.time.nowMs - this.#heardMs;
      if (silentMs > ANSWER_MS) {
        this.connection.end(true);
        return this.#down();
      }
      if (silentMs > 4000) this.command("ping", {}, () => {});
      this.#watch();
    });
  }

  #send(frame: unknown): void {
    this.connection.send(JSON.stringify(frame));
  }

  #frame(frame: Frame): void {
    if (!this.#open) return;
    this.#heardMs = this.#network.time.nowMs;
    switch (frame.t) {
      case "welcome":
        return this.#host.welcome(frame as unknown as Welcome);
      case "events":
        return this.#host.events(frame.ev!);
      case "ok":
        return this.#answered(frame.id!, { ok: true, value: frame.value ?? null });
      case "error":
        if (frame.id !== undefined) return this.#answered(frame.id, refusal(frame));
        this.#said = frame.code!;
        this.#retryAfterMs = frame.retryAfterMs ?? 0;
        return;
      case "goaway":
        this.#said ??= frame.reason!;
        this.#retryAfterMs = frame.retryAfterMs ?? 0;
        return;
      default:
        throw new Error(`unexpected frame ${JSON.stringify(frame)}`);
    }
  }

  #answered(id: number, answer: Answer): void {
    const done = this.#pending.get(id);
    if (done === undefined) throw new Error(`an answer to ${id}, which was not asked`);
    this.#pending.delete(id);
    done(answer);
  }

  #down(): void {
    if (!this.#open) return;
    this.#end();
    this.#host.down(this.#said, this.#retryAfterMs);
  }

  #end(): void {
    this.#open = false;
    this.#beat?.();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const done of pending) done(null);
  }
}

function refusal(frame: { readonly code?: string; readonly retryAfterMs?: number }): Answer {
  const { code = "", retryAfterMs } = frame;
  return retryAfterMs === undefined ? { ok: false, code } : { ok: false, code, retryAfterMs };
}

/** Over single requests: signs in, opens a session, polls it. */
export class PollLink implements Link {
  readonly kind = "poll";
  readonly connection = null;
  readonly #network: Network;
  readonly #node: SimNode;
  readonly #nodeOf: () => SimNode;
  readonly #host: LinkHost;
  readonly #address: string;
  readonly #greeting: Greeting;
  #open = true;
  #token = "";
  #session: string | null = null;
  #cursor = "";
  #soft = 0;
  #failures = 0;
  #poll: Cancel | null = null;

  constructor(
    network: Network,
    node: SimNode,
    address: string,
    greeting: Greeting,
    host: LinkHost,
    /** The node that the next request about the session reaches. */
    nodeOf: () => SimNode = () => node,
  ) {
    this.#network = network;
    this.#node = node;
    this.#nodeOf = nodeOf;
    this.#address = address;
    this.#greeting = greeting;
    this.#host = host;
    if ("token" in greeting.proof) this.#openSession(greeting.proof.token);
    else this.#signIn(greeting.proof);
  }

  #signIn(proof: { readonly user: string; readonly password: string }): void {
    const input = { ...proof, device: this.#greeting.device };
    this.#call(
      (reply) => this.#node.rest.signIn(input, this.#address, reply),
      (token) => {
        this.#host.token(token);
        this.#openSession(token);
      },
    );
  }

  #openSession(token: string): void {
    this.#token = token;
    this.#call(
      (reply) => this.#node.rest.open(token, this.#address, this.#greeting, reply),
      (text) => {
        const welcome = JSON.parse(text) as Welcome;
        this.#session = welcome.session;
        this.#cursor = welcome.cursor;
        this.#host.welcome(welcome);
        this.#next();
      },
    );
  }

  /** One request that the link cannot do without. */
  #call(
    serve: (reply: (answer: Answer) => void) => void,
    done: (value: string) => void,
  ): void {
    this.#network.call<Answer>(
      this.#node,
      (reply) => {
        serve(reply);
        return () => {};
      },
      (answer) => {
        if (!this.#open) return;
        if (answer?.ok) return done(answer.value as string);
        this.#down(answer?.code ?? null, answer?.retryAfterMs ?? 0);
      },
      ANSWER_MS,
    );
  }

  #next(): void {
    if (!this.#open) return;
    // A client that has the last answer need not say its position.
    const sure = this.#failures === 0 && this.#network.prng.chance(0.3);
    const asked = { after: sure ? null : this.#cursor, soft: this.#soft, wait: POLL_S };
    const node = this.#nodeOf();
    this.#poll = this.#network.call<Answer>(
      node,
      (reply) => node.rest.poll(this.#token, this.#address, this.#session!, asked, reply),
      (answer) => this.#polled(answer),
      POLL_S * 1000 + ANSWER_MS,
    );
  }

  #polled(answer: Answer | null): void {
    if (!this.#open) return;
    if (answer === null) {
      if (++this.#failures > 2) return this.#down(null, 0);
      return this.#next();
    }
    if (!answer.ok) {
      if (answer.code !== "unavailable" && answer.code !== "busy" || ++this.#failures > 3) {
        return this.#down(answer.code, answer.retryAfterMs ?? 0);
      }
      this.#network.time.global.timers.after(answer.retryAfterMs ?? 500, () => this.#next());
      return;
    }
    this.#failures = 0;
    const { cursor, soft, events } = answer.value as {
      readonly cursor: string;
      readonly soft: number;
      readonly events: readonly string[];
    };
    this.#cursor = cursor;
    this.#soft = soft;
    if (events.length > 0) this.#host.events(events.map((text) => JSON.parse(text)));
    this.#next();
  }

  command(
    name: string,
    fields: Readonly<Record<string, unknown>>,
    done: (answer: Answer | null) => void,
  ): void {
    if (!this.#open || this.#session === null) return done(null);
    // Only these are about the session; the others need none, as REST requests.
    const session = name === "presence" || name === "bye" ? this.#session : null;
    const node = this.#nodeOf();
    this.#network.call<Answer>(
      node,
      (reply) => {
        node.rest.command(this.#token, this.#address, session, name, fields, reply);
        return () => {};
      },
      done,
      ANSWER_MS,
    );
  }

  close(_silently: boolean): void {
    if (!this.#open) return;
    this.#open = false;
    this.#poll?.();
  }

  #down(code: string | null, retryAfterMs: number): void {
    this.#open = false;
    this.#poll?.();
    this.#host.down(code, retryAfterMs);
  }
}
