// @ts-check
/** Signing in by password. */
import { RoostError } from "./error.js";
import { scramExchange } from "./scram.js";

/**
 * @import { Json, Who } from "./types.d.ts"
 */

/**
 * Proves the password by SCRAM-SHA-256 and checks that the server knows its keys; sends the
 * password itself only where `allowPlain` says so and SCRAM cannot be used, or with `plain`.
 * @param {(path: string, body: Json) => Promise<Json>} post a request below `/v1/auth/`
 * @param {{ user: string, password: string }} credentials
 * @param {{ choice: Json, allowPlain: boolean, plain?: boolean }} how
 * @returns {Promise<Who>}
 */
export async function provePassword(post, { user, password }, how) {
  const { choice, allowPlain, plain = false } = how;
  const send = async () => /** @type {Who} */ (/** @type {unknown} */ (await post("password", {
    user,
    password,
    ...choice,
  })));
  if (plain) return await send();
  let expected = "";
  try {
    if (globalThis.crypto?.subtle === undefined) {
      throw new RoostError("unsupported", "There is no WebCrypto here: the page needs HTTPS");
    }
    const exchange = scramExchange(user, password);
    const message = exchange.first;
    const first = await post("scram", { mechanism: "SCRAM-SHA-256", message });
    const reply = await exchange.reply(String(first["message"]));
    expected = reply.expected;
    const path = `scram/${encodeURIComponent(String(first["exchange"]))}`;
    const signed = await post(path, { message: reply.message, ...choice });
    if (String(signed["scram"]).split(",")[0] === reply.expected) {
      return /** @type {Who} */ (/** @type {unknown} */ (signed));
    }
    throw untrusted();
  } catch (error) {
    const { code, second } = /** @type {RoostError} */ (error);
    if (second !== undefined && second.scram?.split(",")[0] !== expected) throw untrusted();
    if (code !== "unsupported" || !allowPlain) throw error;
    return await send();
  }
}

const untrusted = () => new RoostError("untrusted", "The server does not know the password's keys");
