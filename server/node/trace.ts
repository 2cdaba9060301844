/**
 * A trace id follows a message through the logs, from the frame to each delivery. It is computed
 * from what every place knows of the message, so that it costs no byte on the way.
 */
import type { Effect } from "../../shard/effects.ts";
import type { Log } from "./ports.ts";
import type { MailboxEvent, Ops } from "../../shard/ops.ts";
import type { Result } from "../../shard/errors.ts";
import { pointOf } from "../../shard/name/ids.ts";

/** 16 hexadecimal digits for one message of one sender. */
export function traceOf(from: string, to: string, id: string): string {
  const hex = (text: string) => pointOf(text).toString(16).padStart(8, "0");
  return hex(`${from}\n${to}\n${id}`) + hex(`${id}\n${to}\n${from}`);
}

/** Logs what became of a send. */
export function traceSend(
  log: Log,
  from: string,
  input: Ops["message.send"]["in"],
  result: Result<Ops["message.send"]["out"]>,
): void {
  const trace = traceOf(from, input.to, input.id);
  if (result.ok) {
    log.debug("message accepted", { trace, from, to: input.to, seq: result.value.seq });
  } else log.debug("message refused", { trace, from, to: input.to, code: result.code });
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
