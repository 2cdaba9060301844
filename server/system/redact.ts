/**
 * The safety net under the rule that bodies, passwords and tokens are never logged: fields that are
 * named like one are masked, however deep, whatever they hold. The rule still holds for anyone who
 * makes the fields: a secret under an innocent name is not recognised.
 */

const SECRET_RE = new RegExp(
  "body|bodies|passw|token|authorization|secret|cookie|credential|jwt|proof|storedkey|serverkey",
  "i",
);

/** Numbers about a secret, such as `bodyBytes`, are not one. */
const MEASURE_RE = /(Bytes|Count|Ms|Max)$/;

const MASK = "[redacted]";

const DEPTH_MAX = 4;
const ITEMS_MAX = 50;
const TEXT_MAX = 2000;

/** Whether a field of this name and value is masked. */
export function isSecret(name: string, value: unknown): boolean {
  return SECRET_RE.test(name) && !(typeof value === "number" && MEASURE_RE.test(name));
}

/**
 * Fields as they may be written: secrets masked, bytes as their count, errors as name, message and
 * stack, and everything bounded (4 levels, 50 items a level, 2,000 characters a text).
 */
export function redact(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactObject(fields, 0);
}

function redactObject(fields: object, depth: number): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  let items = 0;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    items += 1;
    if (items > ITEMS_MAX) break;
    out[name] = isSecret(name, value) ? MASK : redactValue(value, depth + 1);
  }
  return out;
}

function redactValue(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
      return value.length > TEXT_MAX ? `${value.slice(0, TEXT_MAX)}…` : value;
    case "number":
    case "boolean":
      return value;
    case "object":
      return value === null ? null : redactThing(value, depth);
    default:
      return String(value);
  }
}

function redactThing(value: object, depth: number): unknown {
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Error) return redactError(value, depth);
  if (depth >= DEPTH_MAX) return "[…]";
  if (value instanceof Date) return value.toJSON();
  if (value instanceof Map || value instanceof Set) return `[${value.size} entries]`;
  if (Array.isArray(value)) {
    return value.slice(0, ITEMS_MAX).map((item) => redactValue(item, depth + 1));
  }
  return redactObject(value, depth);
}

function redactError(error: Error, depth: number): unknown {
  const { name, message, stack, cause } = error;
  return {
    name,
    message: redactValue(message, depth),
    stack: redactValue(stack ?? "", depth),
    ...(cause === undefined || depth >= DEPTH_MAX ? {} : { cause: redactValue(cause, depth + 1) }),
  };
}
