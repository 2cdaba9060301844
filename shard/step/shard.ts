/**
 * One shard: a state machine over a log. `step` takes an input and returns the effects to be done;
 * it reads no clock, no disk and no randomness. Accounts live in memory while in use. What a step
 * changes is provisional until its batch is committed: every effect that rests on it is withheld.
 */
import type { AccountId, AccountName, NodeId } from "../name/ids.ts";
import type {
  CheckpointBatch,
  CheckpointBudget,
  Effect,
  Now,
  RequestId,
  SealedBatch,
  ShardInput,
} from "../effects.ts";
import type { Account } from "../account/account.ts";
import type { Cells } from "../federation/cells.ts";
import type { OfEdge, PresenceTable } from "../presence/presence.ts";
import type { Retries } from "../retry.ts";
import type { ShardLimits } from "../limits.ts";
import type { ShardRow } from "../table/table.ts";
import { AccountAccess } from "./account_access.ts";
import { Attempts } from "./attempts.ts";
import { Dispatch } from "./dispatch.ts";
import { Incoming } from "./incoming.ts";
import { Names } from "./names.ts";
import { pushPresence } from "./push.ts";
import { POINT_SPACE } from "../name/ids.ts";
import { Proxies } from "./proxies.ts";
import { Recovery } from "./recovery.ts";
import { Requests } from "./requests.ts";
import { ShardTurn } from "./shard_turn.ts";
import type { UnknownHomes } from "./unknown_homes.ts";

/** What `inspect` shows of a shard. */
export interface ShardInspection {
  readonly accounts: Iterable<Account>;
  /** Those of them that are not frozen. */
  readonly served: Iterable<Account>;
  /** Log rows that come next, without their LSNs: the next is `lastLsn + 1`. */
  readonly unsealed: readonly Uint8Array[];
  /** Whether nothing is on its way to the store or from it. */
  readonly settled: boolean;
}

/** The slice `[lo, hi)` of a cell's users. */
export class Shard {
  readonly id: number;
  readonly lo: number;
  readonly hi: number;
  /** It is about to be given to another node: no checkpoint begins any more. */
  leaving = false;
  /** Successors are about to take over: no checkpoint begins any more. */
  ending = false;
  /** Successors have taken over: it takes no input any more. */
  ended = false;
  /** Inputs taken so far. */
  inputs = 0;
  readonly #turn: ShardTurn;
  readonly #accounts: AccountAccess;
  readonly #attempts = new Attempts();
  readonly #requests: Requests;
  readonly #incoming: Incoming;
  readonly #recovery: Recovery;
  readonly #dispatch: Dispatch;

  /**
   * `retries`: the waits of its node, which count what is tried again. `cells`: those that share its
   * name space; null for a lone one.
   */
  constructor(row: ShardRow, limits: ShardLimits, retries: Retries, cells: Cells | null = null) {
    this.id = row.id;
    this.lo = row.lo;
    this.hi = row.hi;
    const turn = new ShardTurn(row, limits, retries, cells);
    const attempts = this.#attempts;
    const accounts = new AccountAccess(turn);
    const requests = new Requests(turn, accounts);
    const incoming = new Incoming(turn, accounts, requests, attempts);
    if (cells !== null) {
      const here: Incoming["here"] = (packet) => incoming.here(packet);
      const again: Incoming["again"] = (packet) => incoming.again(packet);
      const proxies = new Proxies(turn, cells);
      const proxy: Proxies["take"] = (packet) => proxies.take(packet);
      const { unknownHomes } = proxies;
      const sought: UnknownHomes["sought"] = (...of) => unknownHomes.sought(...of);
      const ways = { here, again, proxy, proxies, sought };
      const names = new Names(turn, cells, { accounts, requests, ...ways });
      unknownHomes.seek = (name) => names.seek(name);
      incoming.proxies = proxies;
      incoming.names = names;
      requests.decideHome = (account) => names.decide(account);
      turn.moves = names.moves;
      accounts.onLoaded = (account) => names.moves.loaded(account);
    }
    const handle = (input: ShardInput) => this.#dispatch.handle(input);
    const forgetNames = () => {
      incoming.names?.forget();
      incoming.proxies?.askAgain(null, 0, POINT_SPACE);
    };
    const recovery = new Recovery({ turn, accounts, attempts, requests, handle, forgetNames });
    this.#turn = turn;
    this.#accounts = accounts;
    this.#requests = requests;
    this.#incoming = incoming;
    this.#recovery = recovery;
    this.#dispatch = new Dispatch(turn, { accounts, incoming, recovery, requests });
  }

  // ---- steps

  /**
   * Takes one input; returns the effects to be done, in order. It never throws: after a bug the shard
   * forgets what is provisional, replies `unavailable` to its callers and reads its log again.
   */
  step(now: Now, input: ShardInput): Effect[] {
    this.inputs++;
    this.#turn.begin(now);
    try {
      this.#dispatch.handle(input);
    } catch (error) {
      this.#recovery.bug(input.kind, error);
    }
    return this.#turn.out;
  }

  /** After the inputs of a turn: one presence packet per changed user and interested node. */
  endTurn(now: Now): Effect[] {
    this.#turn.begin(now);
    try {
      pushPresence(this.#turn, this.#attempts);
    } catch (error) {
      this.#recovery.bug("end_of_turn", error);
    }
    return this.#turn.out;
  }

  // ---- commits

  /** Closes the open batch for commit; null where there is none. One is in flight at a time. */
  seal(): SealedBatch | null {
    const { batch } = this.#turn;
    const { inFlight } = batch;
    return this.#recovery.guard("seal", () => batch.seal(), () => {
      if (!inFlight) batch.unseal();
    });
  }

  /**
   * Rows that bring due accounts' checkpoints up to the last sealed batch, and delete log rows that
   * no account needs any more. Call it only when nothing is open; write it after that batch.
   */
  checkpoint(now: Now, budget: CheckpointBudget): CheckpointBatch | null {
    const { accounts, batch } = this.#turn;
    if (this.ending || this.leaving) return null;
    return this.#recovery.guard("checkpoint", () => {
      if (batch.open) throw new Error(`shard ${this.id}: checkpoint of an open batch`);
      return accounts.checkpoint(batch, now.mono, budget);
    }, () => accounts.dropCheckpoint());
  }

  /** Whether an account has waited for its checkpoint for much longer than it should. */
  behind(nowMs: number): boolean {
    return this.#turn.accounts.behind(nowMs);
  }

  // ---- changes of ownership

  /** The shard's row in the shard table. */
  get row(): ShardRow {
    return this.#turn.row;
  }

  set row(row: ShardRow) {
    this.#turn.row = row;
  }

  /** Whether the point of a name falls into this shard. */
  owns(name: AccountName): boolean {
    return this.#turn.owns(name);
  }

  /** Whether nothing is under way: only then may others take over. */
  get quiescent(): boolean {
    return this.ready && this.#turn.batch.quiescent && this.#turn.accounts.quiescent &&
      this.#incoming.quiescent && this.#recovery.kept === 0 && !this.#settling &&
      // Requests that wait for another shard go on waiting at the successor.
      !this.#requests.waiting.onStore;
  }

  /** Whether a batch or a checkpoint of it is on its way to the store. */
  get writing(): boolean {
    return this.#turn.batch.inFlight || this.#turn.accounts.writing;
  }

  /** Takes over from shards that end, all quiescent, what belongs to its own range. */
  inherit(from: readonly Shard[]): void {
    for (const old of from) {
      if (!old.quiescent) throw new Error(`shard ${old.id} is not quiescent`);
      this.#recovery.skip();
      this.#turn.inherit(old.#turn);
      this.#accounts.inherit(old.#accounts);
      this.#incoming.proxies?.inherit(old.#incoming.proxies!);
      this.#incoming.doubted.inherit(old.#incoming.doubted);
      this.#incoming.names?.moves.inherit();
      this.#requests.waiting.inherit(old.#requests.waiting, (name) => this.owns(name));
    }
  }

  /**
   * Takes the requests that wait for something outside the shard, when it is dropped: each with the
   * account that it was begun for. The name may be another account's by the time it is repeated.
   */
  takeBegun(): ReadonlyMap<RequestId, AccountId | ""> {
    const begun = this.#requests.waiting.takeAll();
    return new Map(begun.map(({ request, accountId }) => [request, accountId ?? ""]));
  }

  // ---- state that the node and operators see

  /** Whether the log has been read and requests are handled. */
  get ready(): boolean {
    return !this.#recovery.active;
  }

  /** Whether it does not serve because of bugs in a row: requests are refused until it does. */
  get down(): boolean {
    return this.#recovery.down;
  }

  /** Number of the log's reading that its `log_rows` are for. */
  get reading(): number {
    return this.#recovery.reading;
  }

  /** Whether the store takes writes. */
  get writable(): boolean {
    return this.#turn.writable;
  }

  /** Whether there is something to commit that somebody waits for. */
  get urgent(): boolean {
    return this.#turn.batch.urgent;
  }

  /** Whether there is anything to commit. */
  get open(): boolean {
    return this.#turn.batch.open;
  }

  /** Bytes of the open batch. */
  get openBytes(): number {
    return this.#turn.batch.bytes;
  }

  /** LSN of the last row that was written. */
  get lastLsn(): number {
    return this.#turn.batch.lastLsn;
  }

  /** Whether checkpoints include all of the log up to `lsn`: those rows are not needed any more. */
  includes(lsn: number): boolean {
    return this.ready && this.#turn.accounts.includes(lsn);
  }

  /** Whether no checkpoint is to be written for changes up to `lsn`; see `includes`. */
  saved(lsn: number): boolean {
    return this.#turn.accounts.saved(lsn);
  }

  /** Rows of its log that no checkpoint has made superfluous yet, about. */
  get logRows(): number {
    return Math.max(0, this.lastLsn - this.#turn.accounts.cutLsn);
  }

  /** Accounts in memory. */
  get accountsInMemory(): number {
    return this.#turn.accounts.size;
  }

  get presence(): PresenceTable {
    return this.#turn.presence;
  }

  /**
   * The sessions at the edge of a node and the users that somebody there watches, with those for which
   * it has asked and that are withheld: they are there once the log is read and accounts are loaded.
   */
  ofEdge(node: NodeId): OfEdge {
    const [known, withheld] = [this.presence.ofEdge(node), this.#recovery.ofEdge(node)];
    const sessions = [...known.sessions, ...withheld.sessions];
    const watched = [...known.watched, ...withheld.watched, ...this.#incoming.watchedBy(node)];
    return { sessions, watched: [...new Set(watched)] };
  }

  /** Whether a `tick` has anything to look at. */
  get ticking(): boolean {
    return this.#turn.timers.size + this.#requests.waiting.size + this.#turn.accounts.size > 0 ||
      this.#incoming.takesAgain ||
      this.#incoming.names?.ticking === true || this.#incoming.proxies?.ticking === true ||
      this.#incoming.doubted.ticking ||
      this.presence.returning.ticking || this.presence.awaiting ||
      this.#recovery.owing || this.#recovery.active || this.#settling;
  }

  /** Whether the shard waits for other nodes to announce their sessions, or withholds inputs for it. */
  get #settling(): boolean {
    const { settling } = this.presence;
    return settling.active || settling.withheld > 0;
  }

  /** The accounts in memory and what is not in the log yet, for checks of one by the other. */
  inspect(): ShardInspection {
    const { accounts, batch } = this.#turn;
    const settled = this.ready && batch.settled && accounts.quiescent;
    return {
      accounts: accounts.all(),
      served: accounts.served(),
      unsealed: batch.unsealed(),
      settled,
    };
  }
}
