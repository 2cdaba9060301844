/**
 * What a primary and a standby say to each other about a store: the writes in their order, and pages
 * of rows where the standby has others. Both streams keep their order; they end together.
 */
import type { Entry } from "./write_ring.ts";
import type { Position } from "./write_number.ts";
import type { Row, StoreKey } from "../node/ports.ts";

/** From the primary. */
export type ToStandby =
  /** The writes after the standby's position follow. */
  | { readonly kind: "continue" }
  /** The standby has this position from now on, and has to compare all its rows. */
  | { readonly kind: "compare"; readonly at: Position }
  | { readonly kind: "write"; readonly entry: Entry }
  /** The rows of the range that was asked for as `n` are the standby's. */
  | { readonly kind: "same"; readonly n: number }
  /**
   * All rows after the key that was asked for as `n`, up to `upTo` (null: to the end), but for those
   * that writes before this frame have changed meanwhile: their keys are in `kept`.
   */
  | {
    readonly kind: "page";
    readonly n: number;
    readonly upTo: StoreKey | null;
    readonly rows: readonly Row[];
    readonly kept: readonly StoreKey[];
  }
  /** After all writes that pages may have shown: with this one the standby is equal. */
  | { readonly kind: "equal"; readonly n: number };

/** From the standby, which numbers what it asks for: a reply to something older is void. */
export type FromStandby =
  /** Opens the stream; `position` is null where the standby has never followed a store. */
  | { readonly kind: "hello"; readonly position: Position | null }
  /** Writes up to here are durable. */
  | { readonly kind: "ack"; readonly at: Position; readonly filling: boolean }
  /** Compare the range after `after` up to `upTo`: the standby has `count` rows with this digest. */
  | {
    readonly kind: "range";
    readonly n: number;
    readonly after: StoreKey | null;
    readonly upTo: StoreKey | null;
    readonly count: number;
    readonly digest: Uint8Array;
  }
  /** All ranges were compared. */
  | { readonly kind: "compared"; readonly n: number };

/** Rows that are compared at once, at most. */
export const RANGE_ROWS = 400;
/** Bytes of values from which on a page ends. */
export const PAGE_BYTES = 256 * 1024;
