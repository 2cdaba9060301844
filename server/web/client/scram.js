// @ts-check
/** The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677). */
import { fromBase64, newKey, toBase64, utf8 } from "./bytes.js";
import { RoostError } from "./error.js";

/** Bounds of the iterations that a server may ask for. */
const ITERATIONS = { min: 4096, max: 10_000_000 };

/**
 * @param {Uint8Array<ArrayBuffer>} key
 * @param {Uint8Array<ArrayBuffer>} data
 */
async function hmac(key, data) {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, data));
}

/**
 * @param {string} password
 * @param {Uint8Array<ArrayBuffer>} salt
 * @param {number} iterations
 */
async function saltedPassword(password, salt, iterations) {
  // OpaqueString (RFC 8265): all spaces are one, NFC.
  const prepared = utf8(password.replace(/\p{Zs}/gu, " ").normalize("NFC"));
  const key = await crypto.subtle.importKey("raw", prepared, "PBKDF2", false, ["deriveBits"]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, 256));
}

/**
 * One exchange: the client-first message, and the reply to the server-first message. `expected` is
 * the server-final message, which proves that the server knows the keys of the password.
 * @param {string} user
 * @param {string} password
 */
export function scramExchange(user, password) {
  const nonce = newKey();
  const bare = `n=${user.replaceAll("=", "=3D").replaceAll(",", "=2C")},r=${nonce}`;
  return {
    first: `n,,${bare}`,
    /** @param {string} serverFirst */
    async reply(serverFirst) {
      const [, r, s, i] = /^r=([^,]+),s=([A-Za-z0-9+/=]+),i=([1-9]\d{0,8})$/.exec(serverFirst) ??
        [];
      const iterations = Number(i);
      const fresh = r !== undefined && r.startsWith(nonce) && r !== nonce;
      if (!fresh || iterations < ITERATIONS.min || iterations > ITERATIONS.max) {
        throw new RoostError("untrusted", "The server's first SCRAM message is not valid");
      }
      const salted = await saltedPassword(
        password,
        fromBase64(/** @type {string} */ (s)),
        iterations,
      );
      const withoutProof = `c=biws,r=${r}`;
      const auth = utf8(`${bare},${serverFirst},${withoutProof}`);
      const clientKey = await hmac(salted, utf8("Client Key"));
      const storedKey = new Uint8Array(await crypto.subtle.digest("SHA-256", clientKey));
      const signature = await hmac(storedKey, auth);
      const proof = clientKey.map((byte, at) => byte ^ Number(signature[at]));
      const server = await hmac(await hmac(salted, utf8("Server Key")), auth);
      return { message: `${withoutProof},p=${toBase64(proof)}`, expected: `v=${toBase64(server)}` };
    },
  };
}
