/**
 * The links of a node over TCP. Of two nodes the one with the smaller id dials, so that one link
 * joins them.
 */
import { createServer, type Server, type Socket } from "node:net";
import {
  acceptChannel,
  type Channel,
  dialTls,
  mustEncrypt,
  type Opened,
  plainChannel,
} from "./channel.ts";
import type { Bind } from "../config/address.ts";
import { type CellCert, cellCert } from "./cell_cert.ts";
import type { LinkTls } from "../config/cell.ts";
import { HANDSHAKE_MS, Link } from "./link.ts";
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
import {
  connectTo,
  formatPlace,
  isNobody,
  isOfThisMachine,
  listenAt,
  parsePlace,
  type Place,
} from "./place.ts";
import type { Retries } from "../../shard/retry.ts";
import type { Runtime } from "../node/ports.ts";
import { runCallback } from "../system/callback.ts";

/** Connections that are not known to be of nodes yet; more are closed at once. */
const STRANGERS_MAX = 64;
/** How long a node may take to accept a connection (ms). */
const DIAL_MS = 2000;
/** Looks whether a process that is not linked any more has ended. */
const PROBES_MAX = 8;
/** Refusals that are remembered, by address and cause, and for how long (ms): each is logged once. */
const LOGGED_MAX = 1000;
const LOGGED_MS = 3_600_000;

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
  const server = createServer();
  const place = await listenAt(server, options.bind);
  return new TcpLinks(server, formatPlace(options.advertise ?? place), options);
}

class TcpLinks implements PeerLinks {
  readonly address: string;
  readonly exclusive: boolean;
  readonly #server: Server;
  readonly #options: TcpLinksOptions;
  #self: NodeRef | null = null;
  #events: PeerEvents | null = null;
  #expected = new Map<NodeId, Expected>();
  readonly #open = new Map<NodeId, Link>();
  readonly #all = new Set<Link>();
  /** Connections whose first byte is still to come. */
  readonly #entering = new Set<Socket>();
  #strangers = 0;
  readonly #cert: CellCert;
  /** When refusals were logged (monotonic, ms), the oldest first. */
  readonly #logged = new Map<string, number>();
  #stopped = false;

  constructor(server: Server, address: string, options: TcpLinksOptions) {
    this.#server = server;
    this.address = address;
    this.exclusive = options.advertise === null;
    this.#options = options;
    this.#cert = cellCert(options.secret);
    server.on("connection", (socket) => this.#accept(socket));
  }

  start(self: NodeRef, events: PeerEvents): void {
    this.#self = self;
    this.#events = events;
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
  }

  about(node: NodeRef): LinkAbout {
    const link = this.#open.get(peerKey(node));
    const fault = link === undefined ? this.#expected.get(node.id)?.fault ?? null : null;
    return { clockOffsetMs: link?.clockOffsetMs ?? null, fault };
  }

  hasEnded(address: string, done: (ended: boolean) => void): void {
    const place = parsePlace(address);
    if (place === null || !isOfThisMachine(place)) return done(false);
    this.#connect(place, (socket, _, refused) => {
      socket?.on("error", () => {});
      socket?.destroy();
      done(refused);
    });
  }

  send(peer: NodeId, frame: PeerFrame): void {
    this.#open.get(peer)?.send(frame);
  }

  stop(done: () => void): void {
    this.#stopped = true;
    for (const link of [...this.#all]) link.close("this node stops");
    for (const socket of this.#entering) socket.destroy();
    this.#server.close(() => runCallback(done));
  }

  // ---- connections

  #accept(socket: Socket): void {
    if (this.#self === null || this.#stopped || this.#strangers >= STRANGERS_MAX) {
      return void socket.destroy();
    }
    const { bind, timers, tls } = this.#options;
    const from = socket.remoteAddress ?? "";
    if ("path" in bind) return this.#link(plainChannel(socket), from, "listener", () => {});
    this.#strangers++;
    this.#entering.add(socket);
    const cancel = timers.after(HANDSHAKE_MS, () => void socket.destroy());
    acceptChannel(socket, this.#cert, mustEncrypt(tls, from), (opened) => {
      cancel();
      this.#strangers--;
      this.#entering.delete(socket);
      runCallback(() => {
        if ("socket" in opened) this.#link(opened, from, "listener", () => {});
        else this.#refused(from, opened);
      });
      if (!("socket" in opened)) socket.destroy();
    });
  }

  #wants({ node }: Expected): boolean {
    if (this.#stopped || this.#self === null || node.id < this.#self.id) return false;
    return this.#expected.get(node.id)?.node === node && !this.#open.has(peerKey(node));
  }

  #dial(expected: Expected): void {
    const place = parsePlace(expected.address);
    if (place === null || expected.dialling || !this.#wants(expected)) return;
    expected.dialling = true;
    const { timers, random, retries } = this.#options;
    const failed = ({ cause, why }: LinkRefusal, refused = false) => {
      expected.dialling = false;
      if (refused) this.#gone(expected.node);
      if (!this.#wants(expected)) return;
      expected.fault = `${cause}: ${why}`;
      expected.tries++;
      const waitMs = retries.againMs("link", expected.tries, random.number());
      timers.after(waitMs, () => this.#dial(expected));
    };
    this.#connect(place, (socket, why, refused) => {
      if (socket === null) {
        const refusal = { cause: "unreached", why } as const;
        if (!refused) this.#refused(expected.address, refusal);
        return failed(refusal, refused);
      }
      const from = socket.remoteAddress ?? "";
      this.#enter(socket, "path" in place, from, (channel) => {
        if ("why" in channel) return failed(channel);
        this.#link(channel, from, "dialler", failed, () => {
          expected.tries = 0;
          expected.fault = null;
        });
      });
    });
  }

  /** Begins TLS where it is needed. */
  #enter(
    socket: Socket,
    unix: boolean,
    from: string,
    done: Opened,
  ): void {
    const { timers, tls } = this.#options;
    if (unix || !mustEncrypt(tls, from)) return done(plainChannel(socket));
    this.#entering.add(socket);
    const cancel = timers.after(HANDSHAKE_MS, () => void socket.destroy());
    dialTls(socket, this.#cert, (opened) => {
      cancel();
      this.#entering.delete(socket);
      runCallback(() => {
        if ("why" in opened) this.#refused(from, opened);
        done(opened);
      });
    });
  }

  /** Connects, or says why not; `refused`: nobody listens there. */
  #connect(
    place: Place,
    done: (socket: Socket | null, why: string, refused: boolean) => void,
  ): void {
    const socket = connectTo(place);
    let settled = false;
    const settle = (connected: boolean, why = "", refused = false) => {
      if (settled) return;
      settled = true;
      cancel();
      socket.removeAllListeners();
      if (!connected) socket.on("error", () => {});
      if (!connected) socket.destroy();
      runCallback(() => done(connected ? socket : null, why, refused));
    };
    const late = `no connection within ${DIAL_MS} ms`;
    const cancel = this.#options.timers.after(DIAL_MS, () => settle(false, late));
    socket.once("connect", () => settle(true));
    socket.once("error", (error: Error & { readonly code?: string }) => {
      settle(false, error.message, isNobody(place, error));
    });
  }

  #link(
    channel: Channel,
    from: string,
    role: Role,
    ended: (refusal: LinkRefusal) => void,
    begun = () => {},
  ): void {
    this.#strangers++;
    let peer: Peer | null = null;
    const link = new Link(channel, {
      versions: PEER_VERSIONS,
      ...this.#options,
      role,
      self: this.#self!,
      address: this.address,
      opened: (link) => {
        this.#strangers--;
        const { node } = link.peer;
        peer = { ...node, key: peerKey(node) };
        this.#open.get(peer.key)?.close("another link has taken its place");
        this.#open.set(peer.key, link);
        begun();
        this.#events?.linked(peer);
      },
      frame: (_, frame) => this.#events?.frame(peer!, frame),
      closed: (link, refusal) => {
        this.#all.delete(link);
        if (peer === null) {
          this.#strangers--;
          this.#refused(from, refusal);
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

  #refused(from: string, { cause, why }: LinkRefusal): void {
    if (this.#stopped) return;
    const { clock, log } = this.#options;
    const [key, nowMs] = [`${from} ${cause}`, clock.monoMs()];
    for (const [oldest, atMs] of this.#logged) {
      if (nowMs - atMs < LOGGED_MS) break;
      this.#logged.delete(oldest);
    }
    if (this.#logged.has(key) || this.#logged.size >= LOGGED_MAX) return;
    this.#logged.set(key, nowMs);
    log.warn("link refused", { from, cause, why });
  }
}
