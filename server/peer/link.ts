/**
 * One connection between two nodes: the handshake, then frames, each behind its length. All that is
 * sent in a turn is one write.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Channel } from "./channel.ts";
import { ClockOffset } from "./clock_offset.ts";
import {
  decodeHello,
  encodeHello,
  type Hello,
  HELLO_BYTES_MAX,
  helloFault,
  isProof,
  type LinkRefusal,
  PROOF_BYTES,
  proofOf,
  type Role,
} from "./handshake.ts";
import { agreedVersion, isKnown, isReadable, type PeerVersions, replyFor } from "./versions.ts";
import { decodeFrame, encodeFrame } from "./frames.ts";
import { fail } from "../../shard/errors.ts";
import type { NodeRef } from "../../shard/name/ids.ts";
import type { PeerFrame } from "../node/peers.ts";
import type { Runtime } from "../node/ports.ts";
import { runCallback } from "../system/callback.ts";

/** How long the handshake may take (ms). */
export const HANDSHAKE_MS = 3000;
/** Time between two signs of life (ms), and how long a side may stay silent. */
const PING_MS = 1000;
const SILENT_MS = 3000;
/**
 * Longest frame (bytes), for both sides; of version 1, and of later ones: the snapshot of a large
 * account has its field names with every contact.
 */
const FRAME_BYTES_MAX_1 = 4 * 1024 * 1024;
const FRAME_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes that may wait for a peer before more is sent: one that is slower is cut off. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
const LENGTH_BYTES = 4;

/** What a link is made with. */
export interface LinkOptions extends Runtime {
  readonly role: Role;
  readonly secret: Uint8Array;
  readonly cell: string;
  readonly self: NodeRef;
  /** Where this node listens. */
  readonly address: string;
  /** Versions of the frames that it speaks. */
  readonly versions: PeerVersions;
  /** The handshake is done. */
  opened(link: Link): void;
  frame(link: Link, frame: PeerFrame): void;
  /** It is over; the refusal is for the log. */
  closed(link: Link, refusal: LinkRefusal): void;
}

/** See the head of this file. */
export class Link {
  readonly #socket: Socket;
  readonly #binding: Uint8Array;
  readonly #options: LinkOptions;
  readonly #own: Uint8Array;
  #hello: { readonly said: Uint8Array; readonly hello: Hello } | null = null;
  #open = false;
  #version = 0;
  #closed = false;
  /** Bytes that were read and are not a whole frame yet. */
  #read: Uint8Array[] = [];
  #readBytes = 0;
  /** Frames of this turn. */
  #unsent: Uint8Array[] = [];
  #heardMs: number;
  #sentMs = 0;
  readonly #offset = new ClockOffset();

  constructor({ socket, binding }: Channel, options: LinkOptions) {
    this.#socket = socket;
    this.#binding = binding;
    this.#options = options;
    const { cell, self, address, random, clock, timers, versions } = options;
    this.#own = encodeHello({ versions, cell, node: self, address, nonce: random.bytes(32) });
    this.#heardMs = clock.monoMs();
    socket.setNoDelay(true);
    socket.on("data", (bytes: Uint8Array) => runCallback(() => this.#data(bytes)));
    socket.on("error", (error: Error) => this.close(error.message));
    socket.on("close", () => this.close("the connection was closed"));
    this.#write([sized(this.#own)]);
    timers.after(HANDSHAKE_MS, () => {
      if (!this.#open) this.close("the handshake takes too long");
    });
  }

  /** Who the other side is and where it listens; once it is open. */
  get peer(): Pick<Hello, "node" | "address"> {
    return this.#hello!.hello;
  }

  /** How far the wall clock of the other side is ahead (ms); null where that is not known. */
  get clockOffsetMs(): number | null {
    return this.#offset.ms;
  }

  /** Sends a frame with the others of this turn, unless it is of a later version than the peer. */
  send(frame: PeerFrame): void {
    if (!this.#open || this.#closed) return;
    if (!isKnown(frame, this.#version)) return this.#replyFor(frame);
    const bytes = this.#bounded(frame);
    if (bytes === null) return;
    if (this.#unsent.length === 0) this.#options.timers.soon(() => this.#flush());
    this.#unsent.push(sized(bytes));
  }

  #replyFor(frame: PeerFrame): void {
    const reply = replyFor(frame, this.#version);
    if (reply === null) return;
    this.#options.timers.soon(() => this.#closed || this.#options.frame(this, reply));
  }

  /** Who waits for a reply that is too long gets an error; what else is too long is not sent. */
  #bounded(frame: PeerFrame): Uint8Array | null {
    const { clock, log } = this.#options;
    const [bytes, most] = [encodeFrame(frame, clock.monoMs()), frameBytesMax(this.#version)];
    if (bytes.length <= most) return bytes;
    log.error("frame too long for a link", { kind: frame.kind, bytes: bytes.length, most });
    if (frame.kind !== "reply" && frame.kind !== "called") return null;
    const result = fail("too_large", `The reply has ${bytes.length} bytes, limit is ${most}`);
    return encodeFrame({ ...frame, result }, clock.monoMs());
  }

  /** Ends it. */
  close(why: string, cause: LinkRefusal["cause"] = "ended"): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    runCallback(() => this.#options.closed(this, { cause, why }));
  }

  #flush(): void {
    const unsent = this.#unsent;
    this.#unsent = [];
    if (this.#closed) return;
    if (this.#socket.writableLength > WAITING_BYTES_MAX) {
      return this.close("it takes frames too slowly");
    }
    this.#write(unsent);
  }

  #write(parts: readonly Uint8Array[]): void {
    this.#sentMs = this.#options.clock.monoMs();
    this.#socket.write(Buffer.concat(parts));
  }

  /** Says that this side lives, and looks whether the other does. */
  #beat(): void {
    if (this.#closed) return;
    const { clock } = this.#options;
    const nowMs = clock.monoMs();
    if (nowMs - this.#heardMs > SILENT_MS) return this.close("it is silent");
    const beat = { kind: "clock", wallMs: clock.wallMs() } as const;
    if (isKnown(beat, this.#version)) this.#write([sized(encodeFrame(beat, nowMs))]);
    else if (nowMs - this.#sentMs >= PING_MS / 2) this.#write([sized(new Uint8Array())]);
    this.#options.timers.after(PING_MS, () => this.#beat());
  }

  #data(bytes: Uint8Array): void {
    this.#heardMs = this.#options.clock.monoMs();
    this.#read.push(bytes);
    this.#readBytes += bytes.length;
    for (let whole; !this.#closed && (whole = this.#take()) !== null;) this.#whole(whole);
  }

  /** The next whole frame of what was read; bytes are put together once all of it has arrived. */
  #take(): Uint8Array | null {
    if (this.#readBytes < LENGTH_BYTES) return null;
    if (this.#read[0]!.length < LENGTH_BYTES) this.#read = [Buffer.concat(this.#read)];
    const first = this.#read[0]!;
    const view = new DataView(first.buffer, first.byteOffset, first.length);
    const length = view.getUint32(0);
    const most = this.#open ? frameBytesMax(this.#version) : HELLO_BYTES_MAX;
    if (length > most) {
      this.close(`a frame of ${length} bytes, limit is ${most}`, "stranger");
      return null;
    }
    const end = LENGTH_BYTES + length;
    if (this.#readBytes < end) return null;
    const joined = this.#read.length === 1 ? first : Buffer.concat(this.#read);
    this.#read = joined.length === end ? [] : [joined.subarray(end)];
    this.#readBytes = joined.length - end;
    return joined.subarray(LENGTH_BYTES, end);
  }

  #whole(bytes: Uint8Array): void {
    try {
      if (this.#hello === null) this.#greeted(bytes.slice());
      else if (!this.#open) this.#proved(bytes);
      else if (bytes.length > 0) {
        const frame = decodeFrame(bytes, this.#options.clock.monoMs(), this.#version);
        if (frame !== null) this.#frame(frame);
      }
    } catch (error) {
      this.close(error instanceof Error ? error.message : String(error), "stranger");
    }
  }

  #frame(frame: PeerFrame): void {
    if (frame.kind === "clock") return this.#clock(frame.wallMs);
    if (isReadable(frame)) return this.#options.frame(this, frame);
    const reply = replyFor(frame, this.#options.versions.newest);
    if (reply !== null) this.send(reply);
  }

  #clock(theirsMs: number): void {
    const { clock, log } = this.#options;
    this.#offset.take(theirsMs, clock.wallMs());
    const change = this.#offset.change();
    if (change === null) return;
    const fields = { node: this.peer.node.id, aheadMs: this.#offset.ms };
    if (change === "far") log.warn("clocks far apart", fields);
    else log.info("clocks near each other again", fields);
  }

  #said(): readonly [Uint8Array, Uint8Array] {
    const theirs = this.#hello!.said;
    return this.#options.role === "dialler" ? [this.#own, theirs] : [theirs, this.#own];
  }

  #proof(role: Role): Uint8Array {
    return proofOf(this.#options.secret, role, this.#said(), this.#binding);
  }

  #greeted(said: Uint8Array): void {
    const { cell, role, self, versions } = this.#options;
    const hello = decodeHello(said);
    const fault = helloFault(hello, cell, self, versions);
    if (fault !== null) return this.close(fault.why, fault.cause);
    this.#hello = { said, hello };
    this.#version = agreedVersion(hello.versions, versions)!;
    this.#write([sized(this.#proof(role))]);
  }

  #proved(proof: Uint8Array): void {
    const theirs = this.#options.role === "dialler" ? "listener" : "dialler";
    if (proof.length !== PROOF_BYTES || !isProof(proof, this.#proof(theirs))) {
      return this.close("it does not know the cell's secret", "secret");
    }
    this.#open = true;
    this.#options.opened(this);
    this.#beat();
  }
}

function frameBytesMax(version: number): number {
  return version === 1 ? FRAME_BYTES_MAX_1 : FRAME_BYTES_MAX;
}

function sized(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(LENGTH_BYTES + bytes.length);
  new DataView(out.buffer).setUint32(0, bytes.length);
  out.set(bytes, LENGTH_BYTES);
  return out;
}
