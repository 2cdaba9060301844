/** Requests and registrations of interest that a node's shards have not replied to yet. */
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import type { Bugs } from "./bugs.ts";
import type { InterestAnswer } from "../../shard/edge_packet.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { RequestId, ShardInput } from "../../shard/effects.ts";
import { type ErrorCode, fail, type Result } from "../../shard/errors.ts";
import { mayUndo } from "./too_late.ts";
import { Numbered } from "./numbered.ts";
import { WRITES } from "../../shard/handlers/handlers.ts";
import { REQUEST_TIMEOUT_MS } from "../../shard/limits.ts";

/** Takes the result of a request. */
export type Done = (result: Result<Ops[OpName]["out"]>) => void;
/** Takes the answers to a registration of interest. */
export type Answered = (answers: readonly InterestAnswer[]) => void;

/** A request as a shard gets it. */
export type Request = ShardInput & { readonly kind: "request" };
/** A registration of interest as a shard gets it. */
export type Interest = ShardInput & { readonly kind: "interest" };

/**
 * What does not say whether a former owner has done a request that was asked again: the account may
 * have been ended since, and what has no room is not looked at.
 */
const UNSURE: ReadonlySet<ErrorCode> = new Set(["unauthorized", "busy"]);

interface Waiting {
  readonly done: Done;
  readonly untilMs: number;
  readonly input: Request;
  /** A former owner may have done it without a reply. */
  readonly repeated: boolean;
  /** What an owner has replied that has done it, where other copies may be done yet. */
  readonly known: Result<Ops[OpName]["out"]> | null;
  /** Its caller is gone: it need not be begun. */
  readonly withdrawn: boolean;
}

interface Interested {
  readonly done: Answered;
  /** One shard replies to all of it at once. */
  readonly input: Interest;
}

/** The callers of a node, by request. What a caller throws is caught here and logged. */
export class Callers {
  readonly #bugs: Bugs;
  #last: RequestId = 0;
  readonly #requests = new Numbered<Waiting>();
  readonly #interests = new Numbered<Interested>();

  constructor(bugs: Bugs) {
    this.#bugs = bugs;
  }

  /** Requests without a reply. */
  get pending(): number {
    return this.#requests.size;
  }

  /** The number of the next request. */
  next(): RequestId {
    return ++this.#last;
  }

  /** Adds a request: `done` is called once, within `REQUEST_TIMEOUT_MS` and about a second. */
  request(input: Request, done: Done, nowMs: number): void {
    this.#requests.set(input.request, {
      done,
      untilMs: nowMs + REQUEST_TIMEOUT_MS,
      input,
      repeated: false,
      known: null,
      withdrawn: false,
    });
  }

  /** Adds a registration of interest: `done` is called once. */
  interest(input: Interest, done: Answered): void {
    this.#interests.set(input.request, { done, input });
  }

  /** The request was begun for this account; returns it as it is to be repeated. */
  begun(request: Request, accountId: AccountId | ""): Request {
    const waiting = this.#requests.get(request.request);
    const input = { ...request, accountId };
    if (waiting !== undefined) this.#requests.set(request.request, { ...waiting, input });
    return input;
  }

  /** The request is asked again of another owner, which may not know what the former one has done. */
  repeats(request: RequestId): void {
    const waiting = this.#requests.get(request);
    if (waiting === undefined || !WRITES.has(waiting.input.op)) return;
    this.#requests.set(request, { ...waiting, repeated: true });
  }

  /**
   * Whether this reply to one copy of a request is the one for its caller: that it was done, unless
   * another copy could change back what the caller sets next. It then gets this one after all others.
   */
  settles(request: RequestId, op: OpName, result: Result<Ops[OpName]["out"]>): boolean {
    if (!result.ok || !mayUndo(op)) return result.ok;
    const waiting = this.#requests.get(request);
    if (waiting?.known === null) this.#requests.set(request, { ...waiting, known: result });
    return false;
  }

  /** The request is not wanted any more; see `Withdraw`. */
  withdraw(request: RequestId): void {
    const waiting = this.#requests.get(request);
    if (waiting !== undefined) this.#requests.set(request, { ...waiting, withdrawn: true });
  }

  /** Refuses a request that was withdrawn, in place of beginning it; returns whether it was. */
  refuseWithdrawn(request: RequestId): boolean {
    if (this.#requests.get(request)?.withdrawn !== true) return false;
    this.reply(request, fail("unavailable", "It was withdrawn"));
    return true;
  }

  /** How long the caller of a request still waits (ms). */
  leftMs(request: RequestId, nowMs: number): number {
    return (this.#requests.get(request)?.untilMs ?? nowMs) - nowMs;
  }

  /** A request without a reply, as it is to be repeated. */
  requestOf(request: RequestId): Request | undefined {
    return this.#requests.get(request)?.input;
  }

  /** A registration without answers, as it is to be repeated. */
  interestOf(request: RequestId): Interest | undefined {
    return this.#interests.get(request)?.input;
  }

  /** Replies; does nothing where the request has its reply already. */
  reply(request: RequestId, last: Result<Ops[OpName]["out"]>): void {
    const waiting = this.#requests.take(request);
    if (waiting === undefined) return;
    const result = waiting.known ?? last;
    const unknown = waiting.repeated && !result.ok && UNSURE.has(result.code);
    try {
      waiting.done(
        unknown
          ? fail("unavailable", "The outcome is not known", result.retryAfterMs ?? 100)
          : result,
      );
    } catch (error) {
      this.#bugs.caught("reply", error, { op: waiting.input.op });
    }
  }

  answer(request: RequestId, answers: readonly InterestAnswer[]): void {
    const done = this.takeInterest(request);
    if (done !== undefined) this.#bugs.guard("interest answer", () => done(answers));
  }

  /** Forgets a request that somebody else replies to. */
  forget(request: RequestId): void {
    this.#requests.take(request);
  }

  /** Takes the caller of a registration that is to be made anew. */
  takeInterest(request: RequestId): Answered | undefined {
    return this.#interests.take(request)?.done;
  }

  /** The requests that `owns` has by their account's name. */
  requestsOf(owns: (name: AccountName) => boolean): readonly Request[] {
    return [...this.#requests.values()].map(({ input }) => input)
      .filter(({ name }) => owns(name));
  }

  /** The registrations that `owns` has by their first watched user, as all of one shard. */
  interestsOf(owns: (name: AccountName) => boolean): readonly Interest[] {
    return [...this.#interests.values()].map(({ input }) => input)
      .filter(({ items }) => owns(items[0]!.watched));
  }

  /** Replies to the requests whose time is over. */
  expire(nowMs: number): void {
    const result = fail("unavailable", "The outcome is not known: repeat with the same key", 1000);
    for (const { input, untilMs } of this.#requests.values()) {
      if (untilMs > nowMs) break;
      this.reply(input.request, result);
    }
  }

  /** Replies to all requests: the server is stopping. */
  stop(): void {
    const result = fail("unavailable", "The server is stopping", 1000);
    for (const { input } of this.#requests.values()) this.reply(input.request, result);
  }
}
