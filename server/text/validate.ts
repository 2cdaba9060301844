/** From text of a client to a checked value, or to one short sentence that says what is wrong. */
import type { z } from "zod";
import { type ErrorCode, fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import { exceedsBytes } from "./utf8.ts";

/** Bounds of a JSON text. */
export interface JsonLimits {
  /** Bytes of the whole text in UTF-8. */
  readonly frameBytesMax: number;
  /** Nesting of arrays and objects. */
  readonly jsonDepthMax: number;
}

/** Custom checks put the error code of their own here; without it the code is `bad_request`. */
export interface IssueParams {
  readonly code: ErrorCode;
}

/** Whether arrays and objects in the JSON text nest deeper than `depthMax`. One pass, no memory. */
export function nestsDeeper(text: string, depthMax: number): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x22) {
      for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) {
        if (text.charCodeAt(i) === 0x5c) i++;
      }
    } else if (c === 0x7b || c === 0x5b) {
      if (++depth > depthMax) return true;
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
  return false;
}

/**
 * Parses one JSON text of at most `frameBytesMax` bytes and `jsonDepthMax` levels: `too_large` or
 * `bad_request` otherwise. Size and depth are looked at before anything is allocated.
 */
export function parseJson(text: string, limits: JsonLimits): Result<unknown> {
  if (exceedsBytes(text, limits.frameBytesMax)) {
    return fail("too_large", `The JSON must have at most ${limits.frameBytesMax} bytes`);
  }
  if (nestsDeeper(text, limits.jsonDepthMax)) {
    return fail("bad_request", `The JSON must nest at most ${limits.jsonDepthMax} levels deep`);
  }
  try {
    return ok(JSON.parse(text));
  } catch {
    return fail("bad_request", "This is not valid JSON");
  }
}

/** Whether `value` is a JSON object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Checks a value; the refusal names the field and what is wanted, never what was given. */
export function validate<S extends z.ZodType>(schema: S, value: unknown): Result<z.output<S>> {
  const result = schema.safeParse(value);
  return result.success ? ok(result.data) : explain(result.error.issues[0]!);
}

/** The refusal for an issue that zod found. */
export function explain(issue: z.core.$ZodIssue): Failure {
  const path = issue.path.map(String).join(".");
  const field = path === "" ? "The request" : path;
  switch (issue.code) {
    case "invalid_type":
      return fail("bad_request", `${field} must be ${named(issue.expected)}`);
    case "too_small":
      return fail("bad_request", `${field} must be at least ${issue.minimum}`);
    case "too_big":
      return issue.origin === "array"
        ? fail("limit_reached", `${field} must have at most ${issue.maximum} entries`)
        : fail("bad_request", `${field} must be at most ${issue.maximum}`);
    case "invalid_value":
      return fail("bad_request", `${field} must be ${issue.values.map(String).join(" or ")}`);
    case "custom": {
      const params = issue.params as IssueParams | undefined;
      return fail(params?.code ?? "bad_request", `${field} ${issue.message}`);
    }
    case "invalid_format":
      return fail("bad_request", `${field} ${issue.message}`);
    default:
      return fail("bad_request", `${field} is not valid`);
  }
}

/** A type's name as a sentence has it. */
function named(expected: string): string {
  if (expected === "int") return "a whole number";
  return /^[aeiou]/.test(expected) ? `an ${expected}` : `a ${expected}`;
}
