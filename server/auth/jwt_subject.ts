/** Whose account a token of an outside issuer is for: an explicit mapping of one of its claims. */
import type { AccountName } from "../../shard/name/ids.ts";
import { checkName } from "../../shard/name/name.ts";
import { reservedReason } from "../node/reserved_names.ts";
import { JwtConfigError } from "./jwt_error.ts";

/**
 * `template`: text with one `{claim}` in it, such as `{sub}` or `{email}@corp.example`; the account
 * name is what stands at that place. `pattern`: a regular expression (the `u` kind) that must match
 * the whole claim; the account name is its only capture group.
 */
export type SubjectMapping =
  | { readonly kind: "template"; readonly template: string }
  | { readonly kind: "pattern"; readonly claim: string; readonly pattern: string };

/** A name, or why the claims give none. */
export type MappedSubject =
  | { readonly ok: true; readonly user: AccountName }
  | { readonly ok: false; readonly reason: string };

/** Claims of a token whose signature has been checked. */
export type Claims = Readonly<Record<string, unknown>>;

const CLAIM_LENGTH_MAX = 1024;

/** The part of a claim's value that is the name, or null. */
type Extract = (value: string) => string | null;

function fromTemplate(template: string): { readonly claim: string; readonly extract: Extract } {
  const [prefix, claim, suffix, ...rest] = template.split(/[{}]/);
  if (!claim || prefix === undefined || suffix === undefined || rest.length > 0) {
    throw new JwtConfigError(
      `subject template ${JSON.stringify(template)}: want exactly one {claim}, such as {sub}`,
    );
  }
  return {
    claim,
    // Where prefix and suffix overlap, the slice is empty: no name.
    extract: (value) =>
      value.startsWith(prefix) && value.endsWith(suffix)
        ? value.slice(prefix.length, value.length - suffix.length)
        : null,
  };
}

function fromPattern(pattern: string): Extract {
  let whole: RegExp;
  let groups: number;
  try {
    whole = new RegExp(`^(?:${pattern})$`, "u");
    groups = new RegExp(`${pattern}|`, "u").exec("")!.length - 1;
  } catch (cause) {
    throw new JwtConfigError(`subject pattern ${JSON.stringify(pattern)} does not parse`, {
      cause,
    });
  }
  if (groups !== 1) {
    throw new JwtConfigError(
      `subject pattern ${JSON.stringify(pattern)} has ${groups} capture groups, want exactly one`,
    );
  }
  return (value) => whole.exec(value)?.[1] ?? null;
}

/**
 * Makes the mapping, or throws `JwtConfigError`. The mapped text must be an account name as it
 * stands, but for Unicode composition: an issuer may tell `Bob` from `bob`, so that folding them
 * into one account would give one of them the other's.
 */
export function createSubjectMapper(mapping: SubjectMapping): (claims: Claims) => MappedSubject {
  const { claim, extract } = mapping.kind === "template"
    ? fromTemplate(mapping.template)
    : { claim: mapping.claim, extract: fromPattern(mapping.pattern) };
  return (claims) => {
    const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
    if (typeof value !== "string" || value.length > CLAIM_LENGTH_MAX) {
      return { ok: false, reason: `claim ${claim} is not a string, or too long` };
    }
    const text = extract(value);
    if (text === null) return { ok: false, reason: `claim ${claim} does not fit the mapping` };
    const checked = checkName(text);
    if (!checked.ok) return { ok: false, reason: `claim ${claim} is no name: ${checked.reason}` };
    const reserved = reservedReason(checked.name);
    if (reserved !== null) {
      return { ok: false, reason: `claim ${claim} is no name: ${reserved}` };
    }
    return checked.name === text.normalize("NFC")
      ? { ok: true, user: checked.name }
      : { ok: false, reason: `claim ${claim} is not a normalised name (lower case)` };
  };
}
