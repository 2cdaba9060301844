import assert from "node:assert/strict";
import { Client, rest } from "./client.ts";
import { MailApp } from "../examples/mail_app.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

/** Waits until `look` gives what is wanted; at most 20 s. */
async function until(look: () => Promise<string>, wanted: RegExp): Promise<string> {
  let text = "";
  for (let tries = 0; tries < 400; tries++) {
    text = await look();
    if (wanted.test(text)) return text;
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.fail(`still ${text}`);
}

async function serviceToken(dataDir: string, name: string, scope: string): Promise<string> {
  const added = await roost(["service", "add", name, "--scope", scope, "--data", dataDir]);
  assert.equal(added.code, 0, added.err);
  return added.out.trim();
}

async function person(server: ServerProcess, user: string): Promise<string> {
  const body = { user, password: "correct horse" };
  const { token } = await rest<{ token: string }>(server.url, "POST", "/v1/register", { body });
  return token;
}

/** The person takes the service as a contact, and lets it see them. */
async function befriend(server: ServerProcess, token: string, account: string): Promise<void> {
  const path = `/v1/contacts/${account}/subscription`;
  for (const type of ["subscribed", "subscribe"]) {
    await rest(server.url, "POST", path, { token, body: { type } });
  }
}

/** Reads a service's stream until something matches, and goes away. */
async function readStream(url: string, token: string, wanted: RegExp): Promise<string> {
  const gone = new AbortController();
  const headers = { authorization: `Bearer ${token}`, accept: "text/event-stream" };
  const response = await fetch(url, { headers, signal: gone.signal });
  let text = "";
  const decoder = new TextDecoder();
  if (!response.ok) return await response.text();
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk, { stream: true });
    if (wanted.test(text)) break;
  }
  gone.abort();
  return text;
}

Deno.test("the mail app shows presence, tells of mail, and learns of its outcome by webhook", async () => {
  using dir = tempDir();
  const flags = ["--set", "gateway.privateTargets=true", "--set", "gateway.streamsMax=1"];
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  let app: MailApp | null = null;
  try {
    const token = await serviceToken(dir.path, "mail", "send,presence.read,watch,outcomes");
    const ann = await person(server, "ann");
    const bob = await person(server, "bob");
    for (const one of [ann, bob]) await befriend(server, one, "service.mail");
    app = await MailApp.start(server.url, token);
    const mail = { id: "mail-1", from: "bob", to: "ann", subject: "Lunch?" };
    await app.receive(mail);
    await app.receive(mail);
    const device = await Client.connect(server.wsUrl, { auth: { token: ann } });
    const bobs = await Client.connect(server.wsUrl, {
      auth: { token: bob },
      presence: { show: "away" },
    });
    const box = () => app!.box("ann");
    await until(box, /^bob \(away\): Lunch\? \[sent\]\n$/);
    const history = await device.command<{ events: { body: string; seq: number }[] }>("history", {
      with: "service.mail",
    });
    assert.deepEqual(history.events.map(({ body }) => body), ["New mail from bob: Lunch?"]);
    const { seq } = history.events[0]!;
    await device.command("ack", { seq });
    await until(box, /\[delivered\]/);
    await device.command("read", { with: "service.mail", upTo: seq });
    await until(box, /\[read\]/);
    // The second has the place of the first, which has gone away.
    for (const [path, wanted] of [["presence/events", /"show":"away"/], ["outcomes", /"read"/]]) {
      const look = () => readStream(`${server.url}/gateway/v1/${path}`, token, wanted as RegExp);
      await until(look, wanted as RegExp);
    }
    await bobs.command("bye");
    await until(box, /^bob \(offline\)/);
    await device.close();
    await bobs.closed;
    const revoked = await roost(["service", "revoke", "mail", "--yes", "--data", dir.path]);
    assert.equal(revoked.code, 0, revoked.err);
    await assert.rejects(box(), /unauthorized/);
  } finally {
    await app?.stop();
    await server.stop();
  }
});

/** A port of loopback that nobody listens on. */
function closedPort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.port;
}

Deno.test("operators add, list and revoke services, with or without a server, and read what died", async () => {
  using dir = tempDir();
  const cli = (...args: string[]) => roost([...args, "--data", dir.path]);
  assert.equal((await cli("user", "add", "ann", "--no-password")).code, 0);
  const reserved = await cli("user", "add", "service.mail", "--no-password");
  assert.match(reserved.err, /reserved for services/);
  const added = await cli("service", "add", "mail", "--scope", "send,outcomes", "--expires", "90d");
  assert.match(added.out, /^rs1_mail_\S{43}\n$/);
  assert.match((await cli("service", "add", "mail", "--scope", "send")).err, /revoke it first/);
  assert.match((await cli("service", "add", "x", "--scope", "fly")).err, /there is no scope fly/);
  assert.equal((await cli("service", "add", "x", "--scope", "send", "--expires", "1h")).code, 2);
  const retry = ["webhookRetryMinMs", "webhookRetryMaxMs"].map((knob) => `gateway.${knob}=100`);
  const flags = ["gateway.privateTargets=true", ...retry].flatMap((set) => ["--set", set]);
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  try {
    const token = added.out.trim();
    const url = `http://127.0.0.1:${closedPort()}/`;
    const hook = { url, topics: ["outcomes"] };
    await rest(server.url, "PUT", "/gateway/v1/webhooks/main", { token, body: hook });
    const body = { to: "ann", body: "hello" };
    await rest(server.url, "POST", "/gateway/v1/messages", { token, body, key: "one" });
    const list = await until(
      async () => (await cli("service", "list")).out,
      /mail +active.* 1 +0 /,
    );
    assert.match(list, /send,outcomes/);
    const webhooks = await cli("service", "webhooks", "mail");
    assert.match(webhooks.out, /main +1 +0 .*refused/i);
    assert.ok(webhooks.out.includes(url), webhooks.out);
    assert.deepEqual(await cli("service", "dead", "mail", "main"), { code: 0, out: "", err: "" });
    assert.match((await cli("service", "replay", "mail", "main")).out, /^0 events/);
    assert.equal((await cli("service", "dead", "mail", "other")).code, 1);
    assert.match((await cli("service", "webhooks", "other")).err, /There is no service "other"/);
    const metrics = async () => await (await fetch(`${server.url}/metrics`)).text();
    assert.match(await metrics(), /roost_users_online\{synthetic="false"\} 0/);
    assert.match(await metrics(), /roost_webhook_events\{state="waiting"\} 1/);
    const set = await cli("experiment", "set", "offline-grace", "--arms", "short=100");
    assert.equal(set.out, "offline-grace is short=100.\n");
    assert.match((await cli("experiment", "list")).out, /offline-grace +short=100 +set/);
    await person(server, "bob");
    const bob = await Client.connect(server.wsUrl, {
      auth: { user: "bob", password: "correct horse" },
    });
    const event = 'roost_experiment_events_total{experiment="offline-grace",arm="short",what=';
    await until(metrics, new RegExp(`${event.replaceAll(/[{]/g, "\\{")}"sessions"\\} 1`));
    await bob.close();
    await until(metrics, new RegExp(`${event.replaceAll(/[{]/g, "\\{")}"exposures"\\} 1`));
    assert.equal((await cli("service", "revoke", "mail", "--yes")).code, 0);
    await assert.rejects(rest(server.url, "GET", "/gateway/v1/service", { token }), /unauthorized/);
  } finally {
    await server.stop();
  }
  assert.match((await cli("service", "list")).out, /mail +revoked/);
  assert.equal((await cli("experiment", "set", "offline-grace", "--off")).code, 0);
});

Deno.test("a calendar sets and clears the presence of those who have it as a contact", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path });
  try {
    const token = await serviceToken(dir.path, "calendar", "presence.set");
    const ann = await person(server, "ann");
    const bob = await person(server, "bob");
    await befriend(server, ann, "service.calendar");
    const put = (users: readonly unknown[]) =>
      rest(server.url, "PUT", "/gateway/v1/presence", { token, body: { users } });
    const meeting = { show: "dnd", status: "In a meeting", priority: 50 };
    const all = ["ann", "bob", "nobody"].map((user) => ({ user, ...meeting }));
    await until(async () => JSON.stringify(await put(all)), /"user":"ann","ok":true/);
    assert.deepEqual(await put(all), {
      results: [
        { user: "ann", ok: true },
        { user: "bob", ok: false, code: "not_found" },
        { user: "nobody", ok: false, code: "not_found" },
      ],
    });
    const seen: string[] = [];
    const device = await Client.connect(server.wsUrl, { auth: { token: ann } }, (event) => {
      if (event.k === "presence") seen.push(`${event["user"]} ${event["show"]} ${event["device"]}`);
    });
    await until(() => Promise.resolve(seen.join()), /ann dnd service:calendar/);
    await put([{ user: "ann", clear: true }]);
    await until(() => Promise.resolve(seen.at(-1) ?? ""), /^ann offline/);
    await put([all[0]]);
    await until(() => Promise.resolve(seen.at(-1) ?? ""), /ann dnd service:calendar/);
    await rest(server.url, "PUT", "/v1/blocked/service.calendar", { token: ann });
    await until(() => Promise.resolve(seen.at(-1) ?? ""), /^ann offline/);
    await until(async () => JSON.stringify(await put([all[0]])), /"ok":false,"code":"not_found"/);
    await device.close();
    void bob;
  } finally {
    await server.stop();
  }
});
