/**
 * What must hold of the mailboxes of a quiescent cluster: nothing lost, doubled, made up or mixed
 * up.
 */
import type { AccountDump } from "./dump.ts";
import type { AccountName } from "../../shard/name/ids.ts";
import type { Ops } from "../../shard/ops.ts";
import type { Life, Sent } from "./oracle.ts";
import type { Cluster } from "./cluster.ts";
import { ask } from "./dump.ts";
import { encodeSnapshot } from "../../server/v1/encode.ts";
import { encodeEvent } from "../../server/text/event_json.ts";
import { View, type WireEvent, type WireSnapshot } from "./view.ts";
import { excused } from "./check_refused.ts";
import { originalOf } from "./changed.ts";
import { Violation } from "./history.ts";

export type Message = WireEvent & { readonly k: "message" };

/** A mailbox with what follows from it. */
export interface Folded {
  readonly life: Life;
  readonly dump: AccountDump;
  /** Its events as they were before others have changed them, and as they are. */
  readonly events: readonly WireEvent[];
  readonly shown: readonly WireEvent[];
  /** Position of the first retained event. */
  readonly first: number;
  /** Whether nothing was trimmed. */
  readonly whole: boolean;
  /** The state after the last event; of the snapshot where the beginning is missing. */
  readonly view: View;
  /** By peer: whether the state after position `i` takes messages from it; only where whole. */
  readonly accepts: ReadonlyMap<string, readonly boolean[]>;
}

/** Folds the mailboxes of all accounts that there are; checks each by itself. */
export function foldAll(cluster: Cluster, dumps: readonly AccountDump[]): Folded[] {
  const out: Folded[] = [];
  for (const person of cluster.people) {
    const dump = dumps.find((d) => d.name === person.name)!;
    if (person.life === null) continue;
    if (dump.snapshot === null) {
      throw new Violation("accounts are durable", `${person.name} is gone`, [person.name]);
    }
    out.push(foldOne(cluster, person.life, dump));
  }
  return out;
}

function foldOne(cluster: Cluster, life: Life, dump: AccountDump): Folded {
  const shown = dump.events.map((e) => JSON.parse(encodeEvent(e)) as WireEvent);
  const events = shown.map((e) => originalOf(cluster.oracle, life, e));
  const first = events[0]?.seq ?? dump.snapshot!.seq + 1;
  const whole = first === 1;
  if (!whole && !cluster.config.trims) {
    const text = `${life.name} begins at ${first}, but nothing is ever trimmed here`;
    throw new Violation("nothing is lost", text, [life.name]);
  }
  for (const event of shown) cluster.oracle.saw(life, dump.mailboxId, event, "the auditor");
  const cursor = `${dump.mailboxId}:${dump.snapshot!.seq}`;
  const snapshot = JSON.parse(encodeSnapshot(dump.snapshot!)) as WireSnapshot;
  const told = new View(life.name, cursor, snapshot);
  const accepts = new Map<string, boolean[]>();
  if (!whole) {
    contiguous(life, events, told.seq);
    return { life, dump, events, shown, first, whole, view: told, accepts };
  }
  for (const { name } of cluster.people) accepts.set(name, []);
  const view = new View(life.name, `${dump.mailboxId}:0`, null);
  const wanted = cluster.oracle.snapshots.filter((s) => s.life === life);
  const look = () => {
    for (const [name, list] of accepts) list.push(view.accepts(name));
    for (const { seq, text, who } of wanted) {
      if (seq === view.seq) sameState(life, `${who} at ${seq}`, text, view.text(0));
    }
  };
  look();
  for (const event of events) {
    view.apply(event);
    look();
  }
  sameState(life, "the last one", told.text(0), view.text(0));
  return { life, dump, events, shown, first, whole, view, accepts };
}

function contiguous(life: Life, events: readonly WireEvent[], last: number): void {
  let seq = (events[0]?.seq ?? last + 1) - 1;
  for (const event of events) {
    if (event.seq !== ++seq) {
      const text = `${life.name} has ${event.seq} where ${seq} should be`;
      throw new Violation("gap-free", text, [life.name]);
    }
  }
  if (seq !== last) {
    throw new Violation("gap-free", `${life.name} ends at ${seq}, not ${last}`, [life.name]);
  }
}

function sameState(life: Life, what: string, snapshot: string, folded: string): void {
  if (snapshot === folded) return;
  const text = `${life.name}, ${what}:\n${snapshot}\nbut the events say\n${folded}`;
  throw new Violation("snapshots are what the events say", text, [life.name]);
}

// ---- messages

/** The sender's side: every acked message is where it was said to be, none exists twice. */
export function checkSent(folded: readonly Folded[]): void {
  for (const { life, events, first, whole } of folded) {
    const keys = new Set<string>();
    const numbers = new Map<string, number>();
    for (const event of events) {
      if (event.k !== "message" || !event.out) continue;
      if (keys.has(event.id)) fail(life, event.with, "exactly once", `${event.id} exists twice`);
      keys.add(event.id);
      const before = numbers.get(event.with) ?? (whole ? 0 : event.num - 1);
      if (event.num !== before + 1) {
        fail(life, event.with, "numbers", `number ${event.num} to ${event.with} after ${before}`);
      }
      numbers.set(event.with, event.num);
    }
    const bySeq = new Map(events.map((e) => [e.seq, e]));
    for (const sent of life.sent.values()) {
      if (sent.acked === null || sent.acked.seq < first) continue;
      const event = bySeq.get(sent.acked.seq);
      const there = event?.k === "message" && event.out === true && event.id === sent.key &&
        event.num === sent.acked.num && event.at === sent.acked.at;
      if (!there) {
        const found = JSON.stringify(event);
        const text = `${sent.key} was acked as ${JSON.stringify(sent.acked)}, there is ${found}`;
        fail(life, sent.to, "no lost ack", text);
      }
    }
  }
}

function fail(life: Life, peer: string, check: string, text: string): never {
  throw new Violation(check, `${life.name}: ${text}`, [life.name, peer]);
}

/** What was not delivered is said of a message that there is, and of none that has arrived. */
export function checkUndelivered(cluster: Cluster, folded: readonly Folded[]): void {
  for (const { life, events, whole } of folded) {
    for (const event of events) {
      if (event.k !== "undelivered") continue;
      // A range of several has no id: its last message is the one with the number.
      const is = (e: WireEvent & { k: "message" }) =>
        event.id === "" ? e.with === event.with && e.num === event.num : e.id === event.id;
      const sent = events.find((e) => e.k === "message" && e.out && is(e));
      const same = sent?.k === "message" && sent.num === event.num && sent.with === event.with;
      if (sent === undefined ? whole : !same) {
        const text = `${JSON.stringify(event)}, sent was ${JSON.stringify(sent)}`;
        fail(life, event.with, "undelivered is what was sent", text);
      }
      // No recipient gets near a limit where mailboxes hold many events.
      if (event.reason === "quota" && !cluster.config.trims) {
        fail(life, event.with, "nobody is too full to write to", JSON.stringify(event));
      }
      const body = life.sent.get(event.id)?.body;
      const to = folded.find((f) => f.life.name === event.with);
      const came = to?.events.find((e) =>
        e.k === "message" && !e.out && e.body === body && e.id === event.id && e.with === life.name
      );
      if (came === undefined) continue;
      fail(life, event.with, "undelivered is what was not delivered", JSON.stringify(came));
    }
  }
}

/** The recipient's side: in order, once, as the sender has it, and only what was to be accepted. */
export function checkReceived(cluster: Cluster, folded: readonly Folded[]): void {
  for (const to of folded) {
    for (const name of cluster.oracle.names) {
      for (const from of cluster.oracle.lives(name)) {
        const taken = to.events.filter((e): e is Message =>
          e.k === "message" && !e.out && e.with === name && from.sent.get(e.id)?.body === e.body
        );
        inOrder(to, from, taken);
        fromOneOn(to, from, taken);
        const before = toldFrom(from, taken, folded);
        const received = taken.map((e) => ({ ...e, num: e.num + (before ?? 0) }));
        if (to.whole) {
          onlyAccepted(to, from, received);
          const { trims } = cluster.config;
          if (from !== to.life) nothingLost(to, from, received, before !== null, folded, trims);
        }
        bothAgree(to, from, received, folded);
      }
    }
  }
}

/** An account gets numbers that count what was sent to it, not to a former one of the name. */
function fromOneOn(to: Folded, from: Life, taken: readonly Message[]): void {
  const sent = [...from.sent.values()].filter((s) => {
    return s.to === to.life.name && s.ackedMs >= to.life.bornMs;
  });
  const most = taken.at(-1)?.num ?? 0;
  if (most <= sent.length) return;
  const text = `got number ${most} by ${from.name}, who has sent it ${sent.length}`;
  fail(to.life, from.name, "nothing leaks to a new account", text);
}

/** History pages through exactly the messages of a conversation, both ways. */
export function checkHistory(cluster: Cluster, folded: readonly Folded[]): void {
  const { prng, people } = cluster;
  for (const { life, events, first } of folded) {
    const peer = prng.pick(people).name;
    const wanted = events
      .filter((e) => e.k === "message" && e.change === undefined || e.k === "undelivered")
      .filter((e) => "with" in e && e.with === peer)
      .map((e) => e.seq);
    const forward = prng.chance(0.5);
    const found: number[] = [];
    for (let edge: number | null = null;;) {
      const limit = prng.int(3, 12);
      const input: Ops["conversation.history"]["in"] = {
        with: peer as AccountName,
        before: forward ? null : edge,
        after: forward ? edge ?? 0 : null,
        limit,
        bytesMax: limit % 2 === 0 ? 300 : 65_536,
      };
      const page = ask(
        cluster,
        cluster.nodeOf(life.name),
        life.name,
        "conversation.history",
        input,
      );
      if (!page.ok) throw new Violation("liveness", `history of ${life.name}: ${page.code}`);
      const seqs = page.value.events.map((e) => e.seq);
      if (forward) found.push(...seqs);
      else found.unshift(...seqs);
      if (!page.value.more) break;
      if (seqs.length === 0) {
        const text = `an empty page of ${life.name} with ${peer} says that more follow`;
        throw new Violation("history is whole", text, [life.name]);
      }
      edge = (forward ? seqs.at(-1) : seqs[0])!;
    }
    // Before the first event are blocks that are kept for their unread messages.
    const kept = found.filter((seq) => seq < first);
    const ascending = kept.every((seq, i) => i === 0 || kept[i - 1]! < seq);
    if (!ascending || found.slice(kept.length).join() !== wanted.join()) {
      const way = forward ? "forward" : "backward";
      fail(life, peer, "history is whole", `${way} it is ${found}, the mailbox has ${wanted}`);
    }
  }
}

/**
 * How many numbers of the sender come before those that this account got, which gets its own
 * from 1 on; null where no message that it has was acked to a sender that was deleted.
 */
function toldFrom(from: Life, taken: readonly Message[], folded: readonly Folded[]): number | null {
  const events = folded.find((f) => f.life === from)?.events ?? [];
  for (const { id, num } of taken) {
    const own = events.find((e) => e.k === "message" && e.out === true && e.id === id);
    const ownNum = own?.k === "message" ? own.num : from.sent.get(id)?.acked?.num;
    if (ownNum !== undefined) return ownNum - num;
  }
  return null;
}

function inOrder(to: Folded, from: Life, received: readonly Message[]): void {
  let last = 0;
  for (const { num, seq } of received) {
    if (num <= last) {
      fail(to.life, from.name, "per-pair FIFO", `${num} after ${last} from ${from.name} at ${seq}`);
    }
    last = num;
  }
}

function onlyAccepted(to: Folded, from: Life, received: readonly Message[]): void {
  const accepts = to.accepts.get(from.name);
  for (const event of received) {
    if (accepts?.[event.seq - 1] !== false) continue;
    fail(to.life, from.name, "messages only from the authorised", JSON.stringify(event));
  }
}

/** Every acked message has arrived, or was refused by a state that was there at that time. */
function nothingLost(
  to: Folded,
  from: Life,
  received: readonly Message[],
  known: boolean,
  folded: readonly Folded[],
  small: boolean,
): void {
  const isExcused = excused(from, to.life, folded, small);
  const at = new Map(received.map((e) => [e.num, e.seq]));
  const wanted: Sent[] = [...from.sent.values()]
    .filter((s) => s.acked !== null && s.to === to.life.name)
    .sort((a, b) => a.acked!.num - b.acked!.num);
  const accepts = to.accepts.get(from.name) ?? [];
  // What was addressed to a former account of the name is not for this one; what its sender has
  // sent before it learnt of this one cannot be distinguished from that.
  const knownFrom = from.bornMs >= to.life.bornMs || to.life.number === 1
    ? 0
    : known
    ? received[0]!.num
    : Infinity;
  for (const sent of wanted) {
    const { num } = sent.acked!;
    if (at.has(num) || num < knownFrom) continue;
    let before = 0;
    let after = Infinity;
    for (const [n, seq] of at) {
      if (n < num) before = Math.max(before, seq);
      else after = Math.min(after, seq);
    }
    if (accepts.slice(before, after).includes(false) || isExcused(sent)) continue;
    fail(to.life, from.name, "no lost ack", `${sent.key} from ${from.name} (${num}) never came`);
  }
}

function bothAgree(
  to: Folded,
  from: Life,
  received: readonly Message[],
  folded: readonly Folded[],
): void {
  const sender = folded.find((f) => f.life === from);
  if (sender === undefined) return;
  const sent = new Map<number, Message>();
  for (const e of sender.events) {
    if (e.k === "message" && e.out && e.with === to.life.name) sent.set(e.num, e);
  }
  for (const event of received) {
    const other = sent.get(event.num);
    if (other === undefined && !sender.whole) continue;
    const same = other?.id === event.id && other.body === event.body && other.ext === event.ext;
    if (!same) {
      const text = `${JSON.stringify(event)}, but its sender has ${JSON.stringify(other)}`;
      fail(to.life, from.name, "both mailboxes agree", text);
    }
  }
}
