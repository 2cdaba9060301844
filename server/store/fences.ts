/** Who may write for which shard: what the store checks before it appends, and its stored form. */
import { ByteReader, ByteWriter, CorruptBytes } from "../../shard/record/bytes.ts";
import type { Claim, Holder, LogBatch, Opening } from "../node/ports.ts";
import type { NodeRef } from "../../shard/name/ids.ts";
import { list, uint } from "../../shard/record/schema.ts";
import { nodeRef } from "../../shard/record/fields.ts";
import { readVersion, struct } from "../../shard/record/struct.ts";

/** The state of one shard. */
export interface Fence {
  epoch: number;
  owner: NodeRef | null;
  /** The first LSN of its log. */
  readonly start: number;
  /** LSN of the last record; null while it is not known: then no claim is current. */
  head: number | null;
}

const VERSION = 1;

/** All fences. `owner` is the position of the owner in `owners`, from 1 on; 0: none. */
const CLAIMS = struct({
  owners: list(nodeRef),
  shards: list(struct({ shard: uint, epoch: uint, start: uint, owner: uint })),
});

/** The shards that have not ended, by id. */
export class Fences {
  readonly #shards: Map<number, Fence>;

  constructor(shards: Iterable<readonly [number, Fence]> = []) {
    this.#shards = new Map(shards);
  }

  get(shard: number): Fence | undefined {
    return this.#shards.get(shard);
  }

  set(shard: number, fence: Fence): void {
    this.#shards.set(shard, fence);
  }

  delete(shard: number): void {
    this.#shards.delete(shard);
  }

  /** Begins a shard whose log is empty. */
  open({ shard, epoch, owner, start }: Opening): void {
    this.#shards.set(shard, { epoch, owner, start, head: start - 1 });
  }

  /** Whether the claim is the newest of its shard. */
  isCurrent({ shard, epoch }: Claim): boolean {
    const fence = this.#shards.get(shard);
    return fence !== undefined && fence.epoch === epoch && fence.head !== null;
  }

  /** Whether the batch may be appended. */
  admits(batch: LogBatch): boolean {
    return this.isCurrent(batch) && this.#shards.get(batch.shard)!.head === batch.from - 1;
  }

  /** All shards, ascending. */
  holders(): readonly Holder[] {
    return [...this.#shards].map(([shard, { epoch, owner }]) => ({ shard, epoch, owner }))
      .sort((a, b) => a.shard - b.shard);
  }

  copy(): Fences {
    return new Fences([...this.#shards].map(([shard, fence]) => [shard, { ...fence }]));
  }

  /** Takes over the heads that `known` has of shards whose epochs are the same. */
  keepHeads(known: Fences): void {
    for (const [shard, fence] of this.#shards) {
      const before = known.get(shard);
      if (before?.epoch === fence.epoch) fence.head = before.head;
    }
  }

  /** The stored form; heads are not stored: the logs have them. */
  encode(): Uint8Array {
    const owners: NodeRef[] = [];
    const indexOf = (owner: NodeRef | null) => {
      if (owner === null) return 0;
      const same = (o: NodeRef) => o.id === owner.id && o.incarnation === owner.incarnation;
      const at = owners.findIndex(same);
      return at < 0 ? owners.push(owner) : at + 1;
    };
    const shards = [...this.#shards].map(([shard, f]) => ({
      shard,
      ...f,
      owner: indexOf(f.owner),
    }));
    const w = new ByteWriter().u8(VERSION);
    CLAIMS.write(w, { owners, shards });
    return w.take();
  }

  /** Reads what `encode` wrote; throws `CorruptBytes` where that is something else. */
  static decode(bytes: Uint8Array): Fences {
    const r = new ByteReader(bytes);
    readVersion(r, "claims", VERSION);
    const { owners, shards } = CLAIMS.read(r);
    const fences = new Fences();
    for (const { shard, epoch, start, owner: index } of shards) {
      const owner = index === 0 ? null : owners[index - 1];
      if (owner === undefined) throw new CorruptBytes(`claims: shard ${shard} has no owner`);
      fences.set(shard, { epoch, owner, start, head: null });
    }
    return fences;
  }
}
