/**
 * What a transcript says of values that are random or times: `<kind:name>` in a JSON string or a
 * header. The first value that is met under a name binds it, and every later one must be the same;
 * `<kind>` alone only has to look right.
 */

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [name: string]: Json;
}

/** What was bound, by the whole placeholder without its brackets. */
export type Bindings = Map<string, string | number>;

/** Kinds whose values are JSON numbers, with what they must be. */
const NUMBERS: Readonly<Record<string, (value: number) => boolean>> = {
  /** Milliseconds since 1970. */
  time: (value) => Number.isSafeInteger(value) && value > 1_600_000_000_000,
  at: (value) => Number.isSafeInteger(value) && value > 1_600_000_000_000,
  expires: (value) => Number.isSafeInteger(value) && value > 1_600_000_000_000,
  /** Milliseconds to wait. */
  wait: (value) => Number.isSafeInteger(value) && value > 0 && value <= 3_600_000,
  number: (value) => Number.isSafeInteger(value) && value >= 0,
};

/** Kinds whose values are texts. */
const TEXTS: Readonly<Record<string, string>> = {
  token: "rt1_[A-Za-z0-9_-]+_[A-Za-z0-9_-]{43}",
  invite: "ri1_[A-Za-z0-9_-]{22}",
  session: "[A-Za-z0-9_-]{16}",
  box: "[A-Za-z0-9_-]{16}",
  device: "[\\x21-\\x7e]{1,64}",
  /** Of a sign-in that needs a second factor, and of an authenticator app. */
  second: "[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]{16,2000}",
  setup: "[A-Za-z0-9_-]{16,2000}",
  secret: "[A-Z2-7]{32}",
  recovery: "[a-z2-9]{4}(?:-[a-z2-9]{4}){3}",
  exchange: "[A-Za-z0-9_-]{16,8192}",
  nonce: "[\\x21-\\x2b\\x2d-\\x7e]{16,}",
  salt: "[A-Za-z0-9+/]{20,}={0,2}",
  signature: "[A-Za-z0-9+/]{27,}={0,2}",
  count: "[0-9]+",
  /** For people; not part of the protocol but for being there. */
  text: ".+",
};

const PLACEHOLDER = /<([a-z]+)(?::([^<>]+))?>/g;
const WHOLE = /^<([a-z]+)(?::([^<>]+))?>$/;

function isKind(kind: string): boolean {
  return Object.hasOwn(NUMBERS, kind) || Object.hasOwn(TEXTS, kind);
}

/** Puts bound values in; throws where one is not bound. */
export function substitute(text: string, bindings: Bindings): string {
  return text.replaceAll(PLACEHOLDER, (whole, kind: string) => {
    if (!isKind(kind)) return whole;
    const value = bindings.get(whole.slice(1, -1));
    if (value === undefined) throw new Error(`${whole} has no value yet`);
    return String(value);
  });
}

function bind(key: string, named: boolean, value: string | number, bindings: Bindings): boolean {
  if (!named) return true;
  const known = bindings.get(key);
  if (known === undefined) bindings.set(key, value);
  return known === undefined || known === value;
}

/** Whether a text fits what was recorded; binds what is new. */
export function matchText(recorded: string, actual: string, bindings: Bindings): boolean {
  const names: { readonly key: string; readonly named: boolean }[] = [];
  let pattern = "";
  let at = 0;
  for (const m of recorded.matchAll(PLACEHOLDER)) {
    const [whole, kind, name] = m as unknown as [string, string, string | undefined];
    if (!isKind(kind)) continue;
    pattern += RegExp.escape(recorded.slice(at, m.index)) + `(${TEXTS[kind] ?? "[0-9]+"})`;
    at = m.index + whole.length;
    names.push({ key: whole.slice(1, -1), named: name !== undefined });
  }
  const found = new RegExp(`^${pattern}${RegExp.escape(recorded.slice(at))}$`, "su").exec(actual);
  return found !== null &&
    names.every(({ key, named }, i) => bind(key, named, found[i + 1]!, bindings));
}

function matchString(recorded: string, actual: Json, bindings: Bindings): boolean {
  const [, kind, name] = WHOLE.exec(recorded) ?? [];
  const wanted = kind === undefined ? undefined : NUMBERS[kind];
  if (wanted === undefined) {
    return typeof actual === "string" && matchText(recorded, actual, bindings);
  }
  return typeof actual === "number" && wanted(actual) &&
    bind(recorded.slice(1, -1), name !== undefined, actual, bindings);
}

/** Lists to which a later version may add: what was recorded must be in them, in its order. */
const OPEN_LISTS: ReadonlySet<string> = new Set(["mechanisms"]);

/**
 * The first difference between what was recorded and what came, as one line; null where all that
 * was recorded exists. What came besides, in objects, is no difference.
 */
export function difference(
  recorded: Json,
  actual: Json | undefined,
  bindings: Bindings,
  path = "",
): string | null {
  const differs = () =>
    `${path === "" ? "it" : path} was ${JSON.stringify(recorded)}, ` +
    `is ${actual === undefined ? "absent" : JSON.stringify(actual)}`;
  if (actual === undefined) return differs();
  if (typeof recorded === "string") {
    return matchString(recorded, actual, bindings) ? null : differs();
  }
  if (recorded === null || typeof recorded !== "object") {
    return recorded === actual ? null : differs();
  }
  if (actual === null || typeof actual !== "object") return differs();
  if (Array.isArray(recorded)) {
    if (!Array.isArray(actual)) return differs();
    const open = OPEN_LISTS.has(path.split(".").at(-1)!);
    const wanted = open ? actual.filter((item) => recorded.includes(item)) : actual;
    const first = firstOf(
      recorded,
      (item, i) => difference(item, wanted[i], bindings, `${path}[${i}]`),
    );
    if (first !== null || wanted.length === recorded.length) return first;
    return `${path}[${recorded.length}] was absent, is ${JSON.stringify(wanted[recorded.length])}`;
  }
  if (Array.isArray(actual)) return differs();
  return firstOf(Object.entries(recorded), ([name, value]) => {
    const inner = (actual as JsonObject)[name];
    return difference(value, inner, bindings, path === "" ? name : `${path}.${name}`);
  });
}

function firstOf<T>(
  items: readonly T[],
  look: (item: T, index: number) => string | null,
): string | null {
  for (const [i, item] of items.entries()) {
    const found = look(item, i);
    if (found !== null) return found;
  }
  return null;
}
