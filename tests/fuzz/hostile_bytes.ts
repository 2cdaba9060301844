/** Bytes that no encoder wrote: random ones, and valid ones that were cut, flipped or spliced. */
import fc from "fast-check";
import { CorruptBytes } from "../../shard/record/bytes.ts";

/** Runs of one property; `FUZZ_TIMES=100` makes them a hundred times as many, of other values each time. */
export function runs(count: number): { readonly numRuns: number } {
  return { numRuns: count * Number(Deno.env.get("FUZZ_TIMES") ?? 1) };
}

/** 2²⁵ (which a runtime allocates at once), 2³², 2⁴⁰, 2⁵³ − 1 and beyond, as varints. */
export const LENGTH_BOMBS: readonly Uint8Array[] = [
  [0x80, 0x80, 0x80, 0x10],
  [0x80, 0x80, 0x80, 0x80, 0x10],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x20],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
].map((bytes) => new Uint8Array(bytes));

/** `bytes` with `part` in the place of `drop` bytes at `at`. */
export function splice(
  bytes: Uint8Array,
  at: number,
  drop: number,
  part: Uint8Array,
): Uint8Array {
  const head = bytes.subarray(0, at);
  const tail = bytes.subarray(Math.min(bytes.length, at + drop));
  const out = new Uint8Array(head.length + part.length + tail.length);
  out.set(head);
  out.set(part, head.length);
  out.set(tail, head.length + part.length);
  return out;
}

type Mutation = (bytes: Uint8Array) => Uint8Array;

/** Places are fractions of the length, so that shrinking the bytes keeps them inside. */
const place = fc.integer({ min: 0, max: 9999 }).map((n) => n / 10_000);

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  place.map((p): Mutation => (b) => b.slice(0, Math.floor(p * b.length))),
  place.map((p): Mutation => (b) => b.slice(Math.floor(p * b.length))),
  fc.tuple(place, fc.integer({ min: 0, max: 7 })).map(([p, bit]): Mutation => (b) => {
    const out = b.slice();
    if (out.length > 0) out[Math.floor(p * out.length)]! ^= 1 << bit;
    return out;
  }),
  fc.tuple(place, fc.nat(255)).map(([p, value]): Mutation => (b) => {
    const out = b.slice();
    if (out.length > 0) out[Math.floor(p * out.length)] = value;
    return out;
  }),
  fc.tuple(place, fc.constantFrom(...LENGTH_BOMBS), fc.nat(2)).map(
    ([p, bomb, drop]): Mutation => (b) => splice(b, Math.floor(p * b.length), drop, bomb),
  ),
  fc.tuple(place, place, place).map(([p, q, r]): Mutation => (b) => {
    const [from, to] = [Math.min(q, r), Math.max(q, r)];
    const copied = b.slice(Math.floor(from * b.length), Math.floor(to * b.length));
    return splice(b, Math.floor(p * b.length), 0, copied);
  }),
);

/** Random bytes, and those of `valid` after one to four mutations. */
export function hostile(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const mutated = fc.tuple(valid, fc.array(mutation, { minLength: 1, maxLength: 4 }))
    .map(([bytes, steps]) => steps.reduce((b, step) => step(b), bytes));
  return fc.oneof(
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }) },
    { weight: 6, arbitrary: mutated },
  );
}

/** What `read` answers; null where it refused the bytes with the one error it may throw. */
export function readOrCorrupt<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof CorruptBytes) return null;
    throw error;
  }
}
