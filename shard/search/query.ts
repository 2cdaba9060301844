/** What a search looks for: the words of a query, and whether a text has all of them. */
import { fold, isWordAt, isWordBefore, WORD } from "./fold.ts";

/** Words of a query; more are refused. */
export const QUERY_WORDS_MAX = 8;
const UPPER_A = 0x41;
const UPPER_Z = 0x5a;

/** A word of a query, folded. */
interface Term {
  readonly text: string;
  /** How it has to be in a text: as a word, as the beginning of one, or anywhere. */
  readonly fits: "whole" | "prefix" | "anywhere";
  /** null where it is not of ASCII: no text of ASCII has it. */
  readonly ascii: Uint8Array | null;
}

/** Where a word of a query is in a folded text. */
export interface Occurrence {
  readonly at: number;
  readonly length: number;
}

/** See the head of this file. */
export class Query {
  readonly #terms: readonly Term[];

  private constructor(terms: readonly Term[]) {
    this.#terms = terms;
  }

  /**
   * Takes a query apart: letters and digits are its words, all else is between them. The last one is
   * the beginning of a word. Returns why not where it has none, or too many.
   */
  static parse(text: string): Query | string {
    const terms = new Map<string, Term>();
    const words = [...fold(text).matchAll(WORD)];
    words.forEach(([word, unspaced], i) => {
      const last = i === words.length - 1;
      const fits = unspaced !== undefined ? "anywhere" : last ? "prefix" : "whole";
      const bytes = new TextEncoder().encode(word);
      const ascii = bytes.length === word.length ? bytes : null;
      // The same word before the last one asks for more than its beginning.
      if (!last || !terms.has(word)) terms.set(word, { text: word, fits, ascii });
    });
    if (terms.size === 0) return "has no letters or digits to search for";
    if (terms.size > QUERY_WORDS_MAX) {
      return `has ${terms.size} words, at most ${QUERY_WORDS_MAX} are searched for`;
    }
    // Long words are rare: most texts are passed over by the first.
    return new Query([...terms.values()].sort((a, b) => b.text.length - a.text.length));
  }

  /** Whether the UTF-8 text at `start` to `end` has all words. `decode` gives it as a string. */
  matches(bytes: Uint8Array, start: number, end: number, decode: () => string): boolean {
    for (let i = start; i < end; i++) if (bytes[i]! >= 0x80) return this.matchesText(decode());
    for (const { ascii, fits } of this.#terms) {
      if (ascii === null || !hasAscii(bytes, start, end, ascii, fits === "prefix")) return false;
    }
    return true;
  }

  /** Whether a text has all words. */
  matchesText(text: string): boolean {
    const folded = fold(text);
    // Words are looked for where all of them may be.
    for (const { text } of this.#terms) if (!folded.includes(text)) return false;
    return this.#terms.every((term) => next(folded, term, 0) >= 0);
  }

  /** Where its words are in a folded text, the first `max` of each, ascending. */
  occurrences(folded: string, max: number): readonly Occurrence[] {
    const found: Occurrence[] = [];
    for (const term of this.#terms) {
      const { length } = term.text;
      let at = next(folded, term, 0);
      for (let n = 0; at >= 0 && n < max; n++) {
        found.push({ at, length });
        at = next(folded, term, at + length);
      }
    }
    return found.sort((a, b) => a.at - b.at);
  }
}

/** The first position from `from` on at which a folded text has the term; −1: there is none. */
function next(folded: string, { text, fits }: Term, from: number): number {
  for (let at = folded.indexOf(text, from); at >= 0; at = folded.indexOf(text, at + 1)) {
    if (fits === "anywhere") return at;
    if (isWordBefore(folded, at)) continue;
    if (fits === "prefix" || !isWordAt(folded, at + text.length)) return at;
  }
  return -1;
}

/** The same for a text of ASCII that is not folded. */
function hasAscii(
  bytes: Uint8Array,
  start: number,
  end: number,
  term: Uint8Array,
  prefix: boolean,
): boolean {
  const { length } = term;
  const first = term[0]!;
  for (let at = start; at <= end - length; at++) {
    if (lower(bytes[at]!) !== first) continue;
    let n = 1;
    while (n < length && lower(bytes[at + n]!) === term[n]) n++;
    if (n < length || at > start && isWordByte(bytes[at - 1]!)) continue;
    if (prefix || at + length === end || !isWordByte(bytes[at + length]!)) return true;
  }
  return false;
}

function lower(byte: number): number {
  return byte >= UPPER_A && byte <= UPPER_Z ? byte + 0x20 : byte;
}

function isWordByte(byte: number): boolean {
  const c = lower(byte);
  return c >= 0x61 && c <= 0x7a || c >= 0x30 && c <= 0x39;
}
