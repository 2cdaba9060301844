/**
 * One connection between two nodes, of one cell or of two: the handshake, then messages, each behind
 * its length. What the sides say first, and what the messages are, is up to who makes it.
 */
import type { Socket } from "node:net";
import type { Channel } from "./channel.ts";
import { HELLO_BYTES_MAX, isProof, type LinkRefusal, PROOF_BYTES, type Role } from "./handshake.ts";
import { ByteWriter } from "../../shard/record/bytes.ts";
import { FrameCutter } from "../system/framed_socket.ts";
import type { Runtime } from "../node/ports.ts";
import { runCallback } from "../system/callback.ts";

/** Bytes of the length before a message. */
const SIZE_BYTES = 4;

/** How long a side may take (ms). */
export interface ConnectionTimes {
  /** For the handshake. */
  readonly handshakeMs: number;
  /** Between two signs of life. */
  readonly pingMs: number;
  /** Without a sign of life before the connection is cut off. */
  readonly silentMs: number;
}

/** What a connection is made with; `H`: what the other side says of itself. */
export interface ConnectionOptions<H> extends Runtime {
  readonly role: Role;
  readonly times: ConnectionTimes;
  /** What this side says of itself, with a fresh random number. */
  readonly own: Uint8Array;
  /** Reads what the other side has said. Throws where it is no such node. */
  read(said: Uint8Array): H;
  /** Why the other side is refused; null where it is not. */
  fault(hello: H): LinkRefusal | null;
  /** The proof of a side over what the dialler has said, then the listener. */
  prove(role: Role, said: readonly [Uint8Array, Uint8Array], binding: Uint8Array): Uint8Array;
  /** Says that a proof is wrong. */
  readonly unproved: string;
  /** Longest message (bytes), once it is open. */
  bytesMax(hello: H): number;
  /** The handshake is done. */
  opened(hello: H): void;
  /** A message has arrived. What it throws ends the connection: the other side is no such node. */
  message(bytes: Uint8Array): void;
  /** Called every `pingMs`; the connection sends an empty message where it returns false. */
  beat(): boolean;
  /** The system has taken all that was sent. */
  drained?(): void;
  /** It is over; the refusal is for the log. */
  closed(refusal: LinkRefusal): void;
}

/** See the head of this file. */
export class Connection<H> {
  readonly #socket: Socket;
  readonly #binding: Uint8Array;
  readonly #options: ConnectionOptions<H>;
  #hello: { readonly said: Uint8Array; readonly hello: H } | null = null;
  #open = false;
  #closed = false;
  readonly #read = new FrameCutter();
  #heardMs: number;
  #sentMs = 0;

  constructor({ socket, binding }: Channel, options: ConnectionOptions<H>) {
    this.#socket = socket;
    this.#binding = binding;
    this.#options = options;
    this.#heardMs = options.clock.monoMs();
    socket.setNoDelay(true);
    socket.on("data", (bytes: Uint8Array) => runCallback(() => this.#data(bytes)));
    socket.on("drain", () => runCallback(() => options.drained?.()));
    socket.on("error", (error: Error) => this.close(error.message));
    socket.on("close", () => this.close("the connection was closed"));
    this.send(options.own);
    options.timers.after(options.times.handshakeMs, () => {
      if (this.#open) return;
      this.close("the handshake takes too long");
      socket.destroy();
    });
  }

  /** Whether messages can be sent. */
  get open(): boolean {
    return this.#open && !this.#closed;
  }

  /** Bytes that were sent and that the system has not taken. */
  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  /** Sends a message. */
  send(message: Uint8Array): void {
    const w = new ByteWriter(SIZE_BYTES + message.length);
    const at = w.leaveSize();
    w.raw(message).setSize(at);
    this.write(w.view());
  }

  /** Sends messages as one write: each of them stands behind its length. */
  write(messages: Uint8Array): void {
    this.#sentMs = this.#options.clock.monoMs();
    this.#socket.write(messages);
  }

  /** Ends it. */
  close(why: string, cause: LinkRefusal["cause"] = "ended"): void {
    if (this.#closed) return;
    this.#socket.destroy();
    this.#over({ cause, why });
  }

  #over(refusal: LinkRefusal): void {
    this.#closed = true;
    runCallback(() => this.#options.closed(refusal));
  }

  /** Says that this side lives, and looks whether the other does. */
  #beat(): void {
    if (this.#closed) return;
    const { beat, clock, timers, times: { pingMs, silentMs } } = this.#options;
    const nowMs = clock.monoMs();
    if (nowMs - this.#heardMs > silentMs) return this.close("it is silent");
    if (!beat() && nowMs - this.#sentMs >= pingMs / 2) this.send(new Uint8Array());
    timers.after(pingMs, () => this.#beat());
  }

  #data(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#heardMs = this.#options.clock.monoMs();
    this.#read.push(bytes);
    for (let whole; !this.#closed && (whole = this.#next()) !== null;) this.#whole(whole);
  }

  #next(): Uint8Array | null {
    const most = this.#open ? this.#options.bytesMax(this.#hello!.hello) : HELLO_BYTES_MAX;
    try {
      return this.#read.next(most);
    } catch (error) {
      this.close((error as Error).message, "stranger");
      return null;
    }
  }

  #whole(bytes: Uint8Array): void {
    try {
      if (this.#hello === null) this.#greeted(bytes.slice());
      else if (!this.#open) this.#proved(bytes);
      else if (bytes.length > 0) this.#options.message(bytes);
    } catch (error) {
      this.close(error instanceof Error ? error.message : String(error), "stranger");
    }
  }

  #proof(role: Role): Uint8Array {
    const { own, prove, role: ours } = this.#options;
    const theirs = this.#hello!.said;
    return prove(role, ours === "dialler" ? [own, theirs] : [theirs, own], this.#binding);
  }

  #greeted(said: Uint8Array): void {
    const { fault, read, role } = this.#options;
    const hello = read(said);
    const refusal = fault(hello);
    if (refusal !== null) {
      // The other side still gets what this one has said, by which it knows why.
      this.#socket.destroySoon();
      return this.#over(refusal);
    }
    this.#hello = { said, hello };
    this.send(this.#proof(role));
  }

  #proved(proof: Uint8Array): void {
    const { opened, role, unproved } = this.#options;
    const theirs = role === "dialler" ? "listener" : "dialler";
    if (proof.length !== PROOF_BYTES || !isProof(proof, this.#proof(theirs))) {
      return this.close(unproved, "secret");
    }
    this.#open = true;
    opened(this.#hello!.hello);
    this.#beat();
  }
}
