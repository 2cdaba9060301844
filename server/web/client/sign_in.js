// @ts-check
/** How an application's credentials become a token. */
import { newKey } from "./bytes.js";
import { PASSING } from "./commands.js";
import { originRefusal } from "./origin.js";
import { provePassword } from "./password.js";
import { rest } from "./rest.js";
import { RoostError } from "./error.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { ClientRecord } from "./record.js"
 * @import { Json, Who } from "./types.d.ts"
 */

/**
 * `assertOpen` throws where the client was closed meanwhile.
 * @typedef {{
 *   env: Api.Platform,
 *   timing: Api.Timing,
 *   addresses: import("./addresses.js").Addresses,
 *   backoffMs: (tries: number, retryAfterMs?: number) => number,
 *   assertOpen: () => void
 * }} SignInHost
 */

/** Repetitions of a sign-in that the server sheds. */
const TRIES_MAX = 4;
/** Cells that one request is sent to at most: those asked may be wrong about the account's home. */
const CELLS_MAX = 3;
/** A longer wait that the server asks for is left to the application (ms). */
const WAIT_MAX_MS = 10_000;

/** See the head of this file. */
export class SignIn {
  #options;
  #host;

  /**
   * @param {Api.ClientOptions} options
   * @param {SignInHost} host
   */
  constructor(options, host) {
    this.#options = options;
    this.#host = host;
  }

  /**
   * Makes an account.
   * @param {{ user: string, password: string, invite?: string }} account
   * @returns {Promise<Who>}
   */
  async register({ user, password, invite }) {
    const { label, device } = this.#options;
    const who = { user, password, ...(invite === undefined ? {} : { invite }) };
    const body = { ...who, ...(device ? { device } : {}), ...(label ? { label } : {}) };
    return /** @type {Who} */ (/** @type {unknown} */ (await this.#post("/v1/register", body)));
  }

  /**
   * Returns the account and its proof; rejects with `unauthorized` where there are neither
   * credentials nor a stored token.
   * @param {Api.Credentials | undefined} credentials
   * @param {ClientRecord} record
   * @returns {Promise<Who>}
   */
  async prove(credentials, { who, signedIn }) {
    if (credentials === undefined) {
      if (who !== null && signedIn) return who;
      throw new RoostError("unauthorized", "There is no stored token to sign in with");
    }
    if ("response" in credentials) return await this.#finish(credentials.response);
    if ("second" in credentials) return await this.#second(credentials);
    if ("passkey" in credentials) return await this.#passkey(credentials.passkey);
    if ("password" in credentials) {
      const known = who !== null && who.user === credentials.user ? who.device : null;
      const device = this.#options.device ?? known;
      return await this.#patiently(() => this.#provePassword(credentials, device));
    }
    const same = "token" in credentials
      ? credentials.token === who?.token
      : credentials.jwt === who?.jwt;
    const device = this.#options.device ?? ("jwt" in credentials ? who?.device ?? newKey() : null);
    return same && who !== null ? who : { ...credentials, user: null, device };
  }

  /**
   * Ends a way to an issuer. Only the server that began it can, and once.
   * @param {string} response
   * @returns {Promise<Who>}
   */
  async #finish(response) {
    const { addresses, env, timing } = this.#host;
    const { label, device } = this.#options;
    const body = { response, ...(device ? { device } : {}), ...(label ? { label } : {}) };
    const request = { method: "POST", body, timeoutMs: timing.requestMs, cookies: true };
    const signed = await rest(env, `${addresses.current}/v1/auth/oidc/finish`, request);
    return /** @type {Who} */ (signed);
  }

  /**
   * Ends a sign-in whose password was right.
   * @param {{ second: string, code?: string, passkey?: Api.PasskeyProof }} proof
   * @returns {Promise<Who>}
   */
  async #second({ second: exchange, ...proof }) {
    const { label, device } = this.#options;
    const choice = { ...(device ? { device } : {}), ...(label ? { label } : {}) };
    const signed = await this.#post("/v1/auth/second", { exchange, ...proof, ...choice });
    return /** @type {Who} */ (/** @type {unknown} */ (signed));
  }

  /** Asks for what a passkey is to sign. @param {Json} fields */
  beginPasskey(fields) {
    return this.#post("/v1/auth/passkey", fields);
  }

  /**
   * Ends a sign-in with nothing but a passkey.
   * @param {Api.PasskeyProof} proof
   * @returns {Promise<Who>}
   */
  async #passkey({ exchange, response }) {
    const { label, device } = this.#options;
    const choice = { ...(device ? { device } : {}), ...(label ? { label } : {}) };
    const signed = await this.#post("/v1/auth/passkey/finish", { exchange, response, ...choice });
    return /** @type {Who} */ (/** @type {unknown} */ (signed));
  }

  /**
   * Repeats for some seconds while the server cannot be reached or sheds load.
   * @param {() => Promise<Who>} prove
   */
  async #patiently(prove) {
    const { addresses, env, backoffMs, assertOpen } = this.#host;
    for (let tries = 0;; tries++) {
      const at = addresses.current;
      try {
        return await prove();
      } catch (error) {
        const { code, retryAfterMs = 0 } = /** @type {RoostError} */ (error);
        const futile = !PASSING.includes(code) || retryAfterMs > WAIT_MAX_MS;
        if (futile || tries >= TRIES_MAX) throw error;
        // Another address that was named is no repetition.
        if (addresses.isFresh) tries--;
        const ms = addresses.waitMs(at, env.now(), backoffMs(1));
        await new Promise((resolve) => env.after(ms, () => resolve(undefined)));
        assertOpen();
      }
    }
  }

  /**
   * @param {{ user: string, password: string, plain?: boolean }} credentials
   * @param {string | null} device
   */
  #provePassword({ plain = false, ...credentials }, device) {
    const { label, allowPlainPassword: allowPlain = false } = this.#options;
    const choice = { ...(device === null ? {} : { device }), ...(label ? { label } : {}) };
    /**
     * @param {string} path
     * @param {Json} body
     */
    const post = (path, body) => this.#post(`/v1/auth/${path}`, body);
    return provePassword(post, credentials, { choice, allowPlain, plain });
  }

  /**
   * @param {string} path
   * @param {Json} body
   * @param {number} [cells] how many have been asked
   * @returns {Promise<Json>}
   */
  async #post(path, body, cells = 1) {
    const { addresses, backoffMs, env, timing } = this.#host;
    const base = addresses.current;
    const request = { method: "POST", body, timeoutMs: timing.requestMs };
    try {
      return /** @type {Json} */ (await rest(env, base + path, request));
    } catch (error) {
      const { code, retryAfterMs, servers } = /** @type {RoostError} */ (error);
      if (code === "moved" && cells < CELLS_MAX && addresses.follow(servers)) {
        return await this.#post(path, body, cells + 1);
      }
      addresses.failed(base, env.now(), (tries) => backoffMs(tries, retryAfterMs));
      if (code !== "offline" || addresses.leave()) throw error;
      throw await originRefusal(env, base) ?? error;
    }
  }
}
