/**
 * What shards of a node tell each other, on its way: it may get lost, come twice, and be overtaken.
 * On the way it is also looked at: the numbers of a pair of accounts have to hold whatever happens.
 */
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { History } from "./history.ts";
import type { Prng } from "./prng.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";
import type { VirtualProcess } from "./virtual_time.ts";
import { Violation } from "./history.ts";

/**
 * Longest time before a node learns that a shard wants its sessions, where packets are late (ms).
 */
const ANNOUNCE_LATE_MS = 400;

/** How the way is; probabilities of each packet. */
export interface WireQuality {
  readonly lost: number;
  readonly twice: number;
  /** That it takes up to `lateMs`, so that others overtake it. */
  readonly late: number;
  readonly lateMs: number;
}

/** Everything comes at once, in order. */
export const STEADY: WireQuality = { lost: 0, twice: 0, late: 0, lateMs: 0 };

/** What must hold of the packets of one account for another. */
interface Pair {
  /** Number by number what it carries. */
  readonly payloads: string[];
  /** The recipient has said that everything up to this one is settled. */
  settled: number;
  /** The recipient was deleted: whatever is for it may be forgotten. */
  gone: boolean;
}

/** All ways between shards. */
export class Wire {
  quality: WireQuality;
  readonly #history: History;
  readonly #prng: Prng;
  /** Whether every packet comes by here: none of a pair's numbers is missing. */
  readonly #whole: boolean;
  readonly #pairs = new Map<string, Pair>();
  #held = { untilMs: 0, from: "", to: "" };
  #losing: { left: number; readonly which: (packet: ShardPacket) => boolean } | null = null;
  #copying: { readonly which: (packet: ShardPacket) => boolean; kept: (() => void)[] } | null =
    null;
  #holding: { readonly which: (packet: ShardPacket) => boolean; held: (() => void)[] } | null =
    null;
  #announcements: (() => void)[] | null = null;

  constructor(history: History, prng: Prng, quality: WireQuality, whole: boolean) {
    this.#history = history;
    this.#prng = prng;
    this.quality = quality;
    this.#whole = whole;
  }

  /**
   * What account has the name `from`, asked for `to`, is answered at a time of the simulation (ms).
   */
  holdAnswers(untilMs: number, from: string, to: string): void {
    this.#held = { untilMs, from, to };
  }

  /** The next `count` packets that `which` picks get lost; replaces what was to be lost before. */
  lose(count: number, which: (packet: ShardPacket) => boolean): void {
    this.#losing = { left: count, which };
  }

  /** Holds the packets that `which` picks until the function that it returns is called. */
  hold(which: (packet: ShardPacket) => boolean): () => void {
    const holding = this.#holding = { which, held: [] as (() => void)[] };
    return () => {
      this.#holding = null;
      for (const arrive of holding.held) arrive();
    };
  }

  /** Holds all announcements until the function that it returns is called. */
  holdAnnouncements(): () => void {
    const held: (() => void)[] = this.#announcements = [];
    return () => {
      this.#announcements = null;
      for (const arrive of held) arrive();
    };
  }

  /**
   * Keeps copies of the packets that `which` picks. `stop` ends that, and returns what lets the copies
   * arrive.
   */
  copies(which: (packet: ShardPacket) => boolean): { stop(): () => void } {
    const copying = this.#copying = { which, kept: [] as (() => void)[] };
    return {
      stop: () => {
        this.#copying = null;
        return () => copying.kept.forEach((arrive) => arrive());
      },
    };
  }

  #loses(packet: ShardPacket): boolean {
    const losing = this.#losing;
    if (losing === null || losing.left === 0 || !losing.which(packet)) return false;
    losing.left--;
    return true;
  }

  /**
   * Carries a packet between two shards of a process. `isFormer`: whether the sender's shard has
   * another owner by now, as where a process was stopped while it waited for the store.
   */
  carry(
    process: VirtualProcess,
    packet: ShardPacket,
    arrive: () => void,
    isFormer: () => boolean = () => false,
  ): void {
    this.#look(packet, isFormer);
    if (this.#copying?.which(packet)) this.#copying.kept.push(arrive);
    if (this.#loses(packet)) return;
    if (this.#holding?.which(packet)) return void this.#holding.held.push(arrive);
    const { quality } = this;
    const heldMs = this.#heldMs(packet);
    if (heldMs > 0) return void process.timers.after(heldMs, arrive);
    if (quality === STEADY) return arrive();
    const { lost, twice, late, lateMs } = quality;
    // Nobody notices the loss of a rewatch, nor that a signal came twice.
    if (packet.kind !== "rewatch" && this.#prng.chance(lost)) return;
    const copies = packet.kind !== "signal" && this.#prng.chance(twice) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.#prng.chance(late)) process.timers.after(this.#prng.number() * lateMs, arrive);
      else process.timers.soon(arrive);
    }
  }

  /** Called when a node is late to learn that the shard of these points wants its sessions. */
  onLateAnnounce: (lo: number, hi: number) => void = () => {};

  /**
   * Hands an edge of the process a packet of a shard; presence may come once more, later. A shard
   * that was taken over may wait for its sessions for a while.
   */
  deliver(process: VirtualProcess, packet: EdgePacket, arrive: () => void): void {
    const { twice, late, lateMs } = this.quality;
    const isTaken = packet.kind === "announce" && packet.refused !== true;
    if (isTaken && this.#announcements !== null) {
      return void this.#announcements.push(arrive);
    }
    if (isTaken && late > 0) {
      this.onLateAnnounce(packet.lo, packet.hi);
      return void process.timers.after(this.#prng.number() * ANNOUNCE_LATE_MS, arrive);
    }
    arrive();
    if (packet.kind !== "presence" || twice === 0 || !this.#prng.chance(twice)) return;
    process.timers.after(this.#prng.number() * lateMs, arrive);
  }

  #heldMs(packet: ShardPacket): number {
    const { untilMs, from, to } = this.#held;
    if (packet.kind !== "resolved" || packet.from !== from || packet.to !== to) return 0;
    return untilMs - this.#history.nowMs;
  }

  // ---- what must hold

  #look(packet: ShardPacket, isFormer: () => boolean): void {
    if (packet.kind === "pair") return this.#sent(packet);
    if (packet.kind === "pair_gone") this.#pair(packet.toId, packet.fromId).gone = true;
    if (packet.kind === "pair_ack" && packet.as !== "alone") this.#settled(packet, isFormer);
  }

  #pair(fromId: string, toId: string): Pair {
    const key = `${fromId} ${toId}`;
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      pair = { payloads: [], settled: 0, gone: false };
      this.#pairs.set(key, pair);
    }
    return pair;
  }

  #sent(packet: ShardPacket & { kind: "pair" }): void {
    const { payloads, gone } = this.#pair(packet.fromId, packet.toId);
    if (gone) return;
    const { n } = packet;
    const payload = JSON.stringify(packet.payload);
    if (payloads[n] !== undefined && payloads[n] !== payload) {
      fail("a number is of one packet", packet, `${n} was ${payloads[n]}, is ${payload}`);
    }
    // The first follows on what went to a former account of the name.
    // A sender that has forgotten the pair goes on above all that it has forgotten.
    if (this.#whole && payloads.length > 0 && n > payloads.length && packet.base < n) {
      fail("numbers are without gaps", packet, `${n} comes after ${payloads.length - 1}`);
    }
    payloads[n] = payload;
  }

  #settled(packet: ShardPacket & { kind: "pair_ack" }, isFormer: () => boolean): void {
    const pair = this.#pair(packet.toId, packet.fromId);
    const { n } = packet;
    if (n < pair.settled) {
      // What a former owner had committed was settled, and its successor has read it.
      if (isFormer()) return;
      fail("what is settled stays settled", packet, `${n} after ${pair.settled}`);
    }
    if (packet.as === "upTo") pair.settled = n;
  }
}

function fail(check: string, { from, to }: ShardPacket, text: string): never {
  throw new Violation(check, `${from} to ${to}: ${text}`, [from, to]);
}
