/** The REST routes of a browser's way to an OpenID Connect issuer and back. */
import type { Hono } from "hono";
import { type ErrorCode, fail, type Failure, type Result } from "../../shard/errors.ts";
import { flowId, type Oidc, OIDC_FLOW_MS } from "../auth/oidc.ts";
import { answered, type Call, type Reply, type Route } from "./rest_call.ts";
import { deviceChoice, mintFor, type Principal } from "./sign_in.ts";
import { OidcRefusal, refusalOf } from "../auth/oidc_refusal.ts";
import { jsonResponse } from "../http/response.ts";
import { Exchanges } from "./exchanges.ts";
import type { Clock } from "../node/ports.ts";
import type { Protocol } from "./protocol.ts";
import { route, SIGN_IN_COST, signedIn } from "./sign_in_routes.ts";
import type { Verified } from "../auth/types.ts";

/** Where issuers send browsers back to, below the server's address. */
export const OIDC_CALLBACK_PATH = "/v1/auth/oidc/callback";

/** The route that ends a way. */
export const OIDC_FINISH = "oidcFinish";

/** Flows that are remembered because they were finished. */
const FINISHED_MAX = 65_536;
const COOKIE = "roost_oidc_";

/** Both rows. */
export function oidcRoutes({ schemas }: Protocol, clock: Clock): readonly Route[] {
  const finished = new Exchanges({
    exchangesMax: FINISHED_MAX,
    exchangeTtlMs: OIDC_FLOW_MS,
  }, clock);
  const errors: readonly ErrorCode[] = ["unauthorized", "forbidden", "not_found"];
  const kind = { method: "POST", access: "public", cost: SIGN_IN_COST, status: 200 } as const;
  return [
    route({
      ...kind,
      id: "oidcBegin",
      path: "/v1/auth/oidc",
      summary: "Begins sign-in at an issuer: for pages of this server",
      input: schemas.rest.oidcBegin,
      answer: "OidcBegun",
      errors,
      run: begin,
    }),
    route({
      ...kind,
      id: OIDC_FINISH,
      path: "/v1/auth/oidc/finish",
      summary: "Finishes sign-in at an issuer and signs a device in",
      input: schemas.rest.oidcFinish,
      answer: "SignedIn",
      errors: [...errors, "conflict", "moved", "limit_reached"],
      signsInBy: () => "issuer",
      run: (call, input) => finish(call, input, finished),
    }),
  ];
}

const NONE = fail("not_found", "There is no such issuer here");

/**
 * Only a page of this server can begin: the cookie that it gets is what binds the way to its
 * browser. It says where it sees the server, for only it knows what is between the two.
 */
async function begin(
  { deps, request }: Call,
  input: { readonly issuer: string; readonly at: string; readonly page?: string | undefined },
): Promise<Reply> {
  const { oidc = null } = deps;
  if (oidc === null) return NONE;
  const refusal = deps.admit("signIn") ?? strangePage(request, input.at);
  if (refusal !== null) return refusal;
  const at = input.at.replace(/\/+$/, "");
  const redirectUri = at + OIDC_CALLBACK_PATH;
  const begun = await oidc.begin({ issuer: input.issuer, redirectUri, page: input.page ?? "" });
  if (!begun.ok) return begun;
  const { url, id, sealed } = begun.value;
  const secure = at.startsWith("https:") ? "; Secure" : "";
  // Without a path: that is the directory of this request, which the callback is below.
  const cookie = `${COOKIE}${id}=${sealed}; Max-Age=${OIDC_FLOW_MS / 1000}; HttpOnly; ` +
    `SameSite=Lax${secure}`;
  return jsonResponse(STATUS_OK, JSON.stringify({ url }), { "set-cookie": cookie });
}

const STATUS_OK = 200;

/** `forbidden` where the request is not of a page of this server at the address that it names. */
function strangePage(request: Request, at: string): Failure | null {
  const origin = request.headers.get("origin");
  const site = request.headers.get("sec-fetch-site") ?? "same-origin";
  const own = origin !== null && URL.canParse(at) && new URL(at).origin === origin &&
    site === "same-origin";
  return own
    ? null
    : fail("forbidden", "Only pages of this server begin it; others pass ID tokens on");
}

async function finish(
  { deps, request, address }: Call,
  input: {
    readonly response: string;
    readonly device?: string | undefined;
    readonly label?: string | undefined;
  },
  finished: Exchanges,
): Promise<Reply> {
  const { oidc = null, signIn } = deps;
  if (oidc === null) return NONE;
  const refusal = deps.admit("signIn") ?? signIn.allowed(address);
  if (refusal !== null) return refusal;
  const name = cookieName(new URLSearchParams(input.response));
  const returned = await oidc.finish(input.response, cookieOf(request, name), address);
  if (!returned.ok) {
    if (returned.code === "unauthorized") signIn.noteFailure(address, "oidc");
    return returned;
  }
  const { outsider, state } = returned.value;
  if (!finished.finish({ message: state }, address)) return refusalOf(new OidcRefusal("state"));
  const verified = await answered<Result<Verified>>((done) =>
    signIn.outside(outsider, address, done)
  );
  if (!verified.ok) return verified;
  const minted = await answered<Result<Principal>>((done) =>
    mintFor(deps, verified.value, deviceChoice(input), done)
  );
  if (!minted.ok) return minted;
  const text = signedIn(minted.value, null);
  return jsonResponse(STATUS_OK, text, { "set-cookie": `${name}=; Max-Age=0; HttpOnly` });
}

function cookieName(response: URLSearchParams): string {
  return COOKIE + flowId(response.get("state") ?? "").replaceAll(/[^\w-]/g, "");
}

function cookieOf(request: Request, name: string): string | null {
  for (const pair of (request.headers.get("cookie") ?? "").split(";")) {
    const at = pair.indexOf("=");
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return null;
}

/**
 * Sends a browser that returns to the page that began. The issuer's code goes into the
 * fragment, which no server and no log sees; it is of no use without the cookie.
 */
export function addOidcCallback(app: Hono, oidc: Oidc | null): void {
  if (oidc === null) return;
  app.get(OIDC_CALLBACK_PATH, async (c) => {
    const { search, searchParams } = new URL(c.req.url);
    const page = await oidc.pageOf(cookieOf(c.req.raw, cookieName(searchParams)));
    const location = `${page === "" ? "../../../" : page}#oidc${search}`;
    return new Response(null, { status: 303, headers: { location } });
  });
}
