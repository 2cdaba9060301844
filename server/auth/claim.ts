/** What a client that claims to be a user has to prove, and whether it is at a known place. */
import type { AccountName } from "../../shard/name/ids.ts";
import { ok, type Result } from "../../shard/errors.ts";
import type { Ops, ScramKey, ScramMechanism } from "../../shard/ops.ts";
import type { Router } from "../node/router.ts";
import { fakeKey, keyOf } from "./credentials.ts";
import { evenly, type EvenPorts } from "../node/even_answers.ts";
import { placeMaker } from "./places.ts";
import type { SignInOptions } from "./sign_in_options.ts";
import type { Verified } from "./types.ts";

/** The key to check a proof against, real or not. */
export interface Claimed {
  readonly name: AccountName;
  readonly key: ScramKey;
  /** From where it is claimed: see `KnownPlace`. */
  readonly place: number;
  /** Whether the account has signed in from there. False for accounts that nobody can prove. */
  readonly known: boolean;
  /** null: nobody can sign in with this, whatever the proof. */
  readonly account: Omit<Verified, "proof" | "place"> | null;
}

/** Finds what `address` must prove to be `name`. */
export type Claim = (
  name: AccountName,
  mechanism: ScramMechanism,
  address: string,
  done: (result: Result<Claimed>) => void,
) => void;

/**
 * Makes a `Claim`. It computes the stand-in for accounts without a key in any case: neither the
 * cost of that nor whether the account is in memory must tell who exists or is online.
 */
export function makeClaim(
  { router, ...ports }: EvenPorts & { readonly router: Router },
  { fakeSaltSecret, formerIterations, iterations }: SignInOptions,
): Claim {
  const placeOf = placeMaker(fakeSaltSecret);
  return (name, mechanism, address, done) => {
    const current = mechanism === "SCRAM-SHA-256" ? iterations.sha256 : iterations.sha1;
    const counts = [current ?? iterations.sha256, ...formerIterations];
    const fake = fakeKey(fakeSaltSecret, mechanism, name, counts);
    const place = placeOf(name, address);
    const ask = (answered: (result: Result<Ops["account.credentials"]["out"]>) => void) =>
      router.request(name, "account.credentials", { place }, answered);
    evenly(ports, ask, (result) => {
      if (!result.ok) return done(result);
      const { value } = result;
      const real = value === null ? null : keyOf(value.credentials, mechanism);
      const account = real === null ? null : { user: name, id: value!.id };
      const known = account !== null && value!.known === true;
      done(ok({ name, key: real ?? fake, place, known, account }));
    });
  };
}
