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
import type { Dial, Wire, WireHandler } from "./dial.ts";
import { closeFrame, type FrameHandler, FrameParser, pongFrame, textFrame } from "./frame.ts";
import { beginsWithType, scanInt } from "./scan.ts";
import type { ScramReplies } from "./scram_replies.ts";
import type { Target } from "./target.ts";

/** One key for all connections, so that the accepted one need not be computed (RFC 6455 4.1). */
export const WS_KEY = "cm9vc3QtbG9hZC10b29sIQ==";
/** What a server answers `WS_KEY` with. */
export const WS_ACCEPT = "zaeruDwtTldC/fNYMhbMA3BQ0CU=";

const HEAD_BYTES_MAX = 16_384;
const OPEN = 0x7b;
/** Commands that may wait for an answer before the connection counts as stuck. */
const WAITING_MAX = 10_000;

/** What channels share. */
export interface WsOptions {
  readonly target: Target;
  readonly dial: Dial;
  /** The address a user connects from, null as the system chooses. */
  readonly from: (user: string) => string | null;
  readonly scram: ScramReplies;
}

/** Opens WebSocket channels. */
export function wsChannels(options: WsOptions): OpenChannel {
  return (opening, handler) => new WsChannel(options, opening, handler);
}

type State = "connecting" | "upgrading" | "open" | "over";

class WsChannel implements Channel, WireHandler, FrameHandler {
  readonly #options: WsOptions;
  readonly #opening: Opening;
  readonly #handler: ChannelHandler;
  readonly #wire: Wire;
  readonly #parser = new FrameParser();
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #state: State = "connecting";
  #head = "";
  #lastId = 0;
  /** Checks the server's own proof where the sign-in is SCRAM. */
  #proves: ((serverFinal: string) => boolean) | null = null;

  constructor(options: WsOptions, opening: Opening, handler: ChannelHandler) {
    this.#options = options;
    this.#opening = opening;
    this.#handler = handler;
    this.#wire = options.dial(options.target, options.from(opening.user), this);
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
      this.#wire.send(closeFrame());
      this.#wire.end();
    } else {
      this.#wire.destroy();
    }
    this.#state = "over";
  }

  vanish(): void {
    this.#state = "over";
    this.#wire.destroy();
  }

  // As the wire's handler.

  opened(): void {
    if (this.#state !== "connecting") return;
    this.#state = "upgrading";
    const { host } = new URL(this.#options.target.url);
    this.#wire.send(
      `GET /v1/ws HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${WS_KEY}\r\n\r\n`,
    );
  }

  data(chunk: Uint8Array): void {
    if (this.#state === "over") return;
    if (this.#state === "upgrading") return this.#upgrade(chunk);
    const fault = this.#parser.feed(chunk, this);
    if (fault !== null) this.#fail(fault);
  }

  closed(why: string): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#handler.lost(why);
  }

  // As the parser's handler.

  text(bytes: Uint8Array, from: number, to: number): void {
    if (this.#state === "over") return;
    try {
      if (beginsWithType(bytes, from, 'events"')) {
        this.#handler.events(bytes, from, to, "ev");
      } else if (beginsWithType(bytes, from, 'ok"')) {
        this.#answer(scanInt(bytes, from, "id"), { ok: true, num: numOf(bytes, from, to) });
      } else {
        this.#rare(JSON.parse(decode(bytes, from, to)));
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  ping(payload: Uint8Array): void {
    if (this.#state === "open") this.#wire.send(pongFrame(payload));
  }

  close(code: number): void {
    this.#fail(`the server closed the connection with code ${code}`);
  }

  #send(frame: Readonly<Record<string, unknown>>): void {
    this.#wire.send(textFrame(JSON.stringify(frame)));
  }

  #fail(why: string): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#wire.destroy();
    this.#handler.lost(why);
  }

  #upgrade(chunk: Uint8Array): void {
    this.#head += decode(chunk, 0, chunk.length);
    const end = this.#head.indexOf("\r\n\r\n");
    if (end < 0) {
      if (this.#head.length > HEAD_BYTES_MAX) this.#fail("the upgrade has no end");
      return;
    }
    const head = this.#head.slice(0, end);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? "0");
    if (status !== 101) return this.#notUpgraded(status, this.#head.slice(end + 4));
    const accept = /^sec-websocket-accept:[ \t]*(\S+)[ \t]*$/im.exec(head)?.[1];
    if (accept !== WS_ACCEPT) return this.#fail("the upgrade was accepted for another key");
    // Servers speak after the hello only: what follows the head is empty, or begins a frame that
    // ASCII decoding has not harmed.
    const rest = this.#head.length - end - 4;
    this.#head = "";
    this.#state = "open";
    this.#hello();
    if (rest > 0) this.data(chunk.subarray(chunk.length - rest));
  }

  #notUpgraded(status: number, body: string): void {
    let refusal: Refusal = {
      code: "busy",
      message: `the upgrade was answered ${status}`,
      retryAfterMs: null,
    };
    try {
      refusal = refusalOf(JSON.parse(body));
    } catch {
      // Not the protocol's own refusal: the status has to do.
    }
    this.#handler.refused(refusal);
    this.#fail(refusal.message);
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

function decode(bytes: Uint8Array, from: number, to: number): string {
  return utf8.decode(bytes.subarray(from, to));
}

/** The `num` in the value of an `ok` frame, the only object in it; −1 where there is none. */
function numOf(bytes: Uint8Array, from: number, to: number): number {
  for (let i = from + 1; i < to; i++) {
    if (bytes[i] === OPEN) return scanInt(bytes, i, "num");
  }
  return -1;
}
