/**
 * What must hold of edits, removals and reactions: each message is what the changes in its mailbox make
 * of it, two mailboxes that have the same changes agree, and a text that was edited or removed is stored
 * no more.
 */
import type { Cluster } from "./cluster.ts";
import type { Folded, Message } from "./check_mail.ts";
import type { Life, Oracle } from "./oracle.ts";
import { REMOVED } from "../../server/text/event_json.ts";
import { Violation } from "./history.ts";

/** What is shown of a message. */
interface Shown {
  body: string;
  removed: boolean;
  own: readonly string[];
  peer: readonly string[];
}

function fail(life: Life, peer: string, check: string, text: string): never {
  throw new Violation(check, `${life.name}: ${text}`, [life.name, peer]);
}

/** The change that an event is, by what its sender has asked for. */
function changeOf(oracle: Oracle, life: Life, e: Message) {
  if (e.change === undefined) return null;
  const senders = e.out ? [life] : oracle.lives(e.with);
  const to = e.out ? e.with : life.name;
  return senders.map((s) => s.sent.get(e.id)).find((s) => s?.to === to)?.change ?? null;
}

/** The messages of a mailbox by position, as its changes make them. */
function expected({ oracle }: Cluster, { life, events, shown }: Folded): Map<number, Shown> {
  const all = new Map<number, Shown>();
  events.forEach((e, i) => {
    if (e.k !== "message") return;
    const now = shown[i] as Message;
    const change = changeOf(oracle, life, e);
    if (change === null) {
      return void all.set(e.seq, { body: e.body, removed: false, own: [], peer: [] });
    }
    // An edit that another one has followed names nothing any more.
    if (now.change === "past" || now.of === undefined) return;
    const { num, out = false } = now.of;
    const found = events.findLast((m) =>
      m.k === "message" && m.change === undefined && m.with === e.with && m.num === num &&
      (m.out ?? false) === out && m.seq < e.seq
    );
    const message = found === undefined ? undefined : all.get(found.seq);
    // It may be trimmed.
    if (message === undefined) return;
    if (message.removed) fail(life, e.with, "what is removed stays so", JSON.stringify(now));
    if (change.name === "edit") message.body = e.body;
    else if (change.name === "react") message[e.out ? "own" : "peer"] = change.emoji;
    else all.set(found!.seq, { body: REMOVED, removed: true, own: [], peer: [] });
  });
  return all;
}

/** See the head of this file. */
export function checkChanges(cluster: Cluster, folded: readonly Folded[]): void {
  for (const of of folded) {
    const wanted = expected(cluster, of);
    for (const e of of.shown) {
      if (e.k !== "message" || e.change !== undefined) continue;
      cluster.oracle.checked++;
      const { body, removed = false, own = [], peer = [] } = e;
      const is = JSON.stringify({ body, removed, own, peer });
      const should = JSON.stringify(wanted.get(e.seq));
      if (is === should) continue;
      fail(
        of.life,
        e.with,
        "messages are as changes make them",
        `${e.seq} is ${is}, not ${should}`,
      );
    }
  }
  for (const of of folded) agree(cluster, of, folded);
  noneStored(cluster, folded);
}

/** The recipients of messages have them as their sender does, where they have taken all its changes. */
function agree({ oracle }: Cluster, from: Folded, folded: readonly Folded[]): void {
  const { life } = from;
  for (const to of folded) {
    if (to === from || !from.whole || !to.whole) continue;
    const mine = new Map<string, Message>();
    for (const e of from.shown) {
      if (e.k === "message" && e.out && e.with === to.life.name) mine.set(e.id, e);
    }
    const theirs = to.shown.filter((e): e is Message =>
      e.k === "message" && !e.out && e.with === life.name && mine.has(e.id)
    );
    const taken = new Set(theirs.map((e) => e.id));
    for (const e of theirs) {
      const own = mine.get(e.id)!;
      if (e.change !== undefined) continue;
      const missed = [...mine.values()].some((c) => {
        const change = c.change === undefined ? null : changeOf(oracle, life, c);
        const names = change !== null && change.name !== "react" && change.num === own.num;
        return names && !taken.has(c.id);
      });
      if (missed) continue;
      if (own.body === e.body && own.removed === e.removed) continue;
      const text = `${JSON.stringify(own)}, and ${to.life.name} has ${JSON.stringify(e)}`;
      fail(life, to.life.name, "both mailboxes agree on changes", text);
    }
  }
}

/** Texts that nobody has any more are in no block, and in no head that is written since. */
function noneStored(cluster: Cluster, folded: readonly Folded[]): void {
  const texts = folded.flatMap(({ shown }) =>
    shown.flatMap((e) => e.k === "message" && e.removed !== true ? [e.body] : [])
  );
  const kept = texts.join("\n");
  for (const { life, events, shown, whole } of folded) {
    if (!whole) continue;
    events.forEach((e, i) => {
      const now = shown[i] as Message;
      if (e.k !== "message" || e.change !== undefined || now.body === e.body) return;
      // The whole text: another one may begin as it does.
      if (!e.body.endsWith("..") || kept.includes(e.body)) return;
      // It may have it in a block that is kept for unread messages, and not have got the change.
      if (folded.some((to) => to.life.name === e.with && !to.whole)) return;
      for (const { disk } of cluster.nodes) {
        for (const row of disk.rows(["m"])) {
          if (!new TextDecoder("latin1").decode(row.value).includes(e.body)) continue;
          fail(life, e.with, "what is removed is stored no more", `${row.key}: ${e.body}`);
        }
      }
    });
  }
}
