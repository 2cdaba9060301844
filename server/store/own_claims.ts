/**
 * The claims of one process, where others claim shards of the same store: what it need not ask the
 * store for, and which claims an unknown outcome has voided.
 */
import type { Claim, Cut, StoreError } from "../node/ports.ts";

/** See the head of this file. */
export class OwnClaims {
  /** Epochs of the shards that this process has claimed or opened; null: void, to be claimed again. */
  readonly #epochs = new Map<number, number | null>();
  /** Shards whose claims others have raised, or that they have ended, as far as is known. */
  readonly #lost = new Set<number>();

  /** The refusal of a write that rests on these claims; null where all are current, as far as is known. */
  refusal(claims: readonly Claim[]): StoreError | null {
    const stale = claims.filter(({ shard, epoch }) => this.#epochs.get(shard) !== epoch);
    return stale.length === 0 ? null : fenced(stale.map(({ shard }) => shard));
  }

  /** Throws where a log of a shard of this process is cut without its claim. */
  checkCuts(claims: readonly Claim[], cuts: readonly Cut[]): void {
    for (const { log } of cuts) {
      const mine = this.#epochs.has(log) && !this.#lost.has(log);
      if (mine && !claims.some(({ shard }) => shard === log)) {
        throw new Error(`checkpoint: the log of shard ${log} is cut without its claim`);
      }
    }
  }

  granted({ shard, epoch }: Claim): void {
    this.#epochs.set(shard, epoch);
    this.#lost.delete(shard);
  }

  /** These shards exist, at these epochs: the logs of others may be cut without a claim. */
  learn(holders: readonly Claim[]): void {
    const epochs = new Map(holders.map(({ shard, epoch }) => [shard, epoch]));
    for (const [shard, epoch] of this.#epochs) {
      if (epochs.get(shard) !== epoch) this.#lost.add(shard);
    }
  }

  /** What these claims are worth is not known. */
  voided(claims: readonly Pick<Claim, "shard">[]): void {
    for (const { shard } of claims) this.#epochs.set(shard, null);
  }

  /** The shards have ended. */
  ended(claims: readonly Pick<Claim, "shard">[]): void {
    for (const { shard } of claims) this.#epochs.delete(shard);
  }
}

/** A refusal that names shards. */
export function fenced(shards: readonly number[]): StoreError {
  const message = `The claims to shards ${shards.join(", ")} are not current.`;
  return { kind: "fenced", message, shards };
}
