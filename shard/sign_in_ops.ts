/** Requests about who signs in to an account, besides those of its password and devices. */
import type { AccountId, DeviceId } from "./name/ids.ts";
import type { FactorChange, FactorProof, Factors } from "./account/factors.ts";
import type { Credentials } from "./record/fields.ts";

/** As in `Ops`. */
export interface SignInOps {
  /** Who has this name, and whether an outside identity signs in to that account; null: nobody. */
  "account.identify": {
    in: { readonly identity: string };
    out: {
      readonly id: AccountId;
      readonly active: boolean;
      readonly linked: boolean;
      /** Whether any outside identity does. */
      readonly outside: boolean;
    } | null;
  };
  /**
   * Lets an outside identity sign in to the active account `id`. `conflict` where the name is
   * another account's, or where `alone` and another identity does.
   */
  "account.link": {
    in: { readonly identity: string; readonly id: AccountId; readonly alone: boolean };
    out: null;
  };
  /** What a sign-in to an active account has to prove; null where there is none. */
  "account.factors": {
    in: { readonly device?: DeviceId; readonly place?: number };
    out: {
      readonly id: AccountId;
      readonly credentials: Credentials | null;
      readonly factors: Factors | null;
      /** When `device` signed in (ms); null where it is none of the account's. */
      readonly deviceAt: number | null;
      /** As in `account.credentials`. */
      readonly known: boolean;
    } | null;
  };
  /**
   * Changes second factors. `proof`: of one that the account has, which it needs where it has any
   * (`second_factor_required`, `unauthorized`).
   */
  "account.setFactors": {
    in: {
      readonly id: AccountId;
      readonly change: FactorChange;
      readonly proof: FactorProof | null;
    };
    out: null;
  };
  /** Removes all second factors; whether there were any. */
  "account.clearFactors": { in: Record<never, never>; out: { readonly had: boolean } };
}
