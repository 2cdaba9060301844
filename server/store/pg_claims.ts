/**
 * Claims to shards in PostgreSQL. A claim waits for the appends and checkpoints of its own shards that
 * are under way, and for no other change: while a shard changes hands, its users wait for its claim.
 */
import type { Claim, Done, Owned, StoreError } from "../node/ports.ts";
import type { NodeRef } from "../../shard/name/ids.ts";
import type { OwnClaims } from "./own_claims.ts";
import type { PgLane } from "./pg_lane.ts";
import { later, storeError } from "./pg_values.ts";

/** Shards of one call that are claimed at a time: less than there are lanes, so that reads go on. */
const CLAIMS_AT_ONCE = 3;

/** What it needs of its store. */
export interface ClaimsHost {
  readonly mine: OwnClaims;
  /** The lane with the least to do of those for reads and claims. */
  idlest(): PgLane;
  /** The refusal of a store that is being closed; null while it is open. */
  readonly refusal: StoreError | null;
}

type Shards = readonly Pick<Claim, "shard">[];

/** See the head of this file. */
export class PgClaims {
  readonly #host: ClaimsHost;
  /** The shards of each write that is under way. */
  readonly #writes = new Set<Shards>();
  /** Claims that wait for writes. */
  #waiting: (() => void)[] = [];

  constructor(host: ClaimsHost) {
    this.#host = host;
  }

  /** A write of these shards begins; the returned function ends it. */
  writing(shards: Shards): () => void {
    this.#writes.add(shards);
    return () => {
      this.#writes.delete(shards);
      for (const start of this.#waiting.splice(0)) start();
    };
  }

  /** See `Store.claim`. */
  claim(claims: readonly Claim[], owner: NodeRef, done: Done<readonly (Owned | null)[]>): void {
    const ids = new Set(claims.map(({ shard }) => shard));
    const isWritten = () => [...this.#writes].some((w) => w.some(({ shard }) => ids.has(shard)));
    const start = () => {
      if (isWritten()) this.#waiting.push(start);
      else this.#run(claims, owner, done);
    };
    start();
  }

  /** One shard a statement: claims of several nodes cannot wait for each other in a circle. */
  #run(claims: readonly Claim[], owner: NodeRef, done: Done<readonly (Owned | null)[]>): void {
    const { mine } = this.#host;
    let failure = this.#host.refusal;
    if (failure !== null || claims.length === 0) return later(() => done(failure, []));
    const owned = claims.map((): Owned | null => null);
    let [next, underWay] = [0, 0];
    const one = () => {
      const at = next++;
      const { shard, epoch } = claims[at]!;
      const values = [shard, owner.id, owner.incarnation, epoch];
      underWay++;
      this.#host.idlest().run("claim", values, (error, [row]) => {
        underWay--;
        if (error !== null) {
          mine.voided([{ shard }]);
          failure ??= storeError(error);
        } else if (row !== undefined) {
          const raised = { shard, epoch: Number(row["epoch"]), head: Number(row["head"]) };
          mine.granted(raised);
          owned[at] = raised;
        }
        failure ??= this.#host.refusal;
        if (failure === null && next < claims.length) one();
        else if (underWay === 0) done(failure, failure === null ? owned : []);
      });
    };
    while (next < Math.min(CLAIMS_AT_ONCE, claims.length)) one();
  }
}
