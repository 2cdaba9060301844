/**
 * Account names and passwords as RFC 8265 prepares them, and addresses as clients write them. The
 * normalised name is the identity of an account everywhere: two texts are the same user exactly
 * where `parseName` gives the same name.
 */
import type { AccountName } from "./ids.ts";
import { classFault, codePointName, contextFault, obeysBidiRule } from "./precis.ts";

/** Bound of a normalised name, in bytes of UTF-8; RFC 7622 would allow 1023. */
export const NAME_BYTES_MAX = 256;
/** Bound of a prepared password, in bytes of UTF-8. */
export const PASSWORD_BYTES_MAX = 1024;

/** A name, or in what way the text cannot be one: a clause such as `it is empty`. */
export type NameCheck =
  | { readonly ok: true; readonly name: AccountName }
  | { readonly ok: false; readonly reason: string };

const PLAIN = /^[a-z0-9._-]+$/;
const PLAIN_PASSWORD = /^[\x20-\x7e]+$/;
// RFC 7622 section 3.3.1: what a JID's localpart excludes.
const NOT_LOCALPART = /["&'/:<>@]/;
const WIDE_OR_NARROW = /[\u3000\uff00-\uffef]/g;
// Names that no client can put into a URL's path (WHATWG URL drops them, even escaped).
const DOT_SEGMENT = /^\.\.?$/;
const MAPPINGS_MAX = 3;

const utf8 = new TextEncoder();

function no(reason: string): NameCheck {
  return { ok: false, reason };
}

/** Fullwidth and halfwidth characters become ordinary ones. */
function mapWidth(text: string): string {
  return text.replace(WIDE_OR_NARROW, (char) => char.normalize("NFKC"));
}

/**
 * Normalises a name by the UsernameCaseMapped profile (RFC 8265 section 3.3), or says what is wrong
 * with it. Beyond the profile: a JID localpart's exclusions, at most `NAME_BYTES_MAX` bytes, and
 * neither `.` nor `..`. Idempotent. Costs a regular expression for plain ASCII names.
 */
export function checkName(text: string): NameCheck {
  if (PLAIN.test(text) && text.length <= NAME_BYTES_MAX && !DOT_SEGMENT.test(text)) {
    return { ok: true, name: text as AccountName };
  }
  if (text === "") return no("it is empty");
  // Before any work: no mapping makes a text of this length short enough.
  if (text.length > 4 * NAME_BYTES_MAX) return no(tooLong());
  const wide = mapWidth(text);
  const odd = classFault(wide, "identifier");
  if (odd !== null) return no(`it contains ${codePointName(odd)}, which names cannot`);
  const name = settle(wide);
  if (name === null) return no("it has no stable lower-case form");
  return checkMapped(name);
}

/** Lower case and NFC until nothing changes (RFC 8264 section 7), or null. */
function settle(text: string): string | null {
  let now = text;
  for (let i = 0; i <= MAPPINGS_MAX; i++) {
    const next = mapWidth(now).toLowerCase().normalize("NFC");
    if (next === now) return now;
    now = next;
  }
  return null;
}

function tooLong(): string {
  return `it is too long: the limit is ${NAME_BYTES_MAX} bytes of UTF-8`;
}

/** The rules that hold for the mapped name. */
function checkMapped(name: string): NameCheck {
  const odd = classFault(name, "identifier") ?? NOT_LOCALPART.exec(name)?.[0] ?? null;
  if (odd !== null) return no(`it contains ${codePointName(odd)}, which names cannot`);
  const misplaced = contextFault(name);
  if (misplaced !== null) {
    return no(`it contains ${codePointName(misplaced)} where the letters around do not allow it`);
  }
  if (DOT_SEGMENT.test(name)) return no("it consists of dots only");
  if (utf8.encode(name).length > NAME_BYTES_MAX) return no(tooLong());
  if (!obeysBidiRule(name)) return no("it mixes writing directions (RFC 5893)");
  return { ok: true, name: name as AccountName };
}

/** `checkName` without the reason. */
export function parseName(text: string): AccountName | null {
  const checked = checkName(text);
  return checked.ok ? checked.name : null;
}

/** An account of this server, or why the text is none; `foreign` where the domain is another. */
export type AddressCheck =
  | { readonly ok: true; readonly name: AccountName }
  | { readonly ok: false; readonly kind: "invalid" | "foreign"; readonly reason: string };

/** ASCII case, Unicode composition and a final dot make no difference between domains. */
function foldDomain(domain: string): string {
  return domain.normalize("NFC").toLowerCase().replace(/\.$/, "");
}

/**
 * Reads `bob` or `bob@domain`. Names cannot contain `@` or `/`, so that nothing is ambiguous; an
 * address with a resource is invalid.
 */
export function parseAddress(text: string, domain: string): AddressCheck {
  const at = text.indexOf("@");
  if (at >= 0) {
    const given = text.slice(at + 1);
    if (given === "" || given.length > 1023 || /[@/]/.test(given)) {
      return { ok: false, kind: "invalid", reason: "what follows the @ is not a domain" };
    }
    if (foldDomain(given) !== foldDomain(domain)) {
      return { ok: false, kind: "foreign", reason: `its domain is not ${domain}` };
    }
  }
  const checked = checkName(at >= 0 ? text.slice(0, at) : text);
  return checked.ok ? checked : { ok: false, kind: "invalid", reason: checked.reason };
}

/**
 * Prepares a password by the OpaqueString profile (RFC 8265 section 4.2): spaces of all kinds are
 * one, NFC, case kept. Null where it is empty, over `PASSWORD_BYTES_MAX`, or has characters that no
 * two keyboards agree on (controls, invisible ones, unassigned ones). Idempotent.
 */
export function preparePassword(text: string): string | null {
  if (text === "" || text.length > PASSWORD_BYTES_MAX) return null;
  if (PLAIN_PASSWORD.test(text)) return text;
  const prepared = text.replace(/\p{Zs}/gu, " ").normalize("NFC");
  if (classFault(prepared, "freeform") !== null || contextFault(prepared) !== null) return null;
  return utf8.encode(prepared).length > PASSWORD_BYTES_MAX ? null : prepared;
}
