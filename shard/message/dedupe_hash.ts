/**
 * The hash of idempotency keys and of what was sent under them: HalfSipHash-2-4 with 64 bits of
 * output (Aumasson and Bernstein, "SipHash: a fast short-input PRF"), whose words of 32 bits suit
 * this language. Texts are hashed as UTF-16, little-endian.
 */

/** A secret of one account: clients who do not know it cannot choose texts that collide. */
export interface HashKey {
  readonly k0: number;
  readonly k1: number;
}

/** 64 bits as two unsigned numbers of 32 bits. */
export interface Hash64 {
  readonly first: number;
  readonly second: number;
}

/** Bytes of a stored hash. */
export const HASH_BYTES = 8;

/** The state of the hash under way; there is never more than one. */
const STATE = new Int32Array(4);

function rotl(v: number, bits: number): number {
  return (v << bits) | (v >>> (32 - bits));
}

function rounds(state: Int32Array, count: number): void {
  let v0 = state[0]!;
  let v1 = state[1]!;
  let v2 = state[2]!;
  let v3 = state[3]!;
  for (let i = 0; i < count; i++) {
    v0 = (v0 + v1) | 0;
    v1 = rotl(v1, 5) ^ v0;
    v0 = rotl(v0, 16);
    v2 = (v2 + v3) | 0;
    v3 = rotl(v3, 8) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = rotl(v3, 7) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = rotl(v1, 13) ^ v2;
    v2 = rotl(v2, 16);
  }
  state[0] = v0;
  state[1] = v1;
  state[2] = v2;
  state[3] = v3;
}

function absorb(state: Int32Array, word: number): void {
  state[3]! ^= word;
  rounds(state, 2);
  state[0]! ^= word;
}

function begin({ k0, k1 }: HashKey): Int32Array {
  // The last constant of each half marks an output of 64 bits.
  STATE[0] = k0;
  STATE[1] = k1 ^ 0xee;
  STATE[2] = 0x6c796765 ^ k0;
  STATE[3] = 0x74656462 ^ k1;
  return STATE;
}

/** Absorbs whole words of the text; returns what is left: one unit, or 0. */
function absorbText(state: Int32Array, text: string): number {
  const even = text.length & ~1;
  for (let i = 0; i < even; i += 2) {
    absorb(state, text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16));
  }
  return even < text.length ? text.charCodeAt(even) : 0;
}

function finish(state: Int32Array, last: number): Hash64 {
  absorb(state, last);
  state[2]! ^= 0xee;
  rounds(state, 4);
  const first = (state[1]! ^ state[3]!) >>> 0;
  state[1]! ^= 0xdd;
  rounds(state, 4);
  return { first, second: (state[1]! ^ state[3]!) >>> 0 };
}

/** The hash of one text. */
export function hashText(key: HashKey, text: string): Hash64 {
  const state = begin(key);
  const rest = absorbText(state, text);
  return finish(state, ((text.length * 2) << 24) | rest);
}

/** The hash of several texts in order; where one ends and the next begins counts. */
export function digestTexts(key: HashKey, texts: readonly string[]): Hash64 {
  const state = begin({ k0: ~key.k0, k1: ~key.k1 });
  for (const text of texts) {
    absorb(state, text.length);
    absorb(state, absorbText(state, text));
  }
  return finish(state, texts.length);
}

/** The key that follows from an account's id, which is random and not shown to clients. */
export function hashKeyOf(accountId: string): HashKey {
  const { first, second } = hashText({ k0: 0, k1: 0 }, accountId);
  return { k0: first | 0, k1: second | 0 };
}
