/** What a signed-in user changes about second factors. */
import { encode as encodeQr } from "uqr";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import type { AccountName } from "../../shard/name/ids.ts";
import { conclude, type FactorProved, type SecondFactors } from "./second_factors.ts";
import type { FactorCaller, FactorSettings, SignIn, TotpSetup } from "./types.ts";
import type { FactorChange, FactorProof, Ops } from "../../shard/ops.ts";
import { proofOfText, proofText } from "./passkey_seal.ts";
import { newRecoveryCodes, recoveryHash } from "./recovery_codes.ts";
import { newTotpSecret, totpSecret, totpSetup, totpStep } from "./totp.ts";
import { SECOND_FACTOR_REQUIRED } from "../../shard/handlers/factor_rules.ts";
import { SETUP_MS } from "./second_seal.ts";
import type { SignInDeps } from "./sign_in.ts";
import type { SignInOptions } from "./sign_in_options.ts";

/** A device that signed in at most so long ago (ms) need not prove a password again. */
const FRESH_MS = 10 * 60_000;

type Deps = Pick<SignInDeps, "clock" | "log" | "random" | "router">;
type Done<T> = (result: Result<T>) => void;
type Found = NonNullable<Ops["account.factors"]["out"]>;

/** A factor that the caller of an account has proved. */
export interface ProvedFactor {
  readonly id: Found["id"];
  readonly proved: FactorProved;
}

const NO_ACCOUNT = fail("not_found", "There is no such account");
const NOT_FRESH = fail(
  "forbidden",
  "Prove that it is you: give the password, or sign in again on this device",
);
const NOT_CONFIRMED = fail(
  "forbidden",
  "The code is not one of this secret now: check the clock of the device",
);
const SETUP_OVER = fail("bad_request", "This secret was made too long ago: begin again");

/** `unauthorized` would say that the caller is not signed in. */
export function refusedChange(failure: Failure): Failure {
  return failure.code === "unauthorized" ? fail("forbidden", failure.message) : failure;
}

/** See the head of this file. */
export class FactorChanges implements FactorSettings {
  readonly #deps: Deps;
  readonly #domain: string;
  readonly #seconds: SecondFactors;
  readonly #signIn: Pick<SignIn, "password">;

  constructor(
    deps: Deps,
    { domain }: Pick<SignInOptions, "domain">,
    seconds: SecondFactors,
    signIn: Pick<SignIn, "password">,
  ) {
    this.#deps = deps;
    this.#domain = domain;
    this.#seconds = seconds;
    this.#signIn = signIn;
  }

  view(user: AccountName, done: Parameters<FactorSettings["view"]>[1]): void {
    this.find({ user }, (result) => {
      if (!result.ok) return done(result);
      const { credentials, factors } = result.value;
      done(ok({
        totp: factors !== null && factors.totp !== null,
        recoveryCodes: factors?.recovery.length ?? 0,
        password: credentials !== null,
      }));
    });
  }

  beginTotp(caller: FactorCaller, done: Done<TotpSetup>): void {
    this.prove(caller, (result) => {
      if (!result.ok) return done(result);
      const { found, proved } = result.value;
      // Nothing changes yet, so nothing is used up.
      proved?.attempt.succeeded();
      if (found.factors !== null && found.factors.totp !== null) {
        return done(fail("conflict", "An authenticator app is set up already: remove it first"));
      }
      const { clock, random } = this.#deps;
      const made = totpSetup(newTotpSecret((count) => random.bytes(count)), {
        domain: this.#domain,
        user: caller.user,
      });
      const untilMs = clock.wallMs() + SETUP_MS;
      const proof = proofText(proved?.factor ?? null);
      const setup = this.#seconds.seal.setup(found.id, { secret: made.secret, proof }, untilMs);
      done(ok({ setup, ...made, qr: qrOf(made.uri) }));
    });
  }

  confirmTotp(
    { code, setup, ...caller }: Parameters<FactorSettings["confirmTotp"]>[0],
    done: Parameters<FactorSettings["confirmTotp"]>[1],
  ): void {
    this.find(caller, (result) => {
      if (!result.ok) return done(result);
      const { id } = result.value;
      const nowMs = this.#deps.clock.wallMs();
      const opened = this.#seconds.seal.openSetup(setup, id, nowMs);
      if (opened === null) return done(SETUP_OVER);
      const secret = totpSecret(opened.secret);
      const step = totpStep(secret, code.replaceAll(/\s/g, ""), nowMs);
      if (step === null) return done(NOT_CONFIRMED);
      const { codes, recovery } = this.recovery(id);
      const change: FactorChange = { kind: "totp_added", secret, step, recovery };
      this.change(
        caller,
        id,
        change,
        proofOfText(opened.proof),
        (changed) => done(changed.ok ? ok({ recoveryCodes: codes }) : changed),
      );
    });
  }

  removeTotp(caller: FactorCaller, done: Done<null>): void {
    this.proveFactor(caller, (result) => {
      if (!result.ok) return done(result);
      this.changeProved(caller, result.value, { kind: "totp_removed" }, done);
    });
  }

  renewRecovery(caller: FactorCaller, done: Parameters<FactorSettings["renewRecovery"]>[1]): void {
    this.proveFactor(caller, (result) => {
      if (!result.ok) return done(result);
      const { codes, recovery } = this.recovery(result.value.id);
      this.changeProved(
        caller,
        result.value,
        { kind: "recovery_made", recovery },
        (changed) => done(changed.ok ? ok({ recoveryCodes: codes }) : changed),
      );
    });
  }

  /** New recovery codes, and what is kept of them. */
  recovery(id: Found["id"]) {
    const codes = newRecoveryCodes(this.#deps.random);
    return { codes, recovery: codes.map((code) => recoveryHash(id, code)!) };
  }

  /** The factors of the caller's account. */
  find(caller: Pick<FactorCaller, "user"> & Partial<FactorCaller>, done: Done<Found>): void {
    const { device, user } = caller;
    const input = device === undefined ? {} : { device };
    this.#deps.router.request(user, "account.factors", input, (result) => {
      if (!result.ok) return done(result);
      done(result.value === null ? NO_ACCOUNT : ok(result.value));
    });
  }

  /** A second factor where the account has one; else the password, or a sign-in just now. */
  prove(
    caller: FactorCaller,
    done: Done<{ readonly found: Found; readonly proved: FactorProved | null }>,
  ): void {
    this.find(caller, (result) => {
      if (!result.ok) return done(result);
      const found = result.value;
      if (found.factors !== null) {
        return this.#checkCode(
          caller,
          found,
          (checked) => done(checked.ok ? ok({ found, proved: checked.value }) : checked),
        );
      }
      const { address, password, user } = caller;
      if (password === undefined) {
        const { deviceAt } = found;
        const fresh = deviceAt !== null && this.#deps.clock.wallMs() - deviceAt < FRESH_MS;
        return done(fresh ? ok({ found, proved: null }) : NOT_FRESH);
      }
      this.#signIn.password({ user, password, address }, (verified) => {
        if (!verified.ok) return done(refusedChange(verified));
        done(verified.value.id === found.id ? ok({ found, proved: null }) : NOT_FRESH);
      });
    });
  }

  /** A second factor of an account that has some. */
  proveFactor(caller: FactorCaller, done: Done<ProvedFactor>): void {
    this.find(caller, (result) => {
      if (!result.ok) return done(result);
      const found = result.value;
      if (found.factors === null) return done(fail("not_found", "There is no second factor"));
      this.#checkCode(
        caller,
        found,
        (checked) => done(checked.ok ? ok({ id: found.id, proved: checked.value }) : checked),
      );
    });
  }

  #checkCode(
    { address, code, proof, user }: FactorCaller,
    found: Found,
    done: Done<FactorProved>,
  ): void {
    if (code === undefined && proof === undefined) return done(SECOND_FACTOR_REQUIRED);
    this.#seconds.check(
      user,
      found,
      { address, code, passkey: proof, wanted: { purpose: "change", extra: "" } },
      (checked) => done(checked.ok ? checked : refusedChange(checked)),
    );
  }

  /** Makes a change, and ends the attempt of what was proved for it. */
  changeProved(
    caller: Pick<FactorCaller, "address" | "user">,
    { id, proved }: ProvedFactor,
    change: FactorChange,
    done: Done<null>,
  ): void {
    this.#request(caller, { id, change, proof: proved.factor }, (result) => {
      conclude(proved, result);
      done(result.ok ? result : refusedChange(result));
    });
  }

  /** Makes a change for which `proof` was given before; null: none was needed. */
  change(
    caller: Pick<FactorCaller, "address" | "user">,
    id: Found["id"],
    change: FactorChange,
    proof: FactorProof | null,
    done: Done<null>,
  ): void {
    this.#request(caller, { id, change, proof }, (result) => {
      done(result.ok ? result : refusedChange(result));
    });
  }

  #request(
    { address, user }: Pick<FactorCaller, "address" | "user">,
    input: Ops["account.setFactors"]["in"],
    done: Done<null>,
  ): void {
    this.#deps.router.request(user, "account.setFactors", input, (result) => {
      if (result.ok) {
        const about = { user, address, change: input.change.kind };
        this.#deps.log.info("second_factor_changed", about);
      }
      done(result);
    });
  }
}

/** A QR code as the path of its dark squares, with the quiet zone that readers want around it. */
function qrOf(text: string): TotpSetup["qr"] {
  const { data, size } = encodeQr(text, { ecc: "M", border: 4 });
  const path = data.flatMap((row, y) =>
    row.flatMap((dark, x) => dark ? [`M${x} ${y}h1v1h-1z`] : [])
  );
  return { size, path: path.join("") };
}
