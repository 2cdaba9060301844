/** The chat's texts: in one file for each language, and nowhere else. */
import assert from "node:assert/strict";
import { Hono } from "hono";
import { addChat, CHAT_LANGUAGES } from "../../server/web/chat_page.ts";
import { LANGUAGES, localeOf, pickLanguage } from "../../server/web/chat/language.js";
import { textAt } from "../../server/web/chat/text_at.js";
import { t as de } from "../../server/web/chat/texts/de.js";
import { t as en } from "../../server/web/chat/texts/en.js";

const CHAT = new URL("../../server/web/chat/", import.meta.url);
const TEXTS: Readonly<Record<string, unknown>> = { en, de };

/** The keys of texts with what they are: `signIn.title string`, `talk.typing function 1`. */
function keysOf(texts: unknown, path = ""): readonly string[] {
  if (typeof texts === "function") return [`${path} function ${texts.length}`];
  if (typeof texts !== "object" || texts === null) return [`${path} ${typeof texts}`];
  return Object.entries(texts).flatMap(([key, value]) => keysOf(value, `${path}.${key}`)).sort();
}

/** What is shown of a text: literals of a script that are words, not names of the page's parts. */
const WORDS =
  /^[A-Z\u00c0-\u024f][a-z\u00df-\u024f]+\b|[a-z\u00df-\u024f]{2,},? [a-z\u00df-\u024f]{2,}| [A-Za-z]{2,}$|^[a-z]{2,} /;
/** Literals that look like words. */
const NO_WORDS: readonly RegExp[] = [
  /^roost chat\b/, // Keys of storages.
  /^(?:Enter|Escape|Shift|Alt|Arrow(?:Up|Down|Left|Right)|Home|End|Page(?:Up|Down)|Tab)$/, // Keys.
  /^(?:The page has no |There is no text | is not of this version: )/, // Errors of developers.
  /^(?:Android|Windows|Mac|Linux|Edge|Firefox|Chrome|Safari|\) Roost|Roost|English|Deutsch)$/, // Names.
  /^(?:noopener noreferrer nofollow|img|button)$/,
  /^(?:badge hue-|person|line |main round)/, // Classes.
  /^[.#]/, // Selectors.
  /^(?:key|seq|day) $/, // What rows are kept by.
  /^(?: looked at|roost |request |bold |px system-ui, sans-serif)$/, // Locks, events, fonts.
  /^(?:Notification|input, textarea, select)$/,
];

/** The string literals of a script, without what stands in comments and types. */
function literalsOf(script: string): readonly string[] {
  const code = script.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "")
    .replaceAll(/^(?:import|export) .* from .*$/gm, "");
  const literals = [...code.matchAll(/"((?:[^"\\\n]|\\.)*)"|\x60((?:[^\x60\\]|\\.)*)\x60/g)];
  return literals.flatMap(([, plain, template]) =>
    plain !== undefined ? [plain] : (template ?? "").split(/\$\{[^}]*\}/)
  );
}

const isWords = (literal: string) =>
  WORDS.test(literal) && !NO_WORDS.some((pattern) => pattern.test(literal));

Deno.test("the chat's texts: every language has the same keys, and no text is empty", () => {
  assert.deepEqual(Object.keys(TEXTS), Object.keys(LANGUAGES));
  assert.deepEqual(Object.keys(LANGUAGES), CHAT_LANGUAGES);
  const files = [...Deno.readDirSync(new URL("texts/", CHAT))].map(({ name }) => name).sort();
  assert.deepEqual(
    files,
    [...Object.keys(LANGUAGES).map((name) => `${name}.js`), "words.js"].sort(),
  );
  const wanted = keysOf(en);
  assert.ok(wanted.length > 150);
  for (const [language, texts] of Object.entries(TEXTS)) {
    assert.deepEqual(keysOf(texts), wanted, language);
    const empty = (value: unknown): boolean =>
      typeof value === "object" ? Object.values(value ?? {}).some(empty) : value === "";
    assert.equal(empty(texts), false, language);
    assert.equal((texts as typeof en).language, language);
  }
});

Deno.test("the chat's texts: German is not English left as it was", () => {
  const flat = (texts: object): readonly string[] =>
    Object.values(texts).flatMap((value) =>
      typeof value === "string" ? [value] : typeof value === "object" ? flat(value) : []
    );
  const german = flat(de);
  const same = flat(en).filter((text, i) => german[i] === text);
  assert.deepEqual([...new Set(same)].sort(), [
    ...["Alt", "Browser", "Enter", "Esc", "Name", "Offline", "Online", "Passkeys"],
    ...["\u2191", "\u2193"],
  ]);
});

Deno.test("the chat's texts: no other script has words that are shown", () => {
  let looked = 0;
  const found: string[] = [];
  for (const { name } of Deno.readDirSync(CHAT)) {
    if (!name.endsWith(".js")) continue;
    const literals = literalsOf(Deno.readTextFileSync(new URL(name, CHAT)));
    looked += literals.length;
    found.push(...literals.filter(isWords).map((literal) => `${name}: ${literal}`));
  }
  assert.deepEqual(found, []);
  assert.ok(looked > 500);
  assert.deepEqual(literalsOf('// "It"\nsay("Not sent", `${a} is typing`);'), [
    "Not sent",
    "",
    " is typing",
  ]);
  for (const words of ["Not sent", "Loading …", " is typing", "wants to be", "Older"]) {
    assert.ok(isWords(words), words);
  }
});

Deno.test("the chat's texts: the page has none itself, and names only those that there are", () => {
  const html = Deno.readTextFileSync(new URL("index.html", CHAT));
  const body = html.slice(html.indexOf("<body>")).replace(/<noscript>[^]*<\/noscript>/, "");
  const shown = body.replaceAll(/<[^>]*>/g, " ").match(/[\p{L}\p{N}]+/gu) ?? [];
  assert.deepEqual(shown, ["Roost"]);
  assert.doesNotMatch(body, /\s(?:aria-label|placeholder|title)="|\salt="[^"]/);
  const named = [...body.matchAll(/\sdata-t(?:-label|-placeholder)?="([^"]*)"/g)];
  assert.ok(named.length > 50);
  for (const [, path] of named) assert.notEqual(textAt(path!), "");
  assert.throws(() => textAt("signIn.nothing"), /no text/);
  assert.throws(() => textAt("talk.typing"), /no text/);
});

Deno.test("the chat's texts: numbers and plurals are those of the language", () => {
  assert.deepEqual([en.requests.title(1), en.requests.title(1200)], [
    "1 request",
    "1,200 requests",
  ]);
  assert.deepEqual([de.requests.title(1), de.requests.title(1200)], [
    "1 Anfrage",
    "1.200 Anfragen",
  ]);
  assert.equal(de.tooManyTries(1), "Zu viele Versuche. Warte 1 Sekunde.");
});

Deno.test("pickLanguage: the chosen one, or the first that the user reads", () => {
  assert.equal(pickLanguage(null, ["de-AT", "en"]), "de");
  assert.equal(pickLanguage(null, ["fr", "EN-gb", "de"]), "en");
  assert.equal(pickLanguage(null, ["fr"]), "en");
  assert.equal(pickLanguage(null, []), "en");
  assert.equal(pickLanguage("en", ["de"]), "en");
  assert.equal(pickLanguage("xx", ["de"]), "de");
  assert.equal(pickLanguage("constructor", ["de"]), "de");
});

Deno.test("localeOf: the user's own region of the language", () => {
  assert.equal(localeOf("de", ["en-US", "de-AT", "de"]), "de-AT");
  assert.equal(localeOf("de", ["en-US"]), "de");
});

Deno.test("addChat: a user loads the texts of one language, less than 100 KB compressed in all", async () => {
  const app = new Hono();
  addChat(app);
  const load = async (path: string) => {
    const headers = { "accept-encoding": "gzip" };
    return (await (await app.request(`http://chat.example/${path}`, { headers })).bytes()).length;
  };
  const text = async (path: string) => await (await app.request(`http://a.test/${path}`)).text();
  for (const language of CHAT_LANGUAGES) {
    const script = await text(`chat/chat.${language}.js`);
    assert.doesNotMatch(script, /^\s*import\b|\bimport\(/m);
    for (const other of CHAT_LANGUAGES) {
      const { signOut } = TEXTS[other] as typeof en;
      assert.equal(script.includes(`title: "${signOut.title}"`), other === language, other);
    }
    const paths = [
      "",
      "chat/main.js",
      `chat/chat.${language}.js`,
      "chat/chat.css",
      "chat/icon.svg",
    ];
    const bytes = await Promise.all(paths.map(load));
    const total = bytes.reduce((sum, each) => sum + each, 0);
    assert.ok(total > 10_000 && total < 100_000, `${language}: ${total} bytes`);
  }
});
