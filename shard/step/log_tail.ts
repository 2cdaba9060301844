/** The tail of a shard's log while it is read: which accounts its rows change, and their replay. */
import type { Account } from "../account/account.ts";
import type { AccountName } from "../name/ids.ts";
import type { Entry } from "../account/records.ts";
import { apply } from "../account/apply.ts";

/** The entries of a log by account. */
export class LogTail {
  readonly #tail = new Map<AccountName, { lsn: number; entry: Entry }[]>();

  /** Accounts that have not been replayed yet. */
  get left(): number {
    return this.#tail.size;
  }

  names(): AccountName[] {
    return [...this.#tail.keys()];
  }

  add(lsn: number, entries: readonly { account: AccountName; entry: Entry }[]): void {
    for (const { account, entry } of entries) {
      const list = this.#tail.get(account);
      if (list === undefined) this.#tail.set(account, [{ lsn, entry }]);
      else list.push({ lsn, entry });
    }
  }

  /** Gives up replaying an account; returns the LSN of the first row that changes it. */
  abandon(name: AccountName): number {
    const first = this.#tail.get(name)?.[0]?.lsn ?? Infinity;
    this.#tail.delete(name);
    return first;
  }

  /**
   * Applies the entries that the account's checkpoint does not include. Returns the LSN of the first
   * row applied, 0 when there was none.
   */
  replay(account: Account): number {
    let first = 0;
    // A released name has no checkpoint to say what is done: rows of its former account may be there
    // still, without its beginning.
    let begun = account.runtime.savedChunks > 0;
    for (const { lsn, entry } of this.#tail.get(account.name) ?? []) {
      begun ||= entry.kind === "created" || entry.kind === "invite" ||
        entry.kind === "import_begun" || entry.kind === "arriving";
      // Votes on a name are no account's, and each says all that holds from then on.
      const counts = begun || entry.kind === "name_register";
      if (lsn <= account.runtime.savedLsn || !counts) continue;
      if (first === 0) first = lsn;
      account.runtime.measured = false;
      apply(account, entry);
    }
    this.#tail.delete(account.name);
    if (first === 0) return 0;
    for (const c of account.lazyConversations.valuesOfChanged()) {
      const untold = c.deliveredIn > c.deliveredInTold || c.readIn > c.readInTold;
      if (untold) account.runtime.owed.add(c.with);
      else account.runtime.owed.delete(c.with);
    }
    return first;
  }
}
