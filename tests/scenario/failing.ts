/** Bugs: methods that throw. */
import assert from "node:assert/strict";

type Method = (this: object, ...args: unknown[]) => unknown;

/** Lets the next `times` calls of a method throw that `which` picks, while `run` runs. */
export function failing(
  of: { readonly prototype: object },
  name: string,
  run: () => void,
  which: (...args: readonly unknown[]) => boolean = () => true,
  times = 1,
): void {
  const methods = of.prototype as Record<string, Method>;
  const original = methods[name]!;
  let thrown = 0;
  methods[name] = function (...args) {
    if (thrown < times && which(...args)) {
      thrown++;
      throw new Error(`bug in ${name}`);
    }
    return original.apply(this, args);
  };
  try {
    run();
  } finally {
    methods[name] = original;
  }
  assert.ok(thrown > 0, `${name} was not called`);
}
