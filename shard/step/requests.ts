/** The requests of a shard: run, made to wait, run again, replied to. */
import type { Handler, Outcome, Pending, Wait } from "../handlers/turn.ts";
import type { RequestId, ShardInput } from "../effects.ts";
import type { Account } from "../account/account.ts";
import type { AccountAccess } from "./account_access.ts";
import type { AccountId, AccountName } from "../name/ids.ts";
import type { OpName, Ops } from "../ops.ts";
import type { ShardTurn } from "./shard_turn.ts";
import { fail } from "../errors.ts";
import { movedTo } from "../handlers/name_home.ts";
import { moveState } from "../handlers/move_ops.ts";
import { CorruptBytes } from "../record/bytes.ts";
import { BY_OWNER } from "../handlers/by_owner.ts";
import { HANDLERS, WRITES } from "../handlers/handlers.ts";
import { announceRequests } from "../handlers/request_events.ts";
import { contactsOf } from "../handlers/snapshot.ts";
import { REQUEST_TIMEOUT_MS } from "../limits.ts";
import { WaitingRequests } from "./waiting.ts";
import { setPresence } from "../handlers/session_ops.ts";

/**
 * Longest a request waits for another shard's answer before it is given up (ms): early enough that
 * the caller still gets the reply, which says that nothing was done.
 */
export const RESOLVE_TIMEOUT_MS = REQUEST_TIMEOUT_MS - 1000;
/** Why a request is `unavailable`. */
const NOT_STORED = "The store does not take this now";
const LATE = "Other shards or other cells, which decide on this too, have not replied in time";

const MOVING = "The account is moving to another cell";
/** Longest a request waits for the end of a move (ms). */
const MOVE_TIMEOUT_MS = 3000;

/** What most requests wait for: nothing. */
const NO_BLOCKS: ReadonlyMap<number, Uint8Array> = new Map();
const NONE_OPEN: ReadonlySet<AccountName> = new Set();
const NOBODY: ReadonlyMap<AccountName, AccountId | null> = new Map();

/** Runs requests. */
export class Requests {
  readonly waiting = new WaitingRequests();
  /** Begins to decide which cell is the home of the account's name; see `Names`. */
  decideHome: (account: Account) => void = () => {};
  readonly #turn: ShardTurn;
  readonly #accounts: AccountAccess;

  constructor(turn: ShardTurn, accounts: AccountAccess) {
    this.#turn = turn;
    this.#accounts = accounts;
    turn.searches.underWay = (name) => this.waiting.searches(name);
  }

  /** Takes a new request. */
  take(input: ShardInput & { kind: "request" }): void {
    const p: Pending = {
      // One by one: a copy of all of them takes longer.
      request: input.request,
      node: input.node,
      name: input.name,
      op: input.op,
      input: input.input,
      seed: input.seed,
      blocks: NO_BLOCKS,
      mail: null,
      page: null,
      search: null,
      resolved: NOBODY,
      open: NONE_OPEN,
      accountId: input.accountId ?? null,
      sinceMs: this.#turn.now.mono,
    };
    if (p.op === "presence.set") {
      const { presence } = this.#turn;
      const { session } = p.input as Ops["presence.set"]["in"];
      const known = !presence.settling.active || presence.find(p.name, session) !== undefined;
      if (!known) return presence.settling.withhold(input);
      if (!this.#turn.accounts.awaited(p.name)) return this.#setPresence(p);
      // Behind what was asked before: an announcement of the session would set what it had then.
      return this.#accounts.whenLoaded([p.name], () => this.#setPresence(p));
    }
    if (!this.#turn.writable && WRITES.has(p.op)) return this.unavailable(p);
    this.#run(p);
  }

  /** The hottest request needs no account, only the session. */
  #setPresence(p: Pending): void {
    const input = p.input as Parameters<typeof setPresence>[2];
    try {
      this.#reply(null, p, setPresence(this.#turn, p.name, input));
    } catch (bug) {
      this.unavailable(p);
      throw bug;
    }
  }

  /** A block was read for a request. */
  blockLoaded(input: ShardInput & { kind: "block_loaded" }): void {
    const { request, first, bytes } = input;
    const [p] = this.waiting.take({ kind: "block", request });
    if (p === undefined) return;
    if (bytes === "failed") return this.unavailable(p);
    const damage = input.damage ?? (bytes === null ? this.#missing(p.name, input) : null);
    if (damage !== null) {
      const why = `account ${p.name}: ${damage}`;
      this.#accounts.readable(p.name, () => {
        throw new CorruptBytes(why);
      });
      return this.#damaged(p);
    }
    // A block that was dropped meanwhile is not asked for again.
    if (bytes !== null && p.mail !== null && input.table === "m") p.mail.blocks.set(first, bytes);
    else if (bytes !== null) p.blocks = new Map(p.blocks).set(first, bytes);
    this.#run(p);
  }

  /** What is wrong where a block is not stored; null: the account does not have it any more. */
  #missing(
    name: AccountName,
    { table, first }: { readonly table: "m" | "d"; readonly first: number },
  ): string | null {
    const account = this.#accounts.get(name);
    const listed = table === "m"
      ? account?.mailbox.blocks.some((block) => block.first === first)
      : account?.dedupe.stored.some((r) => r.table === "d" && r.from <= first && first < r.to);
    return listed === true ? `its block ${table} ${first} is missing` : null;
  }

  /** The dedupe window of an account was read. */
  dedupeLoaded(input: ShardInput & { kind: "dedupe_loaded" }): void {
    const { name } = input;
    const { accounts, batch, now } = this.#turn;
    const known = this.#accounts.readable(name, () => {
      return accounts.dedupeLoaded(input, batch.lastLsn, now.mono);
    });
    if (known === null) {
      for (const p of this.waiting.take({ kind: "dedupe", name })) this.#damaged(p);
      return this.loadFailed(input);
    }
    if (known) this.#resume(this.waiting.take({ kind: "dedupe", name }), (p) => this.#run(p));
  }

  /** An account, or its dedupe window, could not be read. */
  loadFailed({ name, generation }: { name: AccountName; generation: number }): void {
    for (const p of this.waiting.take({ kind: "dedupe", name })) this.unavailable(p);
    this.#turn.accounts.loadFailed(name, generation);
  }

  /** Another account's shard says which account has the name `to`; null: none has. */
  resolved(from: AccountName, to: AccountName, id: AccountId | null, open: boolean): void {
    this.#resume(this.waiting.take({ kind: "resolve", from, to }), (p) => {
      p.resolved = new Map(p.resolved).set(to, id);
      if (open) p.open = new Set(p.open).add(to);
      this.#run(p);
    });
  }

  /** The home of a name is decided: requests that have waited for it go on. */
  homeDecided(name: AccountName): void {
    this.#resume(this.waiting.take({ kind: "home", name }), (p) => this.#run(p));
  }

  /** The account is not frozen any more: requests that have waited for that go on. */
  moveEnded(name: AccountName): void {
    this.#resume(this.waiting.take({ kind: "move", name }), (p) => this.#run(p));
  }

  /** Runs `run` for each; after a bug in one of them the others are `unavailable`. */
  #resume(waiters: readonly Pending[], run: (p: Pending) => void): void {
    let resumed = 0;
    try {
      for (; resumed < waiters.length; resumed++) run(waiters[resumed]!);
    } catch (bug) {
      for (const p of waiters.slice(resumed + 1)) this.unavailable(p);
      throw bug;
    }
  }

  /** Asks other shards again, and gives up requests that have waited too long for them. */
  tick(): void {
    const over = this.waiting.takeUnresolved(this.#turn.now.mono - RESOLVE_TIMEOUT_MS);
    for (const p of over) this.unavailable(p, LATE);
    const unmoved = this.waiting.takeUnmoved(this.#turn.now.mono - MOVE_TIMEOUT_MS);
    for (const p of unmoved) this.unavailable(p, MOVING);
    this.#ask();
  }

  /** Replies `unavailable` to all that wait. */
  giveUp(): void {
    for (const p of this.waiting.takeAll()) this.unavailable(p);
  }

  unavailable(p: { readonly request: RequestId }, why = NOT_STORED): void {
    const message = `${why}: try again with the same idempotency key`;
    const result = fail("unavailable", message, this.#turn.retryAfterMs);
    this.#turn.out.push({ kind: "reply", request: p.request, result });
  }

  /** What the request needs cannot be read, now or later. */
  #damaged(p: { readonly request: RequestId }): void {
    const message = "What is stored of this account is damaged: an administrator must repair it";
    const result = fail("unavailable", message);
    this.#turn.out.push({ kind: "reply", request: p.request, result });
  }

  #run(p: Pending): void {
    this.#accounts.whenLoaded([p.name], () => {
      try {
        this.#handle(p);
      } catch (bug) {
        this.unavailable(p);
        throw bug;
      }
    });
  }

  #handle(p: Pending): void {
    const account = this.#accounts.get(p.name);
    if (account === undefined) {
      const frozen = this.#turn.accounts.frozen(p.name);
      if (frozen !== undefined) {
        if (p.op === "move.state") return this.#replyState(p, frozen);
        return void this.waiting.add({ kind: "move", name: p.name }, p);
      }
      return this.#accounts.unread(p.name) ? this.unavailable(p) : this.#damaged(p);
    }
    if (!this.#turn.writable && WRITES.has(p.op)) return this.unavailable(p);
    const moved = movedTo(this.#turn.cells, account, p.op);
    if (moved !== null) return this.#reply(account, p, moved);
    if ((p.accountId ??= account.id) !== account.id) {
      return this.#reply(account, p, fail("unauthorized", "The account was deleted"));
    }
    const handler = HANDLERS[p.op] as Handler<OpName> | undefined;
    // A node of a later version has asked.
    if (handler === undefined) {
      return this.#reply(account, p, fail("unsupported", `There is no operation ${p.op} here`));
    }
    const outcome = this.#accounts.readable(
      p.name,
      () => {
        if (account.withheldRequests > 0 && account.active && BY_OWNER.has(p.op)) {
          announceRequests(this.#turn, account, contactsOf(account));
        }
        return handler(this.#turn, account, p.input, p);
      },
    );
    if (outcome === null) return this.#damaged(p);
    if ("wait" in outcome) this.#wait(account, p, outcome);
    else this.#reply(account, p, outcome);
  }

  #replyState(p: Pending, frozen: Account): void {
    this.#reply(frozen, p, moveState(this.#turn, frozen, {}, p));
  }

  #wait(account: Account, p: Pending, outcome: Wait): void {
    const { name, request } = p;
    const { point } = account;
    const id = account.id as AccountId;
    switch (outcome.wait) {
      case "block": {
        this.waiting.add({ kind: "block", request }, p);
        const { table, first } = outcome;
        return this.#turn.emit(null, {
          kind: "load_block",
          request,
          name,
          point,
          id,
          table,
          first,
        });
      }
      case "dedupe": {
        if (this.waiting.add({ kind: "dedupe", name }, p)) return;
        const { generation } = this.#turn.accounts;
        const { rows, blocks } = account.dedupe.toLoad();
        const effect = { kind: "load_dedupe", name, generation, point, id, rows, blocks } as const;
        return this.#turn.emit(null, effect);
      }
      case "home":
        if (!this.waiting.add({ kind: "home", name }, p)) this.decideHome(account);
        return;
      case "resolve":
        if (this.waiting.add({ kind: "resolve", from: name, to: outcome.name }, p)) return;
        return this.#ask();
    }
  }

  #ask(): void {
    const { now, retries } = this.#turn;
    for (const { from, to } of this.waiting.takeQuestions(now.mono, retries)) {
      this.#turn.resolve(from, to);
    }
  }

  #reply(account: Account | null, p: Pending, outcome: Outcome<OpName>): void {
    if ("wait" in outcome) throw new Error("a waiting request cannot be replied to");
    this.#turn.emit(account, { kind: "reply", request: p.request, result: outcome });
    const { settling } = this.#turn.presence;
    if (p.op !== "session.attach" || !outcome.ok || !settling.active) return;
    const { session } = p.input as Ops["session.attach"]["in"];
    for (const input of settling.takeFor(p.name, session)) this.take(input);
  }
}
