/**
 * Runs a port's callback from a promise's continuation. What it throws is a bug of its own: it goes
 * to the process's fatal handler (`onFatal`; without one the process ends with status 1), and never
 * into the promise, where it would pass for a failure of the operation.
 */
export function runCallback(callback: () => void): void {
  try {
    callback();
  } catch (cause) {
    reportError(cause);
  }
}
