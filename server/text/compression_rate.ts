/** How much is compressed for single requests: beyond it responses leave as they are. */
import { type BucketRate, takeTokens, waitForTokens } from "../../shard/token_bucket.ts";

/**
 * Bytes that are compressed in a second, a fifth of a core, and at once. To compress a response costs
 * many times what it takes to make it, so that a few clients that ask for large ones could keep all
 * cores busy with it.
 */
const BYTES_PER_SECOND = 4_000_000;
const BYTES_BURST = 16_000_000;
const RATE: BucketRate = { tokenMs: 1000 / BYTES_PER_SECOND, burst: BYTES_BURST };

/** See the head of this file. */
export class CompressionRate {
  readonly #clock: { monoMs(): number };
  #fullAtMs = 0;

  constructor(clock: { monoMs(): number }) {
    this.#clock = clock;
  }

  /** Takes for a response of so many bytes; false where it is not to be compressed. */
  readonly take = (bytes: number): boolean => {
    const nowMs = this.#clock.monoMs();
    if (waitForTokens(RATE, this.#fullAtMs, nowMs, bytes) > 0) return false;
    this.#fullAtMs = takeTokens(RATE, this.#fullAtMs, nowMs, bytes);
    return true;
  };
}
