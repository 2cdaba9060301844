/**
 * What happens on a connection before it has a user: first → proving (→ challenged → proving).
 * There is one try: whatever is refused here ends the connection.
 */
import { fail, type Failure, type Result } from "../../shard/errors.ts";
import type { Cancel } from "../node/ports.ts";
import type { ScramExchange } from "../auth/types.ts";
import type { SignInKind } from "../http/counters.ts";
import type { Hello, Registration } from "./schemas.ts";
import { PROTOCOL_VERSION } from "./protocol.ts";
import type { ProtocolHost } from "./protocol_host.ts";
import type { Leave } from "../http/sign_in_queue.ts";
import { addressKey } from "../auth/throttle.ts";
import { validate } from "../text/validate.ts";
import {
  byIssuer,
  byPassword,
  byRegistering,
  byScram,
  bySecond,
  byToken,
  deviceChoice,
  type Principal,
  signInKind,
  signInWay,
} from "./sign_in.ts";

/** What a greeting asks for besides the proof. */
export interface Wanted {
  readonly greeting: "hello" | "register";
  readonly input: Omit<Hello, "t" | "v" | "auth">;
}

/** A greeting that has succeeded. */
export interface Proved {
  readonly wanted: Wanted;
  readonly principal: Principal;
  readonly kind: SignInKind;
  /** The server-final message where the proof was SCRAM. */
  readonly scram: string | null;
}

/** What a greeting does to its connection. */
export interface GreetingOutput {
  send(text: string): void;
  /**
   * `name` is what was refused, `kind` the way of a sign-in that was: for metrics. `wait`: how long the
   * client waits for a home that cannot be reached (s).
   */
  refuse(name: string, failure: Failure, kind: SignInKind | null, wait: number): void;
  /** `leave`: its turn in the sign-in queue, which lasts until the session is open; null where it has none. */
  proved(proved: Proved, leave: Leave | null): void;
}

type State =
  | { readonly kind: "first" }
  | { readonly kind: "proving" }
  | { readonly kind: "challenged"; readonly exchange: ScramExchange; readonly wanted: Wanted }
  | { readonly kind: "over" };

/** The message for frames that come while nothing but waiting is right. */
export const EARLY = "Nothing can be sent before the welcome";

/** One connection's greeting; nothing comes out of it once it has proved, refused or stopped. */
export class Greeting {
  readonly #host: ProtocolHost;
  readonly #timeoutMs: number;
  readonly #address: string;
  readonly #output: GreetingOutput;
  #state: State = { kind: "first" };
  #timer: Cancel | null = null;
  /** Its turn in the sign-in queue lasts. */
  #leave: Leave | null = null;
  /** How somebody tries to sign in; null until that is known. */
  #kind: SignInKind | null = null;
  #wait = 0;

  /** `timeoutMs`: time for the first frame, and again for the answer to a challenge. */
  constructor(host: ProtocolHost, timeoutMs: number, address: string, output: GreetingOutput) {
    this.#host = host;
    this.#timeoutMs = timeoutMs;
    this.#address = address;
    this.#output = output;
    this.#expectWithinTimeout();
  }

  /** Takes the next frame; `t` is its name. */
  frame(t: string, frame: Readonly<Record<string, unknown>>): void {
    switch (this.#state.kind) {
      case "first":
        return this.#first(t, frame);
      case "proving":
        return this.#refuse("early", fail("bad_request", EARLY));
      case "challenged":
        return this.#answered(this.#state.exchange, this.#state.wanted, frame);
      case "over":
        return;
    }
  }

  /** The connection is gone. */
  stop(): void {
    this.#enter({ kind: "over" });
  }

  #first(t: string, frame: Readonly<Record<string, unknown>>): void {
    const { schemas } = this.#host.protocol;
    if (t !== "hello" && t !== "register") {
      const message = "The first frame must be hello or register";
      return this.#refuse("early", fail("bad_request", message));
    }
    const version = frame["v"];
    if (typeof version === "number" && version !== PROTOCOL_VERSION) {
      const message = `Only protocol version ${PROTOCOL_VERSION} is spoken here`;
      return this.#refuse(t, fail("unsupported", message));
    }
    const checked: Result<Hello | Registration> = t === "hello"
      ? validate(schemas.greeting.hello, frame)
      : validate(schemas.greeting.register, frame);
    if (!checked.ok) return this.#refuse(t, checked);
    const { value } = checked;
    const kind = value.t === "register" ? "register" : signInKind(value.auth);
    this.#kind = kind;
    if (value.t === "hello") this.#wait = value.wait ?? 0;
    const refusal = this.#host.admit("signIn");
    if (refusal !== null) return this.#refuse(t, refusal);
    this.#enter({ kind: "proving" });
    if (value.t === "register") return this.#register(value);
    // Passwords have a queue of their own; who has proved one waits before its session is opened.
    if (kind === "password" || kind === "scram" || kind === "second") return this.#prove(value);
    const resumes = value.session !== undefined;
    const key = `address ${addressKey(this.#address)}`;
    this.#host.signInQueue.enter(key, resumes, (leave) => {
      if (this.#state.kind === "over") return leave();
      this.#leave = leave;
      this.#prove(value);
    }, (failure) => this.#refuse(t, failure));
  }

  #register(input: Registration): void {
    const proved = this.#proved({ greeting: "register", input });
    byRegistering(this.#host, input, this.#address, deviceChoice(input), proved);
  }

  #prove(hello: Hello): void {
    const host = this.#host;
    const address = this.#address;
    const wanted: Wanted = { greeting: "hello", input: hello };
    const proved = this.#proved(wanted);
    const way = signInWay(hello.auth);
    const choice = deviceChoice(hello);
    switch (way.kind) {
      case "token": {
        const { token } = way;
        const { device } = choice;
        const attaches = hello.session === undefined;
        return byToken(host, { token, address, device, attaches }, proved);
      }
      case "jwt":
        return byIssuer(host, way.jwt, address, choice.device, proved);
      case "password": {
        const { user, password } = way;
        return byPassword(host, { user, password, address }, choice, proved);
      }
      case "second": {
        const { code, exchange, passkey } = way;
        return bySecond(host, { exchange, code, passkey, address }, choice, proved);
      }
      case "scram": {
        const { mechanism, message } = way;
        return host.signIn.scram({ mechanism, message, address }, (result) => {
          if (!result.ok) this.#refuse("hello", result);
          else this.#challenge(result.value, wanted);
        });
      }
    }
  }

  #challenge(exchange: ScramExchange, wanted: Wanted): void {
    if (this.#state.kind === "over") return;
    this.#enter({ kind: "challenged", exchange, wanted });
    this.#expectWithinTimeout();
    this.#output.send(JSON.stringify({ t: "challenge", message: exchange.message }));
  }

  #answered(exchange: ScramExchange, wanted: Wanted, frame: object): void {
    const input = validate(this.#host.protocol.schemas.greeting.auth, frame);
    if (!input.ok) return this.#refuse("hello", input);
    this.#enter({ kind: "proving" });
    byScram(this.#host, exchange, input.value.message, deviceChoice(wanted.input), (result) => {
      if (!result.ok) return this.#refuse("hello", result);
      const { principal, serverFinal } = result.value;
      this.#succeed(wanted, principal, serverFinal);
    });
  }

  #proved(wanted: Wanted): (result: Result<Principal>) => void {
    return (result) => {
      if (!result.ok) this.#refuse(wanted.greeting, result);
      else this.#succeed(wanted, result.value, null);
    };
  }

  #succeed(wanted: Wanted, principal: Principal, scram: string | null): void {
    if (this.#state.kind === "over") return;
    const leave = this.#leave;
    this.#leave = null;
    this.#enter({ kind: "over" });
    this.#output.proved({ wanted, principal, kind: this.#kind!, scram }, leave);
  }

  #refuse(name: string, failure: Failure): void {
    if (this.#state.kind === "over") return;
    this.#enter({ kind: "over" });
    this.#output.refuse(name, failure, this.#kind, this.#wait);
  }

  /** Every change of state ends the wait for the client. */
  #enter(state: State): void {
    if (state.kind === "over") {
      this.#leave?.();
      this.#leave = null;
    }
    this.#timer?.();
    this.#timer = null;
    this.#state = state;
  }

  #expectWithinTimeout(): void {
    this.#timer = this.#host.timers.after(this.#timeoutMs, () => {
      const message = `Nobody signed in within ${this.#timeoutMs} ms`;
      // Who never came to an end has proved nothing, neither right nor wrong.
      this.#kind = null;
      this.#refuse("timeout", fail("unauthorized", message));
    });
  }
}
