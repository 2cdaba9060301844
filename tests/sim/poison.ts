/**
 * An environment without real clocks, timers, chance or promises: while it lasts, code that uses
 * one of them is found out. Simulations are synchronous, so that everything that runs meanwhile is
 * theirs.
 */

type Host = Record<string, unknown>;

const FORBIDDEN: readonly { readonly of: string; readonly names: readonly string[] }[] = [
  { of: "Date", names: ["now"] },
  { of: "Math", names: ["random"] },
  { of: "performance", names: ["now"] },
  { of: "crypto", names: ["getRandomValues", "randomUUID"] },
  { of: "Promise", names: ["resolve", "reject", "all", "race", "any", "allSettled"] },
  {
    of: "globalThis",
    names: [
      "setTimeout",
      "setInterval",
      "setImmediate",
      "clearTimeout",
      "clearInterval",
      "queueMicrotask",
      "fetch",
      "WebSocket",
    ],
  },
];

function hostOf(name: string): Host {
  const all = globalThis as unknown as Host;
  return name === "globalThis" ? all : all[name] as Host;
}

/** Replaces a property until the returned function is called. */
function replace(host: Host, name: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(host, name);
  Object.defineProperty(host, name, { value, configurable: true, writable: true });
  return () => {
    if (before !== undefined) Object.defineProperty(host, name, before);
    else delete host[name];
  };
}

/**
 * Runs `run`, in which `Date.now()`, `new Date()`, `Math.random()`, timers, `new Promise()`,
 * `.then()`, Web random and `Deno.*` throw. Answers what it returns, and the names of what was used
 * nevertheless: code that catches everything cannot hide it.
 */
export function poisoned<T>(run: () => T): { readonly value: T; readonly used: readonly string[] } {
  const used: string[] = [];
  const trap = (name: string) => (): never => {
    used.push(name);
    throw new Error(`${name} was used in a simulation: take it from the ports`);
  };
  const restore: (() => void)[] = [];
  try {
    for (const { of, names } of FORBIDDEN) {
      for (const name of names) {
        const host = hostOf(of);
        if (host !== undefined) restore.push(replace(host, name, trap(`${of}.${name}`)));
      }
    }
    restore.push(replace(Promise.prototype as unknown as Host, "then", trap("Promise.then")));
    const all = globalThis as unknown as Host;
    restore.push(replace(all, "Promise", trapped(Promise, () => true, trap("new Promise"))));
    const noArguments = (args: readonly unknown[]) => args.length === 0;
    restore.push(replace(all, "Date", trapped(Date, noArguments, trap("new Date"))));
    restore.push(replace(all, "Deno", new Proxy({}, { get: trap("Deno") })));
    return { value: run(), used };
  } finally {
    for (const undo of restore.reverse()) undo();
  }
}

/** A constructor whose calls that `forbids` picks end in `trap`. */
function trapped(
  original: object,
  forbids: (args: readonly unknown[]) => boolean,
  trap: () => never,
): object {
  return new Proxy(original as new (...args: unknown[]) => object, {
    construct: (target, args) => forbids(args) ? trap() : Reflect.construct(target, args),
  });
}
