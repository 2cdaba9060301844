/**
 * People on the binary: by the client library that it serves, over REST and SSE, by transcripts.
 */
import assert from "node:assert/strict";
import { get } from "node:https";
import { WebSocket } from "ws";
import type { createClient } from "../../../server/web/client.js";
import type { Client, Events, Transport } from "../../../server/web/client.d.ts";
import { type BinaryFixture, type Check, PASSWORD, until } from "./binary_fixture.ts";
import { parseTranscript } from "../../golden/transcript.ts";
import { play } from "../../golden/player.ts";
import { ProcessHost } from "../../golden/process_host.ts";
import { clientLibrary } from "../../../server/web/assets.ts";
import { rest } from "../../process/client.ts";
import { TEST_CERT, TEST_KEY } from "../../scenario/test_cert.ts";

const MESSAGES = 20;
const GOLDEN = new URL("../../golden/v1/", import.meta.url);
/** Transcripts that a server in real time can play; the others need the virtual one. */
const TRANSCRIPTS = [
  "messages",
  "search",
  "coming_back",
  "signals",
  "scram",
  "long_poll",
  "event_stream",
];

/** The library as the binary serves it, run from a file. */
export async function servedLibrary(fixture: BinaryFixture): Promise<typeof createClient> {
  for (const name of ["client.js", "client.d.ts"]) {
    const text = await (await fetch(`${fixture.server.url}/${name}`)).text();
    const { bytes } = clientLibrary()[`/${name}`]!;
    const source = new TextDecoder().decode(bytes);
    assert.equal(text, source, `${name} is not that of the sources`);
    Deno.writeTextFileSync(fixture.path(name), text);
  }
  const module: { readonly createClient: typeof createClient } = await import(
    `file://${fixture.path("client.js")}`
  );
  return module.createClient;
}

/** The next event of a kind. */
function next<K extends keyof Events>(client: Client, event: K): Promise<Events[K]> {
  return new Promise((resolve) => {
    const off = client.on(event, (detail) => {
      off();
      resolve(detail);
    });
  });
}

async function chatOver(
  create: typeof createClient,
  url: string,
  onlyTransport: Transport,
): Promise<string> {
  const [first, second] = [`carl.${onlyTransport}`, `dora.${onlyTransport}`];
  const [carl, dora] = [create({ url, onlyTransport }), create({ url, onlyTransport })];
  await carl.register({ user: first, password: PASSWORD });
  await dora.register({ user: second, password: PASSWORD });
  const request = next(dora, "request");
  await carl.subscribe(second);
  assert.equal((await request).from, first);
  await dora.approve(first);
  await dora.subscribe(first);
  await carl.approve(second);
  await until("presence", () => carl.contacts.get(second)?.presence.show, (s) => s === "online");
  const shown: string[] = [];
  for (const client of [carl, dora]) {
    client.on("message", (m) => void (m.out === true || shown.push(m.body)));
  }
  const texts = Array.from({ length: MESSAGES }, (_, i) => `${i} over ${onlyTransport}`);
  await Promise.all(
    texts.map((text, i) => i % 2 === 0 ? carl.send(second, text) : dora.send(first, text)),
  );
  await until("all messages", () => shown.length, (count) => count === MESSAGES);
  assert.deepEqual([...shown].sort(), [...texts].sort());
  await dora.markRead(first);
  await until("read", () => carl.conversations.get(second)?.read, (n) => n === MESSAGES / 2);
  const { events } = await carl.history(second);
  assert.equal(events.length, MESSAGES);
  const { found } = await carl.search(`OVER ${onlyTransport}`, { limit: MESSAGES });
  assert.deepEqual(found.map(({ seq }) => seq), events.map(({ seq }) => seq).reverse());
  await carl.signOut();
  await carl.signIn({ user: first, password: PASSWORD });
  assert.equal(carl.state.transport, onlyTransport);
  carl.close();
  dora.close();
  return `${MESSAGES} messages over ${onlyTransport}`;
}

const library: Check = {
  name: "the served client library: two sign up and talk over WebSocket and over long-poll",
  async run(fixture) {
    const create = await servedLibrary(fixture);
    const told: string[] = [];
    for (const transport of ["ws", "poll"] as const) {
      told.push(await chatOver(create, fixture.server.url, transport));
    }
    return told.join(", ");
  },
};

/** Reads a stream until something matches, and goes away. */
export async function readStream(
  url: string,
  headers: Readonly<Record<string, string>>,
  wanted: RegExp,
  opened: () => Promise<void> = () => Promise.resolve(),
): Promise<string> {
  const gone = new AbortController();
  const timer = setTimeout(() => gone.abort(new Error(`no ${wanted} at ${url}`)), 60_000);
  try {
    const response = await fetch(url, {
      headers: { ...headers, accept: "text/event-stream" },
      signal: gone.signal,
    });
    assert.equal(response.status, 200, response.ok ? "" : await response.text());
    await opened();
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body!) {
      text += decoder.decode(chunk, { stream: true });
      if (wanted.test(text)) return text;
    }
    throw new Error(`the stream ended without ${wanted}: ${text}`);
  } finally {
    clearTimeout(timer);
    gone.abort();
  }
}

const requests: Check = {
  name: "REST and server-sent events",
  async run(fixture) {
    const { url } = fixture.server;
    const [eve, fay] = await fixture.people(url, "eve", "fay");
    const body = { to: "fay", body: "Hello Fay" };
    const path = `${url}/v1/events`;
    const streamed = readStream(path, { authorization: `Bearer ${fay}` }, /Hello Fay/, async () => {
      const once = await rest(url, "POST", "/v1/messages", { token: eve!, key: "k1", body });
      const again = await rest(url, "POST", "/v1/messages", { token: eve!, key: "k1", body });
      assert.deepEqual(again, once);
    });
    assert.match(await streamed, /^event: welcome$[^]*^event: events$/m);
    const page = await rest<{ events: { seq: number; body: string }[] }>(
      url,
      "GET",
      "/v1/conversations/eve/messages",
      { token: fay! },
    );
    assert.deepEqual(page.events.map((event) => event.body), ["Hello Fay"]);
    const [{ seq } = { seq: 0 }] = page.events;
    const call = (method: string, to: string, sent?: unknown) =>
      rest(url, method, to, { token: fay!, ...(sent === undefined ? {} : { body: sent }) });
    await call("PUT", "/v1/conversations/eve/read", { upTo: seq });
    await call("PUT", "/v1/contacts/eve", { label: "Eve", groups: ["Friends"] });
    await call("PUT", "/v1/blocked/eve");
    const snapshot = JSON.stringify(await call("GET", "/v1/snapshot"));
    assert.match(snapshot, /"label":"Eve"[^]*"blocked":\["eve"\]/);
    await call("DELETE", "/v1/blocked/eve");
    const devices = await rest<readonly unknown[]>(url, "GET", "/v1/devices", { token: fay! });
    assert.equal(devices.length, 1);
    await call("DELETE", "/v1/auth");
    await assert.rejects(call("GET", "/v1/snapshot"), /unauthorized/);
    return "13 requests, 1 stream";
  },
};

const transcripts: Check = {
  name: "golden transcripts of protocol v1 are answered as they were recorded",
  async run(fixture) {
    for (const file of TRANSCRIPTS) {
      const transcript = parseTranscript(Deno.readTextFileSync(new URL(`${file}.txt`, GOLDEN)));
      const settings = Object.entries(transcript.settings)
        .flatMap(([key, value]) => ["--set", `${key}=${value}`]);
      const server = await fixture.start(`v1-${file}`, ["--domain", "example.com", ...settings]);
      const host = new ProcessHost(server.url);
      try {
        await play(transcript, host);
      } catch (error) {
        throw new Error(`${file}: ${error instanceof Error ? error.message : error}`);
      } finally {
        host.close();
        await fixture.stop(server);
      }
    }
    return TRANSCRIPTS.join(", ");
  },
};

/** GET, with the tests' certificate as the only one that is trusted. */
function getSecurely(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { ca: TEST_CERT, agent: false }, (response) => {
      let text = "";
      response.on("data", (data) => text += String(data));
      response.on("end", () => resolve(text));
    }).on("error", reject);
  });
}

const tls: Check = {
  name: "https and wss with a certificate",
  async run(fixture) {
    Deno.mkdirSync(fixture.path("tls"), { mode: 0o700 });
    Deno.writeTextFileSync(fixture.path("tls/cert.pem"), TEST_CERT);
    Deno.writeTextFileSync(fixture.path("tls/key.pem"), TEST_KEY);
    const files = [
      "--tls-cert",
      fixture.path("tls/cert.pem"),
      "--tls-key",
      fixture.path("tls/key.pem"),
    ];
    const server = await fixture.start("tls", files);
    assert.match(server.url, /^https:/);
    assert.equal(JSON.parse(await getSecurely(`${server.url}/v1/info`)).domain, "localhost");
    assert.match(await getSecurely(server.url), /chat\/main\.js/);
    const socket = new WebSocket(server.wsUrl, { ca: TEST_CERT });
    const welcome = await new Promise<string>((resolve, reject) => {
      socket.on("error", reject);
      socket.on("message", (data) => resolve(String(data)));
      socket.on("open", () => {
        const account = { user: "tess", password: PASSWORD };
        socket.send(JSON.stringify({ t: "register", v: 1, ...account }));
      });
    });
    assert.equal(JSON.parse(welcome).t, "welcome", welcome);
    socket.terminate();
    await fixture.stop(server);
    return server.url;
  },
};

/** All of it. */
export const TALK_CHECKS: readonly Check[] = [library, requests, transcripts, tls];
