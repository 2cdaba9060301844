import type { Random } from "../../server/node/ports.ts";

/** 32-bit hash of a text (FNV-1a with murmur3's finaliser): how seeds and labels become states. */
function hash(text: string, basis: number): number {
  let h = basis >>> 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A seeded source of randomness (sfc32). The same seed gives the same numbers for ever. */
export class Prng {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  constructor(seed: number | string) {
    this.#seed = String(seed);
    this.#a = hash(this.#seed, 0x811c9dc5);
    this.#b = hash(this.#seed, 0x9e3779b9);
    this.#c = hash(this.#seed, 0x51ed270b);
    for (let i = 0; i < 12; i++) this.u32();
  }

  /** Uniform in 0 … 2³² − 1. */
  u32(): number {
    const t = (this.#a + this.#b + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t | 0;
    return t >>> 0;
  }

  /** Uniform in [0, 1), a multiple of 2⁻³². */
  number(): number {
    return this.u32() / 0x1_0000_0000;
  }

  /** Uniform integer in `min … max`, both included; at most 2³² values. */
  int(min: number, max: number): number {
    if (!(max >= min)) throw new Error(`int: ${min} … ${max} is empty`);
    return min + Math.floor(this.number() * (max - min + 1));
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.number() < probability;
  }

  /** One of the items, which must not be empty. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error("pick: there are no items");
    return items[this.int(0, items.length - 1)]!;
  }

  /** A shuffled copy. */
  shuffle<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.int(0, i);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }

  bytes(count: number): Uint8Array {
    const out = new Uint8Array(count);
    for (let i = 0; i < count; i++) out[i] = this.u32() >>> 24;
    return out;
  }

  /**
   * Another source that depends on the seed and the label only, however much of this one has been
   * used: a part of a simulation that draws more does not change the others.
   */
  fork(label: string): Prng {
    return new Prng(`${this.#seed}/${label}`);
  }
}

/** The port over a seeded source; its "secrets" are for simulations only. */
export function simRandom(prng: Prng): Random {
  return { bytes: (count) => prng.bytes(count), number: () => prng.number() };
}
