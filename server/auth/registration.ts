/** Making accounts: the registration mode, names, passwords, invites, and how often who may try. */
import type { AccountName } from "../../shard/name/ids.ts";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import type { Credentials } from "../../shard/ops.ts";
import { parseAddress, PASSWORD_BYTES_MAX, preparePassword } from "../../shard/name/name.ts";
import type { Clock, Kdf, Log, Random, Timers } from "../node/ports.ts";
import type { Router } from "../node/router.ts";
import { keepsLevel } from "../../shard/name/scripts.ts";
import { reservedReason } from "../node/reserved_names.ts";
import { deriveCredentials, hashesOf } from "./credentials.ts";
import { evenly } from "../node/even_answers.ts";
import type { PasswordQueue } from "./password_queue.ts";
import { placeMaker } from "./places.ts";
import type { SignInOptions } from "./sign_in_options.ts";
import { addressKey, NetworkThrottle, type Throttle } from "./throttle.ts";
import { inviteName } from "./token.ts";
import type { SignIn, Verified } from "./types.ts";

/** The ports that registration needs. */
export interface RegistrationDeps {
  readonly router: Router;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly kdf: Kdf;
  readonly log: Log;
  /** Counts that an address has registered too often. */
  limited(limit: "registrations"): void;
  /** As `SignInDeps.share`. */
  readonly share?: (name: string, throttle: Throttle) => void;
}

/** Prepares a password to be set, or says what is wrong with it. `lengthMin`: in code points. */
export function newPassword(text: string, lengthMin: number): Result<string> {
  const password = preparePassword(text);
  if (password === null) {
    return fail(
      "bad_request",
      `Cannot set the password: want 1 to ${PASSWORD_BYTES_MAX} bytes of UTF-8 without ` +
        "control, invisible or unassigned characters (RFC 8265).",
    );
  }
  const length = [...password].length;
  return length >= lengthMin ? ok(password) : fail(
    "bad_request",
    `Cannot set the password: it has ${length} characters, want at least ${lengthMin}.`,
  );
}

type Done<T> = (result: Result<T>) => void;

interface Wanted {
  readonly name: AccountName;
  readonly password: string;
  /** null: none is needed. */
  readonly invite: AccountName | null;
  readonly address: string;
}

/**
 * Makes `SignIn.register`. Its order keeps an invite good until it makes an account: first the name
 * is known to be free, then the slow hashing, then the invite is used up for this name (again is
 * no error, so that a repetition after a crash goes on), then the account is made.
 */
export function createRegistration(
  deps: RegistrationDeps,
  options: SignInOptions,
  queue: PasswordQueue,
): SignIn["register"] {
  const throttle = new NetworkThrottle(options.registrations);
  deps.share?.("registrations", throttle);
  const placeOf = placeMaker(options.fakeSaltSecret);
  const hashes = hashesOf(options.iterations);
  return (input, done) => {
    const wanted = readWanted(input, options);
    if (!wanted.ok) return done(wanted);
    const waitMs = throttle.take(deps.clock.monoMs(), addressKey(input.address));
    if (waitMs > 0) {
      deps.limited("registrations");
      const retryAfterMs = Math.ceil(waitMs * (1 + deps.random.number()));
      return done(fail("rate_limited", "Too many registrations from this address.", retryAfterMs));
    }
    requireFree(deps, wanted.value, (taken) => {
      if (taken !== null) return done(taken);
      queue.push(
        { name: wanted.value.name, address: input.address, known: false, hashes },
        (release) =>
          deriveCredentials(deps, wanted.value.password, options.iterations, (credentials) => {
            release();
            redeemAndCreate(deps, wanted.value, credentials, placeOf, done);
          }),
        done,
      );
    });
  };
}

/** Everything that is checked without asking anybody. */
function readWanted(
  input: Parameters<SignIn["register"]>[0],
  options: SignInOptions,
): Result<Wanted> {
  if (options.registration === "closed") {
    return fail("forbidden", "Cannot register: accounts are made by the operator here.");
  }
  const name = parseAddress(input.user, options.domain);
  if (!name.ok) return fail("bad_request", `Cannot register this user name: ${name.reason}.`);
  const reserved = reservedReason(name.name);
  if (reserved !== null) {
    return fail("bad_request", `Cannot register this user name: ${reserved}.`);
  }
  if (!keepsLevel(name.name, options.nameScripts)) {
    return fail(
      "bad_request",
      "Cannot register this user name: it mixes letters of scripts that look alike or are not " +
        "written together (UTS #39).",
    );
  }
  const password = newPassword(input.password, options.passwordLengthMin);
  if (!password.ok) return password;
  const wanted = { name: name.name, password: password.value, address: input.address };
  if (options.registration === "open") return ok({ ...wanted, invite: null });
  if (input.invite === null) {
    return fail("forbidden", "Cannot register: an invite is needed here.");
  }
  const invite = inviteName(input.invite);
  return invite === null ? badInvite() : ok({ ...wanted, invite });
}

function badInvite(): Failure {
  return fail("forbidden", "Cannot register: the invite is not valid (any more).");
}

function taken(): Failure {
  return fail("conflict", "Cannot register this user name: it is taken.");
}

/**
 * Calls `done` with a refusal where the name is not free. When it does must not tell whether the
 * account of a taken name is in memory.
 */
function requireFree(
  { router, ...ports }: Pick<RegistrationDeps, "router" | "timers" | "random">,
  wanted: Wanted,
  done: (refusal: Failure | null) => void,
): void {
  const ask = (answered: (refusal: Failure | null) => void) =>
    router.request(wanted.name, "account.resolve", {}, (found) => {
      // An account of another cell has the name.
      if (!found.ok) return answered(found.code === "moved" ? taken() : found);
      if (found.value !== null) return answered(taken());
      if (wanted.invite === null) return answered(null);
      // A removed account has nobody, but its name stays closed: that must not cost the invite.
      router.request(wanted.name, "account.info", {}, (info) => {
        if (info.ok) return answered(taken());
        answered(info.code === "not_found" ? null : info);
      });
    });
  evenly(ports, ask, done);
}

function redeemAndCreate(
  deps: RegistrationDeps,
  wanted: Wanted,
  credentials: Credentials,
  placeOf: ReturnType<typeof placeMaker>,
  done: Done<Verified>,
): void {
  const { router, log } = deps;
  const { name, invite, address } = wanted;
  const create = (): void =>
    void router.request(name, "account.create", { credentials }, (made) => {
      if (!made.ok) return done(made.code === "conflict" ? taken() : made);
      log.info("account_registered", { user: name, address, invited: invite !== null });
      done(ok({ user: name, id: made.value.id, proof: null, place: placeOf(name, address) }));
    });
  if (invite === null) return create();
  router.request(invite, "invite.redeem", { name }, (redeemed) => {
    if (redeemed.ok) return create();
    const transient = redeemed.retryAfterMs !== undefined || redeemed.code === "unavailable" ||
      redeemed.code === "busy";
    done(transient ? redeemed : badInvite());
  });
}
