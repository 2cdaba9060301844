/** Which servers the client library connects to. */
import { deepEqual, equal } from "node:assert/strict";
import { Addresses } from "../../server/web/client/addresses.js";
import { ClientFixture } from "./client_fixture.ts";

const A = "http://a.test";
const B = "http://b.test";

/** Lets the client wait until it makes another socket; returns its address. */
async function nextUrl(fixture: ClientFixture): Promise<string> {
  const count = fixture.sockets.length;
  while (fixture.sockets.length === count && fixture.due.length > 0) {
    await fixture.pass(fixture.due[0]!);
  }
  return fixture.socket.url;
}

/** A client of `A` that is online over a WebSocket, and knows servers. */
async function online(servers: readonly string[]) {
  const fixture = new ClientFixture();
  const client = fixture.client({ url: A, onlyTransport: "ws" });
  const signedIn = client.signIn({ token: "rt1_token" });
  await fixture.settle();
  fixture.socket.welcome({ servers });
  await signedIn;
  return { fixture, client };
}

function addresses(given: string): Addresses {
  return new Addresses(given, { random: () => 0.99 }, { servers: [] });
}

/** All that it goes through, beginning with the next one. */
function round(of: Addresses): readonly string[] {
  const seen: string[] = [];
  while (of.leave() && !seen.includes(of.current)) seen.push(of.current);
  return seen;
}

Deno.test("11: a client whose server dies connects to another one that the welcome named", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client({ url: A });
  const signedIn = client.signIn({ token: "rt1_token" });
  await fixture.settle();
  fixture.socket.welcome({ servers: [A, B] });
  await signedIn;
  fixture.socket.breaks();
  equal(await nextUrl(fixture), "ws://a.test/v1/ws", "its own first: it may be back");
  fixture.socket.breaks();
  equal(await nextUrl(fixture), "ws://b.test/v1/ws");
  fixture.socket.welcome({ resumed: true, mode: "resume", snapshot: undefined });
  equal(client.state.status, "online");
  client.close();
});

Deno.test("12.4: a client goes back to a server that has sent it to a lost one, and learns the next there", async () => {
  const C = "http://c.test";
  const { fixture, client } = await online([A, B]);
  const moved = (...servers: string[]) =>
    fixture.socket.says({ t: "error", code: "moved", message: "elsewhere", servers });
  fixture.socket.breaks();
  equal(await nextUrl(fixture), "ws://a.test/v1/ws");
  fixture.socket.breaks();
  equal(await nextUrl(fixture), "ws://b.test/v1/ws");
  // It does not know yet that the other one is lost.
  moved(A);
  equal(await nextUrl(fixture), "ws://a.test/v1/ws");
  fixture.socket.breaks();
  equal(await nextUrl(fixture), "ws://b.test/v1/ws", "the server that has named it");
  moved(C);
  equal(await nextUrl(fixture), "ws://c.test/v1/ws", "what was named, not the given one");
  fixture.socket.welcome({ resumed: true, mode: "resume", snapshot: undefined });
  equal(client.state.status, "online");
  client.close();
});

Deno.test("11: a client knows a server that was added after its welcome, after a restart as well", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client({ url: A });
  const signedIn = client.signIn({ token: "rt1_token" });
  await fixture.settle();
  fixture.socket.welcome({ servers: [A] });
  await signedIn;
  fixture.socket.says({ t: "events", soft: 1, ev: [{ k: "servers", servers: [A, B] }] });
  client.close();
  const again = fixture.client({ url: A });
  again.signIn().catch(() => {});
  await fixture.settle();
  fixture.socket.breaks();
  equal(await nextUrl(fixture), "ws://b.test/v1/ws");
  again.close();
});

Deno.test("11: a client that is sent away connects to another server, after a restart as well", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client({ url: A });
  const signedIn = client.signIn({ token: "rt1_token" });
  await fixture.settle();
  fixture.socket.welcome({ servers: [A, B] });
  await signedIn;
  fixture.socket.says({ t: "goaway", reason: "shutdown", retryAfterMs: 100, servers: [B] });
  equal(await nextUrl(fixture), "ws://b.test/v1/ws");
  fixture.socket.welcome({ resumed: true, mode: "resume", snapshot: undefined, servers: [B] });
  client.close();
  const again = fixture.client({ url: A });
  again.signIn().catch(() => {});
  await fixture.settle();
  equal(fixture.socket.url, "ws://a.test/v1/ws");
  fixture.socket.breaks();
  equal(await nextUrl(fixture), "ws://b.test/v1/ws");
  again.close();
});

Deno.test("11: addresses are checked: no downgrade, no other scheme, no credentials, a bound", () => {
  const secure = addresses("https://a.test");
  secure.take(["http://b.test", "ftp://b.test", "javascript:1", "https://u:p@b.test", 7, null]);
  deepEqual(round(secure), []);
  secure.take("https://b.test");
  deepEqual(round(secure), []);
  secure.take(["https://b.test/roost/", "https://b.test/roost", "https://c.test"]);
  deepEqual(round(secure), ["https://b.test/roost", "https://c.test", "https://a.test"]);
  const many = addresses(A);
  many.take(Array.from({ length: 100 }, (_, i) => `http://n${i}.test`));
  equal(round(many).length, 17);
  deepEqual(round(addresses(A)), []);
});

Deno.test("12: an address that the policy of the page does not allow is used no more", () => {
  const page = addresses("https://a.test");
  page.take(["https://b.test", "https://c.test:8443/roost"]);
  page.leave();
  page.block("wss://b.test/v1/ws");
  equal(page.current, "https://a.test");
  page.block("inline");
  deepEqual(round(page), ["https://c.test:8443/roost", "https://a.test"]);
  equal(page.follow(["https://b.test"]), false);
  page.block("https://c.test:8443/roost/v1/info");
  equal(page.follow(["https://b.test", "https://c.test:8443"]), false);
});

Deno.test("12: a client whose cell is dead asks again who serves it, until that has taken over", async () => {
  const [P, OTHER] = ["http://promoted.test", B];
  const { fixture, client } = await online([A, OTHER]);
  fixture.socket.breaks();
  const movedTo = (...servers: string[]) => {
    fixture.socket.open();
    fixture.socket.says({ t: "error", code: "moved", message: "moved", servers });
    fixture.socket.says({ t: "goaway", reason: "protocol" });
  };
  equal(await nextUrl(fixture), "ws://a.test/v1/ws");
  fixture.socket.breaks();
  equal(await nextUrl(fixture), "ws://b.test/v1/ws");
  // The other cell knows the dead address only.
  movedTo(A);
  equal(await nextUrl(fixture), "ws://a.test/v1/ws");
  // To be sent on is no failure, after which it would wait ever longer.
  const tries = [];
  for (let i = 0; i < 10; i++) {
    fixture.socket.breaks();
    const beganMs = fixture.now;
    equal(await nextUrl(fixture), "ws://b.test/v1/ws");
    movedTo(A);
    tries.push(fixture.now - beganMs);
    const movedMs = fixture.now;
    equal(await nextUrl(fixture), "ws://a.test/v1/ws");
    equal(fixture.now - movedMs, 500);
  }
  // The failures at the dead address are not waited for.
  deepEqual(tries, [500, 500, 500, 500, 500, 500, 500, 500, 1500, 1500]);
  fixture.socket.breaks();
  await nextUrl(fixture);
  movedTo(P, A);
  equal(await nextUrl(fixture), "ws://promoted.test/v1/ws");
  fixture.socket.welcome({ resumed: true, mode: "resume", snapshot: undefined, servers: [P, B] });
  equal(client.state.status, "online");
  client.close();
});

Deno.test("12.8: a client whose server is lost offers another one to wait, over both transports", async () => {
  const { fixture, client } = await online([A, B]);
  const hello = () => fixture.socket.commands("hello").at(-1);
  equal(hello()?.["wait"], undefined);
  fixture.socket.breaks();
  equal(await nextUrl(fixture), "ws://a.test/v1/ws");
  fixture.socket.open();
  equal(hello()?.["wait"], undefined, "nothing else has failed");
  fixture.socket.breaks();
  equal(await nextUrl(fixture), "ws://b.test/v1/ws");
  fixture.socket.open();
  equal(hello()?.["wait"], 8);
  client.close();
  const polls = new ClientFixture();
  const poller = polls.client({ url: A, onlyTransport: "poll" });
  poller.signIn({ token: "rt1_token" }).catch(() => {});
  await polls.settle();
  equal(polls.request.path, `${A}/v1/sessions`);
  polls.request.answer({ code: "moved", message: "moved", servers: [B] }, 421);
  await polls.settle();
  await polls.pass(polls.due[0]!);
  equal(polls.request.path, `${B}/v1/sessions?wait=8`);
  poller.close();
});

Deno.test("12.8: a client that was let wait to the end asks less and less often", async () => {
  const { fixture, client } = await online([A, B]);
  fixture.socket.breaks();
  equal(await nextUrl(fixture), "ws://a.test/v1/ws");
  const waits = [];
  for (let i = 0; i < 5; i++) {
    fixture.socket.breaks();
    const beganMs = fixture.now;
    equal(await nextUrl(fixture), "ws://b.test/v1/ws");
    waits.push(fixture.now - beganMs);
    fixture.socket.open();
    await fixture.pass(8000);
    fixture.socket.says({ t: "error", code: "moved", message: "moved", servers: [A] });
    fixture.socket.says({ t: "goaway", reason: "protocol" });
    equal(await nextUrl(fixture), "ws://a.test/v1/ws");
  }
  deepEqual(waits, [500, 500, 500, 1500, 3500]);
  client.close();
});

Deno.test("12: a client goes on where nobody knows an address of its home for now", async () => {
  const { fixture, client } = await online([A, B]);
  fixture.socket.breaks();
  equal(await nextUrl(fixture), "ws://a.test/v1/ws");
  fixture.socket.breaks();
  for (const server of ["b", "a", "b", "a"]) {
    equal(await nextUrl(fixture), `ws://${server}.test/v1/ws`);
    fixture.socket.open();
    fixture.socket.says({ t: "error", code: "moved", message: "moved", servers: [] });
    fixture.socket.says({ t: "goaway", reason: "protocol" });
    equal(client.state.status, "waiting");
  }
  equal(await nextUrl(fixture), "ws://b.test/v1/ws");
  fixture.socket.welcome({ resumed: true, mode: "resume", snapshot: undefined });
  equal(client.state.status, "online");
  client.close();
});

Deno.test("12: a client that is sent away soon after it had tried often returns when the server says", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client({ url: A, onlyTransport: "ws" });
  const signedIn = client.signIn({ token: "rt1_token" });
  await fixture.settle();
  for (let i = 0; i < 6; i++) {
    fixture.socket.breaks();
    await nextUrl(fixture);
  }
  fixture.socket.welcome({ servers: [A] });
  await signedIn;
  const beganMs = fixture.now;
  fixture.socket.says({ t: "goaway", reason: "shutdown", retryAfterMs: 2000 });
  await nextUrl(fixture);
  equal(fixture.now - beganMs, 2500);
  client.close();
});

Deno.test("12: a client whose servers all fail tries each soon, and then each less and less often", async () => {
  const { fixture, client } = await online([A, B, "http://c.test"]);
  const seen = new Map<string, number[]>();
  for (let i = 0; i < 12; i++) {
    fixture.socket.breaks();
    const host = new URL(await nextUrl(fixture)).host;
    seen.set(host, [...seen.get(host) ?? [], fixture.now]);
  }
  deepEqual([...seen], [
    // That the link broke counts as well.
    ["a.test", [500, 2000, 4500, 8500]],
    ["b.test", [1000, 2500, 3500, 5500]],
    ["c.test", [1500, 3000, 4000, 6000]],
  ]);
  client.close();
});

Deno.test("12: a sign-in by password tries each server that is known, and waits for none that failed", async () => {
  const fixture = new ClientFixture();
  fixture.items.set(`roost ${A}`, "{}");
  const known = fixture.client({ url: A });
  const signedIn = known.signIn({ token: "rt1_token" });
  await fixture.settle();
  fixture.socket.welcome({ servers: [A, B, "http://c.test"] });
  await signedIn;
  known.close();
  const client = fixture.client({ url: A, allowPlainPassword: true });
  const again = client.signIn({ user: "ann", password: "secret" });
  again.catch(() => {});
  const asked: [string, number][] = [];
  for (let i = 0; i < 4; i++) {
    await fixture.settle();
    const request = fixture.requests.at(-1)!;
    asked.push([new URL(request.path).host, fixture.now]);
    request.fail();
    await fixture.settle();
    await fixture.pass(fixture.due[0] ?? 0);
  }
  deepEqual(asked, [["a.test", 0], ["b.test", 500], ["c.test", 1000], ["a.test", 1500]]);
  client.close();
});
