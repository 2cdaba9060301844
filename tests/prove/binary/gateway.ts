/** Another system at the binary's gateway; its webhook's receiver is here. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { type BinaryFixture, type Check, until } from "./binary_fixture.ts";
import { Client, rest } from "../../process/client.ts";
import { readStream } from "./talk.ts";

const SCOPES = "send,presence.set,presence.read,watch,outcomes";

interface HookEvent extends Readonly<Record<string, unknown>> {
  readonly n: number;
}

/** Takes webhooks; refuses the first, so that it is sent again. */
class Receiver {
  readonly events: HookEvent[] = [];
  secret = "";
  genuine = 0;
  readonly forged: string[] = [];
  #refusals = 1;
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => this.#take(request),
  );

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/hook`;
  }

  async #take(request: Request): Promise<Response> {
    const body = await request.text();
    const header = (name: string) => request.headers.get(`webhook-${name}`) ?? "";
    const key = Buffer.from(this.secret.replace("whsec_", ""), "base64");
    const signed = `${header("id")}.${header("timestamp")}.${body}`;
    const wanted = `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
    const fresh = Math.abs(Date.now() / 1000 - Number(header("timestamp"))) < 300;
    if (!fresh || !header("signature").split(" ").includes(wanted)) {
      this.forged.push(body);
      return new Response(null, { status: 401 });
    }
    this.genuine++;
    if (this.#refusals-- > 0) return new Response(null, { status: 503 });
    for (const event of JSON.parse(body).events) {
      if (event.n > (this.events.at(-1)?.n ?? 0)) this.events.push(event);
    }
    return new Response(null, { status: 204 });
  }

  close(): Promise<void> {
    return this.#server.shutdown();
  }
}

/** A user who has the service as a contact and lets it see them. */
async function befriend(url: string, token: string): Promise<void> {
  for (const type of ["subscribed", "subscribe"]) {
    await rest(url, "POST", "/v1/contacts/service.mail/subscription", { token, body: { type } });
  }
}

async function bulkPresence(url: string, token: string, watcher: Client, seen: string[]) {
  const names = ["ida", "jan", "nobody"];
  const set = () =>
    rest<{ results: { user: string; ok: boolean }[] }>(url, "PUT", "/gateway/v1/presence", {
      token,
      body: {
        users: names.map((user) => ({ user, show: "dnd", status: "In a meeting", priority: 9 })),
      },
    });
  const wanted = "true,true,false";
  await until(
    "presence for both",
    set,
    ({ results }) => results.map(({ ok }) => ok).join() === wanted,
  );
  await until("the device", () => seen.join(), (text) => text.includes("ida dnd service:mail"));
  await watcher.command("ping");
}

async function watch(url: string, token: string, ida: Client): Promise<void> {
  const authorization = `Bearer ${token}`;
  const path = `${url}/gateway/v1/presence/events?users=ida`;
  const attached = { token, body: { users: ["ida"] } };
  await until(
    "that it is attached",
    () => rest(url, "POST", "/gateway/v1/presence/query", attached).catch(() => null),
    (answer) => answer !== null,
  );
  await readStream(path, { authorization }, /"user":"ida"[^]*"priority":20/, async () => {
    await ida.command("presence", { show: "xa", priority: 20 });
  });
  const body = { users: ["ida", "nobody"] };
  const query = { token, body };
  const { presence } = await rest<{ presence: { user: string; show: string }[] }>(
    url,
    "POST",
    "/gateway/v1/presence/query",
    query,
  );
  assert.deepEqual(presence.map(({ user, show }) => `${user} ${show}`), [
    "ida xa",
    "nobody offline",
  ]);
}

/** A message of the service, read by its recipient: told by page, stream and webhook. */
async function outcomes(url: string, token: string, ida: Client, receiver: Receiver) {
  const send = () =>
    rest<{ num: number }>(url, "POST", "/gateway/v1/messages", {
      token,
      key: "mail-1",
      body: { to: "ida", body: "New mail" },
    });
  assert.deepEqual(await send(), await send());
  const conversation = { with: "service.mail" };
  const { events } = await until(
    "the message",
    () => ida.command<{ events: { seq: number }[] }>("history", conversation),
    (page) => page.events.length === 1,
  );
  await ida.command("read", { ...conversation, upTo: events[0]!.seq });
  const states = () =>
    receiver.events.filter((event) => event["type"] === "outcome").map((e) => e["state"]);
  await until("its outcome by webhook", states, (all) => all.includes("read"));
  assert.deepEqual([receiver.forged, states()[0]], [[], "accepted"]);
  const page = await rest<{ outcomes: { state: string }[] }>(url, "GET", "/gateway/v1/outcomes", {
    token,
  });
  assert.equal(page.outcomes.at(-1)!.state, "read");
  const authorization = `Bearer ${token}`;
  await readStream(`${url}/gateway/v1/outcomes`, { authorization }, /"state":"read"/);
}

async function operate(fixture: BinaryFixture, token: string): Promise<void> {
  const { url } = fixture.server;
  const run = (...words: readonly string[]) => fixture.must(["service", ...words, ...fixture.data]);
  assert.match(await run("list"), /mail +active +send,/);
  assert.match(await run("webhooks", "mail"), /^main +0 +0 /m);
  assert.equal(await run("dead", "mail", "main"), "");
  assert.match(await run("replay", "mail", "main"), /^0 events/);
  await run("revoke", "mail", "--yes");
  await assert.rejects(rest(url, "GET", "/gateway/v1/service", { token }), /unauthorized/);
}

const gateway: Check = {
  name: "a service: token, send, bulk presence, watch by SSE, signed webhooks, outcomes, revoked",
  async run(fixture) {
    const { url, wsUrl } = fixture.server;
    const add = ["service", "add", "mail", "--scope", SCOPES, "--expires", "90d"];
    const token = (await fixture.must([...add, ...fixture.data])).trim();
    assert.match(token, /^rs1_mail_/);
    const receiver = new Receiver();
    const tokens = await fixture.people(url, "ida", "jan");
    for (const one of tokens) await befriend(url, one);
    const seen: string[] = [];
    const ida = await Client.connect(wsUrl, { auth: { token: tokens[0] } }, (event) => {
      if (event.k === "presence") seen.push(`${event["user"]} ${event["show"]} ${event["device"]}`);
    });
    try {
      const hook = { url: receiver.url, topics: ["outcomes", "presence"] };
      const made = await until(
        "a webhook",
        () => rest(url, "PUT", "/gateway/v1/webhooks/main", { token, body: hook }),
        ({ secret }) => secret !== undefined,
      );
      receiver.secret = String(made["secret"]);
      await bulkPresence(url, token, ida, seen);
      await watch(url, token, ida);
      await outcomes(url, token, ida, receiver);
      await operate(fixture, token);
      const { genuine, events } = receiver;
      return `${events.length} events in ${genuine} signed webhooks, one of them sent again`;
    } finally {
      await ida.close();
      await receiver.close();
    }
  },
};

/** All of it. */
export const GATEWAY_CHECKS: readonly Check[] = [gateway];
