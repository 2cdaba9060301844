/** The part of a message that a result of a search shows, with the words that were found. */
import { fold } from "./fold.ts";
import type { Query } from "./query.ts";

/** UTF-16 code units of a message that an excerpt has at most; an ellipsis at either end is besides. */
export const EXCERPT_CHARS_MAX = 160;
/** Of them, how many come before the first word that was found, about. */
const LEAD_CHARS = 40;
/** Words that are marked, of each word of the query. */
const MARKS_MAX = 16;
const ELLIPSIS = "…";
/** What belongs to the character before it: marks, skin tones, joiners, the second half of a pair. */
const JOINED = /^[\p{M}\u{1f3fb}-\u{1f3ff}\u200d\udc00-\udfff]/u;
/** Code units that are looked at for the beginning of a character. */
const CHARACTER_MAX = 16;

/** See the head of this file. */
export interface Excerpt {
  readonly text: string;
  /** Begin and end of what was found in it, in UTF-16 code units, ascending and apart. */
  readonly marks: readonly (readonly [begin: number, end: number])[];
}

/** The position in a text of each character of the folded text, with the end of the text. */
function unfolding(text: string): number[] {
  const lengths = new Map<string, number>();
  const at: number[] = [];
  let position = 0;
  for (const c of text) {
    let length = c < "\x80" ? 1 : lengths.get(c);
    if (length === undefined) lengths.set(c, length = fold(c).length);
    for (let i = 0; i < length; i++) at.push(position);
    position += c.length;
  }
  at.push(position);
  return at;
}

/** Where the words that a query has found are in a text, apart and ascending. */
function marksIn(text: string, query: Query): readonly [number, number][] {
  const marks: [number, number][] = [];
  const found = query.occurrences(fold(text), MARKS_MAX);
  if (found.length === 0) return marks;
  const positions = unfolding(text);
  for (const { at, length } of found) {
    const begin = positions[at]!;
    let next = at + length;
    // It may end within what one character was folded to.
    while (positions[next] === positions[at + length - 1]) next++;
    const end = positions[next]!;
    const last = marks.at(-1);
    if (last === undefined || begin > last[1]) marks.push([begin, end]);
    else last[1] = Math.max(last[1], end);
  }
  return marks;
}

/** The nearest position at or before `at` that does not divide a character. */
function whole(text: string, at: number): number {
  let begin = at;
  for (let n = 0; n < CHARACTER_MAX && begin > 0 && begin < text.length; n++, begin--) {
    const c = String.fromCodePoint(text.codePointAt(begin)!);
    if (!JOINED.test(c) && text[begin - 1] !== "\u200d") return begin;
  }
  return begin === 0 || begin >= text.length ? begin : at;
}

/** Where an excerpt begins whose first mark begins at `mark`: at a word, if one begins there. */
function beginOf(text: string, mark: number): number {
  if (mark <= LEAD_CHARS || text.length <= EXCERPT_CHARS_MAX) return 0;
  const from = mark - LEAD_CHARS;
  const space = text.slice(from, mark).search(/\s\S/u);
  return space >= 0 ? from + space + 1 : whole(text, from);
}

/** The part of `text` around the first word that the query finds in it. */
export function excerptOf(text: string, query: Query): Excerpt {
  const marks = marksIn(text, query);
  const begin = beginOf(text, marks[0]?.[0] ?? 0);
  const end = whole(text, Math.min(text.length, begin + EXCERPT_CHARS_MAX));
  const lead = begin > 0 ? ELLIPSIS : "";
  const shown: (readonly [number, number])[] = [];
  for (const [from, to] of marks) {
    if (from < begin || from >= end) continue;
    const move = lead.length - begin;
    shown.push([from + move, Math.min(to, end) + move]);
  }
  return {
    text: lead + text.slice(begin, end) + (end < text.length ? ELLIPSIS : ""),
    marks: shown,
  };
}
