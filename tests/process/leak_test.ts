/**
 * What clients and services get from a cell says nothing of its nodes, shards and internal addresses
 * (issue 11): everything that a server of three nodes sends over all transports is searched.
 */
import assert from "node:assert/strict";
import { Client, rest } from "./client.ts";
import { MailApp } from "../examples/mail_app.ts";
import { parseTranscript } from "../golden/transcript.ts";
import { play } from "../golden/player.ts";
import { ProcessHost } from "../golden/process_host.ts";
import { RecordingProxy } from "./recording_proxy.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";
import { until } from "./until.ts";

/** Transcripts wait for the end of a connection that sends nothing. */
const SETTINGS = { "timeouts.helloTimeoutMs": "3000" };
/** How long an event stream is read: its first events arrive at once. */
const STREAM_MS = 300;

/** Fields and words that are about the inside of a cell. */
const INSIDE = [
  /"(node|nodes|peer|shard|shards|epoch|owner|incarnation|lsn|worker|process)"\s*:/,
  /\b(shards?|epochs?|incarnations?|nodes?|workers?|peers?|owners?)\b/i,
  /unix:|[a-z][0-9]+\.sock|store\.sock/,
];

/** What an outsider must not learn of a server: names that are its own, and words for what it has. */
function assertClean(said: string, dataDir: string): void {
  const { nodeId } = JSON.parse(Deno.readTextFileSync(`${dataDir}/secrets.json`));
  for (const secret of [nodeId, dataDir, ...[1, 2, 3].map((n) => `-${n}.1"`)]) {
    assert.ok(
      !said.includes(secret),
      `clients get ${secret}: ${around(said, said.indexOf(secret))}`,
    );
  }
  // The other user of a conversation, whose reactions a message has.
  const text = said.replaceAll(/"peer":(?=\{"description":"The other user|\[)/g, "");
  for (const pattern of INSIDE) {
    const found = pattern.exec(text);
    assert.equal(found, null, found === null ? "" : around(text, found.index));
  }
}

function around(text: string, at: number): string {
  return JSON.stringify(text.slice(Math.max(0, at - 200), at + 200));
}

async function startCell(dataDir: string, flags: readonly string[] = []) {
  const server = await ServerProcess.start({
    dataDir,
    flags: ["--workers", "3", "--domain", "example.com", ...flags],
  });
  const proxy = await RecordingProxy.open(Number(new URL(server.url).port));
  return { server, proxy };
}

for (const file of ["messages", "sign_in", "rest_accounts", "long_poll"]) {
  Deno.test(`11: golden v1 ${file} on three nodes shows nothing of them`, async () => {
    using dir = tempDir();
    const path = new URL(`../golden/v1/${file}.txt`, import.meta.url);
    const transcript = parseTranscript(await Deno.readTextFile(path));
    const settings = Object.entries({ ...SETTINGS, ...transcript.settings })
      .flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    const { server, proxy } = await startCell(dir.path, settings);
    const host = new ProcessHost(proxy.url);
    try {
      await play(transcript, host);
      assert.match(proxy.said, /example\.com/);
      assertClean(proxy.said, dir.path);
    } finally {
      host.close();
      await proxy.close();
      await server.stop();
    }
  });
}

/** Requests of one user over all transports, right and wrong ones. */
async function traffic(url: string, token: string, times: number): Promise<void> {
  const get = async (path: string, init: RequestInit = {}) => {
    const signal = AbortSignal.timeout(2000);
    const headers = { authorization: `Bearer ${token}`, ...init.headers };
    const got = fetch(url + path, { signal, ...init, headers }).then((r) => r.text());
    return await got.catch(() => "");
  };
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    get(path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", ...headers },
    });
  for (let i = 0; i < times; i++) {
    // The session is at one node; polls of it reach all of them.
    const named = /"session":"([^"]+)"/.exec(await get("/v1/events?wait=0"))?.[1] ?? "";
    const at = { headers: { "roost-session": named } };
    const key = { "idempotency-key": `m-${i}-${token.slice(-6)}` };
    await Promise.all([
      post("/v1/messages", { to: "bob", body: `hello ${i}` }, key),
      post("/v1/messages", { to: "nobody at all", body: 7 }, key),
      get("/v1/snapshot"),
      get("/v1/conversations/bob/messages?limit=1"),
      get("/v1/events?after=zzz"),
      get("/v1/events", {
        headers: { accept: "text/event-stream" },
        signal: AbortSignal.timeout(STREAM_MS),
      }),
      ...[1, 2, 3, 4, 5, 6].map(() => get("/v1/events?wait=1&after=zzz:1", at)),
      get("/v1/presence", { ...at, method: "PUT", body: '{"show":"away"}' }),
      get("/v1/events", { headers: { "roost-session": "AAAAAAAAAAAAAAAA" } }),
      get("/v1/nothing"),
      get("/v1/snapshot", { headers: { authorization: "Bearer rt1_wrong" } }),
    ]);
  }
}

/** Kills the worker with this number; another one is started in its place. */
function killWorker(server: ServerProcess, number: number): void {
  const started = [...server.log.matchAll(/worker started worker=(\d+) pid=(\d+)/g)];
  const pid = started.findLast(([, n]) => Number(n) === number)![2];
  Deno.kill(Number(pid), "SIGKILL");
}

/** A receiver of webhooks that keeps what it gets. */
function receiver() {
  let got = "";
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (r) => {
    got += `${r.url}\n${[...r.headers].map((h) => h.join(": ")).join("\n")}\n${await r.text()}\n`;
    return new Response();
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/hook`,
    got: () => got,
    stop: () => server.shutdown(),
  };
}

/** Two contacts, who let a service see them; their tokens and the service's. */
async function accounts(url: string, dataDir: string) {
  const register = async (user: string) => {
    const body = { user, password: "correct horse battery" };
    return (await rest<{ token: string }>(url, "POST", "/v1/register", { body })).token;
  };
  const tokens = [await register("ann"), await register("bob")] as const;
  const scope = "send,presence.read,watch,outcomes";
  const added = await roost(["service", "add", "mail", "--scope", scope, "--data", dataDir]);
  const steps = [[0, "bob", "subscribe"], [1, "ann", "subscribed"], [
    1,
    "ann",
    "subscribe",
  ]] as const;
  const ofService = [[0, "service.mail", "subscribed"], [1, "service.mail", "subscribed"]] as const;
  for (const [who, to, type] of [...steps, ...ofService]) {
    const path = `/v1/contacts/${to}/subscription`;
    await rest(url, "POST", path, { token: tokens[who], body: { type } });
  }
  return { tokens, service: added.out.trim() };
}

Deno.test("11: REST, streams, polls, WebSockets, services and webhooks show nothing of the nodes, also while one dies", async () => {
  using dir = tempDir();
  const flags = ["--registration", "open", "--set", "gateway.privateTargets=true"];
  const { server, proxy } = await startCell(dir.path, flags);
  const { url } = proxy;
  const hook = receiver();
  let app: MailApp | null = null;
  try {
    const { tokens: [ann, bob], service } = await accounts(url, dir.path);
    app = await MailApp.start(url, service);
    const set = { url: hook.url, topics: ["outcomes", "presence"] };
    await rest(url, "PUT", "/gateway/v1/webhooks/second", { token: service, body: set });
    const events: string[] = [];
    const wsUrl = `${url.replace(/^http/, "ws")}/v1/ws`;
    const device = await Client.connect(wsUrl, { auth: { token: bob } }, (e) => events.push(e.k));
    await app.receive({ id: "mail-1", from: "bob", to: "ann", subject: "Lunch?" });
    await traffic(url, ann, 3);
    for (const number of [1, 2, 3]) {
      killWorker(server, number);
      await traffic(url, ann, 2);
    }
    await until(
      "a webhook",
      () => hook.got().includes('"outcomes"') || hook.got().includes('"type"'),
    );
    await until("a stream and frames", async () => {
      await traffic(url, bob, 1);
      return proxy.said.includes("event: ") && proxy.said.includes('"t":"events"');
    });
    await device.close().catch(() => {});
    for (const code of ["not_found", "bad_request", "unauthorized"]) {
      assert.ok(proxy.said.includes(`"${code}"`), `no response was ${code}`);
    }
    assertClean(proxy.said, dir.path);
    assertClean(hook.got(), dir.path);
  } finally {
    await app?.stop();
    await hook.stop();
    await proxy.close();
    await server.stop();
  }
});
