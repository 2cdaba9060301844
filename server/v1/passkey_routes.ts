/** The REST routes of a sign-in with a passkey: pages only have them over HTTP. */
import type { ErrorCode, Result } from "../../shard/errors.ts";
import { answered, type Route } from "./rest_call.ts";
import { byPasskey, deviceChoice } from "./sign_in.ts";
import { ok } from "../../shard/errors.ts";
import type { PasskeyAsked } from "../auth/passkey_types.ts";
import type { Protocol } from "./protocol.ts";
import { route, SIGN_IN_COST, signIn } from "./sign_in_routes.ts";

/** Both rows. */
export function passkeyRoutes({ schemas }: Protocol): readonly Route[] {
  const kind = { method: "POST", access: "public", cost: SIGN_IN_COST, status: 200 } as const;
  const errors: readonly ErrorCode[] = ["unauthorized", "unsupported", "moved"];
  return [
    route({
      ...kind,
      id: "passkeyBegin",
      path: "/v1/auth/passkey",
      summary: "Begins a sign-in with a passkey, alone or as second factor",
      input: schemas.rest.passkeyBegin,
      answer: "PasskeyAsked",
      errors: [...errors, "forbidden", "not_found"],
      run: async ({ address, deps }, { at, second = null }) => {
        const refusal = deps.admit("signIn");
        if (refusal !== null) return refusal;
        const asked = await answered<Result<PasskeyAsked>>((done) =>
          deps.signIn.passkeys.begin({ at, second, address }, done)
        );
        return asked.ok ? ok(JSON.stringify(asked.value)) : asked;
      },
    }),
    route({
      ...kind,
      id: "passkeyFinish",
      path: "/v1/auth/passkey/finish",
      summary: "Signs a device in with a passkey alone",
      input: schemas.rest.passkeyFinish,
      answer: "SignedIn",
      errors: [...errors, "limit_reached"],
      signsInBy: () => "passkey",
      run: (call, input) => {
        const { exchange, response } = input;
        const { address, deps } = call;
        const choice = deviceChoice(input);
        return signIn(
          call,
          (done) => byPasskey(deps, { exchange, response, address }, choice, done),
        );
      },
    }),
  ];
}
