/** Sessions over plain HTTP at one port that several workers share. */
import assert from "node:assert/strict";
import { ServerProcess, tempDir } from "./server.ts";
import { proveScram } from "../golden/scram_proof.ts";
import { SHARE_MS } from "../../server/http/cell_rates.ts";
import { talk } from "./library_talk.ts";

const PASSWORD = "correct horse battery";
const FLAGS = [
  ...["--workers", "2", "--registration", "open"],
  ...["--set", "limits.presencePerSecond=1000", "--set", "limits.presenceBurst=1000"],
  ...["--set", "server.trustedProxies=127.0.0.1", "--set", "auth.accountFailuresBurst=5"],
  ...["--set", "auth.accountFailuresPerMinute=1"],
];
/** Requests in a row: with two workers all reach the same one with the chance of 2⁻²⁹. */
const ROUNDS = 30;

interface Events {
  readonly session: string;
  readonly cursor: string;
  readonly soft: number;
  readonly mode?: string;
  readonly events: readonly { readonly k: string; readonly body?: string }[];
}

/** A client that opens a connection for each request, which either worker may get. */
class Roaming implements Disposable {
  readonly #http = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  readonly #url: string;
  token = "";

  constructor(url: string) {
    this.#url = url;
  }

  fetch(method: string, path: string, more: RequestInit = {}): Promise<Response> {
    const { token } = this;
    const headers = {
      ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
      connection: "close",
      "content-type": "application/json",
      ...more.headers,
    };
    return fetch(this.#url + path, { ...more, method, headers, client: this.#http });
  }

  async json<T>(
    method: string,
    path: string,
    body?: unknown,
    headers: HeadersInit = {},
  ): Promise<T> {
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await this.fetch(method, path, { ...sent, headers });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return (text === "" ? null : JSON.parse(text)) as T;
  }

  async register(user: string): Promise<this> {
    const body = { user, password: PASSWORD, device: "phone" };
    this.token = (await this.json<{ token: string }>("POST", "/v1/register", body)).token;
    await this.json("PUT", "/v1/settings", { messagesFrom: "anyone" });
    return this;
  }

  async send(to: string, key: string): Promise<void> {
    await this.json("POST", "/v1/messages", { to, body: key }, { "idempotency-key": key });
  }

  [Symbol.dispose](): void {
    this.#http.close();
  }
}

async function withWorkers(run: (server: ServerProcess) => Promise<void>): Promise<void> {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path, flags: FLAGS });
  try {
    await run(server);
    assert.equal(await server.stop(), 0);
  } finally {
    await server.kill();
  }
}

Deno.test("11: long-polls, presence and SCRAM work over connections to any of two workers", async () => {
  await withWorkers(async ({ url }) => {
    using ann = await new Roaming(url).register("ann");
    using bob = await new Roaming(url).register("bob");
    const opened = await ann.json<Events>("GET", "/v1/events?wait=0");
    const headers = { "roost-session": opened.session };
    let last = opened;
    const got: string[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      const path = `/v1/events?after=${last.cursor}&soft=${last.soft}&wait=20`;
      const pending = ann.json<Events>("GET", path, undefined, headers);
      await ann.json("PUT", "/v1/presence", { show: "away", status: `${i}` }, headers);
      await bob.send("ann", `m${i}`);
      last = await pending;
      assert.deepEqual([last.session, last.mode], [opened.session, undefined]);
      got.push(...last.events.flatMap(({ k, body }) => k === "message" ? [body!] : []));
    }
    assert.deepEqual(got, Array.from({ length: ROUNDS }, (_, i) => `m${i}`));
    const first = "n,,n=ann,r=nonce-of-ann";
    for (let i = 0; i < 6; i++) {
      const begun = await ann.json<{ exchange: string; message: string }>(
        "POST",
        "/v1/auth/scram",
        { mechanism: "SCRAM-SHA-256", message: first },
      );
      const { message } = proveScram("SCRAM-SHA-256", first, begun.message, PASSWORD);
      await ann.json("POST", `/v1/auth/scram/${begun.exchange}`, { message, device: "tablet" });
    }
  });
});

/** Reads a stream until `fits` finds something in it. */
async function read(response: Response, fits: RegExp): Promise<RegExpExecArray> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = "";;) {
    const found = fits.exec(text);
    if (found !== null) {
      await reader.cancel();
      return found;
    }
    const { done, value } = await reader.read();
    assert.ok(!done, `the stream ends with ${text}`);
    text += value;
  }
}

Deno.test("11: wrong passwords for an account count at all workers together", async () => {
  await withWorkers(async ({ url }) => {
    using ann = await new Roaming(url).register("ann");
    using guesser = new Roaming(url);
    const body = JSON.stringify({ user: "ann", password: "no idea" });
    // From elsewhere: where she has signed in, an allowance of its own counts.
    const headers = { "x-forwarded-for": "192.0.2.9" };
    const guess = async () => {
      const response = await guesser.fetch("POST", "/v1/auth/password", { body, headers });
      await response.body?.cancel();
      return response.status;
    };
    assert.notEqual(ann.token, "");
    const statuses: number[] = [];
    for (let i = 0; i < 8; i++) statuses.push(await guess());
    await new Promise((done) => setTimeout(done, SHARE_MS * 2));
    for (let i = 0; i < 12; i++) statuses.push(await guess());
    const wrong = statuses.filter((status) => status === 401).length;
    assert.ok(wrong >= 5 && wrong <= 8, `${statuses}`);
    assert.deepEqual(statuses.slice(-12), Array(12).fill(429), `${statuses}`);
  });
});

Deno.test("11: event streams go on from worker to worker, with the presence of the session", async () => {
  await withWorkers(async ({ url }) => {
    using ann = await new Roaming(url).register("ann");
    using bob = await new Roaming(url).register("bob");
    await bob.json("POST", "/v1/contacts/ann/subscription", { type: "subscribe" });
    await ann.json("POST", "/v1/contacts/bob/subscription", { type: "subscribed" });
    const watch = await bob.json<Events>("GET", "/v1/events?wait=0");
    let headers: Record<string, string> = { accept: "text/event-stream" };
    for (let i = 0; i < ROUNDS / 3; i++) {
      const stream = await ann.fetch("GET", "/v1/events", { headers });
      assert.equal(stream.status, 200);
      if (i > 0) await bob.send("ann", `m${i}`);
      const text = i === 0 ? "(?!)|" : `[^]*"body":"m${i}"`;
      const [, id, session] = await read(
        stream,
        new RegExp(`event: welcome\\nid: (.*)\\ndata: .*"session":"([^"]+)"(?:${text})`),
      );
      headers = { ...headers, "roost-session": session!, "last-event-id": id! };
      if (i === 0) {
        const named = { "roost-session": session! };
        await ann.json("PUT", "/v1/presence", { show: "away", status: "tea" }, named);
      }
    }
    const path = `/v1/events?after=${watch.cursor}&wait=0`;
    const seen = await bob.json<Events>("GET", path, undefined, { "roost-session": watch.session });
    const shown = seen.events.filter(({ k }) => k === "presence");
    assert.match(JSON.stringify(shown), /"show":"away","status":"tea"/);
  });
});

Deno.test("11: the client library does everything by long-polls to any of two workers", async () => {
  const fetched = globalThis.fetch;
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  try {
    globalThis.fetch = (input, init) => {
      const headers = { ...init?.headers, connection: "close" };
      return fetched(input, { ...init, headers, client });
    };
    await withWorkers(({ url }) => talk(url, "poll"));
  } finally {
    globalThis.fetch = fetched;
    client.close();
  }
});
