// @ts-check
/** Whether a server refuses the page's origin, which a page cannot tell from a lost network. */
import { RoostError } from "./error.js";

/**
 * @import * as Api from "../client.d.ts"
 */

/**
 * Returns `forbidden` where the server is reached, and refuses pages of this origin; else null. The
 * library itself is served to every origin, the API to those of `server.allowedOrigins`.
 * @param {Api.Platform} env
 * @param {string} base
 */
export async function originRefusal(env, base) {
  const { origin } = env;
  if (origin === null || origin === new URL(base).origin) return null;
  const reachable = await reaches(env, `${base}/client.js`);
  if (!reachable || await reaches(env, `${base}/v1/info`)) return null;
  const message = `The server refuses pages of ${origin}: its setting server.allowedOrigins ` +
    "does not list this origin";
  return new RoostError("forbidden", message);
}

/**
 * @param {Api.Platform} env
 * @param {string} url
 */
async function reaches(env, url) {
  try {
    const init = { method: "HEAD", cache: "no-store", credentials: "omit" };
    return (await env.fetch(url, /** @type {RequestInit} */ (init))).ok;
  } catch {
    return false;
  }
}
