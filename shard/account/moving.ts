/**
 * What the records of a move to another cell change: in the cell that the account leaves, and in the one
 * that it comes to, where nobody can see it before it is at home there.
 */
import type { AccountId, MailboxId } from "../name/ids.ts";
import { type Account, AccountState } from "./account.ts";
import type { Entry } from "./records.ts";
import { emptyAccount } from "./clear_account.ts";
import { CorruptBytes } from "../record/bytes.ts";
import { decodeAway } from "./away.ts";
import { isComplete } from "./arrival.ts";
import { missingRows, rowText } from "./moved_rows.ts";
import type { MovedRowId } from "../federation/move_message.ts";

type MovingEntry = Entry & {
  readonly kind:
    | "leaving"
    | "staying"
    | "left"
    | "arriving"
    | "arriving_row"
    | "arriving_head"
    | "arrived"
    | "arrival_dropped";
};

/** Changes an account as the record says. */
export function applyMoving(account: AccountState, e: MovingEntry): void {
  switch (e.kind) {
    case "leaving": {
      const { move, to, attempt, deciding } = e;
      account.leaving = { move, to, attempt, deciding };
      return;
    }
    case "staying":
      account.leaving = null;
      return;
    case "left":
      return applyLeft(account);
    case "arriving":
      return applyArriving(account, e);
    case "arriving_row":
    case "arriving_head":
      return applyPart(account, e);
    case "arrived":
      return applyArrived(account);
    case "arrival_dropped":
      return dropArrival(account);
  }
}

/** As if there never had been an account, but for the register of the name. */
export function applyLeft(account: AccountState): void {
  for (const { to } of account.outbox.values()) account.runtime.forgetProgress(to);
  emptyAccount(account);
  account.runtime.owed.clear();
}

/** Rows of an earlier move of the same account are good for this one. */
function applyArriving(account: AccountState, e: MovingEntry & { kind: "arriving" }): void {
  const { move, from, id } = e;
  const before = account.arrival;
  if (before !== null && before.id !== id) dropArrival(account);
  const rows = before?.id === id ? before.rows : [];
  const mailboxId = "" as MailboxId;
  account.arrival = { move, from, id, rows, attempt: 0, parts: [], mailboxId };
}

function applyPart(
  account: AccountState,
  e: MovingEntry & { kind: "arriving_row" | "arriving_head" },
): void {
  const { arrival } = account;
  if (arrival === null) throw new Error(`account ${account.name}: a part of no arrival`);
  if (e.kind === "arriving_row") {
    const { table, number } = e;
    const known = arrival.rows.some((row) => row.table === table && row.number === number);
    if (!known) account.arrival = { ...arrival, rows: [...arrival.rows, { table, number }] };
    account.arriving.set(`${table} ${number}`, { table, number, bytes: e.bytes });
    return;
  }
  const { attempt, part, mailboxId } = e;
  const same = attempt === arrival.attempt;
  const parts = same ? [...arrival.parts] : new Array<undefined>(e.parts).fill(undefined);
  parts[part] = e.bytes;
  account.arrival = { ...arrival, attempt, mailboxId, parts };
  account.arriving.set(`u ${part}`, { table: "u", number: part, bytes: e.bytes });
}

function joined(parts: readonly (Uint8Array | undefined)[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part!.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part!, at);
    at += part!.length;
  }
  return all;
}

/**
 * Why an account cannot be here although all parts of its head have arrived: this program cannot read
 * the head, or rows that it names have not arrived, or were dropped since.
 */
export function arrivalFault(of: Account): "unreadable" | "incomplete" | null {
  const { arrival, name, point, dedupe, headShape } = of as AccountState;
  const { parts, rows } = arrival!;
  const account = new AccountState(name, point, dedupe.shape, headShape);
  try {
    decodeAway(account, joined(parts));
  } catch (error) {
    if (error instanceof CorruptBytes) return "unreadable";
    throw error;
  }
  return missingRows(account, new Set(rows.map(rowText))).length > 0 ? "incomplete" : null;
}

/** The account is here from now on. */
function applyArrived(account: AccountState): void {
  const { arrival, runtime } = account;
  if (arrival === null || !isComplete(arrival)) {
    throw new Error(`account ${account.name}: arrived without all of its parts`);
  }
  decodeAway(account, joined(arrival.parts));
  account.mailbox.id = arrival.mailboxId;
  account.arrival = null;
  const blocks = new Set(account.mailbox.blocks.map(({ first }) => first));
  const { stored } = account.dedupe;
  const isNeeded = ({ table, number }: MovedRowId) =>
    table === "m"
      ? blocks.has(number)
      : stored.some((r) => r.table === table && r.from <= number && number < r.to);
  purge(account, arrival.id, arrival.rows.filter((row) => !isNeeded(row)));
  for (const { table, number, bytes } of account.arriving.values()) {
    if (table === "m") account.mailbox.unsaved.set(number, bytes);
    else if (table !== "u") account.dedupe.hold({ table, number, value: bytes });
  }
  account.arriving.clear();
  runtime.measured = false;
}

/** What has arrived of an account is not wanted any more. */
export function dropArrival(account: AccountState): void {
  const { arrival } = account;
  if (arrival === null) return;
  account.arrival = null;
  account.arriving.clear();
  purge(account, arrival.id, arrival.rows);
}

/** These rows are to be deleted. */
function purge(account: AccountState, id: AccountId, rows: readonly MovedRowId[]): void {
  for (const { table, number } of rows) account.arriving.delete(`${table} ${number}`);
  const blocks = rows.filter(({ table }) => table === "m").map(({ number }) => number);
  const dedupe = rows.filter(({ table }) => table === "d").map(({ number }) => number);
  if (blocks.length + dedupe.length > 0) account.purge.push({ id, blocks, dedupe });
  for (const { table, number } of rows) {
    if (table === "h") account.purgedRanges.push({ id, table, from: number, to: number + 1 });
  }
}
