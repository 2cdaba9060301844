/** The links of a mesh as what keeps copies of stores uses them. */
import { decodeStandbyFrame, encodeStandbyFrame, type StandbyFrame } from "./link_frames.ts";
import type { Linked } from "../peer/cells/sayings.ts";
import type { LinkUser } from "../peer/cells/mesh_options.ts";
import type { StandbyPeer } from "./peer.ts";

/** What takes frames. */
export interface FrameTaker {
  take(peer: StandbyPeer, frame: StandbyFrame): void;
  linked(): void;
  closed(peer: StandbyPeer): void;
}

/** See the head of this file. */
export class MeshPeers implements LinkUser {
  readonly #peers = new Map<Linked, StandbyPeer>();
  /** Set once it exists. */
  taker: FrameTaker | null = null;

  /** All processes that are linked. */
  get all(): readonly StandbyPeer[] {
    return [...this.#peers.values()];
  }

  opened(linked: Linked): void {
    this.#peers.set(linked, {
      cell: linked.node.cell,
      send: (frame) => linked.link.send({ kind: "standby", frame: encodeStandbyFrame(frame) }),
    });
    this.taker?.linked();
  }

  closed(linked: Linked): void {
    const peer = this.#peers.get(linked);
    this.#peers.delete(linked);
    if (peer !== undefined) this.taker?.closed(peer);
  }

  frame(from: Linked, bytes: Uint8Array): void {
    const peer = this.#peers.get(from);
    const frame = decodeStandbyFrame(bytes);
    if (peer !== undefined && frame !== null) this.taker?.take(peer, frame);
  }
}
