/**
 * A push service for tests, written from RFC 8030, 8188, 8291 and 8292 with `node:crypto`, and a
 * browser's part of a push subscription: it shares nothing with what sends.
 */
import assert from "node:assert/strict";
import {
  createDecipheriv,
  createECDH,
  createHmac,
  createPublicKey,
  type ECDH,
  randomBytes,
  verify,
} from "node:crypto";
import { Buffer } from "node:buffer";

/** A push message as the device sees it, with what the service saw of it. */
export interface Pushed {
  readonly payload: Readonly<Record<string, unknown>>;
  readonly path: string;
  readonly topic: string;
  readonly urgency: string;
  readonly ttl: number;
  readonly bytes: number;
}

function hmac(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** HKDF (RFC 5869) for outputs of at most 32 bytes. */
function hkdf(salt: Uint8Array, ikm: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return hmac(hmac(salt, ikm), info, Uint8Array.of(1)).subarray(0, length);
}

/** A device that subscribes. */
export class PushDevice {
  readonly #ecdh: ECDH = createECDH("prime256v1");
  readonly #auth = randomBytes(16);
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    this.#ecdh.generateKeys();
  }

  /** As `PushSubscription.toJSON()`, but for the endpoint's origin. */
  subscription(origin: string) {
    const p256dh = this.#ecdh.getPublicKey().toString("base64url");
    const keys = { p256dh, auth: this.#auth.toString("base64url") };
    return { endpoint: `${origin}${this.path}`, keys };
  }

  /** Decrypts a body of one record; throws where it is not for this device. */
  decrypt(body: Buffer): string {
    const salt = body.subarray(0, 16);
    const recordSize = body.readUInt32BE(16);
    const keyLength = body[20]!;
    const sender = body.subarray(21, 21 + keyLength);
    const record = body.subarray(21 + keyLength);
    assert.equal(keyLength, 65);
    assert.ok(record.length <= recordSize, "one record");
    const secret = this.#ecdh.computeSecret(sender);
    const info = Buffer.concat([Buffer.from("WebPush: info\0"), this.#ecdh.getPublicKey(), sender]);
    const ikm = hkdf(this.#auth, secret, info, 32);
    const key = hkdf(salt, ikm, Buffer.from("Content-Encoding: aes128gcm\0"), 16);
    const nonce = hkdf(salt, ikm, Buffer.from("Content-Encoding: nonce\0"), 12);
    const cipher = createDecipheriv("aes-128-gcm", key, nonce);
    cipher.setAuthTag(record.subarray(-16));
    const padded = Buffer.concat([cipher.update(record.subarray(0, -16)), cipher.final()]);
    const end = padded.findLastIndex((byte) => byte !== 0);
    assert.equal(padded[end], 2, "the delimiter of the last record");
    return padded.subarray(0, end).toString();
  }
}

/** Checks the `Authorization` of a push message (RFC 8292); returns the key of its sender. */
function checkVapid(authorization: string, origin: string): string {
  const [, jwt, k] = /^vapid t=([^,]+), ?k=([A-Za-z0-9_-]+)$/.exec(authorization) ?? [];
  assert.ok(jwt !== undefined && k !== undefined, `authorization is ${authorization}`);
  const [header, claims, signature] = jwt.split(".") as [string, string, string];
  const read = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString());
  assert.equal(read(header).alg, "ES256");
  const { aud, exp, sub } = read(claims);
  assert.equal(aud, origin);
  const seconds = exp - Date.now() / 1000;
  assert.ok(seconds > 0 && seconds <= 86_400, `expires in ${seconds} s`);
  assert.match(sub, /^(mailto:|https:\/\/)/);
  const point = Buffer.from(k, "base64url");
  const x = point.subarray(1, 33).toString("base64url");
  const y = point.subarray(33).toString("base64url");
  const key = createPublicKey({ key: { kty: "EC", crv: "P-256", x, y }, format: "jwk" });
  const signed = Buffer.from(`${header}.${claims}`);
  const good = verify(
    "sha256",
    signed,
    { key, dsaEncoding: "ieee-p1363" },
    Buffer.from(signature, "base64url"),
  );
  assert.ok(good, "the signature");
  return k;
}

/** See the head of this file. */
export class PushService {
  readonly #devices = new Map<string, PushDevice>();
  #server: Deno.HttpServer<Deno.NetAddr> | null = null;
  #port = 0;
  /** What was pushed, in order. */
  readonly pushed: Pushed[] = [];
  /** Keys of the servers that have sent. */
  readonly senders = new Set<string>();
  /** Requests, those that were refused included. */
  requests = 0;
  /** Why a request was none of RFC 8030. */
  readonly faults: string[] = [];
  /** Says what to answer instead of 201; null: 201. */
  answer: (path: string) => Response | null = () => null;

  start(): void {
    const options = { hostname: "127.0.0.1", port: this.#port, onListen: () => {} };
    this.#server = Deno.serve(options, (request) => this.#take(request));
    this.#port = this.#server.addr.port;
  }

  async stop(): Promise<void> {
    await this.#server?.shutdown();
    this.#server = null;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** A device's push subscription. */
  subscribe(name: string) {
    const device = new PushDevice(`/push/${name}`);
    this.#devices.set(device.path, device);
    return device.subscription(this.origin);
  }

  async #take(request: Request): Promise<Response> {
    this.requests++;
    const { pathname: path } = new URL(request.url);
    const body = Buffer.from(await request.arrayBuffer());
    try {
      this.senders.add(checkVapid(request.headers.get("authorization") ?? "", this.origin));
      const other = this.answer(path);
      if (other !== null) return other;
      const device = this.#devices.get(path);
      if (device === undefined) return new Response(null, { status: 404 });
      assert.equal(request.method, "POST");
      assert.equal(request.headers.get("content-encoding"), "aes128gcm");
      assert.ok(body.length <= 4096, `${body.length} bytes`);
      const topic = request.headers.get("topic") ?? "";
      assert.match(topic, /^[A-Za-z0-9_-]{1,32}$/);
      this.pushed.push({
        payload: JSON.parse(device.decrypt(body)),
        path,
        topic,
        urgency: request.headers.get("urgency") ?? "",
        ttl: Number(request.headers.get("ttl")),
        bytes: body.length,
      });
      return new Response(null, { status: 201 });
    } catch (error) {
      this.faults.push(String(error));
      return new Response(null, { status: 400 });
    }
  }

  /** Waits until so many were pushed; at most 30 s. */
  async until(count: number): Promise<Pushed> {
    for (let tries = 0; this.pushed.length < count; tries++) {
      assert.ok(tries < 600, `${this.pushed.length} pushed, ${this.faults}`);
      await new Promise((done) => setTimeout(done, 50));
    }
    assert.deepEqual(this.faults, []);
    return this.pushed[count - 1]!;
  }
}
