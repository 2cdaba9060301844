/** Push messages from a real server to a push service that decrypts them and checks who sends. */
import assert from "node:assert/strict";
import { Client, rest } from "./client.ts";
import { PhoneService } from "./phone_service.ts";
import { PushService } from "./push_service.ts";
import { ServerProcess, tempDir } from "./server.ts";

const FLAGS = ["--set", "push.graceMs=200", "--set", "push.privateTargets=true"];

/** For as long as a push message would have come that must not. */
const QUIET_MS = 1500;
const quiet = () => new Promise((done) => setTimeout(done, QUIET_MS));

interface Person {
  readonly token: string;
  write(to: string, body: string): Promise<{ seq: number }>;
  ask<T>(method: string, path: string, body?: object): Promise<T>;
}

async function person(url: string, user: string): Promise<Person> {
  const made = { user, password: "correct horse", device: "phone" };
  const { token } = await rest<{ token: string }>(url, "POST", "/v1/register", { body: made });
  return signedIn(url, token);
}

let keys = 0;

function signedIn(url: string, token: string): Person {
  const ask = <T>(method: string, path: string, body?: object) =>
    rest<T>(url, method, path, { token, ...(body === undefined ? {} : { body }) });
  const write = (to: string, body: string) =>
    rest<{ seq: number }>(url, "POST", "/v1/messages", {
      token,
      body: { to, body },
      key: `${++keys}`,
    });
  return { token, ask, write };
}

async function anyone(of: Person): Promise<void> {
  await of.ask("PUT", "/v1/settings", { messagesFrom: "anyone" });
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let i = 0; !await isSo(); i++) {
    assert.ok(i < 200, "it never was so");
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** How many messages the other conversations have is no matter: the mark is beyond them all. */
async function read(of: Person, peer: string): Promise<void> {
  const path = `/v1/conversations/${peer}`;
  const { events } = await of.ask<{ events: { seq: number }[] }>("GET", `${path}/messages`);
  await of.ask("PUT", `${path}/read`, { upTo: events.at(-1)!.seq });
}

Deno.test("push messages are encrypted and signed, one for a burst, none for who is there (13)", async () => {
  using dir = tempDir();
  const service = new PushService();
  service.start();
  const server = await ServerProcess.start({ dataDir: dir.path, flags: FLAGS });
  try {
    const [ann, bob] = [await person(server.url, "ann"), await person(server.url, "bob")];
    await anyone(bob);
    const info = await rest<{ push: { publicKey: string } }>(server.url, "GET", "/v1/info", {});
    await bob.ask("PUT", "/v1/push", service.subscribe("bob"));
    assert.deepEqual(
      (await bob.ask<object[]>("GET", "/v1/push")).map((p) => ({ ...p, at: 0 })),
      [{ device: "phone", at: 0, service: service.origin, content: "full" }],
    );
    await ann.write("bob", "Are you there?");
    const first = await service.until(1);
    const { seq, at: _, ...rest_ } = first.payload;
    assert.ok(Number(seq) > 0);
    assert.deepEqual(rest_, {
      t: "message",
      to: "bob",
      from: "ann",
      unread: 1,
      total: 1,
      body: "Are you there?",
    });
    assert.deepEqual([first.urgency, first.ttl], ["normal", 86_400]);
    assert.deepEqual([...service.senders], [info.push.publicKey]);
    for (let i = 0; i < 5; i++) await ann.write("bob", `again ${i}`);
    await quiet();
    assert.equal(service.pushed.length, 1, "one for a burst");

    await read(bob, "ann");
    await ann.write("bob", "😀".repeat(1500));
    const long = await service.until(2);
    assert.equal(long.payload["cut"], true);
    assert.equal(long.topic, first.topic, "of the same conversation");
    assert.equal(long.bytes, first.bytes, "the length tells nothing");

    await read(bob, "ann");
    const desk = await Client.connect(server.wsUrl, {
      auth: { token: bob.token },
      device: "phone",
    });
    desk.onEvent = ({ seq }) => void desk.command("ack", { seq });
    await ann.write("bob", "while you are here");
    await quiet();
    assert.equal(service.pushed.length, 2, "a device is active");
    await desk.command("presence", { show: "away" });
    await ann.write("bob", "while you are away");
    assert.equal((await service.until(3)).payload["body"], "while you are away");
    await desk.command("bye").catch(() => {});

    const carol = await person(server.url, "carol");
    await bob.ask("PUT", "/v1/push", { ...service.subscribe("bob"), content: "sender" });
    await carol.write("bob", "hidden");
    const sender = await service.until(4);
    assert.deepEqual([sender.payload["from"], sender.payload["body"]], ["carol", undefined]);
    assert.notEqual(sender.topic, first.topic);
    await read(bob, "carol");
    await bob.ask("PUT", "/v1/push", { ...service.subscribe("bob"), content: "none" });
    await carol.write("bob", "hidden");
    assert.deepEqual(Object.keys((await service.until(5)).payload), ["t", "to", "total"]);

    await bob.ask("PUT", "/v1/blocked/carol");
    await read(bob, "carol");
    await carol.write("bob", "blocked");
    await quiet();
    assert.equal(service.pushed.length, 5);
    await bob.ask("DELETE", "/v1/push");
    await read(bob, "ann");
    await ann.write("bob", "nobody");
    await quiet();
    assert.equal(service.requests, 5);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(metrics, /roost_push_messages_total\{[^}]*outcome="sent"[^}]*\} 5\n/);
  } finally {
    await server.stop();
    await service.stop();
  }
});

Deno.test("a push service that is gone, busy or away loses and stops nothing (13)", async () => {
  using dir = tempDir();
  const service = new PushService();
  service.start();
  const server = await ServerProcess.start({ dataDir: dir.path, flags: FLAGS });
  try {
    const [ann, bob] = [await person(server.url, "ann"), await person(server.url, "bob")];
    await anyone(bob);
    const list = () => bob.ask<object[]>("GET", "/v1/push");
    for (const status of [404, 410]) {
      await bob.ask("PUT", "/v1/push", service.subscribe(`gone${status}`));
      service.answer = () => new Response(null, { status });
      await ann.write("bob", "gone");
      await until(async () => (await list()).length === 0);
      await read(bob, "ann");
    }
    const before = service.requests;
    await bob.ask("PUT", "/v1/push", service.subscribe("busy"));
    service.answer = () => new Response(null, { status: 429, headers: { "retry-after": "7" } });
    await ann.write("bob", "busy");
    while (service.requests === before) await new Promise((done) => setTimeout(done, 20));
    const askedAt = Date.now();
    service.answer = () => null;
    assert.equal((await service.until(1)).payload["body"], "busy");
    assert.ok(Date.now() - askedAt >= 6900, `after ${Date.now() - askedAt} ms`);
    assert.equal(service.requests, before + 2);

    await read(bob, "ann");
    await service.stop();
    await ann.write("bob", "away");
    await quiet();
    service.start();
    assert.equal((await service.until(2)).payload["body"], "away");
  } finally {
    await server.stop();
    await service.stop();
  }
});

Deno.test("a push message that a killed server owed is sent by the next one (13)", async () => {
  using dir = tempDir();
  const service = new PushService();
  service.start();
  const slow = [...FLAGS.slice(2), "--set", "push.graceMs=600000"];
  const first = await ServerProcess.start({ dataDir: dir.path, flags: slow });
  let second: ServerProcess | null = null;
  try {
    const [ann, bob] = [await person(first.url, "ann"), await person(first.url, "bob")];
    await anyone(bob);
    await bob.ask("PUT", "/v1/push", service.subscribe("bob"));
    await ann.write("bob", "acked before the kill");
    await first.kill();
    assert.equal(service.requests, 0);
    second = await ServerProcess.start({ dataDir: dir.path, flags: FLAGS });
    assert.equal((await service.until(1)).payload["body"], "acked before the kill");
    await quiet();
    assert.equal(service.pushed.length, 1);
    assert.equal(service.senders.size, 1);
  } finally {
    await second?.stop();
    await service.stop();
  }
});

Deno.test("a push subscription that cannot be one is refused (13)", async () => {
  using dir = tempDir();
  const service = new PushService();
  service.start();
  const flags = ["--set", "push.graceMs=200"];
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  try {
    const bob = await person(server.url, "bob");
    const good = { ...service.subscribe("bob"), endpoint: "https://push.example.net/x" };
    const { keys } = good;
    const p = keys.p256dh;
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{}, /endpoint/],
      [{ ...good, endpoint: service.origin }, /https/],
      [{ ...good, endpoint: "https://127.0.0.1/x" }, /push\.privateTargets/],
      [{ ...good, endpoint: "https://[::1]/x" }, /push\.privateTargets/],
      [{ ...good, endpoint: "https://router.local/x" }, /push\.privateTargets/],
      [{ ...good, endpoint: "https://push.example.net:25/x" }, /push\.ports/],
      [{ ...good, endpoint: "https://user:pw@push.example.net/x" }, /credentials/],
      [{ ...good, endpoint: `https://push.example.net/${"x".repeat(1024)}` }, /endpoint/],
      [{ ...good, endpoint: "file:///etc/passwd" }, /endpoint/],
      [{ ...good, keys: { ...keys, p256dh: `${p.slice(0, -4)}AAAA` } }, /P-256/],
      [{ ...good, keys: { ...keys, p256dh: "BBBB" } }, /P-256/],
      [{ ...good, keys: { ...keys, auth: "AAAA" } }, /16 bytes/],
      [{ ...good, keys: { ...keys, auth: "not base64url!" } }, /16 bytes/],
      [{ ...good, content: "everything" }, /content/],
    ];
    for (const [body, why] of wrong) {
      const refused = await bob.ask("PUT", "/v1/push", body).then(() => null, (e) => e);
      assert.ok(refused instanceof Error, JSON.stringify(body));
      assert.match(refused.message, why, JSON.stringify(body));
    }
    await bob.ask("PUT", "/v1/push", good);
  } finally {
    await server.stop();
    await service.stop();
  }
});

Deno.test("a server without push messages says so (13)", async () => {
  using dir = tempDir();
  const flags = ["--set", "push.enabled=false"];
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  try {
    const bob = await person(server.url, "bob");
    const info = await rest<{ push?: object }>(server.url, "GET", "/v1/info", {});
    assert.equal(info.push, undefined);
    const keys = new PushService().subscribe("bob").keys;
    const body = { endpoint: "https://push.example.net/x", keys };
    await assert.rejects(bob.ask("PUT", "/v1/push", body), /no push messages/);
  } finally {
    await server.stop();
  }
});

Deno.test("a service that passes push messages on gets them, and ends subscriptions (13)", async () => {
  using dir = tempDir();
  using own = tempDir();
  const gateway = new PhoneService();
  const secretFile = `${dir.path}/secret`;
  Deno.writeTextFileSync(secretFile, `${gateway.secret}\n`);
  const services = [{ id: "phones", url: `${gateway.origin}/v1/notify`, secretFile }];
  const set = ["--set", `push.services=${JSON.stringify(services)}`];
  const flags = ["--set", "push.graceMs=200", ...set];
  let server = await ServerProcess.start({ dataDir: own.path, flags });
  try {
    let [ann, bob] = [await person(server.url, "ann"), await person(server.url, "bob")];
    await anyone(bob);
    const { push } = await rest<{ push: object }>(server.url, "GET", "/v1/info", {});
    assert.deepEqual({ ...push, publicKey: "" }, { publicKey: "", services: ["phones"] });
    const list = () => bob.ask<{ service: string; content: string }[]>("GET", "/v1/push");
    const token = "f00d/BEEF+1:2==";
    await bob.ask("PUT", "/v1/push", { service: "phones", token });
    assert.deepEqual((await list()).map((p) => [p.service, p.content]), [["phones", "sender"]]);
    await ann.write("bob", "for your phone");
    const { message: { seq, at, ...message }, topic, ...first } = await gateway.until(1);
    assert.ok(Number(seq) > 0 && Number(at) > 0);
    assert.deepEqual(message, { t: "message", to: "bob", from: "ann", unread: 1, total: 1 });
    assert.deepEqual(first, { v: 1, service: "phones", token, ttlSeconds: 86_400 });
    assert.match(topic, /^[A-Za-z0-9_-]{32}$/);
    assert.equal(gateway.path, "/v1/notify");

    await read(bob, "ann");
    await bob.ask("PUT", "/v1/push", { service: "phones", token, content: "full" });
    gateway.status = 503;
    await ann.write("bob", "after a while");
    await gateway.until(2);
    gateway.status = 201;
    const again = await gateway.until(3);
    assert.deepEqual([again.message["body"], again.topic], ["after a while", topic]);

    // One that is not in the settings (any more) gets nothing, and the device stays subscribed.
    await server.stop();
    server = await ServerProcess.start({ dataDir: own.path, flags: ["--set", "push.graceMs=200"] });
    [ann, bob] = [signedIn(server.url, ann.token), signedIn(server.url, bob.token)];
    await read(bob, "ann");
    await ann.write("bob", "nobody passes it on");
    await until(async () =>
      /outcome="refused"[^}]*\} 1\n/.test(await (await fetch(`${server.url}/metrics`)).text())
    );
    assert.equal((await list()).length, 1);
    await assert.rejects(bob.ask("PUT", "/v1/push", { service: "phones", token }), /has none/);
    await server.stop();
    assert.equal(gateway.taken.length, 3);

    server = await ServerProcess.start({ dataDir: own.path, flags });
    [ann, bob] = [signedIn(server.url, ann.token), signedIn(server.url, bob.token)];
    gateway.status = 410;
    await read(bob, "ann");
    await ann.write("bob", "gone");
    await gateway.until(4);
    await until(async () => (await list()).length === 0);
  } finally {
    await server.stop();
    await gateway.stop();
  }
});

Deno.test("a subscription at a service that passes push messages on is refused where it cannot be one (13)", async () => {
  using dir = tempDir();
  const secretFile = `${dir.path}/secret`;
  Deno.writeTextFileSync(secretFile, "secret-of-the-service");
  const services = [{ id: "phones", url: "http://127.0.0.1:9/notify", secretFile }];
  using own = tempDir();
  const flags = ["--set", `push.services=${JSON.stringify(services)}`];
  const server = await ServerProcess.start({ dataDir: own.path, flags });
  try {
    const bob = await person(server.url, "bob");
    const token = "f00d";
    const keys = new PushService().subscribe("bob").keys;
    const endpoint = "https://push.example.net/x";
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{ service: "phones" }, /token is missing/],
      [{ token }, /endpoint is missing/],
      [{ endpoint }, /keys is missing/],
      [{ service: "other", token }, /one of phones/],
      [{ service: "phones", token: "two words" }, /token.*without spaces/],
      [{ service: "phones", token: "x".repeat(1025) }, /token.*1,024/],
      [{ service: "phones", token, endpoint, keys }, /either endpoint/],
      [{ endpoint, keys, token }, /either endpoint/],
    ];
    for (const [body, why] of wrong) {
      await assert.rejects(bob.ask("PUT", "/v1/push", body), why, JSON.stringify(body));
    }
  } finally {
    await server.stop();
  }
});
