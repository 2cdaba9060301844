/** Sends packets of the outbox again: those that were not acked in time, and those for a cell that was away. */
import type { Account } from "../account/account.ts";
import { spreadOf } from "../retry.ts";
import type { Turn } from "./turn.ts";

/** Over so long (ms) accounts spread what they owe to a cell that is linked again. */
const HURRY_MS = 2000;

/** Sends again what was not acked in time; the account is due when the first of its queues is. */
export function sendOwedAgain(turn: Turn, account: Account): void {
  for (const { to, toId } of account.outbox.values()) {
    const progress = account.runtime.progress(to, toId);
    if (progress.dueMs <= turn.now.mono) {
      progress.restart();
      const random = spreadOf(`${account.name} ${to}`, progress.attempts);
      const waitMs = turn.retries.againMs("outbox", progress.attempts + 1, random);
      progress.dueMs = turn.now.mono + waitMs;
      turn.sendOwed(account, to);
    }
    turn.scheduleOutbox(account, progress.dueMs - turn.now.mono);
  }
}

/** Another cell can be reached again: what may be for it does not wait as long as while it could not. */
export function hurryOwed(turn: Turn, account: Account): void {
  const inMs = HURRY_MS * spreadOf(account.name, 0);
  for (const { to, toId } of account.outbox.values()) {
    const progress = account.runtime.progress(to, toId);
    progress.hurry(turn.now.mono + inMs);
    turn.scheduleOutbox(account, progress.dueMs - turn.now.mono);
  }
  turn.scheduleReceipts(account, inMs);
}
