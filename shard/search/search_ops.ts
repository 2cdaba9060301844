/** The operation that searches a mailbox. */
import type { AccountName } from "../name/ids.ts";
import type { SearchedPage } from "./search_page.ts";

/** See `Ops`. */
export interface SearchOps {
  /**
   * Messages whose text has all words of `text`, newest first, of all conversations or the one
   * `with` a peer, before the position `before` (null: from the end), at most `limit`. A page may
   * have fewer, even none, although there is a `next`: it is bounded by what it reads. `busy` and
   * `rate_limited` bound what one account reads.
   */
  "mailbox.search": {
    in: {
      readonly text: string;
      readonly with: AccountName | null;
      readonly before: number | null;
      readonly limit: number;
    };
    out: SearchedPage;
  };
}
