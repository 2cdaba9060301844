/** Passkeys (WebAuthn) as every codec uses them. Callbacks answer exactly once. */
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { FactorCaller, MintedToken } from "./types.ts";
import type { Result } from "../../shard/errors.ts";

/** What a page passes on to the authenticator. */
export interface PasskeyAsked {
  /** To be sent back with the response, within five minutes. */
  readonly exchange: string;
  /** As `parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON` takes it. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** What an authenticator has signed; all texts are base64url. */
export interface SignedResponse {
  readonly id: string;
  readonly rawId: string;
  readonly type: "public-key";
  readonly response: {
    readonly clientDataJSON: string;
    readonly authenticatorData: string;
    readonly signature: string;
    readonly userHandle?: string | null | undefined;
  };
}

/** A passkey that an authenticator has made; texts are base64url. */
export interface CreatedResponse {
  readonly id: string;
  readonly rawId: string;
  readonly type: "public-key";
  readonly response: {
    readonly clientDataJSON: string;
    readonly attestationObject: string;
    readonly transports?: readonly string[] | undefined;
  };
}

/** A signature, and what it was asked for by. */
export interface PasskeyAnswer {
  readonly exchange: string;
  readonly response: SignedResponse;
}

/** A passkey as its owner sees it. */
export interface PasskeyView {
  /** Its credential id in base64url. */
  readonly passkey: string;
  readonly name: string;
  /** When it was added, and last used (ms since 1970); null: never. */
  readonly at: number;
  readonly usedAt: number | null;
  /** The domain whose pages can use it. */
  readonly domain: string;
  /** Its maker keeps it in several places. */
  readonly synced: boolean;
}

/** A passkey that was added. */
export interface AddedPasskey {
  readonly passkey: string;
  /** Shown once; absent where the account had some. */
  readonly recoveryCodes?: readonly string[];
}

/** Where a page is that asks. */
interface Page {
  /** Its address, or origin. */
  readonly at: string;
}

/**
 * Sign-in with passkeys, and changes of them. `unsupported`: browsers have no passkeys where the page
 * is; `forbidden`: its origin is none of this server's, or what is to be proved was not.
 */
export interface PasskeyService {
  /** Begins a sign-in; with `second` the end of one that was refused with that exchange. */
  begin(
    input: Page & { readonly second: string | null; readonly address: string },
    done: (result: Result<PasskeyAsked>) => void,
  ): void;
  /** Ends a sign-in with nothing but a passkey. */
  finish(
    input: PasskeyAnswer & {
      readonly device: DeviceId | null;
      readonly label: string;
      readonly address: string;
    },
    done: (result: Result<MintedToken & { readonly user: AccountName }>) => void,
  ): void;
  list(user: AccountName, done: (result: Result<readonly PasskeyView[]>) => void): void;
  /** Asks for a signature that proves a change. */
  ask(user: AccountName, at: string, done: (result: Result<PasskeyAsked>) => void): void;
  /** Begins to add a passkey; proves the caller. */
  beginAdd(caller: FactorCaller & Page, done: (result: Result<PasskeyAsked>) => void): void;
  add(
    input: Pick<FactorCaller, "user" | "device" | "address"> & {
      readonly exchange: string;
      readonly response: CreatedResponse;
      readonly name: string;
    },
    done: (result: Result<AddedPasskey>) => void,
  ): void;
  rename(
    input: Pick<FactorCaller, "user" | "address"> & {
      readonly passkey: string;
      readonly name: string;
    },
    done: (result: Result<null>) => void,
  ): void;
  /** `conflict`: the account has no other way in. */
  remove(
    caller: FactorCaller & { readonly passkey: string },
    done: (result: Result<null>) => void,
  ): void;
}
