/** From a way to prove who one is to a principal: the sign-in flows that WebSocket and REST share. */
import {
  type AccountId,
  type AccountName,
  type DeviceId,
  newId,
  parseDeviceId,
  parseSessionId,
} from "../../shard/name/ids.ts";
import type { AttachAuth, DevicePresence, Ops } from "../../shard/ops.ts";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import { hashToken, parseToken } from "../auth/token.ts";
import { refuseEvenly } from "../node/even_answers.ts";
import type { FactorAnswer } from "../auth/second_factors.ts";
import type { PasskeyAnswer } from "../auth/passkey_types.ts";
import type { SignInKind } from "../http/counters.ts";
import type { MintedToken, ScramExchange, Verified } from "../auth/types.ts";
import type { OpenSession } from "../edge/types.ts";
import type { HelloAuth, PresenceInput } from "./schemas.ts";
import type { ProtocolHost } from "./protocol_host.ts";

/** What the flows need. */
type Host = Pick<ProtocolHost, "router" | "signIn" | "random" | "timers">;

/** Who a connection acts as, once proved. */
export interface Principal {
  readonly user: AccountName;
  readonly device: DeviceId;
  /** The account that has the name; absent where only attaching a session finds that out. */
  readonly accountId?: AccountId;
  readonly auth: AttachAuth;
  /** When the proof ends (ms since 1970); null where only attaching a session finds that out. */
  readonly provedUntil: number | null;
  /** The token that the sign-in made; null where the client brought its own. */
  readonly minted: MintedToken | null;
}

/** Which device signs in. */
export interface DeviceChoice {
  readonly device: DeviceId | null;
  readonly label: string;
}

/** The refusal of every token that is not known, whatever the reason. */
export function tokenRefused(): Failure {
  return fail("unauthorized", "The token is not accepted; sign in again");
}

/** The device and label fields of a checked frame or body. */
export function deviceChoice(
  input: { readonly device?: string | undefined; readonly label?: string | undefined },
): DeviceChoice {
  return {
    device: input.device === undefined ? null : parseDeviceId(input.device),
    label: input.label ?? "",
  };
}

/** What `end` of a checked frame or body means for the session to open. */
export function endChoice(end: string | undefined): Pick<OpenSession, "ends"> {
  const device = end === undefined ? null : parseDeviceId(end);
  return device === null ? {} : { ends: device };
}

/** A session id field of a checked frame or body. */
export function sessionChoice(session: string | undefined) {
  return session === undefined ? null : parseSessionId(session);
}

/** Presence as the shard takes it; absent is online, null invisible. */
export function devicePresence(input: PresenceInput | null | undefined): DevicePresence | null {
  if (input === null) return null;
  return {
    show: input?.show ?? "online",
    status: input?.status ?? "",
    priority: input?.priority ?? 0,
    ext: input?.ext ?? "",
  };
}

/** A token as a client gives it. */
export interface TokenProof {
  readonly token: string;
  readonly address: string;
  /** The device that the client says it is; null where it leaves that to the token. */
  readonly device: DeviceId | null;
  /**
   * Attaching a session checks token and device once more: then, with the device known, it need not
   * be asked about here. Taking an earlier session up again checks neither.
   */
  readonly attaches: boolean;
}

/** Proves a token. Costs one request, or none where attaching is the proof. */
export function byToken(
  host: Host,
  { token, address, device, attaches }: TokenProof,
  done: (result: Result<Principal>) => void,
): void {
  const refusal = host.signIn.allowed(address);
  if (refusal !== null) return done(refusal);
  const refuse = (failure: Failure) => {
    noteTokenFailure(host, address, failure);
    done(failure);
  };
  const user = parseToken(token);
  if (user === null) return refuse(tokenRefused());
  const tokenHash = hashToken(token);
  const auth: AttachAuth = { kind: "token", tokenHash };
  if (attaches && device !== null) {
    return done(ok({ user, device, auth, provedUntil: null, minted: null }));
  }
  const ask = (answered: (result: Result<Ops["auth.token"]["out"]>) => void) =>
    host.router.request(user, "auth.token", { tokenHash }, answered);
  // A wrong token names an account: its refusal must not tell whether that is in memory.
  refuseEvenly(host, ask, (result) => {
    if (!result.ok) return refuse(result);
    const { device: owner, expiresAt: provedUntil, id: accountId } = result.value;
    if (device !== null && device !== owner) return refuse(tokenRefused());
    done(ok({ user, device: owner, accountId, auth, provedUntil, minted: null }));
  });
}

/** Counts against its address that a token was not accepted; no other refusal does. */
export function noteTokenFailure(host: Host, address: string, failure: Failure): void {
  if (failure.code === "unauthorized") host.signIn.noteFailure(address);
}

/** Proves a token of an outside issuer; a device that the client does not name is a new one. */
export function byIssuer(
  host: Host,
  jwt: string,
  address: string,
  device: DeviceId | null,
  done: (result: Result<Principal>) => void,
): void {
  host.signIn.issuer({ jwt, address }, (result) => {
    if (!result.ok) return done(result);
    const { user, expiresAt } = result.value;
    const auth: AttachAuth = { kind: "issuer", expiresAt };
    const known = device ?? newId<DeviceId>(host.random.bytes(12));
    done(ok({ user, device: known, auth, provedUntil: expiresAt, minted: null }));
  });
}

/** Gives a user who has just proved a password (or SCRAM) a token for the chosen device. */
export function mintFor(
  host: Host,
  verified: Verified,
  choice: DeviceChoice,
  done: (result: Result<Principal & { readonly minted: MintedToken }>) => void,
): void {
  host.signIn.mint({ ...choice, ...verified }, (result) => {
    done(result.ok ? ok(principalOf(verified.user, result.value)) : result);
  });
}

function principalOf(user: AccountName, minted: MintedToken) {
  const auth: AttachAuth = { kind: "token", tokenHash: hashToken(minted.token) };
  const { device, expiresAt: provedUntil } = minted;
  return { user, device, auth, provedUntil, minted };
}

/** Ends a sign-in by its second factor, and mints a token. */
export function bySecond(
  host: Host,
  input: FactorAnswer & { readonly exchange: string },
  choice: DeviceChoice,
  done: (result: Result<Principal & { readonly minted: MintedToken }>) => void,
): void {
  host.signIn.second({ ...input, ...choice }, (result) => {
    done(result.ok ? ok(principalOf(result.value.user, result.value)) : result);
  });
}

/** Signs in with nothing but a passkey, and mints a token. */
export function byPasskey(
  host: Host,
  input: PasskeyAnswer & { readonly address: string },
  choice: DeviceChoice,
  done: (result: Result<Principal & { readonly minted: MintedToken }>) => void,
): void {
  host.signIn.passkeys.finish({ ...input, ...choice }, (result) => {
    done(result.ok ? ok(principalOf(result.value.user, result.value)) : result);
  });
}

/** Proves a user and password through the bounded queue, then mints a token. */
export function byPassword(
  host: Host,
  input: { readonly user: string; readonly password: string; readonly address: string },
  choice: DeviceChoice,
  done: (result: Result<Principal & { readonly minted: MintedToken }>) => void,
): void {
  host.signIn.password(input, (result) => {
    if (!result.ok) return done(result);
    mintFor(host, result.value, choice, done);
  });
}

/** Creates an account, then mints a token for its first device. */
export function byRegistering(
  host: Host,
  input: {
    readonly user: string;
    readonly password: string;
    readonly invite?: string | undefined;
  },
  address: string,
  choice: DeviceChoice,
  done: (result: Result<Principal & { readonly minted: MintedToken }>) => void,
): void {
  const { user, password } = input;
  const invite = input.invite ?? null;
  host.signIn.register({ user, password, invite, address }, (result) => {
    if (!result.ok) return done(result);
    mintFor(host, result.value, choice, done);
  });
}

/** Finishes a SCRAM exchange, then mints a token; with the server-final message. */
export function byScram(
  host: Host,
  exchange: ScramExchange,
  message: string,
  choice: DeviceChoice,
  done: (
    result: Result<{
      readonly principal: Principal & { readonly minted: MintedToken };
      readonly serverFinal: string;
    }>,
  ) => void,
): void {
  exchange.finish(message, (result) => {
    if (!result.ok) return done(result);
    const { serverFinal } = result.value;
    mintFor(host, result.value, choice, (minted) => {
      if (minted.ok) return done(ok({ principal: minted.value, serverFinal }));
      // The client checks the server before it gives anything else.
      const { second } = minted;
      done(
        second === undefined ? minted : { ...minted, second: { ...second, scram: serverFinal } },
      );
    });
  });
}

/** One way of a hello as a tagged value. */
export type SignInWay =
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "jwt"; readonly jwt: string }
  | { readonly kind: "password"; readonly user: string; readonly password: string }
  | {
    readonly kind: "scram";
    readonly mechanism: "SCRAM-SHA-256" | "SCRAM-SHA-1";
    readonly message: string;
  }
  | { readonly kind: "second" } & Omit<FactorAnswer, "address"> & { readonly exchange: string };

/** The one way that a checked hello gives. */
export function signInWay(auth: HelloAuth): SignInWay {
  if (auth.token !== undefined) return { kind: "token", token: auth.token };
  if (auth.jwt !== undefined) return { kind: "jwt", jwt: auth.jwt };
  if (auth.scram !== undefined) return { kind: "scram", ...auth.scram };
  if (auth.second !== undefined) return { kind: "second", ...auth.second };
  return { kind: "password", user: auth.user ?? "", password: auth.password ?? "" };
}

/** What a checked hello's one way counts as. */
export function signInKind(auth: HelloAuth): SignInKind {
  const { kind } = signInWay(auth);
  return kind === "jwt" ? "issuer" : kind;
}
