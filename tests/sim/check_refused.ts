/**
 * What must hold of messages that waited, were refused or were for nobody: their senders know the
 * truth.
 */
import type { Folded, Message } from "./check_mail.ts";
import type { Life, Sent } from "./oracle.ts";
import type { Cluster } from "./cluster.ts";
import { CONFIRM_MS, JUMP_MS } from "../../server/node/steady_clock.ts";
import { View } from "./view.ts";
import { Violation } from "./history.ts";
import type { WallJump } from "./wall_jump.ts";

function fail(life: Life, peer: string, check: string, text: string): never {
  throw new Violation(check, `${life.name}: ${text}`, [life.name, peer]);
}

/**
 * Which acked messages to `to` need not have arrived: those that the sender knows not to have, those
 * that may still wait for an answer to its request, and those that a later one left behind. A
 * deleted sender took with it what waited. `small`: mailboxes may have no room.
 */
export function excused(
  from: Life,
  to: Life,
  folded: readonly Folded[],
  small: boolean,
): (sent: Sent) => boolean {
  const { name } = to;
  const sender = folded.find((f) => f.life === from);
  // What a former account was notified of is gone with it: in a small mailbox, that it had no room; of
  // a change, that its message was not there.
  if (sender === undefined) {
    return ({ change }) => small || change !== null || from.wants.get(name)?.touched === true;
  }
  if (!sender.whole) return () => true;
  const told: { readonly from: number; readonly num: number }[] = [];
  for (const e of sender.events) {
    if (e.k === "undelivered" && e.with === name) told.push({ ...e, from: e.from ?? e.num });
  }
  const behind = leftBehind(sender, name);
  return (sent) => {
    const { num } = sent.acked!;
    return told.some((t) => num >= t.from && num <= t.num) || sender.view.waits(name, num) ||
      behind.has(num) && !surelyOpen(to, sent);
  };
}

/**
 * Numbers of the messages to `name` that waited without a request until a later one went at once,
 * which leaves them behind: the sender is notified of them only before a receipt covers them.
 */
function leftBehind(sender: Folded, name: string): ReadonlySet<number> {
  const view = new View(sender.life.name, `${sender.dump.mailboxId}:0`, null);
  const behind = new Set<number>();
  for (const e of sender.events) {
    if (e.k === "message" && e.out && e.with === name && !e.waits && !view.asks(name)) {
      for (const num of view.conversations.get(name)?.waiting ?? []) behind.add(num);
    }
    view.apply(e);
  }
  return behind;
}

/**
 * Whether the recipient certainly took messages from anyone whenever it can have been asked about
 * this one, so that there was nothing to wait for. The question does not go the way of the messages:
 * earlier ones may arrive long after its answer, when the recipient's state is another.
 */
function surelyOpen(to: Life, { life, sentMs, ackedMs }: Sent): boolean {
  const blocks = to.blocks.get(life.name);
  return to.anyone.always(true, sentMs, ackedMs) &&
    (blocks?.always(false, sentMs, ackedMs) ?? true);
}

/**
 * Numbers of the messages to `name` whose wait for a subscription is over, without those that a
 * later message overtook, with the time at which it ended, and those of them whose wait ended with
 * an acceptance.
 */
function sentWaiting(sender: Folded, name: string) {
  const view = new View(sender.life.name, `${sender.dump.mailboxId}:0`, null);
  const waiting = new Map<number, number>();
  const accepted = new Set<number>();
  let pending: number[] = [];
  /** Those whose request has ended: they wait for no other. */
  const ended = new Set<number>();
  for (const e of sender.events) {
    const asked = view.asks(name);
    view.apply(e);
    const about = e.k === "roster" || e.k === "roster_removed";
    if (about && e.contact === name && asked && !view.asks(name)) {
      for (const num of pending) if (view.waits(name, num)) ended.add(num);
    }
    if (e.k === "message" && e.out && e.with === name && e.waits) pending.push(e.num);
    const over = pending.filter((num) => !view.waits(name, num));
    if (over.length === 0) continue;
    pending = pending.filter((num) => view.waits(name, num));
    // A message to an account that takes them from anyone leaves those behind that wait without a
    // request.
    if (e.k === "message" && !asked) continue;
    for (const num of over) waiting.set(num, e.at);
    const subscription = view.roster.get(name)?.subscription ?? "none";
    if (subscription !== "none") { for (const num of over) accepted.add(num); }
  }
  const kept = [...ended].find((num) => view.waits(name, num));
  if (kept !== undefined) {
    const text = `message ${kept} to ${name} still waits, but its request has ended`;
    fail(sender.life, name, "what waits with a request ends with it", text);
  }
  return { waiting, accepted };
}

/**
 * What waited with a request was delivered once it was accepted, or its sender was notified that it
 * was
 * not: checked where the two were never apart again.
 */
export function checkWaiting(folded: readonly Folded[]): void {
  for (const from of folded) {
    for (const to of folded) {
      const simple = from !== to && from.whole && to.whole && to.life.number === 1 &&
        !from.life.blocks.get(to.life.name)?.touched &&
        !to.life.blocks.get(from.life.name)?.touched;
      if (!simple) continue;
      const accepts = to.accepts.get(from.life.name)!;
      // Accepted for good, after it was not: whatever was released met a recipient that takes it.
      if (accepts.lastIndexOf(false) > accepts.indexOf(true) && accepts.includes(true)) continue;
      const { name } = to.life;
      const taken = new Set(
        to.events.flatMap((e) =>
          e.k === "message" && !e.out && e.with === from.life.name ? [e.id] : []
        ),
      );
      const told = new Set(from.events.flatMap((e) => e.k === "undelivered" ? [e.id] : []));
      const full = new Set(
        from.events.flatMap((e) => e.k === "undelivered" && e.reason === "quota" ? [e.id] : []),
      );
      const lacking = new Set(
        from.events.flatMap((e) => e.k === "undelivered" && e.reason === "not_found" ? [e.id] : []),
      );
      const { waiting, accepted } = sentWaiting(from, name);
      // What is released by accepting a request that was withdrawn meanwhile meets one who does not
      // take it yet, or never does.
      const since = accepts.indexOf(true);
      const takesFrom = since < 0 ? 0 : (to.events[since] ?? to.events[since - 1])?.at ?? 0;
      for (const e of from.events) {
        if (e.k !== "message" || !e.out || e.with !== name) continue;
        if ((waiting.get(e.num) ?? -1) < takesFrom) continue;
        if (since < 0 && accepted.has(e.num)) continue;
        const right = taken.has(e.id) !== told.has(e.id);
        if (right && (taken.has(e.id) || full.has(e.id) || !accepted.has(e.num))) continue;
        // Of a change also where the recipient does not have the message, as before an account's end.
        if (right && e.change !== undefined && lacking.has(e.id)) continue;
        const text = `${e.id} to ${name}, sent with a request, was ${
          taken.has(e.id)
            ? "taken and undelivered"
            : told.has(e.id)
            ? "undelivered after it was accepted"
            : "neither taken nor undelivered"
        }`;
        fail(from.life, name, "what waits with a request arrives or is undelivered", text);
      }
    }
  }
}

/**
 * A receipt covers a message only if the other side has it, or its sender knows that it has not.
 */
export function checkCovered(folded: readonly Folded[]): void {
  for (const from of folded) {
    for (const to of folded) {
      if (from === to || !from.whole || !to.whole || to.life.number > 1) continue;
      const taken = new Set(
        to.events.flatMap((e) =>
          e.k === "message" && !e.out && e.with === from.life.name ? [e.id] : []
        ),
      );
      const told = new Set<number>();
      const sent: Message[] = [];
      for (const e of from.events) {
        if (!("with" in e) || e.with !== to.life.name) continue;
        if (e.k === "message" && e.out) sent.push(e);
        if (e.k === "undelivered") {
          for (let num = e.from ?? e.num; num <= e.num; num++) told.add(num);
        }
        if (e.k !== "receipt") continue;
        const wrong = sent.find((m) =>
          m.num <= e.delivered && !taken.has(m.id) && !told.has(m.num)
        );
        if (wrong === undefined) continue;
        const text = `${JSON.stringify(e)} covers ${wrong.id}, which ${to.life.name} never took`;
        fail(from.life, to.life.name, "receipts cover only what was taken", text);
      }
    }
  }
}

/**
 * A node has to believe a jump of its wall clock that is small or goes back, one that came before
 * it was started, and one that may have stood for so long that `SteadyClock` follows it. A chaos of
 * eleven minutes has jumps of the third kind.
 */
function isBelieved(jump: WallJump, nowMs: number): boolean {
  if (jump.deltaMs <= JUMP_MS || jump.node.starts > jump.starts) return true;
  return nowMs - jump.atMs >= CONFIRM_MS;
}

/** No stamp is further ahead of the clock than jumps that the node had to believe explain. */
export function checkStamps(
  cluster: Pick<Cluster, "jumps" | "time">,
  folded: readonly Pick<Folded, "life" | "events">[],
): void {
  const believed = cluster.jumps.filter((j) => isBelieved(j, cluster.time.nowMs));
  const aheadMs = believed.reduce((sum, j) => sum + Math.abs(j.deltaMs), 0);
  const latest = cluster.time.global.clock.wallMs() + aheadMs + JUMP_MS;
  for (const { life, events } of folded) {
    const last = events.at(-1);
    if (last === undefined || last.at <= latest) continue;
    const text = `${JSON.stringify(last)} is ${last.at - latest} ms beyond what it may be`;
    fail(life, life.name, "stamps do not run ahead", text);
  }
}

/** What an account sends to itself is in its mailbox once, and is not incoming. */
export function checkNotes(folded: readonly Folded[]): void {
  for (const { life, events } of folded) {
    const wrong = events.find((e) => e.k === "message" && !e.out && e.with === life.name);
    if (wrong !== undefined) fail(life, life.name, "a note is one event", JSON.stringify(wrong));
  }
}
