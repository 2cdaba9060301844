import assert from "node:assert/strict";
import fc from "fast-check";
import {
  checkName,
  NAME_BYTES_MAX,
  parseAddress,
  parseName,
  preparePassword,
} from "../../shard/name/name.ts";

/** Names and what they become; null: refused. */
const NAMES: readonly (readonly [string, string | null, string])[] = [
  // RFC 8265 section 3.5, tables 1 and 2 (the address of row 1 is `parseAddress`'s).
  ["fussball", "fussball", "row 2"],
  ["fu\u00dfball", "fu\u00dfball", "row 3: sharp s is kept, not folded to ss"],
  ["\u03c0", "\u03c0", "row 4: pi"],
  ["\u03a3", "\u03c3", "row 5: capital sigma"],
  ["\u03c3", "\u03c3", "row 6: small sigma"],
  ["\u03c2", "\u03c2", "row 7: final sigma is kept"],
  ["foo bar", null, "row 8: space"],
  ["", null, "row 9: empty"],
  ["henry\u2163", null, "row 10: Roman numeral four"],
  ["\u221e", null, "row 11: infinity"],
  // RFC 7622 section 3.5 and 3.3.1.
  ["\u265a", null, "black chess king"],
  ["foo&bar", null, "excluded from localparts"],
  ['a"b', null, "excluded from localparts"],
  ["o'neil", null, "excluded from localparts"],
  ["a/b", null, "excluded from localparts"],
  ["a:b", null, "excluded from localparts"],
  ["<a>", null, "excluded from localparts"],
  ["a@b", null, "excluded from localparts"],
  ["\uff20home", null, "excluded after width mapping"],
  // Mappings.
  ["Bob.Smith_1-x", "bob.smith_1-x", "ASCII case"],
  ["\uff22\uff2f\uff22", "bob", "fullwidth, then case"],
  ["\uff76\uff9e", "\u30ac", "halfwidth katakana with its mark composes"],
  ["e\u0301", "\u00e9", "NFC"],
  ["E\u0301", "\u00e9", "case and NFC"],
  ["\u0130", "i\u0307", "capital I with dot"],
  ["\u1fbc", null, "title case letter"],
  ["\u212aelvin", null, "Kelvin sign has a compatibility mapping"],
  ["\ufb01sh", null, "ligature"],
  ["\u1100\u1161", null, "conjoining Hangul jamo"],
  ["\uac00", "\uac00", "Hangul syllable"],
  ["a\u00adb", null, "soft hyphen"],
  ["a\u200bb", null, "zero width space"],
  ["a\u202eb", null, "right-to-left override"],
  ["a\ufe0fb", null, "variation selector"],
  ["a\u0000b", null, "control"],
  ["a\u007fb", null, "delete"],
  ["\u{1f600}", null, "emoji"],
  ["\ud800", null, "lone surrogate"],
  ["a\udc00", null, "lone surrogate"],
  ["\u0378", null, "unassigned"],
  ["\ufdd0", null, "noncharacter"],
  ["\ue000", null, "private use"],
  ["\u{10400}", "\u{10428}", "case beyond the basic plane"],
  ["\u3007", "\u3007", "exception, valid"],
  ["\u0640\u0628", null, "exception, disallowed: tatweel"],
  ["1\u0660", null, "Arabic digits without an Arabic letter first"],
  // Context rules (RFC 5892 appendix A).
  ["l\u00b7l", "l\u00b7l", "middle dot between l's"],
  ["COL\u00b7LEGI", "col\u00b7legi", "middle dot between L's"],
  ["a\u00b7l", null, "middle dot elsewhere"],
  ["\u00b7", null, "middle dot alone"],
  ["\u0375\u03b1", "\u0375\u03b1", "keraia before Greek"],
  ["\u0375a", null, "keraia before Latin"],
  ["\u05d0\u05f3", "\u05d0\u05f3", "geresh after Hebrew"],
  ["a\u05f4", null, "gershayim after Latin"],
  ["\u30a2\u30fb\u30a4", "\u30a2\u30fb\u30a4", "katakana middle dot"],
  ["a\u30fbb", null, "katakana middle dot among Latin"],
  ["\u30fb", null, "katakana middle dot alone"],
  ["\u0628\u0661", "\u0628\u0661", "Arabic-Indic digit"],
  ["\u0628\u06f1", "\u0628\u06f1", "extended Arabic-Indic digit"],
  ["\u0628\u0661\u06f1", null, "both kinds of Arabic digits"],
  ["\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937", "ZWJ after virama"],
  ["\u0915\u094d\u200c\u0937", "\u0915\u094d\u200c\u0937", "ZWNJ after virama"],
  ["a\u200db", null, "ZWJ elsewhere"],
  ["\u200c", null, "ZWNJ alone"],
  // Bidi rule (RFC 5893 section 2).
  ["\u05d0\u05d1", "\u05d0\u05d1", "Hebrew"],
  ["\u05d01", "\u05d01", "Hebrew, then a digit"],
  ["1\u05d0", null, "condition 1: begins with a digit"],
  ["\u05d0a", null, "condition 2: Latin in Hebrew"],
  ["a\u05d0", null, "condition 5: Hebrew in Latin"],
  ["\u05d0-", null, "condition 3: ends with a hyphen"],
  ["\u05d0\u05b0", "\u05d0\u05b0", "condition 3: ends with a mark"],
  ["\u06281\u0661", null, "condition 4: both kinds of digits"],
  // Our own.
  [".", null, "URL path segment"],
  ["..", null, "URL path segment"],
  ["\uff0e.", null, "URL path segment after width mapping"],
  ["...", "...", "three dots are a name"],
  ["!#$%*+,;=?[]^`{|}~", "!#$%*+,;=?[]^`{|}~", "other ASCII"],
];

Deno.test("parseName: table of RFC 8265 section 3.5, RFC 7622 and others", () => {
  for (const [text, wanted, why] of NAMES) assert.equal(parseName(text), wanted, why);
});

Deno.test("parseName: every control, space and surrogate is refused anywhere", () => {
  for (let code = 0; code < 0x10000; code++) {
    const char = String.fromCharCode(code);
    if (!/[\p{Cc}\p{Z}\p{Cs}\p{Cn}\p{Co}]/u.test(char)) continue;
    for (const text of [char, `a${char}`, `${char}a`]) assert.equal(parseName(text), null);
  }
});

Deno.test("parseName: bound is 256 bytes of UTF-8 of the normalised name", () => {
  assert.equal(NAME_BYTES_MAX, 256);
  assert.equal(parseName("a".repeat(256))?.length, 256);
  assert.equal(parseName("A".repeat(256))?.length, 256);
  assert.equal(parseName("a".repeat(257)), null);
  assert.equal(parseName("A".repeat(257)), null);
  assert.equal(parseName("\u00e9".repeat(128))?.length, 128);
  assert.equal(parseName("\u00e9".repeat(129)), null);
  // 768 bytes of fullwidth letters are 256 of plain ones.
  assert.equal(parseName("\uff41".repeat(256)), "a".repeat(256));
  assert.equal(parseName("\uff41".repeat(257)), null);
  assert.equal(parseName("a\u0301".repeat(1_000_000)), null);
});

/** Texts rich in what the rules are about. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.string({
    unit: fc.constantFrom(
      ..."aAlLzZ09.-_ @/\u00b7\u00df\u0130\u03a3\u03c2\u0345\u0301\u0307\u05d0\u05b0\u0628\u0661",
      ..."\u06f1\u200c\u200d\u094d\u0915\u30a2\u30fb\uff21\uff76\uff9e\uff0e\u1100\u1161\u1e9e",
    ),
    maxLength: 8,
  }),
);

Deno.test("parseName: is idempotent, and its names are stable text within the bound", () => {
  fc.assert(
    fc.property(text, (input) => {
      const name = parseName(input);
      if (name === null) return;
      assert.equal(parseName(name), name);
      assert.equal(name.normalize("NFC").toLowerCase(), name);
      assert.ok(new TextEncoder().encode(name).length <= NAME_BYTES_MAX);
      assert.doesNotMatch(name, /["&'/:<>@\s]/);
    }),
    { numRuns: 3000 },
  );
});

Deno.test("parseName: case, width and composition of the input make no difference", () => {
  const letters = fc.string({ unit: fc.constantFrom(..."abz09\u00e9\u00fc\u03b1"), minLength: 1 });
  fc.assert(fc.property(letters, (input) => {
    const name = parseName(input);
    assert.equal(parseName(input.toUpperCase()), name);
    assert.equal(parseName(input.normalize("NFD")), name);
    const wide = input.replace(
      /[a-z0-9]/g,
      (c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0),
    );
    assert.equal(parseName(wide), name);
  }));
});

Deno.test("checkName: says what is wrong without repeating the character", () => {
  const reason = (input: string) => {
    const checked = checkName(input);
    return checked.ok ? "" : checked.reason;
  };
  assert.equal(reason(""), "it is empty");
  assert.match(reason("foo bar"), /U\+0020/);
  assert.match(reason("a\u202eb"), /U\+202E/);
  assert.match(reason("a:b"), /U\+003A/);
  assert.match(reason("a\u200db"), /U\+200D where/);
  assert.match(reason("a".repeat(300)), /256 bytes/);
  assert.match(reason("a\u05d0"), /directions/);
  assert.match(reason(".."), /dots/);
});

Deno.test("parseAddress: accepts a bare name and one of the domain", () => {
  const name = (input: string, domain = "example.com") => {
    const parsed = parseAddress(input, domain);
    return parsed.ok ? parsed.name : parsed.kind;
  };
  assert.equal(name("bob"), "bob");
  assert.equal(name("Bob@example.com"), "bob");
  // RFC 8265 section 3.5 row 1, as an address.
  assert.equal(name("juliet@example.com"), "juliet");
  assert.equal(name("bob@EXAMPLE.com."), "bob");
  assert.equal(name("bob@\u00dcber.de", "\u00fcber.de"), "bob");
  assert.equal(name("bob@example.org"), "foreign");
  assert.equal(name("bad name@example.org"), "foreign");
  assert.equal(name("bob@example.com@example.com"), "invalid");
  assert.equal(name("bob@example.com/phone"), "invalid");
  assert.equal(name("bob@"), "invalid");
  assert.equal(name("@example.com"), "invalid");
  assert.equal(name("a b@example.com"), "invalid");
  assert.equal(name(""), "invalid");
});

Deno.test("preparePassword: examples of RFC 8265 section 4.3", () => {
  const rows: readonly (readonly [string, string | null])[] = [
    ["correct horse battery staple", "correct horse battery staple"],
    ["Correct Horse Battery Staple", "Correct Horse Battery Staple"],
    ["\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5"],
    ["Jack of \u2666s", "Jack of \u2666s"],
    ["foo\u1680bar", "foo bar"],
    ["", null],
    ["my cat is a \u0009by", null],
    // Not of the RFC.
    ["e\u0301", "\u00e9"],
    ["\u00a0\u3000", "  "],
    ["\uff21\u2163\ufb01", "\uff21\u2163\ufb01"],
    ["\u{1f600}", "\u{1f600}"],
    ["a\u200bb", null],
    ["a\u200db", null],
    ["\u0378", null],
    ["\ud800", null],
    ["\u1100", null],
  ];
  for (const [input, wanted] of rows) assert.equal(preparePassword(input), wanted, input);
});

Deno.test("preparePassword: bound is 1024 bytes of UTF-8", () => {
  assert.equal(preparePassword("x".repeat(1024))?.length, 1024);
  assert.equal(preparePassword("x".repeat(1025)), null);
  assert.equal(preparePassword("\u00e9".repeat(512))?.length, 512);
  assert.equal(preparePassword("\u00e9".repeat(513)), null);
});

Deno.test("preparePassword: is idempotent", () => {
  fc.assert(
    fc.property(text, (input) => {
      const password = preparePassword(input);
      if (password !== null) assert.equal(preparePassword(password), password);
    }),
    { numRuns: 2000 },
  );
});
