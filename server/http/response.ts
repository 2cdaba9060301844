/** Plain HTTP around the commands: statuses, bodies, CORS, and headers that every answer has. */
import type { ErrorCode, Failure, Result } from "../../shard/errors.ts";
import { fail, ok } from "../../shard/errors.ts";
import { type JsonLimits, parseJson } from "../text/validate.ts";

/** The status of each error code. */
export const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  bad_request: 400,
  unsupported: 400,
  unauthorized: 401,
  second_factor_required: 403,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  reset: 410,
  moved: 421,
  too_large: 413,
  limit_reached: 422,
  rate_limited: 429,
  busy: 503,
  unavailable: 503,
};

/** Where a response carries how many characters its text has. */
const CHARS = Symbol("chars");
type Sized = Response & { [CHARS]?: number };

/** An answer with a JSON text. */
export function jsonResponse(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const response: Sized = new Response(text, {
    status,
    headers: { ...headers, "content-type": "application/json" },
  });
  response[CHARS] = text.length;
  return response;
}

/** Characters of what `jsonResponse` has made; 0 of any other response. */
export function charsOf(response: Response): number {
  return (response as Sized)[CHARS] ?? 0;
}

/** The answer for a refusal; `status` where HTTP has a more telling one than the code's. */
export function errorResponse(
  failure: Failure,
  status: number = STATUS_OF[failure.code],
  headers: Readonly<Record<string, string>> = {},
): Response {
  const { code, message, retryAfterMs, second, servers } = failure;
  const more: Record<string, string> = { ...headers };
  if (retryAfterMs !== undefined) more["retry-after"] = String(Math.ceil(retryAfterMs / 1000));
  if (status === 401) more["www-authenticate"] = 'Bearer realm="roost"';
  const retry = retryAfterMs === undefined ? {} : { retryAfterMs };
  return jsonResponse(status, JSON.stringify({ code, message, ...retry, servers, second }), more);
}

const JSON_TYPE = /^application\/([\w.-]+\+)?json\s*(;|$)/i;

/** The refusal of a body that is something else than JSON; its status is 415. */
export const NOT_JSON = fail("unsupported", "The body must be JSON: Content-Type application/json");

/**
 * Reads a JSON body of at most `frameBytesMax` bytes, whatever the request says about its length;
 * an absent or empty one is `{}`. `NOT_JSON` where its type is another.
 */
export async function readJsonBody(
  request: Request,
  limits: JsonLimits,
): Promise<Result<unknown>> {
  const bytes = await readBytes(request, limits.frameBytesMax);
  if (!bytes.ok) return bytes;
  if (bytes.value.length === 0) return ok({});
  if (!JSON_TYPE.test(request.headers.get("content-type") ?? "")) return NOT_JSON;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.value);
  } catch {
    return fail("bad_request", "The body is not UTF-8");
  }
  return parseJson(text, limits);
}

/** Reads a body of at most `bytesMax` bytes, whatever the request says about its length. */
export async function readBytes(request: Request, bytesMax: number): Promise<Result<Uint8Array>> {
  const tooLarge = fail("too_large", `The body must have at most ${bytesMax} bytes`);
  const length = request.headers.get("content-length");
  try {
    if (length !== null) {
      // The HTTP parser lets no more through than was announced.
      if (!(Number(length) <= bytesMax)) return tooLarge;
      return ok(new Uint8Array(await request.arrayBuffer()));
    }
    if (request.body === null) return ok(new Uint8Array());
    const chunks: Uint8Array[] = [];
    let total = 0;
    for await (const chunk of request.body) {
      total += chunk.length;
      if (total > bytesMax) return tooLarge;
      chunks.push(chunk);
    }
    return ok(joined(chunks, total));
  } catch {
    return fail("bad_request", "The body broke off");
  }
}

function joined(chunks: readonly Uint8Array[], total: number): Uint8Array {
  const all = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

const ALLOWED_HEADERS =
  "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Roost-Device, Roost-Session";

/**
 * The CORS headers for a page of `origin`: none unless it is allowed (`*` allows every page). There
 * are no cookies, so that credentials are never allowed.
 */
export function corsHeaders(
  origin: string | null,
  allowedOrigins: readonly string[],
): Readonly<Record<string, string>> {
  if (allowedOrigins.length === 0) return {};
  const any = allowedOrigins.includes("*");
  const vary: Record<string, string> = any ? {} : { "vary": "Origin" };
  if (origin === null || !(any || allowedOrigins.includes(origin))) return vary;
  return {
    ...vary,
    "access-control-allow-origin": any ? "*" : origin,
    "access-control-expose-headers": "Retry-After",
  };
}

/** What a preflight of an allowed page gets besides. */
export function preflightHeaders(methods: string): Readonly<Record<string, string>> {
  return {
    "access-control-allow-methods": methods,
    "access-control-allow-headers": ALLOWED_HEADERS,
    "access-control-max-age": "600",
  };
}

const SECONDS_OF_DAY = 86_400;

/**
 * `Strict-Transport-Security` of a server with TLS of its own, for so many days, or null for none
 * (RFC 6797). Over plain HTTP it would say nothing, and the TLS of a proxy is for the proxy to declare.
 */
export function hstsOf(tls: object | null, days: number): string | null {
  return tls === null || days === 0 ? null : `max-age=${days * SECONDS_OF_DAY}`;
}

/** Headers of every answer that does not set its own: nothing here is a page, or to be cached. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};
