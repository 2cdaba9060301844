/** What a search costs: pages of 1 MiB of a mailbox without an index. */
import type { AccountName, MailboxId } from "../../shard/name/ids.ts";
import { type Figure, measure } from "./bench.ts";
import { Mailbox } from "../../shard/mailbox/mailbox.ts";
import { Query } from "../../shard/search/query.ts";
import {
  SEARCHED_BYTES_MAX,
  type SearchedPage,
  SearchPage,
} from "../../shard/search/search_page.ts";

const CONTACTS = Array.from({ length: 20 }, (_, i) => `contact${i}` as AccountName);

/** A mailbox of a little more than a page, of texts that differ. */
function filled(text: string): Mailbox {
  const mailbox = new Mailbox("AAAAAAAAAAAAAAAA" as MailboxId);
  let bytes = 0;
  for (let num = 1; bytes < 1.1 * SEARCHED_BYTES_MAX; num++) {
    const body = `${text} ${num}`;
    const conversation = num % CONTACTS.length;
    mailbox.append(1_800_000_000_000 + num, {
      kind: "message",
      with: CONTACTS[conversation]!,
      out: num % 2 === 0,
      num,
      id: `3f1c0c9e-77ab-4c51-9d3b-${String(num).padStart(12, "0")}`,
      body,
      ext: "",
      device: "",
    }, conversation);
    bytes += body.length + 60;
  }
  return mailbox;
}

/** Reads all of a page, each step with what is in memory; returns the bytes that it has searched. */
function searched(mailbox: Mailbox, text: string): number {
  const query = Query.parse(text);
  if (typeof query === "string") throw new Error(query);
  let before: number | null = null;
  let bytes = 0;
  do {
    const page: SearchedPage | { readonly need: number } = new SearchPage({
      query,
      within: null,
      before,
      limit: 20,
    }).read(mailbox, new Map());
    if ("need" in page) throw new Error("a block of the benchmark is not in memory");
    bytes += page.bytes;
    before = page.next;
  } while (before !== null && bytes < SEARCHED_BYTES_MAX);
  return bytes;
}

/** See the head of this file. */
export function searches(): Figure[] {
  const plain = filled("See you at seven at the usual place, then? I bring the tickets.");
  const accents = filled("Bis später am üblichen Platz, ja? Ich bringe die Karten für alle.");
  const perMiB = (mailbox: Mailbox, text: string) => {
    const mib = searched(mailbox, text) / 1024 / 1024;
    return measure(10, () => searched(mailbox, text)) / 1000 / mib;
  };
  return [
    ["search: 1 MiB of ASCII, nothing found", perMiB(plain, "cinema"), "ms"],
    ["search: 1 MiB of ASCII, each word nearly found", perMiB(plain, "ticket usually"), "ms"],
    ["search: 1 MiB with accents, nothing found", perMiB(accents, "kino"), "ms"],
    ["search: the 20 newest that are found", measure(200, () => first(plain)), "µs"],
  ];
}

function first(mailbox: Mailbox): void {
  const query = Query.parse("tickets") as Query;
  new SearchPage({ query, within: null, before: null, limit: 20 }).read(mailbox, new Map());
}
