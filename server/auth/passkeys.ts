/** Asking for signatures of passkeys, and checking them. Nothing is kept between the two. */
import { decodeBase64Url, encodeBase64Url } from "byte-encodings/base64url";
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import { ALGORITHMS, checkCreated, checkSigned, PasskeyRefusal } from "./passkey_check.ts";
import type {
  CreatedResponse,
  PasskeyAnswer,
  PasskeyAsked,
  SignedResponse,
} from "./passkey_types.ts";
import { equalBytes } from "./hash.ts";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import { markOf, PASSKEY_MS, type PasskeyPurpose, PasskeySeal } from "./passkey_seal.ts";
import type { Passkey, PasskeyProof } from "../../shard/account/passkeys.ts";
import { type PasskeyPages, siteOf } from "./passkey_site.ts";
import type { SignInDeps } from "./sign_in.ts";

type Deps = Pick<SignInDeps, "clock" | "random">;
type Done<T> = (result: Result<T>) => void;

const NONCE_BYTES = 16;
/** Longest name that an authenticator keeps with a passkey, in bytes (WebAuthn: the user handle). */
const HANDLE_BYTES_MAX = 64;
const utf8 = new TextEncoder();

/** The refusal of a response. */
export function passkeyRefused({ message, reason }: PasskeyRefusal): Failure {
  return fail("unauthorized", `Cannot sign in (${reason}): ${message}`);
}

/** Refusals of what is not looked at any further. */
export const WRONG_CHALLENGE = passkeyRefused(new PasskeyRefusal("challenge"));
/** See `WRONG_CHALLENGE`. */
export const NO_PASSKEY = passkeyRefused(new PasskeyRefusal("passkey"));

/** What a signature has to be for, and of which account. */
export interface PasskeyWanted {
  readonly purpose: PasskeyPurpose;
  /** "": it is not known yet. */
  readonly account: AccountId | "";
  readonly extra: string;
}

/** The passkey that a response names, among those of an account. */
function passkeyOf(
  { id }: Pick<SignedResponse, "id">,
  passkeys: readonly Passkey[],
): Passkey | undefined {
  try {
    const bytes = decodeBase64Url(id);
    return passkeys.find((each) => equalBytes(each.id, bytes));
  } catch {
    // The client has sent something else.
    return undefined;
  }
}

function described({ id, transports }: Passkey) {
  return { id: encodeBase64Url(id), type: "public-key", transports };
}

/** See the head of this file. */
export class Passkeys {
  readonly #deps: Deps;
  readonly #pages: PasskeyPages;
  readonly seal: PasskeySeal;

  constructor(deps: Deps, pages: PasskeyPages, secret: Uint8Array) {
    this.#deps = deps;
    this.#pages = pages;
    this.seal = new PasskeySeal(secret);
  }

  #begin(at: string, wanted: PasskeyWanted) {
    const site = siteOf(at, this.#pages);
    if (!site.ok) return site;
    const until = this.#deps.clock.wallMs() + PASSKEY_MS;
    const sealed = { ...wanted, ...site.value, until };
    const exchange = this.seal.seal(sealed, this.#deps.random.bytes(NONCE_BYTES));
    return ok({ exchange, challenge: markOf(exchange), rpId: site.value.rpId });
  }

  /** Asks for a signature; by one of `passkeys`, or where they are null by any of the page's. */
  ask(
    at: string,
    wanted: PasskeyWanted,
    passkeys: readonly Passkey[] | null,
  ): Result<PasskeyAsked> {
    const begun = this.#begin(at, wanted);
    if (!begun.ok) return begun;
    const { challenge, exchange, rpId } = begun.value;
    const usable = passkeys?.filter((each) => each.rpId === rpId);
    if (usable?.length === 0) {
      return fail("not_found", `The account has no passkey for pages of ${rpId}`);
    }
    const allowCredentials = usable === undefined ? {} : {
      allowCredentials: usable.map(described),
    };
    const how = { userVerification: "required", timeout: PASSKEY_MS };
    return ok({ exchange, options: { challenge, rpId, ...how, ...allowCredentials } });
  }

  /** Asks for a new passkey, which can sign in alone and is none of `passkeys`. */
  askNew(
    at: string,
    user: AccountName,
    wanted: PasskeyWanted,
    passkeys: readonly Passkey[],
  ): Result<PasskeyAsked> {
    const handle = utf8.encode(user);
    if (handle.length > HANDLE_BYTES_MAX) {
      const message = `A passkey takes names of at most ${HANDLE_BYTES_MAX} bytes`;
      return fail("unsupported", `${message}, and this account's has ${handle.length}`);
    }
    const begun = this.#begin(at, wanted);
    if (!begun.ok) return begun;
    const { challenge, exchange, rpId } = begun.value;
    const address = `${user}@${this.#pages.domain}`;
    return ok({
      exchange,
      options: {
        challenge,
        rp: { id: rpId, name: this.#pages.domain },
        user: { id: encodeBase64Url(handle), name: address, displayName: user },
        pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: "public-key", alg })),
        excludeCredentials: passkeys.filter((each) => each.rpId === rpId).map(described),
        authenticatorSelection: {
          residentKey: "required",
          requireResidentKey: true,
          userVerification: "required",
        },
        attestation: "none",
        timeout: PASSKEY_MS,
      },
    });
  }

  /** Checks a signature by one of the passkeys of an account. */
  check(
    { exchange, response }: PasskeyAnswer,
    wanted: PasskeyWanted,
    passkeys: readonly Passkey[],
    done: Done<PasskeyProof>,
  ): void {
    const opened = this.seal.open(exchange, wanted.purpose, this.#deps.clock.wallMs());
    const isWanted = opened?.account === wanted.account && opened.extra === wanted.extra;
    if (opened === null || !isWanted) return done(WRONG_CHALLENGE);
    const passkey = passkeyOf(response, passkeys);
    if (passkey === undefined) return done(NO_PASSKEY);
    const challenge = markOf(exchange);
    const { until } = opened;
    settle(checkSigned(response, passkey, { ...opened, challenge }), ({ counter, synced }) => {
      const used = { challenge: decodeBase64Url(challenge), until };
      return { kind: "passkey" as const, passkey: passkey.id, counter, synced, ...used };
    }, done);
  }

  /** Checks a new passkey of the account; returns what the request for it carried, too. */
  checkNew(
    exchange: string,
    account: AccountId,
    response: CreatedResponse,
    done: Done<
      { readonly extra: string; readonly passkey: Omit<Passkey, "name" | "at" | "usedAt"> }
    >,
  ): void {
    const opened = this.seal.open(exchange, "add", this.#deps.clock.wallMs());
    if (opened === null || opened.account !== account) return done(WRONG_CHALLENGE);
    const { extra, rpId } = opened;
    const expected = { ...opened, challenge: markOf(exchange) };
    settle(
      checkCreated(response, expected),
      (made) => ({ extra, passkey: { ...made, rpId } }),
      done,
    );
  }
}

/** Calls `done` with what comes of a check; a fault of the program rejects. */
function settle<A, B>(check: Promise<A>, made: (value: A) => B, done: Done<B>): void {
  check.then((value) => ok(made(value)), (error) => {
    if (error instanceof PasskeyRefusal) return passkeyRefused(error);
    throw error;
  }).then(done);
}

/** The account that a response says it is of; null where it says none. */
export function userOfResponse({ response }: SignedResponse): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(
      decodeBase64Url(response.userHandle ?? ""),
    );
  } catch {
    // The client has sent something else.
    return null;
  }
}
