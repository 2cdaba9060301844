/** What of an account moves to another cell: its rows, and its head in parts. */
import type { Account } from "./account.ts";
import { encodeAway } from "./away.ts";
import type { MailboxId } from "../name/ids.ts";
import type { MovedRow, MovedRowId, MoveMessage } from "../federation/move_message.ts";

/** Bytes of the rows of one packet. */
const ROWS_BYTES_MAX = 64 * 1024;
/** Bytes of a part of a head: a record of the log has one. */
export const HEAD_PART_BYTES = 48 * 1024;

/** A row that was looked for. */
export type FoundRow = MovedRowId & { readonly bytes: Uint8Array | null };

/** A row's table and number, as one text. */
export function rowText({ table, number }: MovedRowId): string {
  return `${table} ${number}`;
}

/** Rows of the account that are not in `has`, ascending within each table. */
export function missingRows(account: Account, has: ReadonlySet<string>): readonly MovedRowId[] {
  const rows: MovedRowId[] = account.mailbox.blocks.map(({ first }) => ({
    table: "m",
    number: first,
  }));
  for (const { table, from, to } of account.dedupe.stored) {
    for (let number = from; number < to; number++) rows.push({ table, number });
  }
  for (const { number } of account.dedupe.former) rows.push({ table: "d", number });
  return rows.filter((row) => !has.has(rowText(row)));
}

/** Those of the rows that may not be stored yet; the bytes of others are null. */
export function unsavedRows(account: Account, rows: readonly MovedRowId[]): readonly FoundRow[] {
  return rows.map((row) => {
    const { table, number } = row;
    const bytes = table === "m"
      ? account.mailbox.unsaved.get(number) ?? account.mailbox.saving.get(number)
      : account.dedupe.unsavedRow(table, number);
    return { ...row, bytes: bytes ?? null };
  });
}

/** The rows of one packet, of those that were found. */
export function packetOf(found: readonly FoundRow[]): readonly MovedRow[] {
  const rows: MovedRow[] = [];
  let size = 0;
  for (const { table, number, bytes } of found) {
    if (bytes === null || size > 0 && size + bytes.length > ROWS_BYTES_MAX) continue;
    size += bytes.length;
    rows.push({ table, number, bytes });
  }
  return rows;
}

/** The head of the account in parts; `mailboxId`: the id of its mailbox as clients know it. */
export function headParts(
  account: Account,
  of: { readonly move: string; readonly attempt: number; readonly mailboxId: MailboxId },
): readonly MoveMessage[] {
  const head = encodeAway(account);
  const parts = Math.max(1, Math.ceil(head.length / HEAD_PART_BYTES));
  return Array.from({ length: parts }, (_, part) => ({
    kind: "head",
    ...of,
    part,
    parts,
    bytes: head.slice(part * HEAD_PART_BYTES, (part + 1) * HEAD_PART_BYTES),
  }));
}
