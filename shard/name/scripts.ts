/**
 * Restriction levels of names (UTS #39 of Unicode 17.0, section 5.2): which scripts a name may mix, so
 * that no name imitates another with letters of a second script. The scripts of characters are
 * those of the runtime's Unicode data (Script_Extensions).
 */

/** From the strictest to none; `high` and `moderate` are "restrictive" in the words of UTS #39. */
export const RESTRICTION_LEVELS = ["ascii", "single", "high", "moderate", "any"] as const;

/** What names may mix. */
export type RestrictionLevel = typeof RESTRICTION_LEVELS[number];

/** Scripts in common use (UAX #31 of Unicode 17.0, table 5), without Latin. */
const RECOMMENDED = (
  "Arabic Armenian Bengali Bopomofo Cyrillic Devanagari Ethiopic Georgian Greek Gujarati " +
  "Gurmukhi Han Hangul Hebrew Hiragana Kannada Katakana Khmer Lao Malayalam Myanmar Oriya " +
  "Sinhala Tamil Telugu Thaana Thai Tibetan"
).split(" ");

/** The other scripts of Unicode 17.0 (Scripts.txt). */
const OTHERS = (
  "Adlam Ahom Anatolian_Hieroglyphs Avestan Balinese Bamum Bassa_Vah Batak Beria_Erfe Bhaiksuki " +
  "Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham " +
  "Cherokee Chorasmian Coptic Cuneiform Cypriot Cypro_Minoan Deseret Dives_Akuru Dogra Duployan " +
  "Egyptian_Hieroglyphs Elbasan Elymaic Garay Glagolitic Gothic Grantha Gunjala_Gondi " +
  "Gurung_Khema Hanifi_Rohingya Hanunoo Hatran Imperial_Aramaic Inscriptional_Pahlavi " +
  "Inscriptional_Parthian Javanese Kaithi Kawi Kayah_Li Kharoshthi Khitan_Small_Script Khojki " +
  "Khudawadi Kirat_Rai Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Mandaic " +
  "Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive " +
  "Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Nabataean Nag_Mundari Nandinagari " +
  "New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Ol_Onal Old_Hungarian " +
  "Old_Italic Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic " +
  "Old_Uyghur Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician " +
  "Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham Sidetic SignWriting " +
  "Sogdian Sora_Sompeng Soyombo Sundanese Sunuwar Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le " +
  "Tai_Tham Tai_Viet Tai_Yo Takri Tangsa Tangut Tifinagh Tirhuta Todhri Tolong_Siki Toto " +
  "Tulu_Tigalari Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square"
).split(" ");

/** Scripts that one language writes together: Japanese, Chinese and Korean. */
const JOINT = [["Han", "Hiragana", "Katakana"], ["Han", "Bopomofo"], ["Han", "Hangul"]];
/** What `moderate` does not let stand beside Latin: their letters look like Latin ones. */
const LIKE_LATIN: readonly string[] = ["Cyrillic", "Greek"];

/** Matches texts whose characters each belong to one of the scripts, or to all. */
function covers(scripts: readonly string[]): RegExp | null {
  const sets = ["Common", "Inherited", ...scripts].map((script) =>
    `\\p{Script_Extensions=${script}}`
  );
  try {
    return new RegExp(`^[${sets.join("")}]*$`, "u");
  } catch {
    // A script of a later Unicode version than the runtime's, which has no character of it.
    return null;
  }
}

/** Sets of scripts. Each is compiled when a name is first compared with it: all take some 25 ms. */
class ScriptSets {
  readonly #sets: readonly (readonly string[])[];
  readonly #compiled: (RegExp | null)[] = [];

  constructor(sets: readonly (readonly string[])[]) {
    this.#sets = sets;
  }

  /** Whether all characters of a text belong to one of the sets. */
  cover(text: string): boolean {
    return this.#sets.some((set, i) => {
      if (i === this.#compiled.length) this.#compiled.push(covers(set));
      return this.#compiled[i]?.test(text) === true;
    });
  }
}

const SINGLE = new ScriptSets([
  ["Latin"],
  ...[...RECOMMENDED, ...OTHERS].map((script) => [script]),
  ...JOINT,
]);
const HIGH = new ScriptSets(JOINT.map((scripts) => ["Latin", ...scripts]));
const MODERATE = new ScriptSets(
  RECOMMENDED.filter((script) => !LIKE_LATIN.includes(script)).map((script) => ["Latin", script]),
);
// deno-lint-ignore no-control-regex -- ASCII is what it says
const ASCII = /^[\x00-\x7f]*$/;

/** Whether a normalised name keeps the level; each level takes all that the stricter ones take. */
export function keepsLevel(name: string, level: RestrictionLevel): boolean {
  if (level === "any" || ASCII.test(name)) return true;
  if (level === "ascii") return false;
  if (SINGLE.cover(name)) return true;
  if (level === "single") return false;
  return HIGH.cover(name) || (level === "moderate" && MODERATE.cover(name));
}
