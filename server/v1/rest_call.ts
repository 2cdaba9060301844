/** What a REST route is, what it is called with, and who calls. */
import type { z } from "zod";
import {
  type AccountId,
  type AccountName,
  type Cursor,
  type DeviceId,
  parseDeviceId,
  parseSessionId,
} from "../../shard/name/ids.ts";
import type { AttachAuth, ScramMechanism } from "../../shard/ops.ts";
import { type ErrorCode, fail, ok, type Result } from "../../shard/errors.ts";
import type { ReachedSession, SessionReach } from "../edge/reach.ts";
import type { Throttle } from "../auth/throttle.ts";
import { looksLikeToken } from "../auth/token.ts";
import type { AnswerName } from "./answers.ts";
import type { JsonText } from "./command.ts";
import type { SignInKind } from "../http/counters.ts";
import type { ProtocolHost } from "./protocol_host.ts";
import { type RateClass, rateKey, type RateThrottles } from "./rates.ts";
import type { UnreadResponses } from "../http/unread_responses.ts";
import { byToken, tokenRefused } from "./sign_in.ts";

/** What the REST API needs. */
export interface RestDeps extends ProtocolHost {
  /** What `GET /v1/info` tells about signing in. */
  readonly info: {
    readonly registration: "open" | "invite" | "closed";
    readonly mechanisms: readonly ScramMechanism[];
    /** Least length of a new password, in Unicode characters. */
    readonly passwordLengthMin: number;
    /** Issuers to sign in with; absent: none. */
    readonly issuers?: readonly { readonly id: string; readonly name: string }[];
    /** A directory checks passwords too. */
    readonly directory?: true;
    /** The key by which push services know this server; absent: it sends no push messages. */
    readonly push?: { readonly publicKey: string; readonly services?: readonly string[] };
  };
  /** Origins of pages that may call from elsewhere; `*` for all, empty for none. */
  allowedOrigins(): readonly string[];
  /** `server.publicUrl`: requests below its path are served as those at the root. */
  readonly publicUrl: string | null;
  readonly throttles: {
    /** By address: requests that nobody is signed in for (yet). */
    readonly address: Throttle;
    /** By account: as many requests as of all devices that may be online together. */
    readonly account: Throttle;
    /** By account and device, for each class of commands. */
    readonly device: RateThrottles;
  };
  /** What clients have asked for and do not read. */
  readonly unread: UnreadResponses;
  /**
   * The client's IP address after trusted proxies; `env` is the server's binding of the request.
   */
  addressOf(request: Request, env: unknown): string;
  /** Finds the sessions that requests name, at this node and at the others of the cell. */
  readonly reach: Pick<SessionReach, "find">;
  /** Serves `GET /v1/events`: long-poll, or SSE where `stream`. */
  events(call: EventsCall): Response | Promise<Response>;
}

/** A checked `GET /v1/events`. */
export interface EventsCall {
  readonly request: Request;
  readonly caller: Caller;
  readonly address: string;
  /** The session that the client goes on with, which is the caller's; null to open one. */
  readonly session: ReachedSession | null;
  readonly after: Cursor | null;
  /** Soft events up to here have arrived. */
  readonly soft: number;
  readonly waitMs: number;
  readonly invisible: boolean;
  /** Another device, whose sessions end for one that is opened here. */
  readonly ends?: DeviceId;
  /** Server-sent events are wanted. */
  readonly stream: boolean;
}

/** Who sent a request with a bearer token. */
export interface Caller {
  readonly user: AccountName;
  readonly device: DeviceId;
  /** The account that the request is for; absent where the proof only has its name. */
  readonly accountId?: AccountId;
  readonly auth: AttachAuth;
  /** When what the request proves ends (ms since 1970). */
  readonly provedUntil: number | null;
}

/** One request on its way. */
export interface Call {
  readonly deps: RestDeps;
  readonly request: Request;
  readonly address: string;
  /** null on public routes. */
  readonly caller: Caller | null;
}

/** Where a field of a route's input comes from; fields that are not named come from the body. */
export type Source =
  | "path"
  | "query"
  /** As `query`, but a whole number. */
  | "number"
  | { readonly header: string; readonly required: boolean };

/** The answer of a route: a value as JSON text, a refusal, or a response as it stands. */
export type Reply = Result<JsonText> | Response;

/** A row of the route table, from which the app and the OpenAPI document are made. */
export interface Route {
  /** The operation's name in the document and in metrics. */
  readonly id: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** With `{name}` for parameters. */
  readonly path: string;
  readonly summary: string;
  readonly access: "public" | "bearer";
  readonly input: z.ZodType;
  readonly from: Readonly<Record<string, Source>>;
  /** Fields that the path itself decides. */
  readonly fixed: Readonly<Record<string, unknown>>;
  /** What it takes of the caller's rate of requests. */
  readonly cost: number;
  /** The rate that limits it besides the one of all requests. */
  readonly rate: RateClass;
  /** Status of success: 204 where there is no value. */
  readonly status: 101 | 200 | 201 | 204;
  readonly answer: AnswerName | { readonly listOf: AnswerName } | null;
  /**
   * Whether the answer is compressed where the client asks: for large ones without any token.
   * Answers that are small or have secrets beside what others wrote are not (BREACH).
   */
  readonly compressed?: true;
  /** An input, as if all of it were in one object. */
  readonly example: Readonly<Record<string, unknown>>;
  /** Refusals besides those that every route of its kind has. */
  readonly errors: readonly ErrorCode[];
  /** Where the route signs in: what a request with this outcome counts as, if as anything. */
  readonly signsInBy?: (request: Request, outcome: "ok" | ErrorCode) => SignInKind | null;
  /** Checks the input and acts. Rejects only on a bug. */
  run(call: Call, input: unknown): Promise<Reply>;
}

/** Whether requests of the route have a body: those that make or set something. */
export function hasBody(route: Pick<Route, "method">): boolean {
  return route.method === "POST" || route.method === "PUT";
}

/** Turns a call with a callback into a promise; what it throws, rejects. */
export function answered<T>(start: (done: (value: T) => void) => void): Promise<T> {
  return new Promise((resolve) => start(resolve));
}

const BEARER = /^Bearer +([\x21-\x7e]+) *$/i;
const THREE_PARTS = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** The device of issuer-signed requests that do not name theirs in `Roost-Device`. */
const ISSUER_DEVICE = "rest" as DeviceId;

/** Finds out whose the request's bearer token is. */
export function authenticate(
  deps: RestDeps,
  request: Request,
  address: string,
): Promise<Result<Caller>> {
  const bearer = bearerOf(request);
  if (bearer === null) {
    return Promise.resolve(fail("unauthorized", "Authorization: Bearer <token> is required"));
  }
  return answered((done) => {
    if (looksLikeToken(bearer)) {
      return byToken(deps, { token: bearer, address, device: null, attaches: false }, done);
    }
    if (THREE_PARTS.test(bearer)) return callerByIssuer(deps, request, bearer, address, done);
    done(tokenRefused());
  });
}

/** What the header gives; null where there is none, empty where it gives nothing. */
function bearerOf(request: Request): string | null {
  const header = request.headers.get("authorization");
  return header === null ? null : BEARER.exec(header)?.[1] ?? "";
}

/** What signing in by the request's bearer token counts as; null where it has none. */
export function bearerKind(request: Request): SignInKind | null {
  const bearer = bearerOf(request);
  if (bearer === null) return null;
  return !looksLikeToken(bearer) && THREE_PARTS.test(bearer) ? "issuer" : "token";
}

function callerByIssuer(
  deps: RestDeps,
  request: Request,
  jwt: string,
  address: string,
  done: (result: Result<Caller>) => void,
): void {
  const named = request.headers.get("roost-device");
  const device = named === null ? ISSUER_DEVICE : parseDeviceId(named);
  if (device === null) return done(fail("bad_request", "Roost-Device is not a device id"));
  deps.signIn.issuer({ jwt, address }, (result) => {
    if (!result.ok) return done(result);
    const { user, expiresAt } = result.value;
    const auth = { kind: "issuer", expiresAt } as const;
    done(ok({ user, device, auth, provedUntil: expiresAt }));
  });
}

/** The caller of a route that only runs with one. */
export function callerOf(call: Call): Caller {
  if (call.caller === null) throw new Error("callerOf: the route is public");
  return call.caller;
}

/** Takes more of the caller's rate of requests, for one that cost more than its route says. */
export function chargeCaller(call: Call, cost: number): void {
  const { throttles, clock } = call.deps;
  const caller = callerOf(call);
  throttles.device.frames.charge(clock.monoMs(), rateKey(caller), cost);
  throttles.account.charge(clock.monoMs(), caller.user, cost);
}

const NO_SUCH_SESSION = fail("not_found", "This is not the id of a session; open one");

/**
 * The live session of this id, where it is the caller's: of the same user and device. Anything else
 * is `not_found`, for an id is a secret; see `SessionReach.find`.
 */
export function ownSession(call: Call, id: string): Result<ReachedSession> {
  const { user, device } = callerOf(call);
  const parsed = parseSessionId(id);
  return parsed === null ? NO_SUCH_SESSION : call.deps.reach.find(parsed, user, device);
}

/** The caller's session as the header `Roost-Session` names it; null where there is none. */
export function namedSession(call: Call): Result<ReachedSession | null> {
  const id = call.request.headers.get("roost-session");
  return id === null ? ok(null) : ownSession(call, id);
}
