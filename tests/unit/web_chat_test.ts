import assert from "node:assert/strict";
import fc from "fast-check";
import { Hono } from "hono";
import { addChat } from "../../server/web/chat_page.ts";
import type { Contact, Message, Undelivered } from "../../server/web/client.d.ts";
import { entriesOf, unreadOf } from "../../server/web/chat/people.js";
import {
  connectionText,
  dayText,
  deviceLabel,
  errorText,
  hueOf,
  initials,
  presenceText,
} from "../../server/web/chat/text.js";
import { markOf, readPages, Timeline } from "../../server/web/chat/timeline.js";
import { conversation, OFFLINE } from "./web_chat_fixture.ts";

const NOW = new Date(2026, 4, 20, 12).getTime();
const HOUR_MS = 3_600_000;
function message(seq: number, fields: Partial<Message> = {}): Message {
  return { k: "message", seq, at: NOW, with: "bob", num: seq, id: `k${seq}`, body: "", ...fields };
}

function refusal(seq: number, fields: Partial<Undelivered> = {}): Undelivered {
  const none = { with: "bob", num: seq, id: `k${seq}`, reason: "not_accepted" };
  return { k: "undelivered", seq, at: NOW, ...none, ...fields };
}

function contact(name: string, fields: Partial<Contact> = {}): Contact {
  const none = { label: "", groups: [], pendingOut: false, approved: false, presence: OFFLINE };
  return { name, subscription: "both", ...none, ...fields };
}

const byName = <T>(items: readonly T[], name: (item: T) => string) =>
  new Map(items.map((item) => [name(item), item]));

Deno.test("Timeline: shows every message once and in order, however pages and events come", () => {
  fc.assert(fc.property(
    fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7, 8], { minLength: 8 }),
    fc.array(fc.integer({ min: 1, max: 8 })),
    (order, again) => {
      const timeline = new Timeline();
      for (const seq of [...order, ...again]) timeline.add(message(seq));
      assert.deepEqual(timeline.items().map(({ seq }) => seq), [1, 2, 3, 4, 5, 6, 7, 8]);
      assert.equal(timeline.oldest, 1);
    },
  ));
});

Deno.test("Timeline: a message that waits becomes the sent one, whether event or answer is first", () => {
  for (const eventFirst of [true, false]) {
    const timeline = new Timeline();
    timeline.add(message(4));
    timeline.wait({ key: "mine", body: "hello", at: NOW });
    const [, waiting] = timeline.items();
    assert.equal(markOf(waiting!, conversation("bob")), "waiting");
    const event = () => timeline.add(message(5, { out: true, id: "mine", body: "hello" }));
    if (eventFirst) event();
    timeline.sent("mine", { seq: 5, at: NOW, num: 2 });
    if (!eventFirst) event();
    assert.deepEqual(timeline.items().map(({ id, seq }) => [id, seq]), [["seq 4", 4], [
      waiting!.id,
      5,
    ]]);
  }
});

Deno.test("Timeline: a refused message says so until it is dropped, which gives its text back", () => {
  const timeline = new Timeline();
  timeline.wait({ key: "a", body: "hello", at: NOW });
  timeline.fail("a", "no");
  assert.equal(markOf(timeline.items()[0]!, undefined), "failed");
  assert.equal(timeline.drop("a")?.body, "hello");
  assert.deepEqual(timeline.items(), []);
  timeline.add(message(1, { out: true, id: "b" }));
  timeline.undelivered("b", "not theirs");
  assert.equal(timeline.items()[0]!.failure, "not theirs");
});

Deno.test("Timeline: a page of the history says what was not delivered, whatever was read later (A1)", () => {
  const timeline = new Timeline();
  const events = [
    message(1, { out: true, id: "a", num: 1 }),
    refusal(2, { id: "a", num: 1 }),
    message(3, { out: true, id: "b", num: 2 }),
  ];
  timeline.addPage({ events, more: false });
  const marks = timeline.items().map((item) => markOf(item, conversation("bob", { read: 2 })));
  assert.deepEqual(marks, ["failed", "read"]);
  assert.match(timeline.items()[0]!.failure!, /^Not delivered/);
});

Deno.test("Timeline: pages that have refusals alone lead on to those before them", () => {
  const timeline = new Timeline();
  timeline.addPage({ events: [refusal(90), refusal(91)], more: true });
  assert.deepEqual([timeline.oldest, timeline.more], [90, true]);
  timeline.addPage({ events: [refusal(88)], more: true });
  timeline.addPage({ events: [message(5)], more: false });
  assert.deepEqual([timeline.oldest, timeline.more], [5, false]);
  timeline.reset();
  assert.equal(timeline.oldest, undefined);
});

Deno.test("Timeline: one refusal for several messages is that of each which no receipt covers", () => {
  const timeline = new Timeline();
  for (let num = 1; num <= 4; num++) {
    timeline.add(message(num, { out: true, id: `k${num}`, num }));
  }
  // Earlier servers did not say which is the first: the page knows what was delivered before.
  timeline.refuse(refusal(9, { id: "", num: 3 }), 1);
  const failed = timeline.items().map(({ failure }) => failure !== null);
  assert.deepEqual(failed, [false, true, true, false]);
});

Deno.test("Timeline: reset forgets what was received and keeps what waits", () => {
  const timeline = new Timeline();
  timeline.addPage({ events: [message(1)], more: false });
  timeline.wait({ key: "a", body: "hello", at: NOW });
  timeline.reset();
  assert.deepEqual(timeline.items().map(({ body }) => body), ["hello"]);
  assert.deepEqual([timeline.loaded, timeline.more], [false, true]);
});

Deno.test("Timeline: what came before the newest page hides nothing that lies between them", () => {
  const timeline = new Timeline();
  // Written on another device while the conversation was closed here.
  timeline.add(message(10, { out: true }));
  timeline.wait({ key: "a", body: "waits", at: NOW });
  const page = Array.from({ length: 50 }, (_, i) => message(200 + i));
  timeline.addPage({ events: page, more: true });
  assert.equal(timeline.oldest, 200);
  assert.equal(timeline.items().length, 51);
  timeline.addPage({ events: [message(198), message(199)], more: true });
  assert.equal(timeline.oldest, 198);
});

Deno.test("10.4: readPages goes on over short pages until there are messages to show", async () => {
  const timeline = new Timeline();
  const asked: (number | undefined)[] = [];
  const pages = [
    { events: [message(90), message(91)], more: true },
    { events: [refusal(80, { id: "", num: 3 })], more: true },
    { events: [message(70)], more: true },
  ];
  const read = ({ before }: { readonly before?: number }) => {
    asked.push(before);
    return Promise.resolve(pages.shift()!);
  };
  await readPages(timeline, 2, read);
  assert.deepEqual([asked.splice(0), timeline.oldest, timeline.more], [[undefined], 90, true]);
  await readPages(timeline, 1, read);
  assert.deepEqual([asked.splice(0), timeline.oldest, timeline.more], [[90, 80], 70, true]);
});

Deno.test("10.4: readPages ends after a bounded number of pages, and at one without a position", async () => {
  const timeline = new Timeline();
  let seq = 1000;
  const refusals = () => Promise.resolve({ events: [refusal(--seq, { id: "" })], more: true });
  await readPages(timeline, 1, refusals);
  assert.deepEqual([seq, timeline.more], [992, true]);
  await readPages(timeline, 1, () => Promise.resolve({ events: [], more: true }));
  assert.equal(timeline.more, false);
});

Deno.test("Timeline.trim: keeps the newest of very many, and knows that there are more", () => {
  const timeline = new Timeline();
  timeline.addPage({ events: [message(1)], more: false });
  for (let seq = 2; seq <= 600; seq++) timeline.add(message(seq));
  timeline.trim();
  assert.deepEqual([timeline.oldest, timeline.more], [1, false]);
  timeline.add(message(601));
  timeline.trim();
  assert.deepEqual([timeline.oldest, timeline.more], [302, true]);
  assert.equal(timeline.items().length, 300);
});

Deno.test("Timeline.rows: every day has a heading, and what one wrote in a row is a group", () => {
  const timeline = new Timeline();
  const at = [NOW - 24 * HOUR_MS, NOW, NOW + 1000, NOW + 2000, NOW + HOUR_MS];
  at.forEach((at, i) => timeline.add(message(i + 1, { at, ...(i === 3 ? { out: true } : {}) })));
  const rows = timeline.rows().map((row) =>
    row.kind === "message" ? [row.item.seq, row.first, row.last] : row.kind
  );
  assert.deepEqual(rows, [
    "day",
    [1, true, true],
    "day",
    [2, true, false],
    [3, false, true],
    [4, true, true],
    [5, true, true],
  ]);
});

Deno.test("markOf: tells how far a message has got, by its number", () => {
  const [item] = (() => {
    const timeline = new Timeline();
    timeline.add(message(9, { out: true, num: 3 }));
    return timeline.items();
  })();
  const mark = (delivered: number, read: number) =>
    markOf(item!, conversation("bob", { delivered, read }));
  assert.deepEqual([mark(2, 0), mark(3, 2), mark(3, 3)], ["sent", "delivered", "read"]);
});

Deno.test("entriesOf: the latest conversation is first, then names; who is blocked is last", () => {
  const client = {
    contacts: byName([
      contact("cid"),
      contact("bob"),
      contact("dan", { label: "Älter" }),
      contact("eve", { subscription: "none", pendingOut: true }),
    ], ({ name }) => name),
    conversations: byName([
      conversation("cid", { lastAt: 5, unread: 2 }),
      conversation("stranger", { lastAt: 9 }),
      conversation("mallory", { lastAt: 99, unread: 7 }),
    ], ({ with: name }) => name),
    blocked: new Set(["mallory"]),
  };
  const entries = entriesOf(client, "");
  const names = entries.map(({ name }) => name);
  assert.deepEqual(names, ["stranger", "cid", "dan", "bob", "eve", "mallory"]);
  assert.deepEqual(entries.filter(({ asked }) => asked).map(({ name }) => name), ["eve"]);
  const numbered = ["p10", "p9", "P1"].map((name) => contact(name));
  const { contacts, ...others } = client;
  const sorted = entriesOf({ ...others, contacts: byName(numbered, ({ name }) => name) }, "p");
  assert.deepEqual(sorted.map(({ name }) => name), ["P1", "p9", "p10"]);
  assert.equal(contacts.size, 4);
  assert.deepEqual(entriesOf(client, " äLT ").map(({ name }) => name), ["dan"]);
  assert.equal(unreadOf(client), 2);
});

Deno.test("texts: presence, days, errors, connection, devices", () => {
  assert.equal(presenceText({ ...OFFLINE, show: "away", status: "lunch" }, NOW), "Away – lunch");
  assert.match(
    presenceText({ ...OFFLINE, lastSeen: NOW - 24 * HOUR_MS }, NOW),
    /seen yesterday, \d/,
  );
  assert.equal(presenceText(OFFLINE, NOW), "Offline");
  assert.deepEqual([dayText(NOW, NOW), dayText(NOW - 24 * HOUR_MS, NOW)], ["Today", "Yesterday"]);
  assert.equal(
    errorText({ code: "rate_limited", retryAfterMs: 1200 }),
    "Too many tries. Wait 2 seconds.",
  );
  assert.equal(errorText({ code: "closed" }), null);
  assert.equal(errorText({ code: "conflict", message: "It is taken." }), "It is taken.");
  assert.equal(connectionText({ status: "online", reason: null }), "");
  assert.match(connectionText({ status: "stopped", reason: "replaced" }), /elsewhere/);
  assert.equal(
    deviceLabel("Mozilla/5.0 (Android 14; Mobile; rv:1) Firefox/1"),
    "Firefox on Android",
  );
  assert.equal(deviceLabel(""), "Browser, web chat");
  assert.deepEqual([initials("carla.meyer"), initials("bob"), initials("")], ["CM", "B", "?"]);
  assert.ok(hueOf("bob") === hueOf("bob") && hueOf("bob") < 8);
});

/** The files that a page loads to be shown, as it names them. */
function loadedBy(html: string): readonly string[] {
  const named = [...html.matchAll(/<(?:link|script|img)\b[^>]*\b(?:src|href)="([^"]*)"/g)]
    .filter(([tag]) => !/ rel="(?:manifest|apple-touch-icon)"/.test(tag));
  return [...new Set(named.map((match) => match[1]!))];
}

/** As they are named, without their version. */
const unversioned = (paths: readonly string[]) =>
  paths.map((path) => path.replace(/\?v=[0-9a-f]{16}$/, ""));

Deno.test("addChat: the first load is few files of less than 100 KB compressed in all (A18)", async () => {
  const app = new Hono();
  addChat(app);
  const page = await (await app.request("http://chat.example/")).text();
  const paths = ["", ...loadedBy(page), "chat/chat.en.js"];
  assert.ok(paths.length <= 5, paths.join());
  for (const coding of ["br", "gzip"]) {
    let total = 0;
    for (const path of paths) {
      const headers = { "accept-encoding": coding };
      const response = await app.request(new URL(path, "http://chat.example/"), { headers });
      total += (await response.bytes()).length;
    }
    assert.ok(total > 10_000 && total < 100_000, `${coding}: ${total} bytes`);
  }
  const script = await (await app.request("http://chat.example/chat/main.js")).text();
  assert.doesNotMatch(script, /^\s*import\b|\bimport\(/m, "the bundle loads nothing more");
  assert.match(script, /new URL\(`chat\.\$\{language\}\.js\$\{search\}`, import\.meta\.url\)/);
});

Deno.test("addChat: everything is named relative to the page, or below a forwarded prefix (A19)", async () => {
  const app = new Hono();
  let prefix = "";
  addChat(app, () => prefix);
  const load = async () => await (await app.request("http://chat.example/")).text();
  assert.deepEqual(
    unversioned(loadedBy(await load())),
    ["chat/icon.svg", "chat/chat.css", "chat/main.js"],
  );
  prefix = "/a/roost";
  const html = await load();
  assert.deepEqual(unversioned(loadedBy(html)), [
    "/a/roost/chat/icon.svg",
    "/a/roost/chat/chat.css",
    "/a/roost/chat/main.js",
  ]);
  assert.match(html, /href="\/a\/roost\/docs\/"/);
  assert.match(html, /href="#icon-add"/);
});

Deno.test("the pages' scripts name no address from the root, which a path prefix would break (A19)", () => {
  for (const name of ["chat", "admin"]) {
    const dir = new URL(`../../server/web/${name}/`, import.meta.url);
    for (const { name } of Deno.readDirSync(dir)) {
      if (!/\.(js|html|css)$/.test(name)) continue;
      const text = Deno.readTextFileSync(new URL(name, dir));
      assert.doesNotMatch(text, /["'`(]\/(?:v1|admin|chat|docs|client)\b/, name);
    }
  }
});

Deno.test("addChat: every file that the page loads is served, under a policy that names this host", async () => {
  const app = new Hono();
  addChat(app);
  const page = await app.request("http://chat.example:8420/");
  assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  assert.equal(
    page.headers.get("content-security-policy"),
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; " +
      "img-src 'self' data:; manifest-src 'self'; connect-src 'self' ws://chat.example:8420 wss://chat.example:8420; form-action 'self'; " +
      "base-uri 'none'; frame-ancestors 'none'",
  );
  for (const path of loadedBy(await page.text())) {
    const response = await app.request(new URL(path, "http://chat.example/"));
    assert.equal(response.status, 200, path);
    assert.ok(response.headers.has("etag"), path);
  }
  const etag = page.headers.get("etag")!;
  const again = await app.request("http://chat.example/", { headers: { "if-none-match": etag } });
  assert.equal(again.status, 304);
});

Deno.test("addChat: a host that is no host does not get into the policy", async () => {
  const app = new Hono();
  addChat(app);
  const page = await app.request("http://a;script-src/");
  assert.match(page.headers.get("content-security-policy")!, /connect-src 'self'; /);
});

Deno.test("addChat: the policy names the servers that a page may follow its account to (12)", async () => {
  const app = new Hono();
  addChat(app, () => "", () => ["https://b.test:*", "wss://b.test:*"]);
  const policy = (await app.request("http://a.test/")).headers.get("content-security-policy")!;
  assert.match(
    policy,
    /connect-src 'self' ws:\S+ wss:\S+ https:\/\/b\.test:\* wss:\/\/b\.test:\*; /,
  );
});

Deno.test("the chat's scripts make no markup of texts", () => {
  const dir = new URL("../../server/web/chat/", import.meta.url);
  for (const { name } of Deno.readDirSync(dir)) {
    if (!/\.(js|html)$/.test(name)) continue;
    const text = Deno.readTextFileSync(new URL(name, dir));
    const made = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|\beval\(/;
    assert.doesNotMatch(text, made, name);
    assert.doesNotMatch(text, /\sstyle="|<script>|\son\w+="|https?:\/\/(?!www\.w3\.org)\w/, name);
  }
});
