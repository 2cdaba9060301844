/** What the shards of one name in different cells say to each other. */
import type { CellName } from "../name/ids.ts";
import type { Ask, Vote } from "./caspaxos.ts";
import { ballot, cellName, type Home, home, homeOrNone } from "./name_register.ts";
import type { Schema } from "../record/schema.ts";
import { union, variant } from "../record/struct.ts";

/** See the head of this file. */
export type NameMessage =
  /** To a voter. */
  | Ask<CellName>
  /** To the cell that has proposed. */
  | Vote<CellName>
  /** The voter knows a later list of voters: nothing is decided by the former one any more. */
  | { readonly kind: "outdated" }
  /** This home was decided; repeated until it is acknowledged. */
  | { readonly kind: "told"; readonly chosen: Home }
  | { readonly kind: "told_ack"; readonly chosen: Home }
  /** Which cell is the home of this name? */
  | { readonly kind: "where" }
  /** As far as the replying cell knows; null: it knows none. */
  | { readonly kind: "there"; readonly chosen: Home | null };

/** A message as a node sends it. */
export const NAME_MESSAGE = union("name message", {
  prepare: variant(0, { ballot }),
  accept: variant(1, { ballot, value: cellName }),
  promise: variant(2, { ballot, accepted: homeOrNone }),
  accepted: variant(3, { ballot }),
  refused: variant(4, { ballot, promised: ballot }),
  outdated: variant(5, {}),
  told: variant(6, { chosen: home }),
  told_ack: variant(7, { chosen: home }),
  where: variant(8, {}),
  there: variant(9, { chosen: homeOrNone }),
}) satisfies Schema<NameMessage>;
