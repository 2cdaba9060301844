/**
 * Accounts of other cells that move to this shard. What they bring is durable before it is acknowledged,
 * and nobody sees it before the cells have decided that this one is the home.
 */
import type { Account } from "../account/account.ts";
import type { AccountAccess } from "./account_access.ts";
import type { AccountName, CellName } from "../name/ids.ts";
import type { Cells } from "../federation/cells.ts";
import { homeOf } from "../account/home.ts";
import { HEAD_PART_BYTES } from "../account/moved_rows.ts";
import { isComplete } from "../account/arrival.ts";
import { arrivalFault } from "../account/moving.ts";
import { isFormerId, isRestarted } from "./going.ts";
import { type MoveMessage, ROW_NUMBER_MAX } from "../federation/move_message.ts";
import { owesDeletes } from "../account/checkpoint.ts";
import type { Proxies } from "./proxies.ts";
import type { Requests } from "./requests.ts";
import type { ShardPacket } from "../message/packets.ts";
import { shownMailboxId } from "../mailbox/restored.ts";
import { sayMove } from "./say_move.ts";
import type { ShardTurn } from "./shard_turn.ts";
import { spreadOf } from "../retry.ts";

/** When an account may be offered again of which rows are still being deleted here (ms). */
const DELETING_MS = 1000;
/** Bytes of rows of one account that may wait for their checkpoint. */
const UNSAVED_BYTES_MAX = 2 * 1024 * 1024;
/** Parts of a head at most: what would make a longer list is no head. */
const HEAD_PARTS_MAX = 512;
/** When an account whose head this program cannot read may be offered again (ms). */
const UNREADABLE_MS = 60_000;
/** How long nothing may come of a move before its source is asked whether it goes on (ms). */
const SILENT_MS = 10_000;

/** What arrivals need of their shard. */
export interface ArrivalsParts {
  readonly accounts: AccountAccess;
  readonly proxies: Proxies;
  readonly requests: Pick<Requests, "moveEnded">;
}

type MovePacket = ShardPacket & { readonly kind: "move" };
type Said<K extends MoveMessage["kind"]> = MoveMessage & { readonly kind: K };

/** See the head of this file. */
export class Arrivals {
  readonly #turn: ShardTurn;
  readonly #cells: Cells;
  readonly #parts: ArrivalsParts;
  /** Accounts that are arriving, and when their sources are asked (monotonic ms). */
  readonly #asks = new Map<AccountName, number>();

  constructor(turn: ShardTurn, cells: Cells, parts: ArrivalsParts) {
    this.#turn = turn;
    this.#cells = cells;
    this.#parts = parts;
  }

  /** Whether a `tick` has anything to look at. */
  get ticking(): boolean {
    return this.#asks.size > 0;
  }

  /** Forgets what is in memory only. */
  forget(): void {
    this.#asks.clear();
  }

  /** An account is in memory. Where it is decided already that it is here, nobody gets it before. */
  loaded(account: Account): void {
    if (account.arrival === null) return;
    this.#noteSigns(account.name);
    if (!this.#isHome(account)) return;
    this.#turn.accounts.freeze(account);
    this.#asks.set(account.name, 0);
  }

  #isHome(account: Account): boolean {
    const { arrival } = account;
    const home = homeOf(account, this.#cells.self)?.value;
    return arrival !== null && isComplete(arrival) && home === this.#cells.self;
  }

  #noteSigns(name: AccountName): void {
    const { now } = this.#turn;
    this.#asks.set(name, now.mono + SILENT_MS * (1 + spreadOf(name, 1)));
  }

  /** Asks the sources of those of which nothing has come for a while. */
  tick(): void {
    const { accounts, now, writable } = this.#turn;
    if (!writable) return;
    for (const [name, atMs] of this.#asks) {
      if (atMs > now.mono) continue;
      const account = accounts.frozen(name) ?? accounts.peek(name);
      if (account === undefined) {
        this.#noteSigns(name);
        this.#parts.accounts.whenLoaded([name], () => {});
      } else if (account.arrival === null) this.#asks.delete(name);
      else if (this.#isHome(account)) this.decided(account);
      else {
        const { from, move } = account.arrival;
        this.#noteSigns(name);
        this.#say(account, from, { kind: "ask", move });
      }
    }
  }

  #say(account: Account, cell: CellName, message: MoveMessage): void {
    sayMove(this.#turn, this.#cells, account, cell, message);
  }

  /** Takes what the source of a move says. */
  said(account: Account, { cell, message }: MovePacket): void {
    if (message.kind === "offer") return this.#offered(account, cell, message);
    const { arrival } = account;
    if (arrival?.move !== message.move || arrival.from !== cell) return;
    this.#noteSigns(account.name);
    switch (message.kind) {
      case "rows":
        return this.#rows(account, cell, message);
      case "head":
        return this.#head(account, cell, message);
      case "drop":
        if (this.#isHome(account)) return;
        this.#drop(account);
        this.#asks.delete(account.name);
    }
  }

  #drop(account: Account): void {
    if (account.arrival !== null) this.#turn.append(account, { kind: "arrival_dropped" });
  }

  #offered(account: Account, cell: CellName, { move, id }: Said<"offer">): void {
    const { self } = this.#cells;
    const refuse = (reason: "busy" | "taken", retryAfterMs: number) =>
      this.#say(account, cell, { kind: "refused", move, reason, retryAfterMs });
    if (account.state !== "absent" || homeOf(account, self)?.value === self) {
      return refuse("taken", 0);
    }
    const { arrival } = account;
    if (arrival !== null && isFormerId(move, arrival.move)) return;
    if (arrival?.move !== move) {
      // Blocks have changed since: none of before is good for it.
      if (isRestarted(move)) this.#drop(account);
      // Rows that the account had here before have the same keys.
      if (owesDeletes(account)) return refuse("busy", DELETING_MS);
      this.#turn.append(account, { kind: "arriving", move, from: cell, id });
    }
    this.#noteSigns(account.name);
    this.#say(account, cell, { kind: "welcome", move, rows: account.arrival!.rows });
  }

  #rows(account: Account, cell: CellName, { move, batch, rows }: Said<"rows">): void {
    if (rows.some((row) => row.number > ROW_NUMBER_MAX)) return;
    let waiting = 0;
    for (const { bytes } of account.arriving.values()) waiting += bytes.length;
    // The source sends them again.
    if (waiting > UNSAVED_BYTES_MAX) return;
    const has = new Set(account.arrival!.rows.map(({ table, number }) => `${table} ${number}`));
    for (const row of rows) {
      if (has.has(`${row.table} ${row.number}`)) continue;
      this.#turn.append(account, { kind: "arriving_row", ...row });
    }
    this.#say(account, cell, { kind: "taken", move, batch });
  }

  #head(account: Account, cell: CellName, message: Said<"head">): void {
    const { move, attempt, part, parts, bytes } = message;
    const { arrival } = account;
    if (attempt < arrival!.attempt || part >= parts) return;
    if (parts > HEAD_PARTS_MAX || bytes.length > HEAD_PART_BYTES) return;
    if (attempt === arrival!.attempt && parts !== arrival!.parts.length) return;
    if (attempt > arrival!.attempt || arrival!.parts[part] === undefined) {
      const { restoreTag } = this.#turn.limits;
      // What clients know it by stays: see `shownMailboxId`, which is its own inverse.
      const mailboxId = shownMailboxId(message.mailboxId, restoreTag);
      const entry = { kind: "arriving_head", attempt, part, parts, mailboxId, bytes } as const;
      this.#turn.append(account, entry);
    }
    if (!isComplete(account.arrival!)) return;
    // Of another version of the program, say: once the account has left there, it must be readable here.
    const reason = arrivalFault(account);
    if (reason === null) return this.#say(account, cell, { kind: "staged", move, attempt });
    // The source freezes it no longer when nothing is staged, and asks anew which rows are here.
    if (reason === "incomplete") return;
    this.#say(account, cell, { kind: "refused", move, reason, retryAfterMs: UNREADABLE_MS });
  }

  /** The home of a name is decided: where it is this cell, the account is here from now on. */
  decided(account: Account): void {
    if (!this.#isHome(account)) return;
    this.#turn.append(account, { kind: "arrived" });
    this.#turn.emit(account, { kind: "moved", outcome: "arrived" });
    this.#asks.delete(account.name);
    this.#turn.accounts.thaw(account);
    this.#parts.proxies.arrive(account);
    this.#parts.accounts.schedule(account);
    // Where the decision was known before, everybody has found it missing.
    this.#parts.requests.moveEnded(account.name);
  }
}
