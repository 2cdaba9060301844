// @ts-check
/** Takes a message apart: addresses and code within plain text. Nothing here touches the page. */

/**
 * A part of a message; `href` is where a link leads. All `text`s joined are the message, without the backquotes around code and
 * without bidirectional controls inside of addresses.
 * @typedef {{ readonly kind: "text" | "code" | "block" | "link", readonly text: string,
 *   readonly href?: string }} Part
 */

/** Controls that change the direction or the look of the text around them (UAX #9, UTS #39). */
const HIDDEN = /[\p{Cc}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;

/** Code between backquotes: a block between three, which may have lines, or a word between one. */
const CODE = /\x60{3}\n?([^]+?)\n?\x60{3}|\x60([^\x60\n]+)\x60/g;

/** Where an address of the web or of mail begins and how far it may reach. */
const ADDRESS = new RegExp(
  '(?<![\\p{L}\\p{N}@./_-])(?:https?:\\/\\/|www\\.)[^\\s<>"\\x60]+|' +
    "(?<![\\p{L}\\p{N}@./_%+-])[\\p{L}\\p{N}._%+-]+@[\\p{L}\\p{N}-]+(?:\\.[\\p{L}\\p{N}-]+)+",
  "giu",
);

/** Punctuation that is never part of an address, with what follows it. */
const END = /[\u3001\u3002\uff0c\uff1a\uff1b\uff01\uff1f]|\p{Zs}/u;

/** Punctuation of the sentence that an address stands in, at the address's end. */
const TAIL = /[.,;:!?'"*_~…·\p{Pi}\p{Pf}\p{Ps}\u055c-\u055e\u0589\u061f\u06d4]/u;

/** Brackets, by the closing one. @type {ReadonlyMap<string, string>} */
const OPENING = new Map(
  [
    "()",
    "[]",
    "{}",
    "（）",
    "［］",
    "｛｝",
    "「」",
    "『』",
    "【】",
    "〈〉",
    "《》",
    "〔〕",
    "«»",
    "‹›",
    "“”",
  ]
    .map((pair) => /** @type {const} */ ([pair.slice(1), pair.slice(0, 1)])),
);

const OPEN = new Set(OPENING.values());

/** The part of a candidate before a bracket that it does not open itself. @param {string} text */
function upToUnbalanced(text) {
  /** @type {string[]} */
  const open = [];
  let at = 0;
  for (const char of text) {
    const opening = OPENING.get(char);
    if (opening !== undefined) {
      if (open.at(-1) !== opening) return text.slice(0, at);
      open.pop();
    } else if (OPEN.has(char)) open.push(char);
    at += char.length;
  }
  return text;
}

/** The address in a candidate, without the punctuation of its sentence. @param {string} candidate */
function trim(candidate) {
  let text = candidate;
  for (const stop of [HIDDEN, END]) {
    const end = text.search(stop);
    if (end >= 0) text = text.slice(0, end);
  }
  text = upToUnbalanced(text);
  // All of this punctuation is one UTF-16 unit each.
  let end = text.length;
  while (end > 0 && TAIL.test(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/**
 * Where an address leads, or null. An address with a user name before its host is none: it looks
 * like another host than it leads to.
 * @param {string} text
 */
function hrefOf(text) {
  if (!/^(?:https?:\/\/|www\.)/i.test(text)) {
    return /@.*\p{L}{2,}$/u.test(text) ? `mailto:${encodeURI(text)}` : null;
  }
  const address = /^www\./i.test(text) ? `https://${text}` : text;
  if (!URL.canParse(address)) return null;
  const { href, hostname, username, password } = new URL(address);
  return hostname === "" || username !== "" || password !== "" || hostname === "www." ? null : href;
}

/**
 * Whether the host that a link leads to is not the one that stands in its text, as where this has
 * letters that only look like those of another.
 * @param {Part} part
 */
export function looksElsewhere({ href, text }) {
  if (href === undefined || !/^https?:/.test(href)) return false;
  return !text.toLowerCase().includes(new URL(href).hostname);
}

/**
 * @param {string} text
 * @returns {Part[]}
 */
function splitAddresses(text) {
  /** @type {Part[]} */
  const parts = [];
  let done = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trim(match[0]);
    const href = hrefOf(address);
    if (href === null) continue;
    if (match.index > done) parts.push({ kind: "text", text: text.slice(done, match.index) });
    parts.push({ kind: "link", text: address, href });
    done = match.index + address.length;
  }
  if (done < text.length) parts.push({ kind: "text", text: text.slice(done) });
  return parts;
}

/**
 * Splits a message into its parts.
 * @param {string} body
 * @returns {readonly Part[]}
 */
export function splitMessage(body) {
  /** @type {Part[]} */
  const parts = [];
  let done = 0;
  for (const match of body.matchAll(CODE)) {
    if (match.index > done) parts.push(...splitAddresses(body.slice(done, match.index)));
    const [all, block, word] = match;
    if (block !== undefined) parts.push({ kind: "block", text: block });
    else parts.push({ kind: "code", text: word ?? "" });
    done = match.index + all.length;
  }
  if (done < body.length) parts.push(...splitAddresses(body.slice(done)));
  return parts;
}

/**
 * A text of a user as it can stand within a line: without controls and line breaks, so that it
 * changes nothing of what is around it.
 * @param {string} text
 */
export function oneLine(text) {
  return text.replace(/\s+/g, " ").replace(HIDDEN, "").trim();
}
