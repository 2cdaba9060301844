/** Names for the account of a user of an issuer, from a claim. */
import type { AccountName } from "../../shard/name/ids.ts";
import { checkName } from "../../shard/name/name.ts";
import { reservedReason } from "../node/reserved_names.ts";
import type { Claims } from "./jwt_subject.ts";
import type { NAME_RULES } from "../config/sign_in.ts";

/** `exact`: what the claim says, or nothing. `adapt`: made valid, and other names where it is taken. */
export type NameRule = typeof NAME_RULES[number];

/** Numbers at the end of a name that is taken: `bob-2` to `bob-9`. */
const NUMBER_MAX = 9;
const CLAIM_CHARS_MAX = 256;
const NAME_CHARS_MAX = 48;

function valid(text: string): AccountName | null {
  const checked = checkName(text);
  return checked.ok && reservedReason(checked.name) === null ? checked.name : null;
}

/** The part of a mail address before the @, with everything that no name has replaced by a dash. */
function adapted(text: string): string {
  const [local = ""] = text.split("@");
  return local.normalize("NFKC").toLowerCase()
    .replaceAll(/[^\p{L}\p{N}._-]+/gu, "-").replaceAll(/^[-.]+|[-.]+$/g, "").slice(
      0,
      NAME_CHARS_MAX,
    );
}

/** The names to try, in order; empty where the claim gives none. */
export function namesOf(claims: Claims, claim: string, rule: NameRule): readonly AccountName[] {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
  if (typeof value !== "string" || value.length > CLAIM_CHARS_MAX) return [];
  if (rule === "exact") {
    const name = valid(value);
    // Folding `Bob` to `bob` would give one of two users of the issuer the name of the other.
    return name === null || name !== value.normalize("NFC") ? [] : [name];
  }
  const base = adapted(value);
  const texts = [base, ...Array.from({ length: NUMBER_MAX - 1 }, (_, i) => `${base}-${i + 2}`)];
  return base === "" ? [] : texts.flatMap((text) => valid(text) ?? []);
}
