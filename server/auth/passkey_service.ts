/** Sign-in with passkeys, and what a signed-in user changes about them. */
import { decodeBase64Url, encodeBase64Url } from "byte-encodings/base64url";
import { evenly } from "../node/even_answers.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { type FactorChanges, refusedChange } from "./factor_changes.ts";
import type { FailureLimits } from "./types.ts";
import { markOf, proofOfText, proofText } from "./passkey_seal.ts";
import { mintForDevice } from "./mint.ts";
import { NO_PASSKEY, type Passkeys, userOfResponse } from "./passkeys.ts";
import type { Ops } from "../../shard/ops.ts";
import { parseName } from "../../shard/name/name.ts";
import type { PasskeyAsked, PasskeyService, PasskeyView } from "./passkey_types.ts";
import { placeMaker } from "./places.ts";
import type { SecondFactors } from "./second_factors.ts";
import type { SignInDeps } from "./sign_in.ts";
import type { SignInOptions } from "./sign_in_options.ts";

type Deps = Pick<SignInDeps, "clock" | "log" | "random" | "router" | "timers">;
type Options = Pick<SignInOptions, "fakeSaltSecret" | "tokenLifetimeMs">;
type Done<T> = (result: Result<T>) => void;
type Found = Ops["account.factors"]["out"];

/** What it is made of. */
export interface PasskeyParts {
  readonly passkeys: Passkeys;
  readonly seconds: SecondFactors;
  readonly changes: FactorChanges;
  readonly limits: FailureLimits;
}

const ANYBODY = { purpose: "sign_in", account: "", extra: "" } as const;
const NO_SUCH = fail("not_found", "There is no such passkey");

/** See the head of this file. */
export class PasskeySettings implements PasskeyService {
  readonly #deps: Deps;
  readonly #lifetimeMs: number;
  readonly #parts: PasskeyParts;
  readonly #placeOf: ReturnType<typeof placeMaker>;

  constructor(deps: Deps, { fakeSaltSecret, tokenLifetimeMs }: Options, parts: PasskeyParts) {
    this.#deps = deps;
    this.#lifetimeMs = tokenLifetimeMs;
    this.#parts = parts;
    this.#placeOf = placeMaker(fakeSaltSecret);
  }

  begin(
    { address, at, second }: Parameters<PasskeyService["begin"]>[0],
    done: Done<PasskeyAsked>,
  ): void {
    const { limits, passkeys, seconds } = this.#parts;
    const refused = limits.allowed(address);
    if (refused !== null) return done(refused);
    if (second === null) return done(passkeys.ask(at, ANYBODY, null));
    seconds.first({ address, exchange: second }, (result) => {
      if (!result.ok) return done(result);
      const { factors, id: account } = result.value.found;
      const wanted = { purpose: "second", account, extra: markOf(second) } as const;
      done(passkeys.ask(at, wanted, factors?.passkeys ?? []));
    });
  }

  finish(
    { address, device, label, ...answer }: Parameters<PasskeyService["finish"]>[0],
    done: Parameters<PasskeyService["finish"]>[1],
  ): void {
    const { limits, passkeys } = this.#parts;
    const refused = limits.allowed(address);
    if (refused !== null) return done(refused);
    const end: typeof done = (result) => {
      if (!result.ok && result.code === "unauthorized") {
        limits.noteFailure(address);
        const about = { method: "passkey", address, user, why: result.message };
        this.#deps.log.info("sign_in_refused", about);
      }
      done(result);
    };
    const named = userOfResponse(answer.response) ?? "";
    const user = parseName(named);
    if (user === null || user !== named) return end(NO_PASSKEY);
    // Whether there is such an account, or one in memory, is nobody's business.
    const ask = (answered: (result: Result<Found>) => void) =>
      this.#deps.router.request(user, "account.factors", {}, answered);
    evenly(this.#deps, ask, (found) => {
      if (!found.ok) return end(found);
      const known = found.value?.factors?.passkeys ?? [];
      passkeys.check(answer, ANYBODY, known, (checked) => {
        if (!checked.ok) return end(checked);
        const place = this.#placeOf(user, address);
        const proved = { proof: null, place, factor: checked.value };
        const input = { user, device, label, lifetimeMs: this.#lifetimeMs, ...proved };
        mintForDevice(
          this.#deps,
          input,
          (minted) => end(minted.ok ? ok({ ...minted.value, user }) : minted),
        );
      });
    });
  }

  list(
    user: Parameters<PasskeyService["list"]>[0],
    done: Done<readonly PasskeyView[]>,
  ): void {
    this.#parts.changes.find({ user }, (result) => {
      if (!result.ok) return done(result);
      const { factors } = result.value;
      done(ok((factors?.passkeys ?? []).map(({ at, id, name, rpId, synced, usedAt }) => ({
        passkey: encodeBase64Url(id),
        name,
        at,
        usedAt: usedAt === 0 ? null : usedAt,
        domain: rpId,
        synced,
      }))));
    });
  }

  ask(user: Parameters<PasskeyService["ask"]>[0], at: string, done: Done<PasskeyAsked>): void {
    const { changes, passkeys } = this.#parts;
    changes.find({ user }, (result) => {
      if (!result.ok) return done(result);
      const { factors, id: account } = result.value;
      const wanted = { purpose: "change", account, extra: "" } as const;
      done(passkeys.ask(at, wanted, factors?.passkeys ?? []));
    });
  }

  beginAdd(
    { at, ...caller }: Parameters<PasskeyService["beginAdd"]>[0],
    done: Done<PasskeyAsked>,
  ): void {
    const { changes, passkeys } = this.#parts;
    changes.prove(caller, (result) => {
      if (!result.ok) return done(result);
      const { found: { factors, id: account }, proved } = result.value;
      // Used up by the record of the passkey.
      proved?.attempt.succeeded();
      const extra = proofText(proved?.factor ?? null);
      const wanted = { purpose: "add", account, extra } as const;
      done(passkeys.askNew(at, caller.user, wanted, factors?.passkeys ?? []));
    });
  }

  add(
    { exchange, name, response, ...caller }: Parameters<PasskeyService["add"]>[0],
    done: Parameters<PasskeyService["add"]>[1],
  ): void {
    const { changes, passkeys } = this.#parts;
    changes.find(caller, (result) => {
      if (!result.ok) return done(result);
      const { factors, id } = result.value;
      passkeys.checkNew(exchange, id, response, (checked) => {
        if (!checked.ok) return done(refusedChange(checked));
        const { codes, recovery } = changes.recovery(id);
        const at = this.#deps.clock.wallMs();
        const passkey = { ...checked.value.passkey, name, at, usedAt: 0 };
        const proof = proofOfText(checked.value.extra);
        const change = { kind: "passkey_added", passkey, recovery } as const;
        changes.change(caller, id, change, proof, (changed) => {
          if (!changed.ok) return done(changed);
          const added = { passkey: encodeBase64Url(passkey.id) };
          done(ok(factors === null ? { ...added, recoveryCodes: codes } : added));
        });
      });
    });
  }

  rename(
    { name, passkey, ...caller }: Parameters<PasskeyService["rename"]>[0],
    done: Done<null>,
  ): void {
    const id = idOf(passkey);
    if (id === null) return done(NO_SUCH);
    const { changes } = this.#parts;
    changes.find({ user: caller.user }, (result) => {
      if (!result.ok) return done(result);
      const change = { kind: "passkey_named", passkey: id, name } as const;
      changes.change(caller, result.value.id, change, null, done);
    });
  }

  remove(
    { passkey, ...caller }: Parameters<PasskeyService["remove"]>[0],
    done: Done<null>,
  ): void {
    const id = idOf(passkey);
    if (id === null) return done(NO_SUCH);
    const { changes } = this.#parts;
    changes.proveFactor(caller, (result) => {
      if (!result.ok) return done(result);
      const change = { kind: "passkey_removed", passkey: id } as const;
      changes.changeProved(caller, result.value, change, done);
    });
  }
}

/** The credential id in a text; null where it is none. */
function idOf(text: string): Uint8Array | null {
  try {
    return decodeBase64Url(text);
  } catch {
    // The client has sent something else.
    return null;
  }
}
