/**
 * Loaded before the tests: one that hangs fails, and says what its servers have logged; and tests of
 * properties try the same values in each run, so that what fails has failed because of a change.
 */
import fc from "fast-check";
import { ServerProcess } from "./process/server.ts";

/** No test takes a fifth of it on a machine of two cores that does nothing else. */
const LIMIT_MS = 900_000;

/** Other values: `FUZZ_SEED=N`, or as many times more of them with `FUZZ_TIMES`, which are random. */
const SEED = Number(Deno.env.get("FUZZ_SEED") ?? 1);
if (Deno.env.get("FUZZ_SEED") !== undefined || Deno.env.get("FUZZ_TIMES") === undefined) {
  fc.configureGlobal({ seed: SEED });
}

type Step = (t: Deno.TestContext) => void | Promise<void>;

function limited(step: Step): Step {
  return async (t) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const logs = ServerProcess.killAll();
        reject(new Error([`it hangs: ${LIMIT_MS / 1000} s are over`, ...logs].join("\n\n")));
      }, LIMIT_MS);
    });
    try {
      await Promise.race([step(t), over]);
    } finally {
      clearTimeout(timer);
    }
  };
}

const register = Deno.test;
/** Every form of `Deno.test` has its step as its last argument, or as a field of it. */
const wrapped = (...given: unknown[]) => {
  const last = given.at(-1);
  const step = typeof last === "function"
    ? Object.defineProperty(limited(last as Step), "name", { value: last.name })
    : { ...last as Deno.TestDefinition, fn: limited((last as Deno.TestDefinition).fn) };
  Reflect.apply(register, Deno, [...given.slice(0, -1), step]);
};
Object.assign(Deno, { test: Object.assign(wrapped, register) });
