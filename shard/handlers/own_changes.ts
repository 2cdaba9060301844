/** Changes that the owner of an account makes: checked, and done to its own mailbox. */
import type { Account } from "../account/account.ts";
import { type Blocks, effectsOf, type Ineffective } from "./changes.ts";
import { type Change, changeOf, noteOf } from "../message/note.ts";
import type { Entry } from "../account/records.ts";
import type { Ops } from "../ops.ts";
import type { Pending, Turn, Wait } from "./turn.ts";
import { fail, type Failure } from "../errors.ts";

type Input = Ops["message.send"]["in"];

const NOT_THERE = fail("not_found", "There is no such message, or you have not written it");

const FAILURES: Readonly<Record<Ineffective, Failure>> = {
  missing: NOT_THERE,
  removed: fail("conflict", "The message was removed"),
  large: fail("limit_reached", "Too much was added to the messages around this one"),
};

/** Blocks of the mailbox that were read for a request, as long as they are as they were. */
function mailOf({ mailbox }: Account, pending: Pending): Blocks {
  const { mail } = pending;
  if (mail?.mailbox === mailbox && mail.replaced === mailbox.replaced) return mail.blocks;
  const blocks = new Map<number, Uint8Array>();
  pending.mail = { mailbox, replaced: mailbox.replaced, blocks };
  return blocks;
}

function effectsIn(
  turn: Turn,
  account: Account,
  { to: peer, body }: Input,
  change: Change,
  pending: Pending,
): readonly Entry[] | Wait | Failure {
  const waits = account.waiting.get(peer)?.some(({ num }) => change.mine && num === change.num);
  if (waits === true) {
    return fail("conflict", "The message waits for its recipient to accept: it cannot be changed");
  }
  const of = { peer, out: true, change, body, at: turn.eventTime(account) };
  const effects = effectsOf(account, of, mailOf(account, pending));
  if (typeof effects === "string") return FAILURES[effects];
  if (!("need" in effects)) return effects;
  return { wait: "block", table: "m", first: effects.need };
}

/** Why a message cannot be sent yet, or at all, for the message that it names; null: nothing is. */
export function checkNamed(
  turn: Turn,
  account: Account,
  input: Input,
  pending: Pending,
): Wait | Failure | null {
  const note = noteOf(input.ext);
  if (note?.num === undefined) return null;
  const change = changeOf(input.ext);
  if (change !== null) {
    const effects = effectsIn(turn, account, input, change, pending);
    return "wait" in effects || "ok" in effects ? effects : null;
  }
  const known = account.conversations.get(input.to);
  const last = note.mine === true ? known?.outNum ?? 0 : Infinity;
  return known === undefined || note.num > last ? NOT_THERE : null;
}

/**
 * Does to the account's own mailbox what its next message does. `checkNamed` has let it pass, but the
 * end of messages that waited may have come since: then it returns why it did nothing, else null.
 */
export function changeOwn(
  turn: Turn,
  account: Account,
  input: Input,
  pending: Pending,
): Wait | Failure | null {
  const change = changeOf(input.ext);
  if (change === null) return null;
  const effects = effectsIn(turn, account, input, change, pending);
  if ("wait" in effects || "ok" in effects) return effects;
  for (const entry of effects) turn.append(account, entry);
  return null;
}
