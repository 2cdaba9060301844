/**
 * How the text of messages and queries is folded before words are compared: case and accents do not
 * count, nor do the forms of one character that Unicode calls compatible (full width, ligatures).
 */

/**
 * Marks that do not count: accents on letters, points of Hebrew and Arabic, variation selectors.
 * Others stay: the vowels of Indic scripts and Thai, and the voicing of kana, which make other words.
 */
const IGNORED =
  /[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]+/g;

/** Lower-case letters that do not decompose, and what people type for them. */
const LETTERS: Readonly<Record<string, string>> = {
  "ß": "ss",
  "ı": "i",
  "ς": "σ",
  "ø": "o",
  "ł": "l",
  "đ": "d",
  "ð": "d",
  "ħ": "h",
  "ŧ": "t",
  "æ": "ae",
  "œ": "oe",
  "þ": "th",
};
const LETTER = new RegExp(`[${Object.keys(LETTERS).join("")}]`, "g");
// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

/** Folds a text. Folding it again changes nothing; of two texts one after another it is both folded. */
export function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  const lower = text.normalize("NFKD").replace(IGNORED, "").toLowerCase();
  return lower.replace(LETTER, (letter) => LETTERS[letter]!);
}

/**
 * Letters, digits and marks of scripts without spaces between words, and pictures. Where a word of
 * them begins depends on what is around it, so that it is found wherever its characters are.
 */
const UNSPACED =
  "[[[\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{scx=Bopomofo}\\p{scx=Thai}\\p{scx=Lao}" +
  "\\p{scx=Khmer}\\p{scx=Myanmar}\\p{scx=Tibetan}]&&[\\p{L}\\p{N}\\p{M}]]" +
  "[[\\p{Extended_Pictographic}\\p{RI}]--\\p{ASCII}]]";
const SPACED = "[\\p{L}\\p{N}\\p{M}]";

/** A word of folded text; the first group has it where it is of a script without spaces. */
export const WORD = new RegExp(`((?:${UNSPACED})+)|(?:(?!${UNSPACED})${SPACED})+`, "gv");
const OF_SPACED = new RegExp(`^(?!${UNSPACED})${SPACED}`, "v");

/** Whether the character of folded text that begins at `at` belongs to a word between spaces. */
export function isWordAt(folded: string, at: number): boolean {
  const c = folded.codePointAt(at);
  if (c === undefined) return false;
  if (c < 0x80) return c >= 0x61 && c <= 0x7a || c >= 0x30 && c <= 0x39;
  return OF_SPACED.test(String.fromCodePoint(c));
}

/** The same of the character that ends at `at`. */
export function isWordBefore(folded: string, at: number): boolean {
  if (at === 0) return false;
  const isPair = at > 1 && (folded.charCodeAt(at - 1) & 0xfc00) === 0xdc00 &&
    (folded.charCodeAt(at - 2) & 0xfc00) === 0xd800;
  return isWordAt(folded, isPair ? at - 2 : at - 1);
}
