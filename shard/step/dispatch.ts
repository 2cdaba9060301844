/** Which part of a shard takes an input. This is the only place that knows every kind of input. */
import type { AccountAccess } from "./account_access.ts";
import type { Incoming } from "./incoming.ts";
import type { Recovery } from "./recovery.ts";
import type { Requests } from "./requests.ts";
import type { ShardInput } from "../effects.ts";
import type { ShardTurn } from "./shard_turn.ts";
import { rightsOf } from "../account/rights.ts";

/** The parts of a shard that take inputs. */
export interface Parts {
  readonly accounts: AccountAccess;
  readonly incoming: Incoming;
  readonly recovery: Recovery;
  readonly requests: Requests;
}

/** See the head of this file. */
export class Dispatch {
  readonly #turn: ShardTurn;
  readonly #accounts: AccountAccess;
  readonly #incoming: Incoming;
  readonly #recovery: Recovery;
  readonly #requests: Requests;

  constructor(turn: ShardTurn, parts: Parts) {
    this.#turn = turn;
    this.#accounts = parts.accounts;
    this.#incoming = parts.incoming;
    this.#recovery = parts.recovery;
    this.#requests = parts.requests;
  }

  /** Handles an input, and the packets that the shard sends to its own users in doing so. */
  handle(input: ShardInput): void {
    this.#take(input);
    this.#incoming.deliverLocal();
  }

  #take(input: ShardInput): void {
    if (this.#recovery.active && !this.#recovery.take(input)) return;
    switch (input.kind) {
      case "request":
        return this.#requests.take(input);
      case "packet":
        return this.#incoming.packet(input.packet, input.hops);
      case "cell_linked":
        return this.#incoming.cellLinked(input.cell);
      case "cell_unlinked":
        return this.#incoming.cellUnlinked(input.cell);
      case "cell_unknown":
        return this.#incoming.proxies?.unknown(input.cell);
      case "cell_announced":
        return this.#incoming.cellAnnounced(input);
      case "interest":
        return this.#incoming.interest(input);
      case "uninterest":
        return this.#incoming.uninterest(input);
      case "session_lost":
        return this.#incoming.sessionLost(input);
      case "loaded":
        return this.#accounts.loaded(input);
      case "load_failed":
        return this.#requests.loadFailed(input);
      case "rows_loaded":
        return this.#incoming.names?.moves.rowsLoaded(input);
      case "dedupe_loaded":
        return this.#requests.dedupeLoaded(input);
      case "block_loaded":
        if (!this.#incoming.changes.loaded(input)) this.#requests.blockLoaded(input);
        return;
      case "taken_over":
        return this.#takenOver(input);
      case "announced":
        return this.#announced(input);
      case "committed":
        this.#turn.out.push(...this.#turn.batch.committed(input.batch));
        return;
      case "commit_failed":
        return this.#recovery.begin();
      case "checkpointed":
        return this.#turn.accounts.checkpointed();
      case "writable":
        this.#turn.writable = input.writable;
        this.#turn.retryAfterMs = input.retryAfterMs;
        return;
      case "owing":
        return input.names.forEach((name) => this.#incoming.owing(name));
      case "sweep":
        return this.#incoming.sweep(input.name);
      case "tick":
        return this.#tick();
      case "log_damaged":
      case "log_rows":
        throw new Error(`shard ${this.#turn.row.id}: log rows outside recovery`);
    }
  }

  #takenOver(input: ShardInput & { readonly kind: "taken_over" }): void {
    const { now, presence } = this.#turn;
    if (input.returning) presence.returning.begin(now.mono + input.graceMs);
    presence.settling.begin(input, now.mono);
  }

  #announced({ node, epoch }: ShardInput & { readonly kind: "announced" }): void {
    const { settling } = this.#turn.presence;
    if (settling.announced(node, epoch)) this.#settled(!settling.active);
  }

  /**
   * Takes what need not be withheld any more. `whole`: all sessions are announced, or the grace has
   * passed. After a bug a tick does the rest.
   */
  #settled(whole: boolean): void {
    const { settling } = this.#turn.presence;
    if (whole) settling.end();
    for (let next; (next = settling.next()) !== undefined;) this.#take(next);
  }

  #tick(): void {
    const { accounts, batch, now, presence } = this.#turn;
    const { settling } = presence;
    if (settling.active || settling.withheld > 0) {
      this.#settled(!settling.active || settling.isOver(now.mono));
    }
    if (presence.returning.ticking) presence.endReturning(now.mono);
    if (presence.awaiting) presence.endAwaiting(now.mono);
    this.#incoming.retryDue();
    this.#requests.tick();
    this.#incoming.names?.tick();
    this.#incoming.proxies?.tick();
    this.#incoming.doubted.tick();
    this.#incoming.retry((input) => this.#take(input));
    this.#recovery.replayLostEffects();
    accounts.evict(now.mono, batch.committedBatch, (account) => {
      if (presence.get(account.name) === undefined) return;
      presence.setRights(account.name, account.id, rightsOf(account));
    });
  }
}
