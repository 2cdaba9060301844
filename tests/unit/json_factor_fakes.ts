/** Settings of second factors that take everything but the code 000000. */
import { fail, ok } from "../../shard/errors.ts";
import type { FactorSettings } from "../../server/auth/types.ts";

const CODES = { recoveryCodes: ["abcd-efgh-ijkm-npqr"] };
const QR = { size: 9, path: "M4 4h1v1h-1z" };

/** `asked` takes every input. */
export function fakeFactors(asked: (input: unknown) => void): FactorSettings {
  return {
    view: (_user, done) => done(ok({ totp: true, recoveryCodes: 9, password: true })),
    beginTotp: (caller, done) => {
      asked(caller);
      done(ok({ setup: "setup", secret: "JBSWY3DP", uri: "otpauth://totp/alice", qr: QR }));
    },
    confirmTotp: (caller, done) => {
      asked(caller);
      done(ok(CODES));
    },
    removeTotp: (caller, done) => {
      asked(caller);
      done(caller.code === "000000" ? fail("forbidden", "The code is not right") : ok(null));
    },
    renewRecovery: (caller, done) => {
      asked(caller);
      done(ok(CODES));
    },
  };
}
