/** Texts of users in the chat: addresses, code, names; and what the page itself says. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseName } from "../../shard/name/name.ts";
import { canBeName, nameFault, normalName } from "../../server/web/chat/names.js";
import { looksElsewhere, oneLine, splitMessage } from "../../server/web/chat/rich_text.js";
import {
  errorText,
  passwordFault,
  passwordRule,
  reasonText,
  sendErrorText,
  signInErrorText,
  signOutText,
} from "../../server/web/chat/text.js";

/** The text of each part, with links in angle brackets and code in square ones. */
const marked = (body: string) =>
  splitMessage(body).map(({ kind, text }) =>
    kind === "link" ? `<${text}>` : kind === "text" ? text : `[${text}]`
  ).join("");

Deno.test("splitMessage: loses nothing of a text, and only addresses become links", () => {
  fc.assert(fc.property(fc.string(), fc.webUrl(), fc.string(), (before, url, after) => {
    const text = `${before} ${url} ${after}`.replaceAll("\x60", "");
    assert.equal(splitMessage(text).map((part) => part.text).join(""), text);
  }));
  assert.deepEqual(splitMessage("See (https://example.org/a?b=1)."), [
    { kind: "text", text: "See (" },
    { kind: "link", text: "https://example.org/a?b=1", href: "https://example.org/a?b=1" },
    { kind: "text", text: ")." },
  ]);
  for (const text of ["javascript:alert(1)", "http://", '<a href="x">', "data:text/html,x"]) {
    assert.ok(splitMessage(text).every(({ kind }) => kind === "text"), text);
  }
});

Deno.test("splitMessage: keeps balanced brackets, and leaves the sentence its punctuation (A24)", () => {
  const cases = [
    "<https://en.wikipedia.org/wiki/A_(b)>",
    "(<https://en.wikipedia.org/wiki/A_(b)>)",
    "(see <https://example.org/x>), [<https://example.org/y>]!",
    "\u300c<https://example.org>\u300d\u3068",
    "\uff08<https://example.org/a>\uff09\u3002",
    "<https://example.org>\u3002\u6b21",
    "\u201c<https://example.org>\u201d \u00ab<https://example.org/b>\u00bb",
    "<https://example.org/x>\u2026",
    "<https://ja.wikipedia.org/wiki/\u65e5\u672c\u8a9e>",
    "<https://example.org/?q[]=1&r=(2)>",
  ];
  for (const wanted of cases) assert.equal(marked(wanted.replaceAll(/[<>]/g, "")), wanted);
});

Deno.test("splitMessage: knows www. and mail addresses (A24)", () => {
  assert.deepEqual(splitMessage("www.example.org"), [
    { kind: "link", text: "www.example.org", href: "https://www.example.org/" },
  ]);
  assert.deepEqual(splitMessage("ann@example.org."), [
    { kind: "link", text: "ann@example.org", href: "mailto:ann@example.org" },
    { kind: "text", text: "." },
  ]);
  for (const text of ["www.", "awww.example.org", "ann@b", "@example.org", "a@b.c1"]) {
    assert.equal(marked(text), text);
  }
});

Deno.test("splitMessage: no address that is seen leads elsewhere (A24)", () => {
  // A right-to-left override would show the file's name reversed.
  for (const control of ["\u202e", "\u2066", "\u200f", "\u061c", "\u200b"]) {
    const [link] = splitMessage(`https://example.org/${control}gnp.exe`);
    assert.deepEqual(link, {
      kind: "link",
      text: "https://example.org/",
      href: "https://example.org/",
    });
  }
  const text = "https://bank.example@evil.example/";
  assert.ok(splitMessage(text).every(({ href }) => href?.startsWith("http") !== true));
});

Deno.test("splitMessage: code stands between backquotes, and has no links (A24)", () => {
  const tick = "\x60";
  const three = tick.repeat(3);
  assert.equal(marked(`use ${tick}npm i${tick} now`), "use [npm i] now");
  assert.equal(marked(`${three}\nlet a;\nlet b;\n${three}`), "[let a;\nlet b;]");
  assert.equal(marked(`${tick}https://example.org${tick}`), "[https://example.org]");
  assert.equal(marked(`a ${tick} b`), `a ${tick} b`);
});

Deno.test("splitMessage: a long message costs little, whatever it consists of", () => {
  const began = performance.now();
  for (const part of [".", "(", ")", "\x60", "https://a", "a@", "www.", "[(", "a.b@c.d"]) {
    splitMessage(part.repeat(16_384 / part.length));
    splitMessage(`https://a${part.repeat(16_384 / part.length)}`);
  }
  assert.ok(performance.now() - began < 3000);
});

Deno.test("oneLine: what stands within a line changes nothing of what is around it", () => {
  assert.equal(oneLine(" a\n\u202eb\u2069\u0007 c "), "a b c");
});

Deno.test("normalName: is the server's name wherever the server takes it (A24)", () => {
  const texts = fc.oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }),
    fc.stringMatching(/^[a-zA-Z0-9._-]{1,12}$/),
    fc.constantFrom("\uff22ob", "\u00c4nne", "A\u0308nne", "\u0130x", "\u03a3\u03a3"),
  );
  fc.assert(fc.property(texts, (text) => {
    const name = parseName(text);
    if (name === null) return;
    assert.equal(normalName(text, "example.com"), name);
    assert.ok(canBeName(name));
  }));
  assert.equal(normalName(" Bob@Example.COM ", "example.com"), "bob");
  assert.equal(normalName("bob@other.example", "example.com"), "bob@other.example");
  for (const text of ["", "a b", "a/b", "a@b", "..", "\u202ex", "<b>"]) {
    assert.ok(!canBeName(normalName(text, "example.com")), text);
  }
});

const SAID = /\b(?:bytes?|code points?|UTF|RFC|octets?|U\+)/i;

Deno.test("texts: errors are for people, without bytes and code points (A24)", () => {
  const server = "Cannot set the password: want 1 to 1024 bytes of UTF-8 (RFC 8265).";
  const codes = ["bad_request", "too_large", "limit_reached", "rate_limited", "unavailable"];
  for (const code of codes) {
    assert.doesNotMatch(errorText({ code, message: server })!, SAID);
    assert.doesNotMatch(signInErrorText({ code, message: server }, { isNew: true }), SAID);
  }
  assert.match(signInErrorText({ code: "conflict", message: "x" }, { isNew: true }), /taken/);
  assert.match(
    signInErrorText({ code: "forbidden", message: "x" }, { isNew: true, invited: true }),
    /invite/,
  );
  assert.equal(passwordRule(8), "At least 8 characters.");
  assert.equal(passwordFault("short", 8), "Use at least 8 characters.");
  assert.equal(passwordFault("\u{1f600}".repeat(8), 8), null);
  assert.equal(nameFault("Ann", null), null);
  assert.match(nameFault("ann lee", null)!, /spaces/);
  assert.match(sendErrorText({ code: "limit_reached", message: "x" }), /wait for them/);
  for (const reason of ["", "quota", "not_accepted", "something_new"]) {
    assert.doesNotMatch(reasonText(reason, "bob"), /_|undefined/);
  }
  assert.equal(reasonText("quota", "bob"), "Not delivered: bob's mailbox is full");
});

Deno.test("signOutText: says what is lost, and what the server cannot be notified (A22)", () => {
  const none = { online: true, waiting: 0, drafts: 0, expiresAt: null };
  assert.deepEqual(signOutText(none), []);
  assert.match(signOutText({ ...none, waiting: 2, drafts: 1 })[0]!, /2 messages and 1 draft/);
  const [offline, lost] = signOutText({ ...none, online: false, waiting: 1, expiresAt: 0 });
  assert.match(offline!, /no connection.*cannot be notified.*1970/s);
  assert.match(lost!, /1 message/);
});

Deno.test("looksElsewhere: tells of hosts that are not those of their letters", () => {
  const told = (text: string) => looksElsewhere(splitMessage(text)[0]!);
  assert.equal(told("https://\u0430pple.com/"), true);
  assert.equal(told("http://0x7f.1/"), true);
  assert.equal(told("https://Example.org/x"), false);
  assert.equal(told("www.example.org"), false);
  assert.equal(told("ann@example.org"), false);
  assert.equal(told("no link"), false);
});
