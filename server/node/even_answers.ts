/**
 * Answers that leave at moments that say nothing of how long they took. That depends on whether an
 * account is in memory, and so on whether its user is online: unauthenticated callers must not be
 * able to measure it. An answer leaves at the end of the step of time in which it came; the first
 * ends at a random moment, since what crosses a fixed end now and then would tell.
 */
import type { Cancel, Runtime } from "./ports.ts";
import type { Result } from "../../shard/errors.ts";

/** What they need. */
export type EvenPorts = Pick<Runtime, "timers" | "random">;

/** Longer than reading an account that is not in memory takes on an idle server (ms). */
const STEP_MS = 5;

/**
 * Calls `ended` at the end of each step of `stepMs` until it returns true; the first takes up to one
 * more. Returns what stops that.
 */
export function steps(
  { timers, random }: EvenPorts,
  stepMs: number,
  ended: () => boolean,
): Cancel {
  let cancel: Cancel;
  const step = (ms: number) => {
    cancel = timers.after(ms, () => void (ended() || step(stepMs)));
  };
  step(stepMs * (1 + random.number()));
  return () => cancel();
}

/** Asks `ask` and calls `done` with its answer at the end of the step in which that came. */
export function evenly<T>(
  ports: EvenPorts,
  ask: (answered: (answer: T) => void) => void,
  done: (answer: T) => void,
): void {
  let came: { readonly answer: T } | null = null;
  // Begun before the question: a timer that is set later would end later.
  steps(ports, STEP_MS, () => {
    if (came === null) return false;
    done(came.answer);
    return true;
  });
  ask((answer) => came = { answer });
}

/** As `evenly` for refusals; success is passed on at once, because it needs a secret. */
export function refuseEvenly<T>(
  ports: EvenPorts,
  ask: (answered: (result: Result<T>) => void) => void,
  done: (result: Result<T>) => void,
): void {
  let refused: Result<T> | null = null;
  const cancel = steps(ports, STEP_MS, () => {
    if (refused === null) return false;
    done(refused);
    return true;
  });
  ask((result) => {
    if (!result.ok) return void (refused = result);
    cancel();
    done(result);
  });
}
