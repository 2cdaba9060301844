/** Mutants of second factors. */
import { inTested, type Mutant } from "./mutant.ts";

const FACTORS = "tests/scenario/factors_test.ts";
const SECOND = "tests/unit/second_factors_test.ts";

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
    "return provedBy(account.factors, factor ?? null);",
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
];
