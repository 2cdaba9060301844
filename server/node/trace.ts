/**
 * A trace id follows a message through the logs, from the frame to each delivery. It is computed
 * from what every place knows of the message, so that it costs no byte on the way.
 */
import type { Done } from "./callers.ts";
import type { Effect } from "../../shard/effects.ts";
import type { Log } from "./ports.ts";
import type { MailboxEvent, Ops } from "../../shard/ops.ts";
import { pointOf } from "../../shard/name/ids.ts";

/** 16 hexadecimal digits for one message of one sender. */
export function traceOf(from: string, to: string, id: string): string {
  const hex = (text: string) => pointOf(text).toString(16).padStart(8, "0");
  return hex(`${from}\n${to}\n${id}`) + hex(`${id}\n${to}\n${from}`);
}

/** A `done` for a send that logs what became of it, and calls the given one. */
export function tracedSend(
  log: Log,
  from: string,
  { to, id }: Ops["message.send"]["in"],
  done: Done,
): Done {
  return (result) => {
    const trace = traceOf(from, to, id);
    if (result.ok) {
      const { seq } = result.value as Ops["message.send"]["out"];
      log.debug("message accepted", { trace, from, to, seq });
    } else log.debug("message refused", { trace, from, to, code: result.code });
    done(result);
  };
}

function traceEvent(log: Log, owner: string, event: MailboxEvent, sessions: number): void {
  if (event.kind !== "message") return;
  const [from, to] = event.out ? [owner, event.with] : [event.with, owner];
  const trace = traceOf(from, to, event.id);
  log.debug("message delivered", { trace, mailbox: owner, seq: event.seq, sessions });
}

/** Logs an effect where it is a step of a message on its way. `owner`: whose mailbox it is about. */
export function traceEffect(log: Log, effect: Effect): void {
  if (effect.kind === "packet") {
    const p = effect.packet;
    if (p.kind === "pair" && p.payload.kind === "message") {
      const trace = traceOf(p.from, p.to, p.payload.id);
      log.debug("message forwarded", { trace, from: p.from, to: p.to, n: p.n });
    } else if (p.kind === "pair_ack") {
      log.debug("messages settled", { from: p.to, to: p.from, n: p.n });
    }
  } else if (effect.kind === "edge" && effect.packet.kind === "events") {
    const { owner, events, sessions } = effect.packet;
    for (const e of events) traceEvent(log, owner, e, sessions.length);
  }
}
