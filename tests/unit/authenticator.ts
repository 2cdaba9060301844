/** An authenticator of passkeys (WebAuthn) in a few lines: keys of P-256, attestation `none`. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { decodeBase64Url, encodeBase64Url } from "byte-encodings/base64url";
import type { CreatedResponse, SignedResponse } from "../../server/auth/passkey_types.ts";

type Options = Readonly<Record<string, unknown>>;

/** What it says that is not so. */
export interface Lies {
  readonly rpId?: string;
  readonly challenge?: string;
  readonly type?: string;
  readonly verified?: boolean;
  readonly crossOrigin?: boolean;
  readonly userHandle?: string;
  readonly id?: string;
  /** Of the attestation. */
  readonly format?: string;
  readonly x5c?: boolean;
}

const utf8 = new TextEncoder();
const base64 = (text: string) => encodeBase64Url(utf8.encode(text));
const sha256 = (data: Uint8Array | string) =>
  new Uint8Array(createHash("sha256").update(data).digest());
const join = (...parts: readonly (Uint8Array | readonly number[])[]) =>
  Uint8Array.from(parts.flatMap((part) => [...part]));
/** A text of CBOR (RFC 8949) of less than 24 bytes. */
const text = (value: string) => join([0x60 + value.length], utf8.encode(value));
const bytes = (value: Uint8Array) => join([0x59, value.length >> 8, value.length & 255], value);

/** See the head of this file. One passkey; `counter` 0: it does not count. */
export class Authenticator {
  readonly id: Uint8Array;
  readonly #key: KeyObject;
  readonly #cose: Uint8Array;
  #handle = "";
  counter: number;

  constructor(id: number, counter = 0) {
    this.id = new Uint8Array(16).fill(id);
    this.counter = counter;
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#key = privateKey;
    const { x, y } = publicKey.export({ format: "jwk" });
    const [px, py] = [decodeBase64Url(x!), decodeBase64Url(y!)];
    const head = [0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32];
    this.#cose = join(head, px, [0x22, 0x58, 32], py);
  }

  #client(type: string, options: Options, origin: string, lies: Lies): string {
    const challenge = lies.challenge ?? options["challenge"];
    const crossOrigin = lies.crossOrigin ?? false;
    return JSON.stringify({ type: lies.type ?? type, challenge, origin, crossOrigin });
  }

  #data(rpId: string, flags: number, { verified = true }: Lies, more: Uint8Array): Uint8Array {
    const counter = new Uint8Array(4);
    new DataView(counter.buffer).setUint32(0, this.counter);
    return join(sha256(rpId), [flags + 1 + (verified ? 4 : 0)], counter, more);
  }

  /** Makes its passkey for a page of `origin`. */
  create(options: Options, origin: string, lies: Lies = {}): CreatedResponse {
    const rp = options["rp"] as { id: string };
    this.#handle = (options["user"] as { id: string }).id;
    const credential = join(new Uint8Array(16), [0, this.id.length], this.id, this.#cose);
    const data = this.#data(lies.rpId ?? rp.id, 0x40, lies, credential);
    const statement = lies.x5c === true
      ? join([0xa3], text("alg"), [0x26], text("sig"), [0x41, 1], text("x5c"), [0x81, 0x41, 1])
      : [0xa0];
    const attestation = join(
      [0xa3],
      text("fmt"),
      text(lies.format ?? "none"),
      text("attStmt"),
      statement,
      text("authData"),
      bytes(data),
    );
    const id = encodeBase64Url(this.id);
    return {
      id,
      rawId: id,
      type: "public-key",
      response: {
        clientDataJSON: base64(this.#client("webauthn.create", options, origin, lies)),
        attestationObject: encodeBase64Url(attestation),
        transports: ["internal"],
      },
    };
  }

  /** Signs for a page of `origin`. Counts, where it does. */
  sign(options: Options, origin: string, lies: Lies = {}): SignedResponse {
    if (this.counter > 0) this.counter++;
    const client = this.#client("webauthn.get", options, origin, lies);
    const rpId = lies.rpId ?? String(options["rpId"]);
    const data = this.#data(rpId, 0, lies, new Uint8Array());
    const signature = sign("sha256", join(data, sha256(client)), this.#key);
    const id = lies.id ?? encodeBase64Url(this.id);
    return {
      id,
      rawId: id,
      type: "public-key",
      response: {
        clientDataJSON: base64(client),
        authenticatorData: encodeBase64Url(data),
        signature: encodeBase64Url(new Uint8Array(signature)),
        userHandle: lies.userHandle ?? this.#handle,
      },
    };
  }
}
