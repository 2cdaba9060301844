/**
 * Second factors: the end of a sign-in whose password was right, and setting them up. The account
 * itself refuses a device without one (`device.add`), so that no way in leads around it.
 */
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import { type Attempt, type AttemptFrom, Attempts } from "./attempts.ts";
import { equalBytes } from "./hash.ts";
import { evenly } from "../node/even_answers.ts";
import { fail, type Failure, ok, type Result, type SecondFactorAsked } from "../../shard/errors.ts";
import type { FactorProof, Factors, Ops, PasswordProof } from "../../shard/ops.ts";
import { markOf } from "./passkey_seal.ts";
import type { PasskeyAnswer } from "./passkey_types.ts";
import type { Passkeys, PasskeyWanted } from "./passkeys.ts";
import { mintForDevice } from "./mint.ts";
import { placeMaker } from "./places.ts";
import { recoveryHash } from "./recovery_codes.ts";
import { SECOND_MS, SecondSeal, secondUser } from "./second_seal.ts";
import type { SignInDeps } from "./sign_in.ts";
import type { SignInOptions } from "./sign_in_options.ts";
import { isTotpCode, totpStep } from "./totp.ts";
import type { FailureLimits, SignIn, Verified } from "./types.ts";
import type { Throttle } from "./throttle.ts";

type Deps = Pick<SignInDeps, "clock" | "limited" | "log" | "random" | "router" | "timers">;
type Done<T> = (result: Result<T>) => void;
type Found = NonNullable<Ops["account.factors"]["out"]>;

/** A factor that was proved, within an attempt that ends with what the account says of it. */
export interface FactorProved {
  readonly factor: FactorProof;
  readonly attempt: Attempt;
}

/** What is given for a factor: a code, or a passkey's signature. */
export interface FactorAnswer {
  readonly code?: string | undefined;
  readonly passkey?: PasskeyAnswer | undefined;
  readonly address: string;
}

const TOO_LATE = fail(
  "unauthorized",
  "This sign-in took too long, or the password was changed: begin again",
);
const WRONG = fail("unauthorized", "The code is not right, or was used already");

/** What an account can be asked for. */
export function methodsOf({ passkeys, recovery, totp }: Factors): SecondFactorAsked["methods"] {
  return [
    ...(passkeys.length === 0 ? [] : ["passkey" as const]),
    ...(totp === null ? [] : ["totp" as const]),
    ...(recovery.length === 0 ? [] : ["recovery" as const]),
  ];
}

/** See the head of this file. */
export class SecondFactors {
  readonly #deps: Deps;
  readonly #attempts: Attempts;
  readonly #limits: FailureLimits;
  readonly #placeOf: (name: AccountName, address: string) => number;
  readonly #passkeys: Passkeys;
  readonly seal: SecondSeal;

  constructor(deps: Deps, options: SignInOptions, limits: FailureLimits, passkeys: Passkeys) {
    this.#passkeys = passkeys;
    const { failures, fakeSaltSecret } = options;
    this.#deps = deps;
    this.#limits = limits;
    this.#attempts = new Attempts(failures, deps.random, () => deps.limited("sign_in_failures"));
    this.#placeOf = placeMaker(fakeSaltSecret);
    this.seal = new SecondSeal(fakeSaltSecret);
  }

  /** Rates that are to hold over all nodes, by name. */
  get throttles(): Readonly<Record<string, Throttle>> {
    const all = Object.entries(this.#attempts.throttles);
    return Object.fromEntries(all.map(([name, throttle]) => [`second ${name}`, throttle]));
  }

  /** What a user who has proved the first factor is asked for. */
  ask({ id, proof, user }: Verified, done: Done<SecondFactorAsked>): void {
    this.#deps.router.request(user, "account.factors", {}, (result) => {
      if (!result.ok) return done(result);
      const factors = result.value?.id === id ? result.value.factors : null;
      // They were removed just now.
      if (factors === null) return done(TOO_LATE);
      const untilMs = this.#deps.clock.wallMs() + SECOND_MS;
      const exchange = this.seal.signIn(user, { id, proof: this.seal.proofMark(proof) }, untilMs);
      done(ok({ exchange, methods: methodsOf(factors) }));
    });
  }

  /**
   * Checks the second factor of a sign-in. The account has to use it up: the attempt ends with what
   * comes of that. null: the account has none any more.
   */
  prove(
    { address, code, exchange, passkey }: FactorAnswer & { readonly exchange: string },
    done: Done<{ readonly verified: Verified; readonly proved: FactorProved | null }>,
  ): void {
    this.first({ address, exchange }, (result) => {
      if (!result.ok) return done(result);
      const { found, verified } = result.value;
      if (found.factors === null) return done(ok({ verified, proved: null }));
      const wanted = { purpose: "second", extra: markOf(exchange) } as const;
      this.check(
        verified.user,
        found,
        { address, code, passkey, wanted },
        (checked) => done(checked.ok ? ok({ verified, proved: checked.value }) : checked),
      );
    });
  }

  /** Who has proved the first factor of a sign-in that waits for its second. */
  first(
    { address, exchange }: { readonly exchange: string; readonly address: string },
    done: Done<{ readonly verified: Verified; readonly found: Found }>,
  ): void {
    const refused = this.#limits.allowed(address);
    if (refused !== null) return done(refused);
    const user = secondUser(exchange);
    const late = () => {
      this.#limits.noteFailure(address);
      done(TOO_LATE);
    };
    if (user === null) return late();
    const place = this.#placeOf(user, address);
    const ask = (answered: (result: Result<Ops["account.factors"]["out"]>) => void) =>
      this.#deps.router.request(user, "account.factors", { place }, answered);
    // A client with an exchange of another cell, or a made-up one, must not measure who is online.
    evenly(this.#deps, ask, (result) => {
      if (!result.ok) return done(result);
      const found = result.value;
      const opened = this.seal.openSignIn(exchange, this.#deps.clock.wallMs());
      if (opened === null || found?.id !== opened.id) return late();
      const proof = this.#stillProved(found, opened.proof);
      if (proof === undefined) return late();
      done(ok({ verified: { user, id: opened.id, proof, place }, found }));
    });
  }

  /** The proof of the password, if it is still the account's; undefined where it is not. */
  #stillProved({ credentials }: Found, mark: string): PasswordProof | undefined {
    if (mark === "") return null;
    const keys = [credentials?.sha256 ?? null, credentials?.sha1 ?? null];
    return keys.find((key) => key !== null && this.seal.proofMark(key.storedKey) === mark)
      ?.storedKey;
  }

  /** Checks a code, or a passkey, against the factors that were found of an account that has some. */
  check(
    user: AccountName,
    { factors, id, known }: Found,
    { address, code = "", passkey, wanted }: FactorAnswer & {
      readonly wanted: Omit<PasskeyWanted, "account">;
    },
    done: Done<FactorProved>,
  ): void {
    const { clock, log } = this.#deps;
    const knownPlace = known ? this.#placeOf(user, address) : null;
    const from: AttemptFrom = { name: user, address, knownPlace };
    const attempt = this.#attempts.begin(() => clock.monoMs(), from);
    if (!("succeeded" in attempt)) return done(attempt);
    const refuse = (failure: Failure, why: string) => {
      attempt.failed();
      log.info("sign_in_refused", { method: "second factor", address, user, why });
      done(failure);
    };
    if (passkey !== undefined) {
      const of = { ...wanted, account: id };
      return this.#passkeys.check(passkey, of, factors?.passkeys ?? [], (checked) => {
        if (!checked.ok) return refuse(checked, checked.message);
        done(ok({ factor: checked.value, attempt }));
      });
    }
    const factor = factors === null ? null : proofOf(factors, id, code, clock.wallMs());
    if (factor !== null) return done(ok({ factor, attempt }));
    refuse(WRONG, "wrong code");
  }
}

/** Ends the attempt of a proof as the account has decided on it. */
export function conclude({ attempt }: FactorProved, result: Result<unknown>): void {
  if (result.ok) attempt.succeeded();
  else if (result.code === "unauthorized") attempt.failed();
  else attempt.abandoned();
}

/** Ends sign-ins by a second factor, and makes their tokens. */
export function endBySecond(
  deps: Deps,
  { tokenLifetimeMs: lifetimeMs }: Pick<SignInOptions, "tokenLifetimeMs">,
  seconds: SecondFactors,
): SignIn["second"] {
  return ({ device, label, ...answer }, done) =>
    seconds.prove(answer, (result) => {
      if (!result.ok) return done(result);
      const { proved, verified } = result.value;
      const factor = proved?.factor;
      mintForDevice(deps, { ...verified, device, label, lifetimeMs, factor }, (minted) => {
        if (proved !== null) conclude(proved, minted);
        done(minted.ok ? ok({ ...minted.value, user: verified.user }) : minted);
      });
    });
}

/** What a code proves; null: nothing. */
function proofOf(
  { recovery, totp }: Factors,
  id: AccountId,
  code: string,
  nowMs: number,
): FactorProof | null {
  const digits = code.replaceAll(/\s/g, "");
  if (isTotpCode(digits)) {
    const step = totp === null ? null : totpStep(totp.secret, digits, nowMs);
    return step === null ? null : { kind: "totp", step };
  }
  const hash = recoveryHash(id, code);
  const isOne = hash !== null && recovery.some((each) => equalBytes(each, hash));
  return isOne ? { kind: "recovery", hash } : null;
}
