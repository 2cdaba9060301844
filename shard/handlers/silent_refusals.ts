/** Counts messages that are refused without telling their sender: operators see them in metrics. */
import type { Account, ReadonlyQueue } from "../account/account.ts";
import type { SilentCause } from "../effects.ts";
import type { Turn } from "./turn.ts";

/** Reports `count` such messages once the account's state is committed. */
export function countRefused(turn: Turn, account: Account, cause: SilentCause, count = 1): void {
  if (count > 0) turn.emit(account, { kind: "refused_silently", cause, count });
}

/** Reports the messages in a queue whose recipient was deleted. */
export function countLost(turn: Turn, account: Account, { entries }: ReadonlyQueue): void {
  const lost = entries.filter(({ payload }) => payload.kind === "message");
  countRefused(turn, account, "gone", lost.length);
}

/** Why the account does not take messages from `sender`. */
export function causeOf(account: Account, sender: Account["name"]): SilentCause {
  return account.blocked.has(sender) ? "blocked" : "closed";
}
