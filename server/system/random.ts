import type { Random } from "../node/ports.ts";

/** The platform's random sources: `bytes` is fit for secrets, `number` only for jitter. */
export function systemRandom(): Random {
  return {
    bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
    number: () => Math.random(),
  };
}
