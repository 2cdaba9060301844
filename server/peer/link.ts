/** One link between two nodes of a cell: frames over a connection. All of a turn is one write. */
import type { Channel } from "./channel.ts";
import { ClockOffset } from "./clock_offset.ts";
import { Connection, type ConnectionTimes } from "./connection.ts";
import {
  decodeHello,
  encodeHello,
  type Hello,
  helloFault,
  type LinkRefusal,
  proofOf,
  type Role,
} from "./handshake.ts";
import { agreedVersion, isKnown, isReadable, type PeerVersions, replyFor } from "./versions.ts";
import { decodeFrame, encodeFrame, writeFrame } from "./frames.ts";
import { ByteWriter } from "../../shard/record/bytes.ts";
import { fail } from "../../shard/errors.ts";
import type { NodeRef } from "../../shard/name/ids.ts";
import type { PeerFrame } from "../node/peers.ts";
import type { Runtime } from "../node/ports.ts";

/** How long nodes of a cell wait for each other. */
export const LINK_TIMES: ConnectionTimes = { handshakeMs: 3000, pingMs: 1000, silentMs: 3000 };
/**
 * Longest frame (bytes), for both sides; of version 1, and of later ones: the snapshot of a large
 * account has its field names with every contact.
 */
const FRAME_BYTES_MAX_1 = 4 * 1024 * 1024;
const FRAME_BYTES_MAX = 64 * 1024 * 1024;
/**
 * Least time from one write to the next (ms): frames that follow a write so soon wait for each other,
 * for a write costs more than what is in it.
 */
const GATHER_MS = 4;
/** Bytes that may wait for a peer before more is sent: one that is slower is cut off. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;

/** Bytes of the length before a frame. */
const SIZE_BYTES = 4;
/** Frames of a turn that were longer than this leave their memory. */
const UNSENT_BYTES_KEPT = 256 * 1024;

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
  readonly #options: LinkOptions;
  readonly #connection: Connection<Hello>;
  #hello: Hello | null = null;
  #version = 0;
  /** Frames of this turn, each behind its length: none of them is an array of its own. */
  #unsent = new ByteWriter();
  /** When frames were written (monotonic, ms). */
  #flushedMs = -GATHER_MS;
  readonly #offset = new ClockOffset();
  #retired = false;

  constructor(channel: Channel, options: LinkOptions) {
    this.#options = options;
    const { cell, self, address, random, secret, versions } = options;
    this.#connection = new Connection(channel, {
      ...options,
      times: LINK_TIMES,
      own: encodeHello({ versions, cell, node: self, address, nonce: random.bytes(32) }),
      read: decodeHello,
      fault: (hello) => helloFault(hello, cell, self, versions),
      prove: (...args) => proofOf(secret, ...args),
      unproved: "it does not know the cell's secret",
      bytesMax: () => frameBytesMax(this.#version),
      opened: (hello) => {
        this.#hello = hello;
        this.#version = agreedVersion(hello.versions, versions)!;
        options.opened(this);
      },
      message: (bytes) => {
        const frame = decodeFrame(bytes, options.clock.monoMs(), this.#version);
        if (frame !== null) this.#frame(frame);
      },
      beat: () => this.#beat(),
      closed: (refusal) => options.closed(this, refusal),
    });
  }

  /** Who the other side is and where it listens; once it is open. */
  get peer(): Pick<Hello, "node" | "address"> {
    return this.#hello!;
  }

  /** How far the wall clock of the other side is ahead (ms); null where that is not known. */
  get clockOffsetMs(): number | null {
    return this.#offset.ms;
  }

  /** Sends a frame with the others of this turn, unless it is of a later version than the peer. */
  send(frame: PeerFrame): void {
    if (!this.#connection.open) return;
    if (!isKnown(frame, this.#version)) return this.#replyFor(frame);
    const isFirst = this.#unsent.length === 0;
    if (this.#write(frame) && isFirst) this.#gather();
  }

  #gather(): void {
    const { clock, timers } = this.#options;
    const waitMs = this.#flushedMs + GATHER_MS - clock.monoMs();
    if (waitMs <= 0) timers.soon(() => this.#flush());
    else timers.after(waitMs, () => this.#flush());
  }

  #replyFor(frame: PeerFrame): void {
    const reply = replyFor(frame, this.#version);
    if (reply === null) return;
    this.#options.timers.soon(() => {
      if (this.#connection.open) this.#options.frame(this, reply);
    });
  }

  /**
   * Adds a frame to those of this turn; returns whether it did. Who waits for a reply that is too
   * long gets an error; what else is too long is not sent.
   */
  #write(frame: PeerFrame): boolean {
    const { clock, log } = this.#options;
    const most = frameBytesMax(this.#version);
    const w = this.#unsent;
    const at = w.leaveSize();
    try {
      writeFrame(w, frame, clock.monoMs());
    } catch (error) {
      // The others are sent as they are.
      w.cutFrom(at);
      throw error;
    }
    const bytes = w.length - at - SIZE_BYTES;
    if (bytes <= most) {
      w.setSize(at);
      return true;
    }
    w.cutFrom(at);
    log.error("frame too long for a link", { kind: frame.kind, bytes, most });
    if (frame.kind !== "reply" && frame.kind !== "called") return false;
    const result = fail("too_large", `The reply has ${bytes} bytes, limit is ${most}`);
    return this.#write({ ...frame, result });
  }

  /** Another link has its place: what comes on it until it is closed is passed over. */
  retire(): void {
    this.#retired = true;
  }

  /** Ends it. */
  close(why: string): void {
    this.#connection.close(why);
  }

  #flush(): void {
    const unsent = this.#unsent.take();
    if (unsent.length > UNSENT_BYTES_KEPT) this.#unsent = new ByteWriter();
    else this.#unsent.clear();
    if (!this.#connection.open) return;
    if (this.#connection.waitingBytes > WAITING_BYTES_MAX) {
      return this.close("it takes frames too slowly");
    }
    this.#connection.write(unsent);
    this.#flushedMs = this.#options.clock.monoMs();
  }

  #beat(): boolean {
    const { clock } = this.#options;
    const beat = { kind: "clock", wallMs: clock.wallMs() } as const;
    if (!isKnown(beat, this.#version)) return false;
    this.#connection.send(encodeFrame(beat, clock.monoMs()));
    return true;
  }

  #frame(frame: PeerFrame): void {
    if (this.#retired) return;
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
}

function frameBytesMax(version: number): number {
  return version === 1 ? FRAME_BYTES_MAX_1 : FRAME_BYTES_MAX;
}
