/** Protocol v1 over WebSocket, as a client with thousands of connections speaks it. */
import type {
  Answer,
  Channel,
  ChannelHandler,
  Command,
  OpenChannel,
  Opening,
  Refusal,
} from "./channel.ts";
import { refusalOf, welcomeOf } from "./channel.ts";
import type { MessageSocket, Network, SocketHandler } from "./network.ts";
import { beginsWithType, scanInt } from "./scan.ts";
import type { ScramReplies } from "./scram_replies.ts";
import type { Target } from "./target.ts";

const OPEN = 0x7b;
/** Commands that may wait for an answer before the connection counts as stuck. */
const WAITING_MAX = 10_000;

/** What channels share. */
export interface WsOptions {
  readonly target: Target;
  readonly network: Network;
  /** The address a user connects from, null as the system chooses. */
  readonly from: (user: string) => string | null;
  readonly scram: ScramReplies;
}

/** Opens WebSocket channels. */
export function wsChannels(options: WsOptions): OpenChannel {
  return (opening, handler) => new WsChannel(options, opening, handler);
}

type State = "connecting" | "open" | "over";

class WsChannel implements Channel, SocketHandler {
  readonly #options: WsOptions;
  readonly #opening: Opening;
  readonly #handler: ChannelHandler;
  readonly #socket: MessageSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #state: State = "connecting";
  #lastId = 0;
  /** Checks the server's own proof where the sign-in is SCRAM. */
  #proves: ((serverFinal: string) => boolean) | null = null;

  constructor(options: WsOptions, opening: Opening, handler: ChannelHandler) {
    this.#options = options;
    this.#opening = opening;
    this.#handler = handler;
    this.#socket = options.network.webSocket(options.target, options.from(opening.user), this);
  }

  // As a channel.

  command(command: Command, done: (answer: Answer) => void): void {
    if (this.#state !== "open") return;
    if (this.#waiting.size >= WAITING_MAX) {
      return this.#fail(`the server has not answered ${WAITING_MAX} commands`);
    }
    const id = ++this.#lastId;
    this.#waiting.set(id, done);
    const { t, ...fields } = command;
    this.#send({ t, id, ...fields });
  }

  leave(): void {
    if (this.#state === "open") {
      this.#send({ t: "bye", id: ++this.#lastId });
      this.#socket.end();
    } else {
      this.#socket.destroy();
    }
    this.#state = "over";
  }

  vanish(): void {
    this.#state = "over";
    this.#socket.destroy();
  }

  // As the socket's handler.

  opened(): void {
    if (this.#state !== "connecting") return;
    this.#state = "open";
    this.#hello();
  }

  closed(why: string): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#handler.lost(why);
  }

  message(bytes: Uint8Array): void {
    if (this.#state === "over") return;
    try {
      if (beginsWithType(bytes, 0, 'events"')) {
        this.#handler.events(bytes, 0, bytes.length, "ev");
      } else if (beginsWithType(bytes, 0, 'ok"')) {
        this.#answer(scanInt(bytes, 0, "id"), { ok: true, num: numOf(bytes) });
      } else {
        this.#rare(JSON.parse(utf8.decode(bytes)));
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  notUpgraded(status: number, body: Uint8Array): void {
    if (this.#state === "over") return;
    let refusal: Refusal = {
      code: "busy",
      message: `the upgrade was answered ${status}`,
      retryAfterMs: null,
    };
    try {
      refusal = refusalOf(JSON.parse(utf8.decode(body)));
    } catch {
      // Not the protocol's own refusal: the status must do.
    }
    this.#handler.refused(refusal);
    this.#fail(refusal.message);
  }

  #send(frame: Readonly<Record<string, unknown>>): void {
    this.#socket.send(JSON.stringify(frame));
  }

  #fail(why: string): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#socket.destroy();
    this.#handler.lost(why);
  }

  #hello(): void {
    const { user, proof, device, session, after, status, show } = this.#opening;
    const hello = (auth: Readonly<Record<string, unknown>>) =>
      this.#send({
        t: "hello",
        v: 1,
        auth,
        device,
        ...(session === null ? {} : { session }),
        ...(after === null ? {} : { after }),
        presence: { show, status },
        client: "roost-load",
      });
    switch (proof.kind) {
      case "token":
        return hello({ token: proof.token });
      case "password":
        return hello({ user, password: proof.password });
      case "scram": {
        const message = this.#options.scram.first(user);
        return hello({ scram: { mechanism: "SCRAM-SHA-256", message } });
      }
    }
  }

  /** Frames that are few: they may cost. */
  #rare(frame: Readonly<Record<string, unknown>>): void {
    switch (frame["t"]) {
      case "welcome":
        if (this.#proves !== null && !this.#proves(String(frame["scram"]))) {
          return this.#fail("the server has not proved that it knows the password");
        }
        return this.#handler.welcome(welcomeOf(frame));
      case "challenge":
        return this.#challenge(String(frame["message"]));
      case "error": {
        const refusal = refusalOf(frame);
        if (typeof frame["id"] !== "number") return this.#handler.refused(refusal);
        return this.#answer(frame["id"], { ok: false, refusal });
      }
      case "goaway": {
        const { retryAfterMs } = frame;
        return this.#handler.goaway(typeof retryAfterMs === "number" ? retryAfterMs : null);
      }
      case "events": {
        const bytes = new TextEncoder().encode(JSON.stringify(frame));
        return this.#handler.events(bytes, 0, bytes.length, "ev");
      }
    }
  }

  #challenge(serverFirst: string): void {
    const { user, proof } = this.#opening;
    const password = proof.kind === "scram" ? proof.password : "";
    this.#options.scram.reply({ user, password, serverFirst }, (reply) => {
      if (this.#state !== "open") return;
      if (reply === null) return this.#fail("the challenge is none that can be answered");
      this.#proves = (serverFinal) => reply.proves(serverFinal);
      this.#send({ t: "auth", message: reply.message });
    });
  }

  #answer(id: number, answer: Answer): void {
    const done = this.#waiting.get(id);
    this.#waiting.delete(id);
    done?.(answer);
  }
}

const utf8 = new TextDecoder();

/** The `num` in the value of an `ok` frame, the only object in it; −1 where there is none. */
function numOf(bytes: Uint8Array): number {
  for (let i = 1; i < bytes.length; i++) {
    if (bytes[i] === OPEN) return scanInt(bytes, i, "num");
  }
  return -1;
}
