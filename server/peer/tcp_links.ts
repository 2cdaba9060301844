/**
 * The links of a node over TCP. Of two nodes the one with the smaller id dials, so that one link
 * joins them. A process that begins dials all: the others know of it later, when they read its row.
 */
import { type Channel, mustEncrypt } from "./channel.ts";
import type { Bind } from "../config/address.ts";
import { cellCert } from "./cell_cert.ts";
import { type Endpoint, openEndpoint } from "./endpoint.ts";
import type { LinkTls } from "../config/cell.ts";
import { Link, LINK_TIMES } from "./link.ts";
import type { LinkRefusal, Role } from "./handshake.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import {
  type LinkAbout,
  type Peer,
  type PeerEvents,
  type PeerFrame,
  peerKey,
  type PeerLinks,
} from "../node/peers.ts";
import { PEER_VERSIONS, type PeerVersions } from "./versions.ts";
import { formatBind } from "../config/address.ts";
import { isOfThisMachine, parsePlace, type Place } from "./place.ts";
import type { Retries } from "../../shard/retry.ts";
import type { Runtime } from "../node/ports.ts";

/** How long a node may take to accept a connection (ms). */
const DIAL_MS = 2000;
/** Looks whether a process that is not linked any more has ended. */
const PROBES_MAX = 8;

/** What links are made with. */
export interface TcpLinksOptions extends Runtime {
  readonly retries: Retries;
  /** Where this node listens for others. */
  readonly bind: Place;
  /** Where others reach it; null: where it listens. */
  readonly advertise: Bind | null;
  readonly secret: Uint8Array;
  /** The domain of the cell's accounts. */
  readonly cell: string;
  /** When links over TCP are encrypted. */
  readonly tls: LinkTls;
  /** Versions of the frames that it speaks: those of this program, except in tests. */
  readonly versions?: PeerVersions;
}

interface Expected {
  readonly node: NodeRef;
  readonly address: string;
  tries: number;
  dialling: boolean;
  /** Why the last attempt has failed. */
  fault: string | null;
}

/** Listens. Rejects where it cannot, with a message that says what to change. */
export async function openTcpLinks(options: TcpLinksOptions): Promise<PeerLinks> {
  const endpoint = await openEndpoint({
    ...options,
    cert: cellCert(options.secret),
    encrypts: (address) => mustEncrypt(options.tls, address),
    dialMs: DIAL_MS,
    handshakeMs: LINK_TIMES.handshakeMs,
    refused: "link refused",
  });
  return new TcpLinks(endpoint, options);
}

class TcpLinks implements PeerLinks {
  readonly address: string;
  readonly exclusive: boolean;
  readonly #endpoint: Endpoint;
  readonly #options: TcpLinksOptions;
  #self: NodeRef | null = null;
  #events: PeerEvents | null = null;
  #expected = new Map<NodeId, Expected>();
  readonly #open = new Map<NodeId, Link>();
  readonly #all = new Set<Link>();
  /** Whether this node has expected nobody yet: nobody has its row. */
  #begins = true;
  #stopped = false;

  constructor(endpoint: Endpoint, options: TcpLinksOptions) {
    const { advertise } = options;
    this.#endpoint = endpoint;
    this.address = advertise === null ? endpoint.address : formatBind(advertise);
    this.exclusive = advertise === null;
    this.#options = options;
  }

  start(self: NodeRef, events: PeerEvents): void {
    this.#self = self;
    this.#events = events;
    this.#endpoint.start((channel, from) => this.#link(channel, from, "listener", () => {}));
  }

  expect(nodes: readonly (NodeRef & { readonly address: string })[]): void {
    this.#expected = new Map(nodes.map(({ id, incarnation, address }) => {
      const before = this.#expected.get(id);
      const same = before?.node.incarnation === incarnation && before.address === address;
      return [
        id,
        same
          ? before
          : { node: { id, incarnation }, address, tries: 0, dialling: false, fault: null },
      ];
    }));
    for (const expected of this.#expected.values()) this.#dial(expected);
    // From now on those with smaller ids connect to this node: they have its row.
    this.#begins = false;
  }

  about(node: NodeRef): LinkAbout {
    const link = this.#open.get(peerKey(node));
    const fault = link === undefined ? this.#expected.get(node.id)?.fault ?? null : null;
    return { clockOffsetMs: link?.clockOffsetMs ?? null, fault };
  }

  hasEnded(address: string, done: (ended: boolean) => void): void {
    const place = parsePlace(address);
    if (place === null || !isOfThisMachine(place)) return done(false);
    this.#endpoint.connect(place, (socket, _, nobody) => {
      socket?.on("error", () => {});
      socket?.destroy();
      done(nobody);
    });
  }

  send(peer: NodeId, frame: PeerFrame): void {
    this.#open.get(peer)?.send(frame);
  }

  stop(done: () => void): void {
    this.#stopped = true;
    for (const link of [...this.#all]) link.close("this node stops");
    this.#endpoint.stop(done);
  }

  // ---- connections

  #wants({ node }: Expected): boolean {
    if (this.#stopped) return false;
    return this.#expected.get(node.id)?.node === node && !this.#open.has(peerKey(node));
  }

  /** Connects to a node with a greater id; to one with a smaller id once, when this node begins. */
  #dial(expected: Expected): void {
    const place = parsePlace(expected.address);
    if (place === null || expected.dialling || !this.#wants(expected)) return;
    if (expected.node.id < this.#self!.id && !this.#begins) return;
    expected.dialling = true;
    const { timers, random, retries } = this.#options;
    const failed = ({ cause, why }: LinkRefusal, nobody = false) => {
      expected.dialling = false;
      if (nobody) this.#gone(expected.node);
      if (!this.#wants(expected)) return;
      expected.fault = `${cause}: ${why}`;
      expected.tries++;
      const waitMs = retries.againMs("link", expected.tries, random.number());
      timers.after(waitMs, () => this.#dial(expected));
    };
    this.#endpoint.dial(place, (opened, from, nobody) => {
      if ("why" in opened) return failed(opened, nobody);
      this.#link(opened, from, "dialler", failed, () => {
        expected.tries = 0;
        expected.fault = null;
      });
    });
  }

  #link(
    channel: Channel,
    from: string,
    role: Role,
    ended: (refusal: LinkRefusal) => void,
    begun = () => {},
  ): void {
    const known = role === "listener" ? this.#endpoint.stranger(from, channel.socket) : () => {};
    let peer: Peer | null = null;
    const link = new Link(channel, {
      versions: PEER_VERSIONS,
      ...this.#options,
      role,
      self: this.#self!,
      address: this.address,
      opened: (link) => {
        known();
        const { node } = link.peer;
        peer = { ...node, key: peerKey(node) };
        const former = this.#open.get(peer.key);
        // Both may have connected: each keeps the one of the smaller id.
        const early = (role === "dialler") === (node.id < this.#self!.id);
        if (former !== undefined && early) return this.#drop(link);
        if (former !== undefined) {
          this.#events?.unlinked(peer, false);
          this.#drop(former);
        }
        this.#open.set(peer.key, link);
        begun();
        this.#events?.linked(peer);
      },
      frame: (_, frame) => this.#events?.frame(peer!, frame),
      closed: (link, refusal) => {
        this.#all.delete(link);
        if (peer === null) {
          known();
          this.#endpoint.refused(from, refusal);
        } else if (this.#open.get(peer.key) === link) {
          this.#open.delete(peer.key);
          if (!this.#stopped) this.#events?.unlinked(peer, false);
          this.#probe(peer, link.peer.address);
        }
        ended(refusal);
      },
    });
    this.#all.add(link);
  }

  /**
   * Closes a link that has another in its place, once its handshake has ended at the other side. What
   * that has sent on it it sends on the other one again.
   */
  #drop(link: Link): void {
    link.retire();
    const close = () => link.close("there is another link");
    this.#options.timers.after(LINK_TIMES.handshakeMs, close);
  }

  /**
   * Looks whether a process of this machine is gone: then nobody listens where it did. Several times,
   * for the connections of one that is killed end before its listener does.
   */
  #probe(peer: Peer, address: string, tries = 1): void {
    if (this.#stopped || this.#open.has(peer.key)) return;
    this.hasEnded(address, (ended) => {
      if (ended) return this.#gone(peer);
      const place = parsePlace(address);
      if (tries === PROBES_MAX || place === null || !isOfThisMachine(place)) return;
      const { random, retries, timers } = this.#options;
      const waitMs = retries.againMs("link", tries, random.number());
      timers.after(waitMs, () => this.#probe(peer, address, tries + 1));
    });
  }

  #gone(node: NodeRef): void {
    const key = peerKey(node);
    if (this.#stopped || this.#open.has(key)) return;
    this.#events?.unlinked({ ...node, key }, true);
  }
}
