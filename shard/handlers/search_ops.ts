/**
 * Search of one's own mailbox. It reads what is stored, so that it must take little of what others
 * need: each account has a rate in what is read for it, and few searches are under way at once.
 */
import type { Account } from "../account/account.ts";
import type { AccountName } from "../name/ids.ts";
import type { Handler, Turn } from "./turn.ts";
import { fail, type Failure, ok } from "../errors.ts";
import { Query } from "../search/query.ts";
import { type Search, SEARCHED_BYTES_MAX, SearchPage } from "../search/search_page.ts";
import { takeTokens, waitForTokens } from "../token_bucket.ts";

/** Searches of one account, and of a shard's accounts, that wait for blocks at once. */
export const OWN_SEARCHES_MAX = 2;
export const SEARCHES_MAX = 8;
/** When one that finds others under way may try again (ms). */
const BUSY_MS = 200;
/** Accounts whose allowance is known; that of the one that searched first is full again beyond. */
const ACCOUNTS_MAX = 10_000;
const KIB = 1024;

/** What the accounts of a shard may search. */
export class Searches {
  /** How many searches wait for blocks: of the account, and of all. */
  underWay: (name: AccountName) => { readonly own: number; readonly all: number } = () => ({
    own: 0,
    all: 0,
  });
  /** Monotonic time at which the allowance of an account is full again. */
  readonly #fullAtMs = new Map<AccountName, number>();

  /** Why no search may begin now; null where one may. */
  refusal(turn: Turn, { name }: Account): Failure | null {
    const { searchedKibMs: tokenMs, searchedKibBurst: burst } = turn.limits;
    const fullAtMs = this.#fullAtMs.get(name) ?? 0;
    // What the last page has taken beyond the allowance is to be there again.
    const waitMs = waitForTokens({ tokenMs, burst }, fullAtMs, turn.now.mono, 1);
    if (waitMs > 0) return fail("rate_limited", "Too much was searched: wait retryAfterMs", waitMs);
    const { own, all } = this.underWay(name);
    if (own < OWN_SEARCHES_MAX && all < SEARCHES_MAX) return null;
    const whose = own < OWN_SEARCHES_MAX ? "Other searches" : "Earlier searches of this account";
    return fail("busy", `${whose} are under way: wait retryAfterMs`, BUSY_MS);
  }

  /** So many bytes were searched for the account. */
  took(turn: Turn, { name }: Account, bytes: number): void {
    const { searchedKibMs: tokenMs, searchedKibBurst: burst } = turn.limits;
    const fullAtMs = this.#fullAtMs.get(name) ?? 0;
    this.#fullAtMs.delete(name);
    const rate = { tokenMs, burst };
    this.#fullAtMs.set(name, takeTokens(rate, fullAtMs, turn.now.mono, bytes / KIB));
    for (const [first, atMs] of this.#fullAtMs) {
      if (atMs > turn.now.mono && this.#fullAtMs.size <= ACCOUNTS_MAX) break;
      this.#fullAtMs.delete(first);
    }
  }
}

/** One page; each block that it needs is a step of its own, between those of others. */
export const searchMailbox: Handler<"mailbox.search"> = (turn, account, input, pending) => {
  if (!account.active) return fail("unauthorized", "The account cannot be used (any more)");
  if (pending.search === null) {
    const query = Query.parse(input.text);
    if (typeof query === "string") return fail("bad_request", `Cannot search: the text ${query}`);
    const refusal = turn.searches.refusal(turn, account);
    if (refusal !== null) return refusal;
    const within = withinOf(account, input.with);
    if (within === undefined) return ok({ found: [], next: null, bytes: 0 });
    const { before, limit } = input;
    pending.search = new SearchPage({ query, within, before, limit });
  }
  const page = pending.search.read(account.mailbox, pending.blocks);
  // What was read before has been searched.
  pending.blocks = new Map();
  if ("need" in page) return { wait: "block", table: "m", first: page.need };
  turn.searches.took(turn, account, Math.min(page.bytes, 2 * SEARCHED_BYTES_MAX));
  return ok(page);
};

/** The conversation to search, null for all; undefined where there is none with the peer. */
function withinOf(account: Account, peer: AccountName | null): Search["within"] | undefined {
  if (peer === null) return null;
  const c = account.conversations.get(peer);
  return c === undefined ? undefined : { peer, conversation: c.index };
}
