import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { EXCERPT_CHARS_MAX, excerptOf } from "../../shard/search/excerpt.ts";
import { fold } from "../../shard/search/fold.ts";
import { Query, QUERY_WORDS_MAX } from "../../shard/search/query.ts";
import { naivelyFinds } from "../sim/naive_search.ts";

function queryOf(text: string): Query {
  const query = Query.parse(text);
  ok(typeof query !== "string", `${text}: ${query}`);
  return query;
}

/** As the mailbox asks: with the bytes. */
function finds(query: string, text: string): boolean {
  const bytes = new TextEncoder().encode(`!${text}!`);
  return queryOf(query).matches(bytes, 1, bytes.length - 1, () => text);
}

Deno.test("search: case and accents do not count, and the last word may go on", () => {
  const rows: readonly (readonly [query: string, text: string, found: boolean])[] = [
    ["tickets", "I bring the Tickets.", true],
    ["tick", "I bring the tickets.", true],
    ["ickets", "I bring the tickets.", false],
    ["tick bring", "I bring the tickets.", false],
    ["tickets bri", "I bring the tickets.", true],
    ["bring bring", "I bring the tickets.", true],
    ["the bring tickets I", "I bring the tickets.", true],
    ["bring milk", "I bring the tickets.", false],
    ["LODZ", "Zug nach Łódź", true],
    ["łódź", "Zug nach Lodz", true],
    ["strasse 5", "Lange Straße 52", true],
    ["straße", "LANGE STRASSE", true],
    ["οδος", "ΟΔΟΣ", true],
    ["ΟΔΟΣ x", "οδός x", true],
    ["istanbul", "İSTANBUL", true],
    ["билет", "Два БИЛЕТА на концерт", true],
    ["cafe", "café", true],
    ["cafe\u0301", "CAFE", true],
    ["ＡＢＣ", "abc", true],
    ["fin", "ﬁn", true],
    ["foo bar", "foo_bar", true],
    ["dont", "don't", false],
    ["don't", "Don't!", true],
    ["3 14", "it is 3.14", true],
    // Scripts without spaces: anywhere.
    ["京都", "東京都に行く", true],
    ["行東", "東京都に行く", false],
    ["iphone", "新しいiPhoneを買う", true],
    ["iphoneを", "新しいiPhoneを買う", true],
    ["が", "か", false],
    ["ガ", "ｶﾞ", true],
    ["ครับ", "สวัสดีครับ", true],
    ["서울", "서울에서 만나", true],
    ["दुनिया", "नमस्ते दुनिया", true],
    ["🎉", "Happy birthday🎉🎉", true],
    ["❤", "I ❤️ it", true],
    ["🇩🇪", "from 🇩🇪!", true],
  ];
  for (const [query, text, found] of rows) {
    equal(finds(query, text), found, `${query} in ${text}`);
    equal(naivelyFinds(query, text), found, `naively: ${query} in ${text}`);
  }
});

Deno.test("search: a query without words, or with too many, is refused", () => {
  for (const text of ["", " ", "?!", "--- … ***", "\u0301", "\ufe0f\u200d", "_"]) {
    equal(typeof Query.parse(text), "string", JSON.stringify(text));
  }
  const many = (count: number) => Array.from({ length: count }, (_, i) => `w${i}`).join(" ");
  equal(typeof Query.parse(many(QUERY_WORDS_MAX)), "object");
  equal(typeof Query.parse(many(QUERY_WORDS_MAX + 1)), "string");
});

const PARTS =
  "a,B,aa,É,e\u0301,ß,ss,Σ,ς,İ,ı,ø,Æ,я,Й,東,京,か,が,ｶﾞ,ส,ั,त,ि,2,２,½,ﬁ,Ａ, ,.,-,_,\n,🎉,👍🏽,❤️,👩‍💻"
    .split(",");
const text = fc.array(fc.constantFrom(...PARTS), { maxLength: 14 }).map((all) => all.join(""));

Deno.test("search: finds what the naive search finds", () => {
  fc.assert(
    fc.property(text, text, text, (query, before, after) => {
      if (typeof Query.parse(query) === "string") return;
      for (const all of [before, `${before} ${query}`, `${before}${query}${after}`]) {
        equal(finds(query, all), naivelyFinds(query, all), JSON.stringify([query, all]));
      }
    }),
    { numRuns: 3000 },
  );
});

Deno.test("search: folding is stable, character by character, and keeps texts apart", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const folded = fold(text);
    equal(fold(folded), folded);
    const lengths = [...text].reduce((sum, c) => sum + fold(c).length, 0);
    equal(lengths, folded.length, JSON.stringify(text));
  }));
  fc.assert(fc.property(text, text, (a, b) => equal(fold(`${a} ${b}`), `${fold(a)} ${fold(b)}`)));
});

/** The excerpt with brackets around its marks. */
function shown(query: string, text: string): string {
  const excerpt = excerptOf(text, queryOf(query));
  let [all, at] = ["", 0];
  for (const [begin, end] of excerpt.marks) {
    all += `${excerpt.text.slice(at, begin)}[${excerpt.text.slice(begin, end)}]`;
    at = end;
  }
  return all + excerpt.text.slice(at);
}

Deno.test("search: an excerpt marks what was found", () => {
  equal(shown("seven tick", "At seven I bring the Tickets."), "At [seven] I bring the [Tick]ets.");
  equal(shown("cafe", "Das Cafe\u0301 CAFÉS"), "Das [Cafe\u0301] [CAFÉ]S");
  equal(shown("京都", "東京都に京都"), "東[京都]に[京都]");
  equal(shown("s", "ß"), "[ß]");
  equal(shown("❤", "I ❤️ it"), "I [❤️] it");
  equal(shown("👍", "ok 👍🏽👍"), "ok [👍]🏽[👍]");
  equal(shown("ab abc", "abc ab"), "[abc] [ab]");
  // What is found does not stay found where words are part of others.
  equal(shown("in", "within in"), "within [in]");
});

Deno.test("search: an excerpt of a long text is around the first word that was found", () => {
  const long = `${"lorem ipsum ".repeat(30)}the tickets ${"dolor sit ".repeat(30)}`;
  const excerpt = shown("tickets", long);
  ok(
    /^…(lorem |ipsum )+the \[tickets\] (dolor |sit )+(d|do|dol|dolo|dolor|s|si|sit)?…$/.test(
      excerpt,
    ),
  );
  const { text } = excerptOf(long, queryOf("tickets"));
  equal(text.length, EXCERPT_CHARS_MAX + 2);
  ok(text.indexOf("tickets") <= 50);
  const end = `${"x".repeat(500)} tickets`;
  ok(shown("tickets", end).endsWith("x [tickets]"));
});

Deno.test("search: excerpts are well-formed, bounded, and their marks fold to the words", () => {
  const long = fc.array(fc.constantFrom(...PARTS), { maxLength: 400 }).map((all) => all.join(""));
  fc.assert(
    fc.property(text, long, (query, body) => {
      const parsed = Query.parse(query);
      if (typeof parsed === "string" || !parsed.matchesText(body)) return;
      const { text, marks } = excerptOf(body, parsed);
      ok(text.isWellFormed());
      ok(text.length <= EXCERPT_CHARS_MAX + 2);
      ok(marks.length > 0);
      let last = 0;
      for (const [begin, end] of marks) {
        ok(begin >= last && end > begin && end <= text.length);
        ok(text.slice(begin, end).isWellFormed(), JSON.stringify([text, begin, end]));
        last = end;
      }
      ok(body.includes(text.replace(/^…|…$/g, "")));
      if (body.length <= EXCERPT_CHARS_MAX) deepEqual(text, body);
    }),
    { numRuns: 1000 },
  );
});
