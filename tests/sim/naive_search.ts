/** Whether a search finds a text, decided the long way: the tests hold the search of mailboxes to it. */

/** What folds to other letters than Unicode's decomposition has. */
const FOLDED: readonly (readonly [RegExp, string])[] = [
  [/ß/g, "ss"],
  [/ı/g, "i"],
  [/ς/g, "σ"],
  [/ø/g, "o"],
  [/ł/g, "l"],
  [/đ|ð/g, "d"],
  [/ħ/g, "h"],
  [/ŧ/g, "t"],
  [/æ/g, "ae"],
  [/œ/g, "oe"],
  [/þ/g, "th"],
];
/** Kana keep their voicing, and Indic letters and Thai their vowels. */
const ACCENT = /^(?=\p{M})(?![\p{scx=Kana}\p{scx=Hira}\p{scx=Deva}\p{scx=Thai}])/u;
const UNSPACED = /^(?:\p{scx=Han}|\p{scx=Hira}|\p{scx=Kana}|\p{scx=Thai})(?<=\p{L}|\p{M}|\p{N})/u;

function folded(text: string): readonly string[] {
  let all = "";
  for (const c of text.normalize("NFKD")) if (!ACCENT.test(c)) all += c.toLowerCase();
  for (const [letter, by] of FOLDED) all = all.replace(letter, by);
  return [...all];
}

interface Word {
  readonly text: string;
  readonly unspaced: boolean;
}

function words(text: string): Word[] {
  const found: { text: string; unspaced: boolean }[] = [];
  let open = false;
  for (const c of folded(text)) {
    const picture = /^[\p{Extended_Pictographic}\p{RI}]/u.test(c) && !/^[\0-\x7f]/.test(c);
    const unspaced = picture || UNSPACED.test(c);
    if (!unspaced && !/^[\p{L}\p{N}\p{M}]/u.test(c)) {
      open = false;
      continue;
    }
    const last = found.at(-1);
    if (open && last!.unspaced === unspaced) last!.text += c;
    else found.push({ text: c, unspaced });
    open = true;
  }
  return found;
}

/** Whether `text` has all words of the query, of its last one at least the beginning. */
export function naivelyFinds(query: string, text: string): boolean {
  const wanted = words(query);
  const has = words(text);
  return wanted.length > 0 && wanted.every((term, i) =>
    has.some((word) => {
      if (word.unspaced !== term.unspaced) return false;
      if (term.unspaced) return word.text.includes(term.text);
      return i === wanted.length - 1 ? word.text.startsWith(term.text) : word.text === term.text;
    })
  );
}
