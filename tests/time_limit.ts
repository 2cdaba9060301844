/** Loaded before the tests: one that hangs fails, and says what its servers have logged. */
import { ServerProcess } from "./process/server.ts";

/** No test takes a fifth of it on a machine of two cores that does nothing else. */
const LIMIT_MS = 900_000;

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
