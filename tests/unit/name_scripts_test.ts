/** Which scripts names may mix (UTS #39). */
import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { checkName } from "../../shard/name/name.ts";
import { keepsLevel, RESTRICTION_LEVELS } from "../../shard/name/scripts.ts";

/** Names, and the strictest level that they keep. */
const ROWS: readonly (readonly [string, typeof RESTRICTION_LEVELS[number]])[] = [
  ["alice", "ascii"],
  ["a.b-c_1", "ascii"],
  ["zoë", "single"],
  ["алиса", "single"],
  ["αλίκη", "single"],
  ["أليس", "single"],
  ["ぁリ漢字", "single"],
  ["한漢", "single"],
  ["ᏣᎳᎩ", "single"],
  ["алиса7", "single"],
  ["aリ漢字", "high"],
  ["a한", "high"],
  ["aไทย", "moderate"],
  ["aहिन्दी", "moderate"],
  // Cyrillic and Greek letters among Latin ones, and Latin ones among theirs.
  ["аlice", "any"],
  ["alicе", "any"],
  ["pαul", "any"],
  ["αлиса", "any"],
  ["ไทยहिन्दी", "any"],
  ["aᏣ", "any"],
];

Deno.test("10.12: keepsLevel takes names of the strictest level that they keep, and of laxer ones", () => {
  for (const [name, strictest] of ROWS) {
    const kept = RESTRICTION_LEVELS.filter((level) => keepsLevel(name, level));
    const from = RESTRICTION_LEVELS.indexOf(strictest);
    deepEqual(kept, RESTRICTION_LEVELS.slice(from), name);
  }
});

Deno.test("10.12: names that mix scripts are names still: accounts that have one keep working", () => {
  for (const [name] of ROWS) equal(checkName(name).ok, true, name);
});

Deno.test("10.12: keepsLevel gives each letter of the runtime a script of its own", () => {
  const unknown: string[] = [];
  for (let code = 0; code <= 0x10ffff; code++) {
    const char = String.fromCodePoint(code);
    if (/\p{L}/u.test(char) && !keepsLevel(char, "single")) unknown.push(code.toString(16));
  }
  deepEqual(unknown, []);
});

Deno.test("10.12: keepsLevel: a laxer level takes whatever a stricter one takes", () => {
  const letters = fc.constantFrom(..."aбαआ漢かカ한ㄅไأაႠ1-");
  fc.assert(fc.property(fc.string({ unit: letters, maxLength: 4 }), (name) => {
    let before = false;
    for (const level of RESTRICTION_LEVELS) {
      const kept = keepsLevel(name, level);
      ok(kept || !before, `${name} ${level}`);
      before = kept;
    }
    equal(before, true);
  }));
});
