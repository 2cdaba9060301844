/** Mutants of second factors and passkeys. */
import { inTested, type Mutant } from "./mutant.ts";

const FACTORS = "tests/scenario/factors_test.ts";
const SECOND = "tests/unit/second_factors_test.ts";
const PASSKEYS = "tests/scenario/passkeys_test.ts";
const PASSKEY_CHECKS = "tests/unit/passkeys_test.ts";

/** See the head of this file. */
export const SIGN_IN: readonly Mutant[] = [
  ...inTested(
    "shard/handlers/factor_rules.ts",
    FACTORS,
    [
      "take a code of an authenticator app twice",
      "if (proof.step <= totp.lastStep) return USED;",
      "if (proof.step < totp.lastStep) return USED;",
    ],
    [
      "take a recovery code twice",
      ": ok({ ...factors, recovery });",
      ": ok(factors);",
    ],
  ),
  ...inTested("shard/handlers/account_ops.ts", FACTORS, [
    "sign a device in without the second factor",
    "return provedBy(account.factors, factor ?? null, turn.now.wall);",
    "return ok(null);",
  ]),
  ...inTested("shard/account/head_sections.ts", FACTORS, [
    "checkpoint without second factors",
    "sections.push([FACTORS_SECTION, body]);",
    "void body;",
  ]),
  ...inTested("server/auth/second_factors.ts", SECOND, [
    "go on with a sign-in after the password was changed",
    "if (proof === undefined) return late();",
    "",
  ]),
  ...inTested("server/auth/factor_changes.ts", SECOND, [
    "change second factors without a proof",
    "return done(fresh ? ok({ found, proved: null }) : NOT_FRESH);",
    "return done(ok({ found, proved: null }));",
  ]),
  ...inTested(
    "shard/handlers/passkey_rules.ts",
    PASSKEYS,
    [
      "take a signature of a passkey twice",
      "if (used.some((each) => equalBytes(each.challenge, challenge))) return USED;",
      "",
    ],
    [
      "take a passkey whose counter stands still",
      "if (counts && counter <= passkey.counter) return WENT_BACK;",
      "if (counts && counter < passkey.counter) return WENT_BACK;",
    ],
  ),
  ...inTested(
    "shard/handlers/factor_ops.ts",
    PASSKEYS,
    [
      "sign in by a passkey that was removed",
      'if (factors === null) return proof?.kind === "passkey" ? NO_PASSKEY : ok(null);',
      "if (factors === null) return ok(null);",
    ],
    [
      "remove the last way in",
      'if (change.kind === "passkey_removed" && isLocked(account, changed.value)) return LAST_WAY;',
      "",
    ],
  ),
  ...inTested("shard/account/head_sections.ts", PASSKEYS, [
    "checkpoint without passkeys",
    "sections.push([PASSKEYS_SECTION, body]);",
    "void body;",
  ]),
  ...inTested("server/auth/passkeys.ts", PASSKEY_CHECKS, [
    "take a signature for another purpose or account",
    "if (opened === null || !isWanted) return done(WRONG_CHALLENGE);",
    "if (opened === null) return done(WRONG_CHALLENGE);",
  ]),
  ...inTested(
    "server/auth/passkey_check.ts",
    PASSKEY_CHECKS,
    [
      "take a passkey of a page in a page",
      'if (data["origin"] !== expected.origin || embedded) throw new PasskeyRefusal("origin");',
      'if (data["origin"] !== expected.origin) throw new PasskeyRefusal("origin");',
    ],
    [
      "look at certificates of a passkey's maker",
      'if (!isPlain || !(authData instanceof Uint8Array)) throw new PasskeyRefusal("response");',
      'if (!(authData instanceof Uint8Array)) throw new PasskeyRefusal("rp");',
    ],
  ),
];
