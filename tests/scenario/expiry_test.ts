/** Sessions of an outside issuer's users: they last as long as the token that was last given. */
import assert from "node:assert/strict";
import { base64url, SignJWT } from "jose";
import { configOf } from "../../server/config/config.ts";
import type { CloseReason } from "../../server/edge/types.ts";
import { openServer, type ServerFixture } from "../golden/server_fixture.ts";

const SECRET = new Uint8Array(32).fill(7);
const KEY = JSON.stringify({ kty: "oct", k: base64url.encode(SECRET) });
const SETTINGS = {
  "storage.shards": "1",
  "jwt.issuer": "https://id.example.com",
  "jwt.audience": "roost",
  "jwt.algorithms": "HS256",
  "jwt.keyFiles": "key.json",
  "jwt.createAccounts": "true",
  "jwt.leewaySeconds": "0",
};

const openIssuerServer = () =>
  openServer({
    config: configOf("/data", SETTINGS),
    files: { "key.json": KEY },
  });

/** A token of ann that lasts for so long. */
function tokenFor({ ports }: ServerFixture, seconds: number): Promise<string> {
  const now = Math.floor(ports.clock.wallMs() / 1000);
  return new SignJWT({
    sub: "ann",
    iss: "https://id.example.com",
    aud: "roost",
    exp: now + seconds,
  })
    .setProtectedHeader({ alg: "HS256" })
    .sign(SECRET);
}

/** A millisecond of real time, for tokens are checked on other threads. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/**
 * Lets time go on until the answer has arrived: little of it, for tokens are checked in real time,
 * and a slow machine must not let sessions end meanwhile.
 */
async function settled<T>(fixture: ServerFixture, task: Promise<T>, stepMs: number): Promise<T> {
  let over = false;
  task.then(() => over = true, () => over = true);
  while (!over) {
    fixture.time.runFor(stepMs);
    await pause();
  }
  return await task;
}

type Json = Readonly<Record<string, unknown>>;

/** One request for events; with the header where a session is named. */
async function poll(fixture: ServerFixture, seconds: number, session = "", query = "wait=0") {
  const headers: Record<string, string> = {
    authorization: `Bearer ${await tokenFor(fixture, seconds)}`,
    "roost-device": "phone",
    ...(session === "" ? {} : { "roost-session": session }),
  };
  const asked = Promise.resolve(fixture.app.request(`/v1/events?${query}`, { headers }));
  const response = await settled(fixture, asked, query === "wait=0" ? 0.5 : 10);
  return { status: response.status, body: await response.json() as Json };
}

/** Says hello with a token that lasts for so long. */
async function hello(fixture: ServerFixture, seconds: number, more: Json = {}) {
  const frames: Json[] = [];
  let reason: CloseReason | null = null;
  const handler = fixture.connect({
    sink: {
      send: (text) => void frames.push(JSON.parse(text)),
      bufferedBytes: () => 0,
      close: (why) => reason = why,
      terminate: () => {},
    },
    address: "192.0.2.1",
  });
  const auth = { jwt: await tokenFor(fixture, seconds) };
  handler.frame(JSON.stringify({ t: "hello", v: 1, auth, device: "phone", ...more }));
  while (frames.length === 0) {
    fixture.time.runFor(0.5);
    await pause();
  }
  return { welcome: frames[0]!, handler, reason: () => reason };
}

Deno.test("a poll with a fresh token lengthens its session, one with a shorter one cuts it", async () => {
  const fixture = await openIssuerServer();
  const { body } = await poll(fixture, 20);
  const session = String(body["session"]);
  const wallMs = () => fixture.ports.clock.wallMs();
  assert.ok(Number(body["expiresAt"]) <= wallMs() + 20_000);
  for (let i = 0; i < 5; i++) {
    fixture.time.runFor(10_000);
    assert.equal((await poll(fixture, 60, session)).status, 200, `after ${i} times 10 s`);
  }
  assert.equal((await poll(fixture, 3, session)).status, 200);
  // Parked when the right ends.
  const parked = poll(fixture, 3, session, "wait=30");
  const begunMs = wallMs();
  assert.equal((await parked).status, 401);
  assert.ok(wallMs() - begunMs < 5000, `it waited for ${wallMs() - begunMs} ms`);
  assert.equal((await poll(fixture, 60, session)).status, 404);
});

Deno.test("a resume with a fresh token lengthens its session, one with a shorter one cuts it", async () => {
  const fixture = await openIssuerServer();
  const first = await hello(fixture, 20);
  const { session, cursor } = first.welcome;
  first.handler.closed();
  fixture.time.runFor(5000);
  const longer = await hello(fixture, 100, { session, after: cursor });
  assert.equal(longer.welcome["resumed"], true);
  const expiresAt = Number(longer.welcome["expiresAt"]);
  assert.ok(expiresAt > fixture.ports.clock.wallMs() + 98_000, "the welcome tells the new end");
  fixture.time.runFor(60_000);
  assert.equal(longer.reason(), null);
  const shorter = await hello(fixture, 10, { session, after: cursor });
  assert.equal(shorter.welcome["resumed"], true);
  assert.equal(longer.reason(), "replaced");
  fixture.time.runFor(12_000);
  assert.equal(shorter.reason(), "expired");
});
