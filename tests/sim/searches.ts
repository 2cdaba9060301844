/**
 * Searches of users, held to a naive search over what is known of their mailboxes: while they act, over
 * the events that devices have been shown; in the end, over the whole mailbox.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import type { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import type { Folded, Message } from "./check_mail.ts";
import type { FoundMessage, SearchedPage } from "../../shard/search/search_page.ts";
import type { Life } from "./oracle.ts";
import type { Ops } from "../../shard/ops.ts";
import type { Prng } from "./prng.ts";
import type { Result } from "../../shard/errors.ts";
import type { WireEvent } from "./view.ts";
import { ask } from "./dump.ts";
import { naivelyFinds } from "./naive_search.ts";
import { Violation } from "./history.ts";

/** Words that messages end with, by turns, so that there is more to find than names and keys. */
const ENDINGS = ["tickets", "Zürich", "東京都に", "БИЛЕТЫ", "Straße", "🎉", "Ticket"] as const;
const QUERIES = [
  "ticket",
  "ZURICH",
  "京都",
  "билет",
  "strasse",
  "🎉",
  "to",
  "m1",
  "m1 ticket",
] as const;

/** What the message of a number ends with. */
export function endingOf(number: number): string {
  return ENDINGS[number % ENDINGS.length]!;
}

type Found = Omit<FoundMessage, "out"> & { readonly out?: true };

interface Query {
  readonly text: string;
  readonly with?: string;
  readonly before?: number;
  readonly limit?: number;
}

function queryOf(prng: Prng, name: string, peer: string): string {
  return prng.pick([...QUERIES, peer, `${name} to`, `${peer} m`, "nothing"]);
}

function isWanted(event: WireEvent, { text, with: peer }: Query): event is Message {
  return event.k === "message" && (peer === undefined || event.with === peer) &&
    event.change === undefined && event.removed !== true && naivelyFinds(text, event.body);
}

/** Whether who has written a message has ever changed one for the same recipient. */
function mayChange({ oracle }: Cluster, life: Life, event: WireEvent): boolean {
  if (event.k !== "message") return false;
  const senders = event.out ? [life] : oracle.lives(event.with);
  const to = event.out ? event.with : life.name;
  return senders.some(({ sent }) =>
    [...sent.values()].some((s) => s.to === to && s.change !== undefined && s.change !== null)
  );
}

function fail(life: Life, query: Query, why: string): never {
  throw new Violation("a search finds what there is", `${JSON.stringify(query)}: ${why}`, [
    life.name,
  ]);
}

/** A device asks for a page of a search; what comes is checked. */
export function searchAtRandom(cluster: Cluster, device: Device, peer: string, prng: Prng): void {
  const { oracle, config } = cluster;
  const { mailboxId, seq } = device.view!;
  const life = device.life!;
  const query: Query = {
    text: queryOf(prng, device.person.name, peer),
    limit: prng.pick([1, 5, 100]),
    ...(prng.chance(0.5) ? { with: peer } : {}),
    ...(prng.chance(0.3) ? { before: prng.int(0, seq + 1) } : {}),
  };
  const known = (oracle.observed.get(mailboxId) ?? []).slice();
  device.command("search", { ...query }, (answer) => {
    if (!answer?.ok) return;
    const page = answer.value as { readonly found: readonly Found[]; readonly next?: number };
    const seen = oracle.observed.get(mailboxId) ?? [];
    checkFound(cluster, life, query, page.found, seen);
    if (config.trims) return;
    const from = page.next ?? 0;
    known.forEach((text, at) => {
      if (at < from || at >= (query.before ?? Infinity)) return;
      const event = JSON.parse(text) as WireEvent;
      if (!isWanted(event, query) || mayChange(cluster, life, event)) return;
      if (!page.found.some((f) => f.seq === at)) fail(life, query, `it does not find ${text}`);
    });
  });
}

/** What was found is what was asked for, as devices have been shown it, newest first. */
function checkFound(
  cluster: Cluster,
  life: Life,
  query: Query,
  found: readonly Found[],
  seen: readonly string[],
): void {
  if (found.length > query.limit!) fail(life, query, `it finds ${found.length}`);
  let last = query.before ?? Infinity;
  for (const { excerpt, marks, ...message } of found) {
    const what = JSON.stringify(message);
    if (message.seq >= last) fail(life, query, `it finds ${what} behind ${last}`);
    last = message.seq;
    if (marks.length === 0) fail(life, query, `it marks nothing in ${excerpt}`);
    const text = seen[message.seq];
    if (text === undefined) continue;
    const event = JSON.parse(text) as WireEvent;
    if (mayChange(cluster, life, event)) continue;
    if (!isWanted(event, query)) fail(life, query, `it finds ${text}`);
    const { seq, at, with: peer, num, id, out } = event;
    const wanted = { seq, at, with: peer, num, id, ...(out ? { out } : {}) };
    if (what !== JSON.stringify(wanted)) fail(life, query, `it finds ${what} for ${text}`);
    if (!event.body.includes(excerpt.replaceAll("…", ""))) fail(life, query, `${excerpt}: ${text}`);
  }
}

/** Searches, page by page, find exactly what a naive search of the mailbox finds. */
export function checkSearches(cluster: Cluster, folded: readonly Folded[]): void {
  const prng = cluster.prng.fork("searches");
  for (const { life, shown, first } of folded) {
    const peer = prng.pick(cluster.people).name;
    const within = prng.chance(0.5) ? peer : null;
    const text = queryOf(prng, life.name, peer);
    const query: Query = { text, ...(within === null ? {} : { with: within }) };
    const wanted = shown.filter((e) => isWanted(e, query)).map((e) => e.seq).reverse();
    const found: number[] = [];
    for (let before: number | null = null;;) {
      const limit = prng.int(1, 12);
      const asked: Ops["mailbox.search"]["in"] = {
        text,
        with: within as AccountName | null,
        before,
        limit,
      };
      const node = cluster.nodeOf(life.name);
      const page: Result<SearchedPage> = ask(cluster, node, life.name, "mailbox.search", asked);
      // A node of the version before, which may have the account, knows no search.
      if (!page.ok && cluster.config.older > 0 && page.code === "unavailable") return;
      if (!page.ok) throw new Violation("liveness", `search of ${life.name}: ${page.code}`);
      // Before the first event are blocks that are kept for their unread messages.
      found.push(...page.value.found.map((f) => f.seq).filter((seq) => seq >= first));
      if (page.value.next === null) break;
      before = page.value.next;
    }
    if (found.join() !== wanted.join()) {
      fail(life, query, `it finds ${found}, the mailbox has ${wanted}`);
    }
  }
}
