// @ts-check
/** Passkeys: what the browser's authenticators sign, and what the server makes of it. */
import { RoostError } from "./error.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Json } from "./types.d.ts"
 */

/**
 * What the server asks an authenticator for.
 * @typedef {{ exchange: string, options: Json }} Asked
 * @typedef {(t: string, fields: Json) => Promise<unknown>} Request
 */

/** @param {unknown} text of base64url */
const toBytes = (text) =>
  Uint8Array.from(
    atob(String(text).replaceAll("-", "+").replaceAll("_", "/")),
    (char) => char.charCodeAt(0),
  );

/** @param {ArrayBuffer} buffer */
const toText = (buffer) =>
  btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** @param {unknown} list of credentials */
const credentials = (list) =>
  /** @type {readonly Json[]} */ (list ?? []).map((each) => ({ ...each, id: toBytes(each["id"]) }));

/** Where the page is. */
const page = () => globalThis.location?.origin ?? "";

/**
 * What browsers have of it.
 * @typedef {{
 *   id: string,
 *   rawId: ArrayBuffer,
 *   response: Readonly<Record<string, unknown>> & { getTransports?: () => string[] }
 * }} Made
 * @typedef {{
 *   create: (options: object) => Promise<Made | null>,
 *   get: (options: object) => Promise<Made | null>
 * }} Container
 */

const scope =
  /** @type {{ PublicKeyCredential?: unknown, navigator?: { credentials?: Container } }} */ (
    /** @type {unknown} */ (globalThis)
  );

/**
 * A credential with those fields of its response.
 * @param {Made} made
 * @param {...string} names
 */
const toJson = ({ id, rawId, response }, ...names) => {
  const texts = names.flatMap((name) => {
    const value = response[name];
    return value instanceof ArrayBuffer ? [[name, toText(value)]] : [];
  });
  return { id, rawId: toText(rawId), type: "public-key", response: Object.fromEntries(texts) };
};

/**
 * Has the browser do something with a passkey.
 * @param {(container: Container) => Promise<Made | null>} run
 * @returns {Promise<Made>}
 */
async function browser(run) {
  const container = scope.navigator?.credentials;
  if (typeof scope.PublicKeyCredential !== "function" || container === undefined) {
    throw new RoostError("unsupported", "This browser has no passkeys here: they need https");
  }
  try {
    const made = await run(container);
    if (made !== null) return made;
    throw new RoostError("closed", "No passkey was chosen");
  } catch (error) {
    if (error instanceof RoostError) throw error;
    const { message, name } = /** @type {Error} */ (error);
    if (name === "InvalidStateError") {
      throw new RoostError("conflict", "The authenticator has a passkey of this account already");
    }
    if (name === "NotAllowedError" || name === "AbortError") {
      throw new RoostError("closed", "It was cancelled, or there is no such passkey");
    }
    throw new RoostError("unsupported", `The browser has refused: ${message}`);
  }
}

/**
 * Has a passkey sign.
 * @param {Asked} asked
 * @param {AbortSignal} [signal]
 */
async function sign({ exchange, options }, signal) {
  const publicKey = {
    ...options,
    challenge: toBytes(options["challenge"]),
    allowCredentials: credentials(options["allowCredentials"]),
  };
  const request = { publicKey, ...(signal === undefined ? {} : { signal }) };
  const made = await browser((container) => container.get(request));
  const names = ["clientDataJSON", "authenticatorData", "signature", "userHandle"];
  return { exchange, response: toJson(made, ...names) };
}

/** @param {Asked} asked */
async function make({ exchange, options }) {
  const user = /** @type {Json} */ (options["user"]);
  const publicKey = {
    ...options,
    challenge: toBytes(options["challenge"]),
    user: { ...user, id: toBytes(user["id"]) },
    excludeCredentials: credentials(options["excludeCredentials"]),
  };
  const made = await browser((container) => container.create({ publicKey }));
  const json = toJson(made, "clientDataJSON", "attestationObject");
  const transports = made.response.getTransports?.() ?? [];
  return { exchange, response: { ...json, response: { ...json.response, transports } } };
}

/**
 * The passkeys of the account that is signed in.
 * @param {Request} request asks the server
 * @returns {Api.Passkeys}
 */
export function passkeysOf(request) {
  /** @param {Json} fields */
  const ask = async (
    fields,
  ) => /** @type {Asked} */ (await request("passkey_ask", { ...fields, at: page() }));
  const prove = async () => /** @type {Api.PasskeyProof} */ (await sign(await ask({})));
  return {
    list: async () => /** @type {readonly Api.Passkey[]} */ (await request("passkeys", {})),
    add: async ({ name, ...proof }) => {
      const made = await make(await ask({ ...proof, new: true }));
      return /** @type {Api.AddedPasskey} */ (await request("passkey_add", { ...made, name }));
    },
    rename: async (passkey, name) => void await request("passkey_name", { passkey, name }),
    remove: async (passkey, proof) => {
      await request("passkey_remove", { ...proof, passkey });
    },
    prove,
  };
}

/**
 * Signs in with a passkey.
 * @param {Pick<Api.Client, "signIn" | "passkeyRequest">} client
 * @param {Api.PasskeySignIn} [options]
 */
export async function signInWithPasskey(client, { second, signal } = {}) {
  const wanted = { at: page(), ...(second === undefined ? {} : { second }) };
  const asked = /** @type {Asked} */ (await client.passkeyRequest("begin", wanted));
  const passkey = /** @type {Api.PasskeyProof} */ (await sign(asked, signal));
  return await client.signIn(second === undefined ? { passkey } : { second, passkey });
}
