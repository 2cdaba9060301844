// @ts-check
/** Names of accounts as people type them. Nothing here touches the page. */
import { t } from "./texts.js";

/** Full-width and half-width forms. */
const WIDE = /[\u3000\uff00-\uffef]/g;
/** What no name contains, besides what Unicode has no letters for. */
const NEVER = /[\s\p{C}\p{Z}"&'/:<>@]/u;
const ROUNDS_MAX = 4;

/**
 * Returns the name as the server keeps it (RFC 8265, UsernameCaseMapped), without the server's own
 * domain: `Bob@Example.com` becomes `bob`. Whether the server takes it is another question.
 * @param {string} text
 * @param {string | null} domain the server's, where it is known
 */
export function normalName(text, domain) {
  let name = text.trim();
  const at = name.indexOf("@");
  if (at > 0 && domain !== null) {
    const given = name.slice(at + 1).normalize("NFC").toLowerCase().replace(/\.$/, "");
    if (given === domain.normalize("NFC").toLowerCase()) name = name.slice(0, at);
  }
  for (let i = 0; i < ROUNDS_MAX; i++) {
    const next = name.replace(WIDE, (char) => char.normalize("NFKC")).toLowerCase()
      .normalize("NFC");
    if (next === name) break;
    name = next;
  }
  return name;
}

/** Whether a normalised text can be a name at all. @param {string} name */
export const canBeName = (name) =>
  name !== "" && name.length <= 256 && !NEVER.test(name) && !/^\.\.?$/.test(name);

/**
 * What is wrong with a name that somebody wants, in words; null where nothing is seen.
 * @param {string} text
 * @param {string | null} domain
 */
export function nameFault(text, domain) {
  const name = normalName(text, domain);
  if (name === "") return t.name.empty;
  if (/\s/.test(name)) return t.name.spaces;
  if (name.length > 256) return t.name.long;
  return canBeName(name) ? null : t.name.letters;
}
