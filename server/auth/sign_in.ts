/**
 * All ways in, for every protocol. Who is refused learns nothing about who exists: accounts that
 * are unknown, disabled or without a password cost the same work and get the same answers as wrong
 * passwords. Only registration tells whether a name is taken, and it is rate-limited.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import type { Credentials } from "../../shard/ops.ts";
import { parseAddress, preparePassword } from "../../shard/name/name.ts";
import type { Clock, Kdf, Log, Random, Timers } from "../node/ports.ts";
import type { Router } from "../node/router.ts";
import { type Attempt, type AttemptFrom, Attempts } from "./attempts.ts";
import type { Throttle } from "./throttle.ts";
import { type Claim, type Claimed, makeClaim } from "./claim.ts";
import { deriveCredentials, hashesOf, passwordFits } from "./credentials.ts";
import type { Directory } from "./directory.ts";
import { byDirectory } from "./sign_in_directory.ts";
import { equalBytes } from "./hash.ts";
import { Identities } from "./identity.ts";
import type { JwtVerifier } from "./jwt.ts";
import type { Oidc } from "./oidc.ts";
import { NO_ACCOUNT, WRONG_PROOF } from "./refusals.ts";
import { type PasskeyPages } from "./passkey_site.ts";
import { PasskeySettings } from "./passkey_service.ts";
import { Passkeys } from "./passkeys.ts";
import { PasswordQueue } from "./password_queue.ts";
import type { Registers } from "../node/cell_value.ts";
import { createRegistration, newPassword } from "./registration.ts";
import { createReset } from "./reset.ts";
import { FactorChanges } from "./factor_changes.ts";
import { endBySecond, SecondFactors } from "./second_factors.ts";
import {
  type ClientFirstFault,
  finishScram,
  parseClientFirst,
  type ScramEnd,
  type ScramStart,
  SERVER_NONCE_BYTES,
  startScram,
} from "./scram.ts";
import { openScram, type ScramState, sealKey, sealScram } from "./scram_seal.ts";
import { signInByIssuer } from "./sign_in_issuer.ts";
import type { SignInOptions } from "./sign_in_options.ts";
import { mintForDevice } from "./mint.ts";
import type { FailureLimits, ScramExchange, SignIn, Verified } from "./types.ts";

/** The ports that signing in needs. */
export interface SignInDeps {
  readonly router: Router;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly kdf: Kdf;
  readonly log: Log;
  /** null where no outside issuer with keys of its own is configured. */
  readonly issuers: JwtVerifier | null;
  /** Issuers by discovery; absent where none is configured. */
  readonly oidc?: Oidc | null;
  /** Checks passwords too; absent where none is configured. */
  readonly directory?: Directory | null;
  /** Whose pages may use passkeys besides those at the domain. */
  readonly pages?: Omit<PasskeyPages, "domain">;
  /** What all cells share that one domain has; absent: the cell is alone. */
  readonly passkeySecret?: Uint8Array;
  /** Where identities are noted; absent: nowhere. */
  readonly store?: Registers;
  /** Counts that a rate limit applied. */
  limited(limit: "sign_in_failures" | "registrations"): void;
  /** Lets a rate hold over all nodes of the cell; absent where the cell is this node. */
  readonly share?: (name: string, throttle: Throttle) => void;
}

/** An attempt and what the log says about it. */
interface About {
  readonly attempt: Attempt;
  readonly address: string;
  readonly method: string;
}

const NO_PAGES = { publicUrl: null, origins: () => [] };

type Done<T> = (result: Result<T>) => void;
/** Finds the key to check a proof against again. */
type Reclaim = (done: Done<Claimed>) => void;

const SCRAM_FAULTS: Readonly<Record<ClientFirstFault, Failure>> = {
  malformed: fail("bad_request", "The SCRAM message is not a client-first message (RFC 5802)."),
  binding: fail("unsupported", "Channel binding is not offered here; begin with n,, instead."),
  extension: fail("unsupported", "The SCRAM message demands an extension that is not known here."),
};

/** A password to check. */
interface PasswordCheck {
  readonly name: AccountName;
  readonly address: string;
  /** `change`: asked for by a signed-in device of the account. */
  readonly method: "password" | "change";
}

function attemptFrom({ name, place, known }: Claimed, address: string): AttemptFrom {
  return { name, address, knownPlace: known ? place : null };
}

class SignInService implements SignIn, FailureLimits {
  readonly #deps: SignInDeps;
  readonly #options: SignInOptions;
  readonly #attempts: Attempts;
  readonly #queue: PasswordQueue;
  readonly #claim: Claim;
  readonly #sealKey: Uint8Array;
  readonly #identities: Identities;
  readonly register: SignIn["register"];
  readonly issuer: SignIn["issuer"];
  readonly outside: SignIn["outside"];
  readonly resetPassword: SignIn["resetPassword"];
  readonly #seconds: SecondFactors;
  readonly factors: SignIn["factors"];
  readonly passkeys: SignIn["passkeys"];
  readonly second: SignIn["second"];

  constructor(deps: SignInDeps, options: SignInOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#sealKey = sealKey(options.fakeSaltSecret);
    const limited = () => deps.limited("sign_in_failures");
    this.#attempts = new Attempts(options.failures, deps.random, limited);
    for (const [name, throttle] of Object.entries(this.#attempts.throttles)) {
      deps.share?.(name, throttle);
    }
    this.#queue = new PasswordQueue(options.queue, deps.clock, deps.random);
    this.#claim = makeClaim(deps, options);
    this.register = createRegistration(deps, options, this.#queue);
    this.#identities = new Identities({ ...deps, store: deps.store ?? null });
    this.resetPassword = createReset(deps, options, this.#queue, this);
    this.issuer = signInByIssuer(deps, this.#identities, this);
    this.outside = (outsider, _address, done) =>
      this.#identities.find(
        outsider,
        (found) => done(found.ok ? ok({ ...found.value, exempt: true }) : found),
      );
    const { domain, fakeSaltSecret } = options;
    const pages = { domain, ...(deps.pages ?? NO_PAGES) };
    const passkeys = new Passkeys(deps, pages, deps.passkeySecret ?? fakeSaltSecret);
    this.#seconds = new SecondFactors(deps, options, this, passkeys);
    for (const [name, throttle] of Object.entries(this.#seconds.throttles)) {
      deps.share?.(name, throttle);
    }
    this.second = endBySecond(deps, options, this.#seconds);
    const changes = this.factors = new FactorChanges(deps, options, this.#seconds, this);
    const parts = { passkeys, seconds: this.#seconds, changes, limits: this };
    this.passkeys = new PasskeySettings(deps, options, parts);
  }

  allowed(address: string): Failure | null {
    return this.#attempts.checkAddress(this.#deps.clock.monoMs(), address);
  }

  noteFailure(address: string): void {
    this.#attempts.noteFailure(this.#deps.clock.monoMs(), address);
  }

  password(input: Parameters<SignIn["password"]>[0], done: Done<Verified>): void {
    const address = parseAddress(input.user, this.#options.domain);
    const password = preparePassword(input.password);
    // Known without asking anybody: no account can have such a name or password.
    const refused = this.allowed(input.address);
    if (refused !== null) return done(refused);
    if (!address.ok || password === null) return done(NO_ACCOUNT);
    const from = { name: address.name, address: input.address, method: "password" as const };
    this.#checkPassword(password, from, (next) => next(), done);
  }

  scram(input: Parameters<SignIn["scram"]>[0], done: Done<ScramExchange>): void {
    const refused = this.allowed(input.address);
    if (refused !== null) return done(refused);
    if (input.mechanism === "SCRAM-SHA-1" && this.#options.iterations.sha1 === null) {
      return done(fail("unsupported", "SCRAM-SHA-1 is not offered here; use SCRAM-SHA-256."));
    }
    const first = parseClientFirst(input.message);
    if (typeof first === "string") return done(SCRAM_FAULTS[first]);
    const address = parseAddress(first.user, this.#options.domain);
    if (!address.ok) return done(NO_ACCOUNT);
    if (first.authzid !== null) {
      const other = parseAddress(first.authzid, this.#options.domain);
      if (!other.ok || other.name !== address.name) {
        return done(fail("forbidden", "Acting as another account is not possible here."));
      }
    }
    this.#claim(address.name, input.mechanism, input.address, (claimed) => {
      if (!claimed.ok) return done(claimed);
      const from = attemptFrom(claimed.value, input.address);
      const early = this.#attempts.check(this.#deps.clock.monoMs(), from);
      if (early !== null) return done(early);
      const nonce = this.#deps.random.bytes(SERVER_NONCE_BYTES);
      const start = startScram(first, claimed.value.key, nonce);
      const answer = start.message.slice("r=".length + first.nonce.length);
      const state = { mechanism: input.mechanism, first: input.message, answer };
      const known: Reclaim = (done) => done(claimed);
      done(ok(this.#exchange(state, start, known, from)));
    });
  }

  reopenScram(sealed: string, address: string): ScramExchange | null {
    const state = openScram(this.#sealKey, sealed, this.#deps.clock.wallMs());
    if (state === null) return null;
    const first = parseClientFirst(state.first);
    const named = typeof first === "string" ? null : parseAddress(first.user, this.#options.domain);
    // Sealed under another domain, or by other rules.
    if (typeof first === "string" || named === null || !named.ok) return null;
    const start = {
      gs2Header: first.gs2Header,
      clientFirstBare: first.bare,
      nonce: first.nonce + state.answer.slice(0, state.answer.indexOf(",")),
      message: `r=${first.nonce}${state.answer}`,
    };
    const reclaim: Reclaim = (done) => this.#claim(named.name, state.mechanism, address, done);
    return this.#exchange(state, start, reclaim, { name: named.name, address });
  }

  mint(input: Parameters<SignIn["mint"]>[0], done: Parameters<SignIn["mint"]>[1]): void {
    const { tokenLifetimeMs: lifetimeMs } = this.#options;
    mintForDevice(this.#deps, { ...input, lifetimeMs }, (result) => {
      if (result.ok || result.code !== "second_factor_required") return done(result);
      this.#seconds.ask(
        input,
        (asked) => done(asked.ok ? { ...result, second: asked.value } : asked),
      );
    });
  }

  changePassword(input: Parameters<SignIn["changePassword"]>[0], done: Done<null>): void {
    const wanted = newPassword(input.newPassword, this.#options.passwordLengthMin);
    if (!wanted.ok) return done(wanted);
    const wrong = fail("forbidden", "Cannot change the password: the old one is not right.");
    const old = preparePassword(input.oldPassword);
    if (old === null) return done(wrong);
    const from = { name: input.user, address: input.address, method: "change" as const };
    let made: Credentials | null = null;
    const derive = (next: () => void) =>
      deriveCredentials(this.#deps, wanted.value, this.#options.iterations, (credentials) => {
        made = credentials;
        next();
      });
    this.#checkPassword(old, from, derive, (result) => {
      if (!result.ok) return done(result.code === "unauthorized" ? wrong : result);
      const { proof } = result.value;
      const change = { credentials: made!, keepDevice: input.keepDevice, proof };
      this.#deps.router.request(input.user, "account.setCredentials", change, done);
    });
  }

  #begin(claimed: Claimed, address: string, done: (failure: Failure) => void): Attempt | null {
    const from = attemptFrom(claimed, address);
    const attempt = this.#attempts.begin(() => this.#deps.clock.monoMs(), from);
    if ("succeeded" in attempt) return attempt;
    done(attempt);
    return null;
  }

  /**
   * Checks a password and ends the attempt. A right one lets `also` hash something more in the same
   * place of the queue; shards are asked outside of it, so that a slow one holds nobody else up.
   */
  #checkPassword(
    password: string,
    from: PasswordCheck,
    also: (next: () => void) => void,
    done: Done<Verified>,
  ): void {
    const { name, address, method } = from;
    this.#claim(name, "SCRAM-SHA-256", address, (claimed) => {
      if (!claimed.ok) return done(claimed);
      const attempt = this.#begin(claimed.value, address, done);
      if (attempt === null) return;
      const change = method === "change";
      const source = { name, address, known: claimed.value.known || change };
      const hashes = change ? 1 + hashesOf(this.#options.iterations) : 1;
      this.#queue.push(
        { ...source, hashes },
        (release) =>
          passwordFits(this.#deps.kdf, password, claimed.value.key, (fits) => {
            const next = () => {
              release();
              this.#conclude(claimed.value, fits, { attempt, address, method }, done);
            };
            if (fits) return also(next);
            const failed = () => {
              this.#queue.failed(source);
              this.#conclude(claimed.value, false, { attempt, address, method }, done);
            };
            release();
            const { directory = null } = this.#deps;
            if (directory === null || change) return failed();
            const asked = { directory, identities: this.#identities, log: this.#deps.log };
            byDirectory(
              asked,
              { claimed: claimed.value, password, attempt, address, failed },
              done,
            );
          }),
        (busy) => {
          attempt.abandoned();
          done(busy);
        },
      );
    });
  }

  #exchange(
    state: ScramState,
    start: ScramStart,
    reclaim: Reclaim,
    { address, name }: Pick<AttemptFrom, "address" | "name">,
  ): ScramExchange {
    let used = false;
    return {
      user: name,
      message: start.message,
      seal: (forMs) => sealScram(this.#sealKey, state, this.#deps.clock.wallMs() + forMs),
      finish: (message, done) => {
        if (used) return done(fail("conflict", "This SCRAM exchange is over; begin a new one."));
        used = true;
        reclaim((claimed) => {
          if (!claimed.ok) return done(claimed);
          const attempt = this.#begin(claimed.value, address, done);
          if (attempt === null) return;
          const about = { attempt, address, method: state.mechanism };
          this.#finish(finishScram(state.mechanism, start, claimed.value.key, message), {
            claimed: claimed.value,
            about,
          }, done);
        });
      },
    };
  }

  #finish(
    end: ScramEnd,
    { claimed, about }: { readonly claimed: Claimed; readonly about: About },
    done: Done<Verified & { readonly serverFinal: string }>,
  ): void {
    if (!end.ok && end.kind === "malformed") {
      about.attempt.abandoned();
      return done(
        fail("bad_request", "The SCRAM message is not the client-final of this exchange."),
      );
    }
    this.#conclude(claimed, end.ok, about, (result) => {
      if (!result.ok || !end.ok) return done(result.ok ? WRONG_PROOF : result);
      done(ok({ ...result.value, serverFinal: end.serverFinal }));
    });
  }

  /**
   * The verdict on a proof. A right one is checked against the account as it is now, because its
   * password may have been changed, or the account disabled, since the exchange began.
   */
  #conclude(
    claimed: Claimed,
    fits: boolean,
    about: About,
    done: Done<Verified>,
  ): void {
    const { attempt, address, method } = about;
    const { account, key, name, place } = claimed;
    const refuse = (why: string) => {
      attempt.failed();
      this.#deps.log.info("sign_in_refused", { method, address, user: name, why });
      done(account === null ? NO_ACCOUNT : WRONG_PROOF);
    };
    if (account === null) return refuse("no active account with such a password");
    if (!fits) return refuse("wrong password");
    this.#deps.router.request(name, "account.credentials", {}, (result) => {
      if (!result.ok) {
        attempt.abandoned();
        return done(result);
      }
      const now = result.value;
      const keys = now === null ? [] : [now.credentials.sha256, now.credentials.sha1];
      const same = keys.some((k) => k !== null && equalBytes(k.storedKey, key.storedKey));
      if (now?.id !== account.id || !same) return refuse("the password has just been changed");
      attempt.succeeded();
      done(ok({ ...account, proof: key.storedKey, place }));
    });
  }
}

/** Makes the service. Throws where the options cannot work. */
export function createSignIn(deps: SignInDeps, options: SignInOptions): SignIn & FailureLimits {
  const { fakeSaltSecret, iterations, formerIterations } = options;
  if (fakeSaltSecret.length < 16) {
    throw new Error(`fakeSaltSecret: has ${fakeSaltSecret.length} bytes, want at least 16`);
  }
  for (const count of [iterations.sha256, iterations.sha1 ?? 1, ...formerIterations]) {
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new Error(`iterations: ${count} is not a count, want at least 1`);
    }
  }
  return new SignInService(deps, options);
}
