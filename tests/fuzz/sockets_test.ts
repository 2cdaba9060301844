/** A real server on real sockets, against bytes that no client sends. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import fc from "fast-check";
import { ERROR_CODES } from "../../shard/errors.ts";
import { FRAME_EXAMPLES } from "../../server/v1/examples.ts";
import { handshake, RawConnection, wsFrame } from "../process/hostile_client.ts";
import { Client, Refused, rest } from "../process/client.ts";
import { Metrics } from "../process/metrics.ts";
import { register } from "../process/pulse.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { hostile, runs } from "./hostile_bytes.ts";
import { ODD_REQUESTS } from "./odd_requests.ts";
import { ODD_JSON, wrongFields } from "./wrong_fields.ts";

const MUCH = 1_000_000;
/** Rates that limit nothing, and times that are soon over. */
const SETTINGS = [
  ...["frames", "sends", "presence", "signals", "received"].flatMap((rate) => [
    `limits.${rate}PerSecond=${MUCH}`,
    `limits.${rate}Burst=${MUCH}`,
  ]),
  `limits.requestsPerAddressPerSecond=${MUCH}`,
  `limits.requestsPerAddressBurst=${MUCH}`,
  ...["account", "address"].flatMap((who) => [
    `auth.${who}FailuresPerMinute=${MUCH}`,
    `auth.${who}FailuresBurst=${MUCH}`,
  ]),
  `limits.subscriptionRequestsPerHour=${MUCH}`,
  `limits.subscriptionRequestsBurst=${MUCH}`,
  "presence.graceMs=200",
  "timeouts.helloTimeoutMs=1000",
  "timeouts.requestTimeoutMs=1000",
  "timeouts.drainMs=1000",
];
/** All that is bad must be gone by then (ms): a request's 2 s, a look a second, a closing's 2 s. */
const GONE_MS = 6000;
/** What a process may have grown by after all this (bytes). */
const RSS_RISE_MAX = 200 * 2 ** 20;

function join(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Waits until it is gone; fails where it still is after `GONE_MS`. */
async function gone(connection: RawConnection, what: string): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, GONE_MS));
  await Promise.race([connection.closed, late]);
  clearTimeout(timer);
  const { over, text } = connection;
  connection.destroy();
  ok(over, `${what}: still there after ${GONE_MS} ms, got ${JSON.stringify(text)}`);
}

/** Answers are HTTP with a code of the closed list, or nothing at all. */
function isTyped(answer: string, what: string): void {
  if (answer === "") return;
  match(answer, /^HTTP\/1\.1 [1-5]\d\d /, what);
  const code = /\{"code":"(\w+)"/.exec(answer)?.[1];
  if (code !== undefined) ok(Object.hasOwn(ERROR_CODES, code), `${what}: ${answer}`);
  ok(!/ 50[0124]/.test(answer.slice(0, 14)), `${what}: ${answer}`);
}

async function send(url: string, bytes: Uint8Array | string, what: string): Promise<void> {
  const connection = await RawConnection.open(url);
  connection.write(bytes);
  connection.end();
  await gone(connection, what);
  isTyped(connection.text, what);
}

async function oddRequests({ url }: ServerProcess): Promise<void> {
  await Promise.all(ODD_REQUESTS.map(([what, text]) => send(url, text, what)));
  // The same without the end: those that wait for more must run into a timeout or be answered.
  await Promise.all(ODD_REQUESTS.map(async ([what, text]) => {
    const connection = await RawConnection.open(url);
    connection.write(text);
    await connection.until((answer) => answer.includes("\r\n\r\n"));
    isTyped(connection.text, what);
    connection.destroy();
  }));
}

const requests = fc.constantFrom(
  ...ODD_REQUESTS.map(([, text]) => text),
  "POST /v1/register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
    'Content-Length: 33\r\n\r\n{"user":"x","password":"yyyyyyyy"}',
  handshake(),
).map((text) => Uint8Array.from(text, (char) => char.charCodeAt(0)));

async function mutatedRequests({ url }: ServerProcess): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(hostile(requests), { minLength: 8, maxLength: 8 }), async (all) => {
      await Promise.all(all.map((bytes) => send(url, bytes, JSON.stringify([...bytes]))));
    }),
    runs(25),
  );
}

function validFrames(token: string): fc.Arbitrary<Uint8Array> {
  const hello = { t: "hello", v: 1, auth: { token }, device: "fuzz", presence: null };
  const texts = [hello, ...Object.values(FRAME_EXAMPLES)]
    .filter(({ t }) => t !== "signout" && t !== "password" && t !== "revoke")
    .map((frame) => wsFrame(JSON.stringify(frame)));
  const control = [8, 9, 10].map((opcode) => wsFrame("\x03\xe8", { opcode }));
  const parts = [wsFrame('{"t":"ping"', { fin: false }), wsFrame(',"id":1}', { opcode: 0 })];
  const frame = fc.constantFrom(...texts, ...control, ...parts);
  return fc.tuple(fc.boolean(), fc.array(frame, { maxLength: 4 })).map(([greet, frames]) =>
    join(greet ? [texts[0]!, ...frames] : frames)
  );
}

async function mutatedFrames({ url }: ServerProcess, token: string): Promise<void> {
  const bytes = fc.array(hostile(validFrames(token)), { minLength: 8, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(bytes, async (all) => {
      await Promise.all(all.map(async (frames, i) => {
        const connection = await RawConnection.openWs(url);
        ok(connection !== null);
        connection.write(frames);
        // Some are cut off, in the midst of whatever the server does with them.
        if (i % 4 === 0) connection.reset();
        else connection.end();
        await gone(connection, JSON.stringify([...frames]));
      }));
    }),
    runs(25),
  );
}

/** Commands on their way at once. */
const IN_FLIGHT = 32;

async function wrongCommands({ url, wsUrl }: ServerProcess, token: string): Promise<void> {
  const client = await Client.connect(wsUrl, { auth: { token }, device: "phone" });
  const commands = Object.entries(FRAME_EXAMPLES).flatMap(([t, { t: _, id: __, ...example }]) =>
    // Those that end the session do so with every input, right or wrong.
    t === "bye" || t === "signout" ? [] : [...wrongFields(example)].map((fields) => ({ t, fields }))
  );
  ok(commands.length > 500);
  const lanes = Array.from({ length: IN_FLIGHT }, async () => {
    for (let next = commands.pop(); next !== undefined; next = commands.pop()) {
      const { t, fields } = next;
      try {
        await client.command(t, fields);
      } catch (error) {
        const what = `${t} ${JSON.stringify(fields).slice(0, 200)}: ${error}`;
        ok(error instanceof Refused && Object.hasOwn(ERROR_CODES, error.code), what);
      }
    }
  });
  await Promise.all(lanes);
  await client.command("ping");
  await client.close();
  await Promise.all(ODD_JSON.map(async (text) => {
    const connection = await RawConnection.openWs(url);
    ok(connection !== null);
    connection.write(wsFrame(text));
    await gone(connection, text.slice(0, 40));
  }));
}

async function brokenOff({ url }: ServerProcess, token: string): Promise<void> {
  const bearer = `Authorization: Bearer ${token}\r\n`;
  const accept = "Accept: text/event-stream\r\n";
  const get = (header: string) =>
    `GET /v1/events?presence=invisible HTTP/1.1\r\nHost: localhost\r\n${bearer}${header}\r\n`;
  const hello = wsFrame(JSON.stringify({ t: "hello", v: 1, auth: { token }, presence: null }));
  const heads = [[get(accept)], [get("")], [get(""), get("")], [handshake(), hello]] as const;
  for (let round = 0; round < 10; round++) {
    await Promise.all(heads.map(async (parts) => {
      const connection = await RawConnection.open(url);
      for (const part of parts) connection.write(part);
      // At once, after the answer has begun, or in between.
      if (round % 3 === 1) await connection.until((text) => text !== "");
      if (round % 3 === 2) await new Promise((resolve) => setTimeout(resolve, round));
      connection.reset();
      await gone(connection, "broken off");
    }));
  }
}

/** Names that are properties of every object. */
async function oddNames({ url, wsUrl }: ServerProcess): Promise<void> {
  const names = ["__proto__", "constructor", "tostring", "valueof", "hasownproperty", "null", "0"];
  const tokens = new Map<string, string>();
  for (const name of names) tokens.set(name, await register(url, name));
  for (const [i, name] of names.entries()) {
    const to = names[(i + 1) % names.length]!;
    const settings = { token: tokens.get(to)!, body: { messagesFrom: "anyone" } };
    await rest(url, "PUT", "/v1/settings", settings);
    const client = await Client.connect(wsUrl, { auth: { token: tokens.get(name)! } });
    await client.command("contact", { contact: to, label: "__proto__", groups: ["constructor"] });
    await client.command("send", { to, key: "__proto__", body: name });
    const { events } = await client.command<{ events: { body: string }[] }>("history", {
      with: to,
    });
    deepEqual(events.map(({ body }) => body), [name]);
    await client.close();
  }
}

/** Sessions and connections, but for the one that asks; once all graces are over. */
async function left({ url }: ServerProcess): Promise<readonly [number, number]> {
  let now = await Metrics.of(url);
  const until = performance.now() + GONE_MS;
  const count = () => [now.get("roost_connections") - 1, now.sum("roost_sessions")] as const;
  while (Math.max(...count()) > 0 && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    now = await Metrics.of(url);
  }
  return count();
}

Deno.test("HTTP server: whatever comes, nothing breaks, leaks or stays", async (t) => {
  using dir = tempDir();
  const flags = ["--registration", "open", ...SETTINGS.flatMap((s) => ["--set", s])];
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  const { url } = server;
  try {
    const token = await register(url, "alice");
    const before = await Metrics.of(url);
    await t.step("odd requests", () => oddRequests(server));
    await t.step("mutated requests", () => mutatedRequests(server));
    await t.step("mutated frames", () => mutatedFrames(server, token));
    await t.step("wrong fields of every command", () => wrongCommands(server, token));
    await t.step("requests, streams and sign-ins that break off", () => brokenOff(server, token));
    await t.step("names that objects have", () => oddNames(server));
    deepEqual(await left(server), [0, 0]);
    const after = await Metrics.of(url);
    const rise = after.get("roost_resident_memory_bytes") -
      before.get("roost_resident_memory_bytes");
    ok(rise < RSS_RISE_MAX, `the server grew by ${rise} bytes`);
    ok(after.sum("roost_connections_bad_total") > 100);
    deepEqual(server.log.match(/^\S+ ERROR.*$/gm), null);
    equal(await (await fetch(`${url}/readyz`)).text(), "ready");
  } finally {
    equal(await server.stop(), 0, server.log);
  }
});
