// @ts-check
/** The way of a page to an OpenID Connect issuer. */
import { baseOf, rest } from "./rest.js";
import { platform } from "./platform.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Json } from "./types.d.ts"
 */

/** The issuer may have to be asked first (ms). */
const TIMEOUT_MS = 30_000;

/** @type {typeof Api.beginSignIn} */
export async function beginSignIn({ issuer, page, url }) {
  const at = baseOf(url);
  const body = { issuer, at, ...(page === undefined ? {} : { page }) };
  const request = { method: "POST", body, timeoutMs: TIMEOUT_MS, cookies: true };
  const begun = /** @type {Json} */ (await rest(platform(), `${at}/v1/auth/oidc`, request));
  return String(begun["url"]);
}
