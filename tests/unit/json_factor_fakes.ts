/** Settings of second factors that take everything but the code 000000. */
import { fail, ok } from "../../shard/errors.ts";
import type { AccountName } from "../../shard/name/ids.ts";
import type { FactorSettings } from "../../server/auth/types.ts";
import type { PasskeyService } from "../../server/auth/passkey_types.ts";

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

const ASKED = { exchange: "exchange", options: { challenge: "AAAA" } };

/** Passkeys that take everything but the exchange `wrong`. */
export function fakePasskeys(asked: (input: unknown) => void): PasskeyService {
  const take = (input: unknown, done: (result: ReturnType<typeof ok<null>>) => void) => {
    asked(input);
    done(ok(null));
  };
  return {
    begin: (input, done) => {
      asked(input);
      done(ok(ASKED));
    },
    finish: (input, done) => {
      asked(input);
      if (input.exchange === "wrong") return done(fail("unauthorized", "Cannot sign in (rp): no"));
      const user = "alice" as AccountName;
      const device = input.device ?? "d1" as NonNullable<typeof input.device>;
      done(ok({ user, token: "rt1_x", device, expiresAt: 9000 }));
    },
    list: (_user, done) =>
      done(ok([{
        passkey: "AQ",
        name: "Key",
        at: 1,
        usedAt: null,
        domain: "example.com",
        synced: false,
      }])),
    ask: (_user, at, done) => {
      asked({ at });
      done(ok(ASKED));
    },
    beginAdd: (input, done) => {
      asked(input);
      done(ok(ASKED));
    },
    add: (input, done) => {
      asked(input);
      done(ok({ passkey: "AQ" }));
    },
    rename: take,
    remove: take,
  };
}
