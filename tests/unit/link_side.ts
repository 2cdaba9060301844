/** One side of a link between nodes over a connection that a test plays. */
import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { Link, type LinkOptions } from "../../server/peer/link.ts";
import type { LinkRefusal } from "../../server/peer/handshake.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { PeerFrame } from "../../server/node/peers.ts";
import { PEER_VERSIONS } from "../../server/peer/versions.ts";

/** What every clock of these sides shows. */
export const NOW_MS = 1_000_000;
const SECRET = new Uint8Array(32).fill(7);

class PlayedSocket extends EventEmitter {
  readonly written: Uint8Array[] = [];
  readonly writableLength = 0;
  destroyed = false;

  setNoDelay(): void {}

  write(bytes: Uint8Array): void {
    this.written.push(bytes.slice());
  }

  destroy(): void {
    this.destroyed = true;
  }

  destroySoon(): void {
    this.destroyed = true;
  }
}

/** See the head of this file. */
export class LinkSide {
  readonly socket = new PlayedSocket();
  readonly frames: PeerFrame[] = [];
  readonly lines = memoryLog();
  readonly link: Link;
  refusal: LinkRefusal | null = null;
  open = false;
  readonly #soon: (() => void)[] = [];

  constructor(role: "dialler" | "listener", given: Partial<LinkOptions> = {}) {
    const options: LinkOptions = {
      role,
      secret: SECRET,
      cell: "example.org",
      self: { id: `node of the ${role}` as NodeId, incarnation: 1 },
      address: "10.0.0.1:8422",
      versions: PEER_VERSIONS,
      clock: { wallMs: () => NOW_MS, monoMs: () => NOW_MS },
      timers: { after: () => () => {}, soon: (run) => void this.#soon.push(run) },
      random: { bytes: (count) => new Uint8Array(count).fill(role.length), number: () => 0.5 },
      log: this.lines.log,
      opened: () => void (this.open = true),
      frame: (_, frame) => void this.frames.push(frame),
      closed: (_, refusal) => void (this.refusal = refusal),
      ...given,
    };
    const socket = this.socket as never as Socket;
    this.link = new Link({ socket, binding: new Uint8Array() }, options);
  }

  /** Bytes arrive. */
  take(bytes: Uint8Array): void {
    this.socket.emit("data", Uint8Array.from(bytes));
  }

  /** What it has written since the last call. */
  said(): readonly Uint8Array[] {
    for (const run of this.#soon.splice(0)) run();
    return this.socket.written.splice(0);
  }
}

/** Bytes behind their length, as links send them. */
export function sized(bytes: Uint8Array): Uint8Array {
  const out = Buffer.alloc(4 + bytes.length);
  out.writeUInt32BE(bytes.length);
  out.set(bytes, 4);
  return out;
}
