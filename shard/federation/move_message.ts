/**
 * What the shards of a name in two cells say to each other while the home of its account moves from
 * one to the other. The source repeats what is not acknowledged.
 */
import { cellName } from "./name_register.ts";
import { accountId, mailboxId } from "../record/fields.ts";
import { bytes, list, oneOf, type Schema, text, type TypeOf, uint } from "../record/schema.ts";
import { struct, union, variant } from "../record/struct.ts";

/** Tables of rows that move beside the head: mailbox blocks, dedupe blocks, rows of hashes. */
export const ROW_TABLES = ["m", "d", "h"] as const;

/** Highest number of a row that is taken: beyond it a range of rows could not be written. */
export const ROW_NUMBER_MAX = 2 ** 50;

/** A row's table and its number in it. */
export interface MovedRowId {
  readonly table: typeof ROW_TABLES[number];
  readonly number: number;
}

/** A row as it is stored. */
export interface MovedRow extends MovedRowId {
  readonly bytes: Uint8Array;
}

/** The table of a row. */
export const rowTable = oneOf("table of a moved row", ROW_TABLES);

/** A row without its bytes. */
export const MOVED_ROW_ID: Schema<MovedRowId> = struct({ table: rowTable, number: uint });

/** A row with its bytes. */
export const MOVED_ROW: Schema<MovedRow> = struct({ table: rowTable, number: uint, bytes });

/** A part of an account's head; `mailboxId`: the id of its mailbox as clients know it. */
export const HEAD_PART = { attempt: uint, part: uint, parts: uint, mailboxId, bytes };

/** Why a cell does not take an account now. */
export const REFUSALS = ["busy", "taken", "witness", "unreadable"] as const;

const MESSAGES = {
  /** To the target: the account `id` is to move there. Replied to with `welcome` or `refused`. */
  offer: variant(0, { move: text, id: accountId }),
  /** Rows of it; acknowledged by `taken`. */
  rows: variant(1, { move: text, batch: uint, rows: list(MOVED_ROW) }),
  /** A part of its head, frozen for the `attempt`; `staged` once all parts are durable. */
  head: variant(2, { move: text, ...HEAD_PART }),
  /** The move was given up. */
  drop: variant(3, { move: text }),
  /** To the source: the move may begin; the target has these rows already. */
  welcome: variant(4, { move: text, rows: list(MOVED_ROW_ID) }),
  refused: variant(5, {
    move: text,
    reason: oneOf("refusal of a move", REFUSALS),
    retryAfterMs: uint,
  }),
  taken: variant(6, { move: text, batch: uint }),
  staged: variant(7, { move: text, attempt: uint }),
  /** Does this move go on? Replied to with `drop` where the source does not know it. */
  ask: variant(8, { move: text }),
};

/** See the head of this file. */
export const MOVE_MESSAGE = union("move message", MESSAGES);

/** See the head of this file. */
export type MoveMessage = TypeOf<typeof MOVE_MESSAGE>;

/** The move of an account to another cell, as its source remembers it. */
export interface Leaving {
  readonly move: string;
  readonly to: TypeOf<typeof cellName>;
  /** How often its head was frozen; each time has its own number. */
  readonly attempt: number;
  /** The target has everything: the cells decide, and until they have, the account is frozen. */
  readonly deciding: boolean;
}

/** The move of an account to another cell, for those who ask. */
export interface MoveView {
  readonly to: TypeOf<typeof cellName>;
  /** `moved`: it is at home there. Until `freezing` it goes on as ever. */
  readonly phase: "offering" | "copying" | "freezing" | "deciding" | "moved";
  /** Why that cell does not take it now. */
  readonly refused?: typeof REFUSALS[number];
}
