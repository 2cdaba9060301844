/**
 * Answers that leave at whole steps of time after their questions. How long the shard takes depends
 * on whether an account is in memory, and so on whether its user is online: unauthenticated callers
 * must not be able to measure it.
 */
import type { Cancel, Timers } from "./ports.ts";
import type { Result } from "../../shard/errors.ts";

/** Longer than reading an account that is not in memory takes on an idle server (ms). */
const STEP_MS = 5;

/** Asks `ask` and calls `done` with its answer at the end of the step in which that came. */
export function evenly<T>(
  timers: Timers,
  ask: (answered: (answer: T) => void) => void,
  done: (answer: T) => void,
): void {
  let came: { readonly answer: T } | null = null;
  // Begun before the question: a timer that is set later would end later.
  const step = () =>
    void timers.after(STEP_MS, () => {
      if (came === null) step();
      else done(came.answer);
    });
  step();
  ask((answer) => came = { answer });
}

/** As `evenly` for refusals; success is passed on at once, because it needs a secret. */
export function refuseEvenly<T>(
  timers: Timers,
  ask: (answered: (result: Result<T>) => void) => void,
  done: (result: Result<T>) => void,
): void {
  let refused: Result<T> | null = null;
  let cancel: Cancel | null = null;
  const step = () => {
    cancel = timers.after(STEP_MS, () => {
      if (refused === null) step();
      else done(refused);
    });
  };
  step();
  ask((result) => {
    if (!result.ok) return void (refused = result);
    cancel?.();
    done(result);
  });
}
