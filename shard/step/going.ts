/** What a shard notes of the move of an account to another cell besides what is durable of it. */
import type { Account } from "../account/account.ts";
import type { AccountAccess } from "./account_access.ts";
import type { Carried } from "./names.ts";
import type { AccountId, CellName } from "../name/ids.ts";
import type { Effect } from "../effects.ts";
import type { MoveMessage, MoveView } from "../federation/move_message.ts";
import type { Proxies } from "./proxies.ts";
import type { Requests } from "./requests.ts";

/** What moves need of their shard. */
export interface MovesParts {
  readonly accounts: AccountAccess;
  readonly requests: Requests;
  readonly proxies: Proxies;
  /** Goes on deciding that the home of the account is the cell that it moves to. */
  decide(account: Account): void;
  /** Tells a cell the home of the name. */
  tellHome(account: Account, cell: CellName): void;
  /** Takes a packet that was held. */
  packet(carried: Carried): void;
}

/**
 * What stands in the id of a move that has begun anew, with how often: what its target had before is
 * not to be kept. Each time has an id of its own, or messages of one that overtake those of another
 * would be taken for its own.
 */
const RESTARTED = /^(?<base>.*)\*(?<count>[0-9]*)$/s;

/** The first id of a move, and how often it has begun anew. Earlier programs have counted to one. */
function counted(move: string): { readonly base: string; readonly count: number } {
  const { base = move, count } = RESTARTED.exec(move)?.groups ?? {};
  return { base, count: count === undefined ? 0 : Number(count || 1) };
}

/** The id of a move that begins anew. */
export function restarted(move: string): string {
  const { base, count } = counted(move);
  return `${base}*${count + 1}`;
}

/** Whether a move has begun anew. */
export function isRestarted(move: string): boolean {
  return counted(move).count > 0;
}

/** Whether a move has begun anew since it had this id. */
export function isFormerId(move: string, latest: string): boolean {
  const [a, b] = [counted(move), counted(latest)];
  return a.base === b.base && a.count < b.count;
}

/** One move on its way; in memory only. */
export interface Going {
  readonly move: string;
  phase: Exclude<MoveView["phase"], "moved">;
  tries: number;
  /** When something is said again (monotonic ms). */
  atMs: number;
  /** Rows that the target has. */
  readonly has: Set<string>;
  /** Rows on their way to it. */
  sent: (MoveMessage & { readonly kind: "rows" }) | null;
  batch: number;
  /** Since when the account is frozen (monotonic ms); null: it is not. */
  frozenMs: number | null;
  /** How often it was frozen. */
  freezes: number;
  /** Rows could not be read at last: until they can, it is not frozen for them. */
  unread: boolean;
  /** Its head as it was frozen. */
  head: readonly MoveMessage[];
  readonly held: Carried[];
  /** Why the target does not take it now. */
  refused: MoveView["refused"] | null;
}

/** A move that begins, or goes on. */
export function newGoing(move: string, phase: Going["phase"], atMs: number): Going {
  return {
    move,
    phase,
    tries: 0,
    atMs,
    has: new Set(),
    sent: null,
    batch: 0,
    frozenMs: null,
    freezes: 0,
    unread: false,
    head: [],
    held: [],
    refused: null,
  };
}

type LoadRows = Effect & { readonly kind: "load_rows" };

/** Asks for rows of an account as they are stored. */
export function loadOf(
  { id, name, point }: Account,
  of: Pick<LoadRows, "generation" | "move" | "rows">,
): LoadRows {
  return { kind: "load_rows", name, point, id: id as AccountId, ...of };
}
