/**
 * Accounts of this shard that move to another cell. Their rows are copied while they go on; then the
 * account is frozen, its head follows, and once the target has everything the cells decide by majority
 * that it is the home. From then on it is, and what arrives here is passed on.
 *
 * What must not be forgotten is in the log: that the account moves, the number of each freeze, and
 * that the cells decide. A freeze without a decision is in memory only: a crash ends it, and the move
 * begins again with what the target has by then.
 */
import type { Account } from "../account/account.ts";
import type { AccountId, AccountName, CellName } from "../name/ids.ts";
import { Arrivals } from "./arrivals.ts";
import type { Carried } from "./names.ts";
import type { Cells } from "../federation/cells.ts";
import { type Going, isRestarted, loadOf, type MovesParts, newGoing, restarted } from "./going.ts";
import {
  type FoundRow,
  headParts,
  missingRows,
  packetOf,
  rowText,
  unsavedRows,
} from "../account/moved_rows.ts";
import { eraOf, homeOf } from "../account/home.ts";
import type { MovedRowId, MoveMessage } from "../federation/move_message.ts";
import { noteLeaving } from "../handlers/last_seen.ts";
import { rightsOf } from "../account/rights.ts";
import type { ShardInput } from "../effects.ts";
import type { ShardPacket } from "../message/packets.ts";
import { shownMailboxId } from "../mailbox/restored.ts";
import { sayMove } from "./say_move.ts";
import type { ShardTurn } from "./shard_turn.ts";
import { spreadOf } from "../retry.ts";

/** Rows that may be missing at the target when the account is frozen. */
const FROZEN_ROWS_MAX = 4;
/** Rows that are read at once. */
const ROWS_MAX = 16;
/** How long an account may be frozen before the cells decide (ms): then it goes on for as long, … */
const FROZEN_MS = 3000;
/** … twice as long after each further time, so many times. */
const DOUBLINGS_MAX = 4;
/** How long rows that cannot be read are waited for (ms). */
const UNREAD_MS = 500;
/** Times that rows are sent in a row before the target is asked anew what it has: it may have lost them. */
const SENT_MAX = 8;
/** How often the decision is looked at (ms). */
const DECIDE_MS = 100;
/** Packets that wait for the end of one freeze. */
const HELD_MAX = 64;

type MovePacket = ShardPacket & { readonly kind: "move" };

/** See the head of this file. */
export class Moves {
  readonly #turn: ShardTurn;
  readonly #cells: Cells;
  readonly #parts: MovesParts;
  readonly #going = new Map<AccountName, Going>();
  readonly #arrivals: Arrivals;

  constructor(turn: ShardTurn, cells: Cells, parts: MovesParts) {
    this.#turn = turn;
    this.#cells = cells;
    this.#parts = parts;
    this.#arrivals = new Arrivals(turn, cells, parts);
  }

  /** Whether a `tick` has anything to look at. */
  get ticking(): boolean {
    return this.#going.size > 0 || this.#arrivals.ticking;
  }

  /** Whether the cells decide about the account. */
  decides(name: AccountName): boolean {
    return this.#going.get(name)?.phase === "deciding";
  }

  /** How far the move of an account is; null where it does not move. */
  phaseOf(name: AccountName): Pick<Going, "phase" | "refused"> | null {
    return this.#going.get(name) ?? null;
  }

  /** Forgets what is in memory only: the shard reads its log again. */
  forget(): void {
    this.#going.clear();
    this.#arrivals.forget();
  }

  /** Goes on with what accounts of shards that have ended had begun. */
  inherit(): void {
    // What is thawed may be frozen again at once.
    for (const account of [...this.#turn.accounts.all()]) {
      if (account.leaving?.deciding !== true) this.#turn.accounts.thaw(account);
      this.loaded(account);
    }
  }

  /** An account is in memory: where it moves, the move goes on. */
  loaded(account: Account): void {
    if (account.leaving !== null) this.begin(account);
    this.#arrivals.loaded(account);
  }

  /** Begins, or goes on with, the move of an account. */
  begin(account: Account): void {
    const { leaving, name } = account;
    if (leaving === null || this.#going.get(name)?.move === leaving.move) return;
    const phase = leaving.deciding ? "deciding" : "offering";
    const going = newGoing(leaving.move, phase, this.#turn.now.mono);
    this.#going.set(name, going);
    if (leaving.deciding) this.#freeze(account, going);
  }

  /** The move does not go on: the target forgets what it has. */
  cancel(account: Account): void {
    const { leaving, name } = account;
    if (leaving === null || leaving.deciding) return;
    const going = this.#going.get(name);
    this.#turn.append(account, { kind: "staying" });
    this.#turn.emit(account, { kind: "moved", outcome: "cancelled" });
    this.#going.delete(name);
    if (going !== undefined && going.frozenMs !== null) this.#thaw(account, going);
    this.#say(account, leaving.to, { kind: "drop", move: leaving.move });
  }

  /** What the other cell has may not be as it is by now: the copy begins anew. */
  blockChanged(account: Account): void {
    const { leaving, name } = account;
    if (leaving === null || leaving.deciding) return;
    this.#going.delete(name);
    this.#say(account, leaving.to, { kind: "drop", move: leaving.move });
    this.#turn.append(account, { kind: "leaving", ...leaving, move: restarted(leaving.move) });
    this.begin(account);
  }

  // ---- freezing

  /** From now on nothing may change the account but what decides about its home. */
  #freeze(account: Account, going: Going): void {
    const { accounts, presence, now } = this.#turn;
    going.frozenMs = now.mono;
    presence.ensure(account.name, account.id as AccountId, account.lastSeen, eraOf(account));
    presence.setRights(account.name, account.id, rightsOf(account));
    accounts.freeze(account);
  }

  /** The account is like any other again, here or, by now, elsewhere. */
  #thaw(account: Account, going: Going): void {
    const { accounts, presence } = this.#turn;
    const { name } = account;
    going.frozenMs = null;
    going.head = [];
    presence.setRights(name, "", null);
    accounts.thaw(account);
    for (const carried of going.held.splice(0)) this.#parts.packet(carried);
    this.#parts.requests.moveEnded(name);
  }

  /** Keeps a packet for a frozen account; false where there is no room. */
  hold(carried: Carried): boolean {
    const going = this.#going.get(carried.packet.to);
    if (going === undefined || going.held.length >= HELD_MAX) return false;
    // In a long freeze senders repeat what they have sent.
    const same = going.held.some(({ packet }) => packet === carried.packet);
    if (!same) going.held.push(carried);
    return true;
  }

  // ---- time

  /** Says again what was not replied to. */
  tick(): void {
    const { accounts, now } = this.#turn;
    this.#arrivals.tick();
    if (!this.#turn.writable) return;
    for (const [name, going] of this.#going) {
      if (going.atMs > now.mono) continue;
      const account = accounts.frozen(name) ?? accounts.peek(name);
      if (account?.leaving == null) this.#going.delete(name);
      else this.#go(account, going);
    }
  }

  #wait(account: Account, going: Going): void {
    const { now, retries } = this.#turn;
    const random = spreadOf(account.name, ++going.tries);
    const wait = going.tries === 1
      ? retries.waitMs("move", 1, random)
      : retries.againMs("move", going.tries, random);
    going.atMs = now.mono + wait;
  }

  #go(account: Account, going: Going): void {
    const { now } = this.#turn;
    const { to, move } = account.leaving!;
    if (going.phase === "deciding") {
      going.atMs = now.mono + DECIDE_MS;
      if (homeOf(account, this.#cells.self)?.value === to) return this.decided(account);
      return this.#parts.decide(account);
    }
    // Where it is not known yet who the members are, the version is 0.
    if (this.#cells.version > 0 && !this.#cells.peers.includes(to)) return this.cancel(account);
    this.#wait(account, going);
    if (going.frozenMs !== null && now.mono - going.frozenMs > FROZEN_MS) {
      const doublings = Math.min(going.freezes - 1, DOUBLINGS_MAX);
      return this.#again(account, going, FROZEN_MS * 2 ** doublings);
    }
    if (!this.#cells.isLinked(to)) return;
    // Its welcome says what it has: after the loss of its store, say, less than was taken.
    const unheard = going.sent !== null && going.tries > SENT_MAX && going.frozenMs === null;
    if (unheard) return this.#again(account, going, 0);
    if (going.phase === "offering") {
      return this.#say(account, to, { kind: "offer", move, id: account.id as AccountId });
    }
    if (going.head.length === 0) return this.#next(account, going);
    for (const part of going.head) this.#say(account, to, part);
  }

  /** Begins anew after a while: until then the account is like any other. */
  #again(account: Account, going: Going, retryAfterMs: number): void {
    const { now, retries } = this.#turn;
    const random = spreadOf(`again ${account.name}`, ++going.tries);
    going.phase = "offering";
    going.sent = null;
    going.atMs = now.mono + retries.againMs("move_again", going.tries, random, retryAfterMs);
    if (going.frozenMs !== null) this.#thaw(account, going);
  }

  #say(account: Account, cell: CellName, message: MoveMessage): void {
    sayMove(this.#turn, this.#cells, account, cell, message);
  }

  // ---- what the other cell says

  /** Takes what the shard of the name in the other cell says. */
  said(account: Account, packet: MovePacket): void {
    const { cell, message } = packet;
    if (!this.#turn.writable) return;
    switch (message.kind) {
      case "offer":
      case "rows":
      case "head":
      case "drop":
        return this.#arrivals.said(account, packet);
      case "ask":
        return this.#asked(account, cell, message.move);
    }
    const going = this.#going.get(account.name);
    const { leaving } = account;
    if (going === undefined || leaving?.move !== message.move || leaving.to !== cell) return;
    switch (message.kind) {
      case "welcome":
        return this.#welcomed(account, going, message.rows);
      case "refused":
        if (going.phase !== (message.reason === "unreadable" ? "freezing" : "offering")) return;
        going.refused = message.reason;
        // A cell that takes in so many a second wants the others soon.
        if (message.reason === "busy") going.tries = 0;
        return this.#again(account, going, message.retryAfterMs);
      case "taken":
        return this.#taken(account, going, message.batch);
      case "staged":
        return this.#staged(account, going, message.attempt);
    }
  }

  #asked(account: Account, cell: CellName, move: string): void {
    const { leaving } = account;
    if (leaving?.move === move) return;
    if (homeOf(account, this.#cells.self)?.value === cell) {
      return this.#parts.tellHome(account, cell);
    }
    this.#say(account, cell, { kind: "drop", move });
  }

  #welcomed(account: Account, going: Going, rows: readonly MovedRowId[]): void {
    if (going.phase !== "offering") return;
    // An earlier program has one id for all that began anew: these may be of before.
    const former = rows.length > 0 && going.batch === 0 && isRestarted(going.move);
    if (former) return this.blockChanged(account);
    going.has.clear();
    for (const row of rows) going.has.add(rowText(row));
    going.phase = "copying";
    going.refused = null;
    going.tries = 0;
    this.#next(account, going);
  }

  #taken(account: Account, going: Going, batch: number): void {
    const { sent } = going;
    if (sent?.batch !== batch) return;
    for (const row of sent.rows) going.has.add(rowText(row));
    going.sent = null;
    going.tries = 0;
    this.#next(account, going);
  }

  // ---- rows

  /** Sends what is missing, and the head once that is little. */
  #next(account: Account, going: Going): void {
    this.#wait(account, going);
    if (going.sent !== null) return this.#say(account, account.leaving!.to, going.sent);
    const missing = missingRows(account, going.has);
    if (going.frozenMs === null && missing.length <= FROZEN_ROWS_MAX) {
      // What could not be read may be read by now; all that is missing must be.
      if (!going.unread || missing.length === 0) this.#beginFreeze(account, going);
    }
    if (going.frozenMs !== null && missing.length === 0) return this.#sendHead(account, going);
    const rows = missing.slice(0, ROWS_MAX);
    const unsaved = unsavedRows(account, rows);
    if (unsaved.some(({ bytes }) => bytes !== null)) {
      return this.#send(account, going, unsaved);
    }
    const { generation } = this.#turn.accounts;
    this.#turn.emit(account, loadOf(account, { generation, move: going.move, rows }));
  }

  /** Rows were read for it; those that are missing may be on their way to the store. */
  rowsLoaded(input: ShardInput & { readonly kind: "rows_loaded" }): void {
    const { accounts } = this.#turn;
    const { name, generation, move, rows } = input;
    const going = this.#going.get(name);
    const account = accounts.frozen(name) ?? accounts.peek(name);
    if (going === undefined || account === undefined || generation !== accounts.generation) return;
    // What was read before it has begun anew may have changed.
    if (going.move !== move) return;
    // The account was removed meanwhile.
    if (account.leaving?.move !== going.move) return;
    if (going.sent !== null || going.phase === "offering" || going.phase === "deciding") return;
    if (rows.some(({ bytes }) => bytes !== null)) {
      going.unread = false;
      going.refused = null;
      return this.#send(account, going, rows);
    }
    // They may be damaged: nobody waits for that.
    going.unread = true;
    going.refused = "unreadable";
    if (going.frozenMs !== null) return this.#again(account, going, UNREAD_MS);
    const { now, retries } = this.#turn;
    going.atMs = now.mono + retries.againMs("move_again", going.tries, spreadOf(name, going.tries));
  }

  #send(account: Account, going: Going, found: readonly FoundRow[]): void {
    const rows = packetOf(found);
    const { to, move } = account.leaving!;
    going.sent = { kind: "rows", move, batch: ++going.batch, rows };
    this.#say(account, to, going.sent);
  }

  // ---- the head

  #beginFreeze(account: Account, going: Going): void {
    const { leaving, name } = account;
    const sessions = this.#turn.presence.sessions(name);
    for (const session of sessions) noteLeaving(this.#turn, account, session);
    this.#turn.append(account, { kind: "leaving", ...leaving!, attempt: leaving!.attempt + 1 });
    going.phase = "freezing";
    going.freezes++;
    this.#freeze(account, going);
  }

  #sendHead(account: Account, going: Going): void {
    const { move, to, attempt } = account.leaving!;
    const { restoreTag } = this.#turn.limits;
    const mailboxId = shownMailboxId(account.mailbox.id, restoreTag);
    going.head = headParts(account, { move, attempt, mailboxId });
    for (const part of going.head) this.#say(account, to, part);
  }

  /** The target has everything of this freeze: from here on nobody but the cells decides. */
  #staged(account: Account, going: Going, attempt: number): void {
    const { leaving } = account;
    if (going.phase !== "freezing" || leaving?.attempt !== attempt) return;
    this.#turn.append(account, { kind: "leaving", ...leaving, deciding: true });
    going.phase = "deciding";
    going.head = [];
    this.#go(account, going);
  }

  // ---- the decision

  /** The home of a name is decided, or known to be: accounts leave, or are here from now on. */
  decided(account: Account): void {
    const { leaving, name } = account;
    const home = homeOf(account, this.#cells.self);
    this.#arrivals.decided(account);
    if (leaving?.deciding !== true || home?.value !== leaving.to) return;
    this.#parts.proxies.leave(account, leaving.to);
    this.#turn.append(account, { kind: "left" });
    this.#turn.emit(account, { kind: "moved", outcome: "left" });
    const going = this.#going.get(name);
    this.#going.delete(name);
    if (going !== undefined) this.#thaw(account, going);
  }
}
