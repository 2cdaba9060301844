// @ts-check
/** The client library's HTTP requests. */
import { badRequest, offline, refusal, RoostError } from "./error.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Json } from "./types.d.ts"
 */

/**
 * Commands whose request is always the same, but for its body.
 * @type {ReadonlyMap<string, { method: string, path: string }>}
 */
const FIXED = new Map([
  ["unpush", { method: "DELETE", path: "/v1/push" }],
  ["pushes", { method: "GET", path: "/v1/push" }],
  ["signout", { method: "DELETE", path: "/v1/auth" }],
  ["ack", { method: "POST", path: "/v1/ack" }],
]);

/**
 * Returns the server's address without a slash at its end. Absent: the server that this module is
 * from, which serves it as `client.js` below its address.
 * @param {string | undefined} given
 * @param {string} [module] the address of this module
 */
export function baseOf(given, module = import.meta.url) {
  const text = (given ?? module).replace(/^ws(?=s?:)/i, "http");
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    const message = `Cannot connect to ${given ?? "no address"}: url must be the server's address`;
    throw badRequest(`${message}, as http, https, ws or wss`);
  }
  if (given !== undefined) return url.href.replace(/\/$/, "");
  // Copied elsewhere under another name it is taken for a file of a server at the root.
  return url.origin + (/^(.*)\/client\.js$/.exec(url.pathname)?.[1] ?? "");
}

/**
 * Sends one request. Rejects with the refusal of the server, or with `offline` without an answer of it.
 * @param {Api.Platform} env
 * @param {string} url
 * @param {{
 *   method: string, body?: unknown, headers?: Record<string, string>, timeoutMs: number,
 *   signal?: AbortSignal, cookies?: boolean
 * }} request
 * @returns {Promise<unknown>}
 */
export async function rest(env, url, request) {
  const { method, body, headers = {}, timeoutMs, signal, cookies = false } = request;
  const controller = new AbortController();
  const abort = () => controller.abort();
  const stop = env.after(timeoutMs, abort);
  signal?.addEventListener("abort", abort);
  try {
    const response = await env.fetch(url, {
      method,
      headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
      signal: controller.signal,
      cache: "no-store",
      credentials: cookies ? "same-origin" : "omit",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const told = text === "" ? undefined : JSON.parse(text);
    if (response.ok) return told;
    if (typeof told?.code === "string") throw refusal(told);
    throw offline(`HTTP ${response.status} from something that is not the server`);
  } catch (error) {
    throw error instanceof RoostError ? error : offline(`No answer: ${String(error)}`);
  } finally {
    stop();
    signal?.removeEventListener("abort", abort);
  }
}

/**
 * The fields of a frame that a request has in its query.
 * @param {Readonly<Record<string, unknown>>} f
 * @param {string[]} names
 */
const queryOf = (f, ...names) =>
  names.flatMap((name) =>
    f[name] === undefined ? [] : `${name}=${encodeURIComponent(String(f[name]))}`
  )
    .join("&");

/**
 * A command about passkeys as a request.
 * @param {string} t
 * @param {Json} f
 */
function ofPasskeys(t, f) {
  const path = `/v1/passkeys/${encodeURIComponent(String(f["passkey"]))}`;
  switch (t) {
    case "passkeys":
      return { method: "GET", path: "/v1/passkeys" };
    case "passkey_ask":
      return { method: "POST", path: "/v1/passkeys/ask" };
    case "passkey_add":
      return { method: "POST", path: "/v1/passkeys" };
    case "passkey_name":
      return { method: "PUT", path, not: ["passkey"] };
    default:
      return { method: "POST", path: `${path}/remove`, not: ["passkey"] };
  }
}

/**
 * A command as a request. `not` names the fields that are not part of the body.
 * @param {string} t
 * @param {Json} f
 * @returns {{ method: string, path: string, not?: string[], headers?: Record<string, string> }}
 */
export function asRequest(t, f) {
  /** @param {unknown} name */
  const part = (name) => encodeURIComponent(String(name));
  const fixed = FIXED.get(t);
  if (fixed !== undefined) return fixed;
  const keyed = { method: "POST", not: ["key"], headers: { "idempotency-key": `${f["key"]}` } };
  const contact = `/v1/contacts/${part(f["contact"])}`;
  switch (t) {
    case "send":
      return { ...keyed, path: "/v1/messages" };
    case "edit":
    case "remove":
    case "react": {
      const path = { edit: "edits", remove: "removals", react: "reactions" }[t];
      return { ...keyed, path: `/v1/messages/${path}` };
    }
    case "history":
      return {
        method: "GET",
        path: `/v1/conversations/${part(f["with"])}/messages?${
          queryOf(f, "before", "after", "limit")
        }`,
      };
    case "search":
      return { method: "GET", path: `/v1/search?${queryOf(f, "text", "with", "before", "limit")}` };
    case "read":
      return { method: "PUT", path: `/v1/conversations/${part(f["with"])}/read`, not: ["with"] };
    case "signal":
      return { method: "POST", path: "/v1/signals" };
    case "contact":
      return { method: "PUT", path: contact, not: ["contact"] };
    case "uncontact":
      return { method: "DELETE", path: contact };
    case "subscription":
      return { method: "POST", path: `${contact}/subscription`, not: ["contact"] };
    case "block": {
      const method = f["blocked"] === true ? "PUT" : "DELETE";
      return { method, path: `/v1/blocked/${part(f["contact"])}`, not: ["contact", "blocked"] };
    }
    case "revoke":
      return { method: "DELETE", path: `/v1/devices/${part(f["device"])}` };
    case "totp":
      return { method: "POST", path: "/v1/factors/totp" };
    case "totp_on":
      return { method: "PUT", path: "/v1/factors/totp" };
    case "totp_off":
      return { method: "POST", path: "/v1/factors/totp/off" };
    case "recovery":
      return { method: "POST", path: "/v1/factors/recovery" };
    case "devices":
    case "factors":
    case "snapshot":
      return { method: "GET", path: `/v1/${t}` };
    default:
      // presence, settings, password, push
      return t.startsWith("passkey") ? ofPasskeys(t, f) : { method: "PUT", path: `/v1/${t}` };
  }
}
