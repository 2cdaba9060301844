/** Sign-in by tokens of outside issuers: those with configured keys, and those by discovery. */
import type { AccountName } from "../../shard/name/ids.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { Clock, Log } from "../node/ports.ts";
import type { FailureLimits, SignIn, Verified } from "./types.ts";
import type { Identities } from "./identity.ts";
import type { JwtVerifier } from "./jwt.ts";
import { issuerIn, type Oidc } from "./oidc.ts";
import type { Router } from "../node/router.ts";

/** What it needs. */
interface IssuerDeps {
  readonly router: Pick<Router, "request">;
  readonly clock: Clock;
  readonly log: Log;
  readonly issuers: JwtVerifier | null;
  readonly oidc?: Oidc | null;
}

type Done<T> = (result: Result<T>) => void;
type Ended = Done<Verified & { readonly expiresAt: number }>;

/** Makes `SignIn.issuer`. */
export function signInByIssuer(
  deps: IssuerDeps,
  identities: Identities,
  limits: FailureLimits,
): SignIn["issuer"] {
  return ({ jwt, address }, done) => {
    const refused = limits.allowed(address);
    if (refused !== null) return done(refused);
    const { oidc = null } = deps;
    if (oidc?.has(issuerIn(jwt) ?? "") === true) {
      return byDiscovery(oidc, identities, limits, { jwt, address }, done);
    }
    if (deps.issuers === null) {
      return done(fail("unauthorized", "Tokens of this issuer are not taken here."));
    }
    byKeys(deps, deps.issuers, limits, { jwt, address }, done);
  };
}

function byDiscovery(
  oidc: Oidc,
  identities: Identities,
  limits: FailureLimits,
  { jwt, address }: Parameters<SignIn["issuer"]>[0],
  done: Ended,
): void {
  void oidc.bearer(jwt, address).then((checked) => {
    if (!checked.ok) {
      if (checked.code === "unauthorized") limits.noteFailure(address);
      return done(checked);
    }
    const { outsider, expiresAt } = checked.value;
    identities.find(
      outsider,
      (result) => done(result.ok ? ok({ ...result.value, expiresAt }) : result),
    );
  });
}

function byKeys(
  deps: IssuerDeps,
  issuers: JwtVerifier,
  limits: FailureLimits,
  { jwt, address }: Parameters<SignIn["issuer"]>[0],
  done: Ended,
): void {
  const { clock, log } = deps;
  issuers.verify(jwt, clock.wallMs(), (check) => {
    if (!check.ok) {
      limits.noteFailure(address);
      log.info("sign_in_refused", { method: "jwt", address, why: check.reason });
      return done(fail("unauthorized", "The token is not accepted."));
    }
    const { expiresAt } = check;
    accountOf(
      deps,
      check.user,
      check.createAccount,
      (result) => done(result.ok ? ok({ ...result.value, expiresAt }) : result),
    );
  });
}

/** The account that a token is for, made where that is configured. */
function accountOf(deps: IssuerDeps, name: AccountName, create: boolean, done: Done<Verified>) {
  const { router, log } = deps;
  router.request(name, "account.resolve", {}, (found) => {
    if (!found.ok) return done(found);
    if (found.value !== null) {
      return done(ok({ user: name, id: found.value.id, proof: null, place: null }));
    }
    if (!create) {
      log.info("sign_in_refused", { method: "jwt", user: name, why: "no such account" });
      return done(fail("unauthorized", "The token is not accepted."));
    }
    router.request(name, "account.create", { credentials: null }, (made) => {
      if (made.ok) return done(ok({ user: name, id: made.value.id, proof: null, place: null }));
      if (made.code !== "conflict") return done(made);
      // Made by another connection meanwhile, or the name is closed.
      accountOf(deps, name, false, done);
    });
  });
}
