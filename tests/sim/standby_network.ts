/**
 * The links between the simulated processes of a store with a standby, as TCP makes them. What is sent
 * over a way that is cut waits for it, and arrives some time after it is mended, for a sender that got
 * no answer tries again later and later; so does, after a while, what is sent the other way, of which
 * nothing is confirmed. A side that hears nothing for long ends the link; the other one
 * notices that where the way to it is not cut.
 */
import { decodeStandbyFrame, encodeStandbyFrame } from "../../server/standby/link_frames.ts";
import type { CellName } from "../../shard/name/ids.ts";
import type { Host } from "./standby_hosts.ts";
import type { Prng } from "./prng.ts";
import type { StandbyPeer } from "../../server/standby/peer.ts";
import type { VirtualTime } from "./virtual_time.ts";

/** How long a side may hear nothing (ms); that of `cells.silentMs`. */
const SILENT_MS = 10_000;
/** Frames that are on their way at most before one of them is confirmed. */
const UNCONFIRMED_MAX = 40;

/** One direction of a link. */
interface Flow {
  readonly from: Host;
  readonly to: Host;
  /** What waits until the way is mended. */
  readonly waits: Uint8Array[];
  /** When the last frame on its way arrives (ms), for frames keep their order. */
  lastMs: number;
  /** Until when the sender waits before it tries again (ms). */
  againMs: number;
  /** Frames that may still leave while nothing is confirmed; null: they are. */
  unconfirmed: number | null;
  /** When something last arrived, or could have (ms). */
  heardMs: number;
}

/** A link as one of its sides has it. */
interface End {
  readonly peer: StandbyPeer;
  readonly out: Flow;
  readonly into: Flow;
}

/** See the head of this file. */
export class StandbyNetwork {
  readonly #time: VirtualTime;
  readonly #prng: Prng;
  readonly #hosts = new Set<Host>();
  /** Ways that are cut, and since when (ms). */
  readonly #cuts = new Map<string, number>();
  readonly #ends = new Map<StandbyPeer, End>();
  /** Least time of a way (ms): places are near each other, or on two continents. */
  readonly #wayMs: number;

  constructor(time: VirtualTime, prng: Prng) {
    this.#time = time;
    this.#prng = prng;
    this.#wayMs = prng.pick([0, 0, 0, 80]);
  }

  /** The processes that run. */
  get hosts(): Iterable<Host> {
    return this.#hosts;
  }

  add(host: Host): void {
    this.#hosts.add(host);
  }

  /** A process is gone: the others notice that where the way to them is not cut. */
  remove(host: Host): void {
    this.#hosts.delete(host);
    for (const peer of [...host.peers.values()]) this.#close(host, peer);
  }

  /** Cuts the way from one place to another. */
  cut(from: CellName, to: CellName): void {
    const way = wayOf(from, to);
    if (this.#cuts.has(way)) return;
    this.#cuts.set(way, this.#time.nowMs);
    for (const { out } of this.#ends.values()) {
      if (out.from.place === to && out.to.place === from) {
        out.unconfirmed ??= this.#prng.int(0, UNCONFIRMED_MAX);
      }
    }
  }

  /** Breaks the links between two places at once, as a proxy between them does that is ended. */
  break(one: CellName, other: CellName): void {
    for (const [peer, { out }] of [...this.#ends]) {
      if (out.from.place === one && out.to.place === other) this.#close(out.from, peer);
    }
  }

  /** Mends all ways. */
  mend(): void {
    const cuts = [...this.#cuts];
    this.#cuts.clear();
    const nowMs = this.#time.nowMs;
    for (const { out } of this.#ends.values()) {
      const ways = [wayOf(out.from.place, out.to.place), wayOf(out.to.place, out.from.place)];
      const since = cuts.filter(([way]) => ways.includes(way)).map(([, sinceMs]) => sinceMs);
      if (since.length === 0) continue;
      out.unconfirmed = null;
      out.againMs = nowMs + this.#prng.number() * (nowMs - Math.min(...since));
      this.#time.global.timers.after(out.againMs - nowMs, () => this.#flush(out));
    }
  }

  /** Links processes that reach each other, and ends links over which nothing is heard. */
  link(): void {
    for (const [peer, { out, into }] of [...this.#ends]) {
      if (this.#flows(into)) into.heardMs = this.#time.nowMs;
      const isSilent = this.#time.nowMs - into.heardMs > SILENT_MS;
      if (isSilent && out.from.process.state === "running") this.#close(out.from, peer);
    }
    for (const one of this.#hosts) {
      for (const other of this.#hosts) if (this.#canLink(one, other)) this.#link(one, other);
    }
  }

  #canLink(one: Host, other: Host): boolean {
    if (one === other || one.peers.has(other) && other.peers.has(one)) return false;
    const isOpen = !this.#isCut(one, other) && !this.#isCut(other, one);
    return isOpen && one.process.state === "running" && other.process.state === "running";
  }

  #isCut(from: Host, to: Host): boolean {
    return this.#cuts.has(wayOf(from.place, to.place));
  }

  /** Whether what is sent arrives. */
  #flows(flow: Flow): boolean {
    if (!this.#hosts.has(flow.from) || this.#isCut(flow.from, flow.to)) return false;
    return this.#time.nowMs >= flow.againMs && flow.unconfirmed !== 0;
  }

  #link(one: Host, other: Host): void {
    const { nowMs } = this.#time;
    const flow = (from: Host, to: Host): Flow => {
      const waiting = { waits: [], lastMs: 0, againMs: 0, unconfirmed: null, heardMs: nowMs };
      return { from, to, ...waiting };
    };
    const there = flow(one, other);
    const back = flow(other, one);
    for (const [host, out, into] of [[one, there, back], [other, back, there]] as const) {
      // A process that has begun again takes the place of the one before.
      const former = [...host.peers].filter(([{ name }]) => name === into.from.name);
      for (const [, peer] of former) this.#drop(host, peer);
      const peer: StandbyPeer = {
        cell: into.from.name,
        send: (frame) => {
          if (host.peers.get(into.from) !== peer) return false;
          out.waits.push(encodeStandbyFrame(frame));
          this.#flush(out);
          return true;
        },
      };
      host.peers.set(into.from, peer);
      this.#ends.set(peer, { peer, out, into });
    }
    one.taker?.linked();
    other.taker?.linked();
  }

  /** Sends what waits, as far as the way lets it. */
  #flush(flow: Flow): void {
    const { global, nowMs } = this.#time;
    while (flow.waits.length > 0 && this.#flows(flow)) {
      if (flow.unconfirmed !== null) flow.unconfirmed--;
      const bytes = flow.waits.shift()!;
      const lateMs = this.#prng.chance(0.01) ? 400 : 6;
      flow.lastMs = Math.max(flow.lastMs, nowMs + this.#wayMs + this.#prng.number() * lateMs);
      global.timers.after(flow.lastMs - nowMs, () => this.#arrive(flow, bytes));
    }
  }

  #arrive({ from, to }: Flow, bytes: Uint8Array): void {
    const back = to.peers.get(from);
    if (back === undefined || from.process.state === "dead") return;
    to.process.timers.soon(() => {
      if (to.peers.get(from) === back) to.taker?.take(back, decodeStandbyFrame(bytes)!);
    });
  }

  /** Ends a link at one side; at the other as well, where the way to it is not cut. */
  #close(host: Host, peer: StandbyPeer): void {
    const end = this.#ends.get(peer);
    if (end === undefined) return;
    const { out } = end;
    this.#drop(host, peer);
    const back = out.to.peers.get(host);
    if (back !== undefined && !this.#isCut(host, out.to)) this.#drop(out.to, back);
  }

  #drop(host: Host, peer: StandbyPeer): void {
    const end = this.#ends.get(peer);
    this.#ends.delete(peer);
    if (end !== undefined) host.peers.delete(end.out.to);
    if (host.process.state !== "dead") host.process.timers.soon(() => host.taker?.closed(peer));
  }
}

function wayOf(from: CellName, to: CellName): string {
  return `${from}>${to}`;
}
