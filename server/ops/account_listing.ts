/**
 * Pages of the cell's accounts in the order of their names. The store keeps accounts in the order of
 * their hashes, so that the first page reads all names; the pages after it go on from that list.
 * Which accounts are online is known to the nodes that own their shards: each page asks them all.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import type { AccountView } from "../../shard/ops.ts";
import type { AccountPage, AdminDeps, PageOptions } from "./api.ts";
import type { Clock } from "../node/ports.ts";
import type { Node } from "../node/node.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { Missing } from "../node/asks.ts";
import { OnlinePages } from "./online_pages.ts";
import { OwnersMissed } from "./owners_missed.ts";
import { isSynthetic } from "../node/reserved_names.ts";

/** Rows of the store that are read at once. */
const SCAN_ROWS = 500;
/** Names that one list holds; about 50 bytes each. */
const NAMES_MAX = 1_000_000;
/** How long a list is kept for its next page (ms). */
const KEEP_MS = 60_000;
/** Accounts that are looked at together, where each has to be asked for its state. */
const LOOK = 200;

type Filter = Pick<PageOptions, "match" | "synthetic" | "state">;
type Done = (result: Result<AccountPage>) => void;

/** What the listing needs of a node. */
type Accounts = Pick<
  Node,
  "listAccounts" | "request" | "asks" | "shards" | "stored" | "table"
>;

interface List {
  readonly filter: string;
  readonly names: readonly AccountName[];
  /** Nodes whose newest accounts may not be among them. */
  readonly missing: readonly Missing[];
  readonly takenMs: number;
}

function keyOf({ match, synthetic, state }: Filter): string {
  return JSON.stringify([match, synthetic, state]);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Reads all names that pass the filter; what needs the account itself is not looked at. */
function scan(
  node: Accounts,
  filter: Filter,
  done: (result: Result<AccountName[]>) => void,
): void {
  const { match, synthetic } = filter;
  const names: AccountName[] = [];
  const wanted = (name: AccountName) => name.includes(match) && (synthetic || !isSynthetic(name));
  const page = (after: readonly (string | number)[] | null) =>
    node.listAccounts(after, SCAN_ROWS, (error, found, next) => {
      if (error !== null) return done(fail("unavailable", "The store cannot be read now", 1000));
      for (const name of found) if (wanted(name)) names.push(name);
      if (names.length > NAMES_MAX) {
        return done(fail("limit_reached", `Over ${NAMES_MAX} accounts: narrow the list by match`));
      }
      if (next !== null) return page(next);
      done(ok(names.sort(compare)));
    });
  page(null);
}

/** Index of the first name after `after`. */
function firstAfter(names: readonly AccountName[], after: AccountName | null): number {
  if (after === null) return 0;
  let [lo, hi] = [0, names.length];
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (compare(names[mid]!, after) > 0) hi = mid;
    else lo = mid + 1;
  }
  return lo;
}

/**
 * What the accounts are, in the order of their names. Deleted ones are left out, and those whose
 * owner cannot be reached, who is noted in `missed`.
 */
function look(
  node: Accounts,
  names: readonly AccountName[],
  missed: OwnersMissed,
  done: (views: readonly AccountView[]) => void,
): void {
  const views: (AccountView | null)[] = names.map(() => null);
  let left = names.length;
  const finish = () => done(views.filter((view) => view !== null));
  if (left === 0) return finish();
  names.forEach((name, i) =>
    node.request(name, "account.info", {}, (result) => {
      if (result.ok) views[i] = result.value;
      else missed.note(name, result);
      if (--left === 0) finish();
    })
  );
}

/** Whether an account is in the state asked for. */
function inState(view: AccountView, state: PageOptions["state"]): boolean {
  return state === "any" || view.state === state;
}

/** One page: looks at accounts from `from` on until `limit` of them are in the state. */
function takePage(node: Accounts, list: List, from: number, page: PageOptions, done: Done): void {
  const { state, limit } = page;
  const accounts: AccountView[] = [];
  const missed = new OwnersMissed(node, list.missing);
  const exact = state === "any";
  const next = (at: number) => {
    const size = exact ? limit - accounts.length : LOOK;
    const names = list.names.slice(at, at + size);
    look(node, names, missed, (views) => {
      for (const view of views) {
        if (!inState(view, state)) continue;
        if (accounts.length === limit) return end(accounts.at(-1)!.name);
        accounts.push(view);
      }
      const then = at + names.length;
      if (then >= list.names.length) return end(null);
      if (accounts.length === limit) return end(accounts.at(-1)!.name);
      next(then);
    });
  };
  const end = (after: AccountName | null) => {
    const total = exact ? list.names.length : null;
    done(ok({ accounts, next: after, total, missing: missed.all }));
  };
  next(from);
}

/** One page of those who are online. */
function takeOnline(node: Accounts, pages: OnlinePages, page: PageOptions, done: Done): void {
  pages.take(page, ({ names, next, total, missing }) => {
    const missed = new OwnersMissed(node, missing);
    look(node, names, missed, (views) => {
      const accounts = views.filter(({ sessions }) => sessions > 0);
      done(ok({ accounts, next, total, missing: missed.all }));
    });
  });
}

/** Makes `AdminDeps.listAccounts` for a node. One list is kept, for the next page of the newest. */
export function accountListing(
  node: Accounts,
  clock: Pick<Clock, "monoMs">,
): AdminDeps["listAccounts"] {
  let kept: List | null = null;
  const pages = new OnlinePages(node);
  return (page, done) => {
    if (page.state === "online") return takeOnline(node, pages, page, done);
    const filter = keyOf(page);
    const now = clock.monoMs();
    const fresh = kept !== null && kept.filter === filter && now - kept.takenMs < KEEP_MS;
    const take = (list: List) =>
      takePage(node, list, firstAfter(list.names, page.after), page, (result) => {
        if (result.ok && result.value.next === null && kept === list) kept = null;
        done(result);
      });
    if (page.after !== null && fresh) return take(kept!);
    node.stored.complete((missing) =>
      scan(node, page, (names) => {
        if (!names.ok) return done(names);
        kept = { filter, names: names.value, missing, takenMs: clock.monoMs() };
        take(kept);
      })
    );
  };
}
