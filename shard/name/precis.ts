/**
 * The string classes of PRECIS (RFC 8264) and the bidi rule (RFC 5893) over the Unicode data of the
 * runtime. Where RFC 8264 leaves a choice, the stricter one is taken: a string refused today may
 * be accepted by a later version, a stored name must never become invalid.
 */
import bidiModule from "bidi-js";

// The package's types describe an ES module, Deno loads its CommonJS build: the factory itself.
const bidi = (bidiModule as unknown as typeof bidiModule.default)();

/** RFC 8264 section 4: what a string is for. Identifiers are the narrow class. */
export type PrecisClass = "identifier" | "freeform";

// RFC 8264 section 9.6.
const EXCEPTION_VALID = /^[\u00df\u03c2\u06fd\u06fe\u0f0b\u3007]$/;
const EXCEPTION_DISALLOWED = /^[\u0640\u07fa\u302e\u302f\u3031-\u3035\u303b]$/;
const CONTEXTUAL = /[\u00b7\u0375\u05f3\u05f4\u30fb\u0660-\u0669\u06f0-\u06f9\u200c\u200d]/;
// RFC 8264 sections 9.9 (Hangul_Syllable_Type L, V, T) and 9.13.
const OLD_HANGUL_JAMO = /^[\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7c6\ud7cb-\ud7fb]$/;
const IGNORABLE = /^[\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]$/u;
const LETTER_DIGIT = /^[\p{Ll}\p{Lu}\p{Lo}\p{Nd}\p{Lm}\p{Mn}\p{Mc}]$/u;
const FREEFORM = /^[\p{L}\p{M}\p{N}\p{Zs}\p{S}\p{P}]$/u;

// Canonical_Combining_Class 9, which regular expressions cannot ask for (UnicodeData.txt 17.0).
const VIRAMA = new RegExp(
  "^[\\u{94d}\\u{9cd}\\u{a4d}\\u{acd}\\u{b4d}\\u{bcd}\\u{c4d}\\u{ccd}\\u{d3b}\\u{d3c}\\u{d4d}" +
    "\\u{dca}\\u{e3a}\\u{eba}\\u{f84}\\u{1039}\\u{103a}\\u{1714}\\u{1715}\\u{1734}\\u{17d2}" +
    "\\u{1a60}\\u{1b44}\\u{1baa}\\u{1bab}\\u{1bf2}\\u{1bf3}\\u{2d7f}\\u{a806}\\u{a82c}\\u{a8c4}" +
    "\\u{a953}\\u{a9c0}\\u{aaf6}\\u{abed}\\u{10a3f}\\u{11046}\\u{11070}\\u{1107f}\\u{110b9}" +
    "\\u{11133}\\u{11134}\\u{111c0}\\u{11235}\\u{112ea}\\u{1134d}\\u{113ce}-\\u{113d0}\\u{11442}" +
    "\\u{114c2}\\u{115bf}\\u{1163f}\\u{116b6}\\u{1172b}\\u{11839}\\u{1193d}\\u{1193e}\\u{119e0}" +
    "\\u{11a34}\\u{11a47}\\u{11a99}\\u{11c3f}\\u{11d44}\\u{11d45}\\u{11d97}\\u{11f41}\\u{11f42}" +
    "\\u{1612f}]$",
  "u",
);

/** `U+221E`, for messages: never the character itself, which may be invisible or reorder a line. */
export function codePointName(char: string): string {
  return "U+" + char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
}

/** Whether a character belongs to the class, context rules left aside (RFC 8264 section 8). */
function inClass(char: string, cls: PrecisClass): boolean {
  const code = char.codePointAt(0)!;
  if (code < 0x80) return code > 0x20 && code < 0x7f || code === 0x20 && cls === "freeform";
  if (EXCEPTION_VALID.test(char) || CONTEXTUAL.test(char)) return true;
  if (EXCEPTION_DISALLOWED.test(char) || OLD_HANGUL_JAMO.test(char) || IGNORABLE.test(char)) {
    return false;
  }
  if (cls === "freeform") return FREEFORM.test(char);
  return LETTER_DIGIT.test(char) && char.normalize("NFKC") === char;
}

/**
 * The first character of `text` that its class does not have, or null. Characters with a context
 * rule pass: `contextFault` is for the mapped string. Lone surrogates are in no class.
 */
export function classFault(text: string, cls: PrecisClass): string | null {
  for (const char of text) {
    if (!inClass(char, cls)) return char;
  }
  return null;
}

/** The rules of RFC 5892 appendix A that RFC 8264 takes over, for the character at `index`. */
function contextHolds(chars: readonly string[], index: number): boolean {
  const char = chars[index]!;
  const before = chars[index - 1] ?? "";
  const after = chars[index + 1] ?? "";
  switch (char) {
    case "\u200c":
    case "\u200d":
      // A.1 would also let a ZWNJ stand between joining letters: invisible, so not taken over.
      return VIRAMA.test(before);
    case "\u00b7":
      return before === "l" && after === "l";
    case "\u0375":
      return /^\p{Script=Greek}$/u.test(after);
    case "\u05f3":
    case "\u05f4":
      return /^\p{Script=Hebrew}$/u.test(before);
    case "\u30fb":
      return chars.some((c) =>
        c !== "\u30fb" && /^[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]$/u.test(c)
      );
    default:
      // Arabic-Indic and extended Arabic-Indic digits look alike and must not mix.
      return char < "\u06f0"
        ? !chars.some((c) => c >= "\u06f0" && c <= "\u06f9")
        : !chars.some((c) => c >= "\u0660" && c <= "\u0669");
  }
}

/** The first character of `text` that its neighbours do not allow, or null. */
export function contextFault(text: string): string | null {
  if (!CONTEXTUAL.test(text)) return null;
  const chars = [...text];
  for (let i = 0; i < chars.length; i++) {
    if (CONTEXTUAL.test(chars[i]!) && !contextHolds(chars, i)) return chars[i]!;
  }
  return null;
}

const RTL_TYPES = new Set<string>(["R", "AL", "AN"]);
const RTL_LABEL = new Set<string>(["R", "AL", "AN", "EN", "ES", "CS", "ET", "ON", "BN", "NSM"]);
const RTL_END = new Set<string>(["R", "AL", "AN", "EN"]);
const LTR_LABEL = new Set<string>(["L", "EN", "ES", "CS", "ET", "ON", "BN", "NSM"]);
const LTR_END = new Set<string>(["L", "EN"]);

/**
 * Whether a string that has right-to-left characters obeys the six conditions of RFC 5893
 * section 2; strings without any always do (RFC 8264 section 5.2.4).
 */
export function obeysBidiRule(text: string): boolean {
  const types: string[] = [];
  for (const char of text) types.push(bidi.getBidiCharTypeName(char));
  if (!types.some((t) => RTL_TYPES.has(t))) return true;
  const rtl = types[0] === "R" || types[0] === "AL";
  if (!rtl && types[0] !== "L") return false;
  const allowed = rtl ? RTL_LABEL : LTR_LABEL;
  if (!types.every((t) => allowed.has(t))) return false;
  const last = types.findLast((t) => t !== "NSM")!;
  if (!(rtl ? RTL_END : LTR_END).has(last)) return false;
  return !(rtl && types.includes("EN") && types.includes("AN"));
}
