/** Waiting in tests and proofs for what comes by itself. */

/** Waits until `holds`; throws where that takes longer than `limitMs`. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limitMs = 60_000,
): Promise<void> {
  for (const endMs = performance.now() + limitMs; !await holds();) {
    if (performance.now() > endMs) throw new Error(`it takes too long: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** Asks until the value is as wanted, and returns it; throws with the last one after `limitMs`. */
export async function untilIs<T>(
  what: string,
  ask: () => T | Promise<T>,
  wanted: (value: T) => boolean,
  limitMs = 60_000,
): Promise<T> {
  let value = await ask();
  const holds = async () => wanted(value) || wanted(value = await ask());
  await until(what, holds, limitMs).catch((error) => {
    throw new Error(`${error.message}; it is ${JSON.stringify(value)}`);
  });
  return value;
}
