/** What the shards of this node have to do, averaged over the last seconds. */
import type { Shard } from "../../shard/step/shard.ts";

/** After so long a load that is gone counts half (ms). */
const HALF_MS = 10_000;

/** The load of a shard. */
export interface MeasuredLoad {
  readonly shard: number;
  /** Inputs a second. */
  readonly perSecond: number;
  /** For how long its present owner has measured it (ms). */
  readonly measuredMs: number;
}

interface Sample {
  readonly sinceMs: number;
  atMs: number;
  inputs: number;
  perSecond: number;
}

/** See the head of this file. */
export class LoadMeter {
  readonly #samples = new Map<Shard, Sample>();

  /** Takes a sample of these shards, and forgets the others. */
  sample(nowMs: number, shards: readonly Shard[]): void {
    const now = new Set(shards);
    for (const shard of this.#samples.keys()) if (!now.has(shard)) this.#samples.delete(shard);
    for (const shard of shards) {
      const { inputs } = shard;
      const before = this.#samples.get(shard);
      if (before === undefined) {
        this.#samples.set(shard, { sinceMs: nowMs, atMs: nowMs, inputs, perSecond: 0 });
      } else if (nowMs > before.atMs) average(before, nowMs, inputs);
    }
  }

  /** The loads at the last sample. */
  get loads(): readonly MeasuredLoad[] {
    return [...this.#samples].map(([{ id }, { sinceMs, atMs, perSecond }]) => ({
      shard: id,
      perSecond,
      measuredMs: atMs - sinceMs,
    }));
  }
}

/** A new shard's load is the mean since it is measured, until that is longer than the average. */
function average(sample: Sample, nowMs: number, inputs: number): void {
  const ms = nowMs - sample.atMs;
  const perSecond = (inputs - sample.inputs) * 1000 / ms;
  const part = Math.max(1 - 0.5 ** (ms / HALF_MS), ms / (nowMs - sample.sinceMs));
  sample.perSecond += (perSecond - sample.perSecond) * part;
  sample.atMs = nowMs;
  sample.inputs = inputs;
}
