/** What the admin API needs of a node: pages of accounts, new passwords, new invites. */
import type { AccountName } from "../../shard/name/ids.ts";
import type { AccountView } from "../../shard/ops.ts";
import type { AccountPage, AdminDeps, PageOptions } from "./api.ts";
import type { Node } from "../node/node.ts";
import type { Ports } from "../node/ports.ts";
import type { SignInOptions } from "../auth/sign_in_options.ts";
import { deriveCredentials } from "../auth/credentials.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { Invites } from "./invites.ts";
import { isSynthetic } from "../node/reserved_names.ts";
import { newPassword } from "../auth/registration.ts";
import { pointOf } from "../../shard/name/ids.ts";
import { Rows } from "../gateway/rows.ts";
import { VERSION } from "../config/version.ts";

/** Makes the admin API's view of a node. Invites are valid for `inviteMs`. */
export function adminDeps(
  node: Node,
  ports: Ports,
  options: SignInOptions,
  inviteMs: number,
): AdminDeps {
  return {
    domain: options.domain,
    version: VERSION,
    router: node,
    credentials(password, done) {
      const prepared = newPassword(password, options.passwordLengthMin);
      if (!prepared.ok) return done(prepared);
      deriveCredentials(ports, prepared.value, options.iterations, (keys) => done(ok(keys)));
    },
    invites: new Invites({
      rows: new Rows(ports.store),
      router: node,
      clock: ports.clock,
      random: ports.random,
      validMs: inviteMs,
    }),
    listAccounts: (page, done) => new Listing(node, page, done).next(),
  };
}

/** Pages of the store that are looked through for one page of accounts. */
const LOOKS_MAX = 20;
const LOOK_ROWS = 500;

/** One page of accounts, from as many looks at the store as it takes. */
class Listing {
  readonly #node: Node;
  readonly #page: PageOptions;
  readonly #done: (result: Result<AccountPage>) => void;
  readonly #names: AccountName[] = [];
  #after: AccountName | null;
  #looks = 0;

  constructor(node: Node, page: PageOptions, done: (result: Result<AccountPage>) => void) {
    this.#node = node;
    this.#page = page;
    this.#done = done;
    this.#after = page.after;
  }

  next(): void {
    const after = this.#after;
    // Behind every row of that account.
    const key = after === null ? null : ["u", pointOf(after), after, Number.MAX_SAFE_INTEGER];
    this.#node.listAccounts(key, LOOK_ROWS, (error, names, next) => {
      if (error !== null) {
        return this.#done(fail("unavailable", "The store cannot be read now", 1000));
      }
      const { match, synthetic, limit } = this.#page;
      for (const name of names) {
        if (!name.includes(match) || (!synthetic && isSynthetic(name))) continue;
        if (this.#names.push(name) === limit) return this.#look(name);
      }
      this.#after = next === null ? null : next[2] as AccountName;
      if (next === null || ++this.#looks === LOOKS_MAX) this.#look(this.#after);
      else this.next();
    });
  }

  /** What the accounts are; `next` is where the next page begins. */
  #look(next: AccountName | null): void {
    const views = new Map<AccountName, AccountView>();
    const names = this.#names;
    let left = names.length;
    const finish = () => {
      this.#done(ok({ accounts: names.flatMap((n) => views.get(n) ?? []), next }));
    };
    if (left === 0) return finish();
    for (const name of names) {
      this.#node.request(name, "account.info", {}, (result) => {
        if (result.ok) views.set(name, result.value);
        if (--left === 0) finish();
      });
    }
  }
}
