/** The REST routes about signing in and out, sessions, and the stream of events. */
import { z } from "zod";
import { parseCursor } from "../../shard/name/ids.ts";
import { type ErrorCode, ok, type Result } from "../../shard/errors.ts";
import type { ScramExchange } from "../auth/types.ts";
import { SEALED_CHARS_MAX } from "../auth/scram_seal.ts";
import { type Exchanges, NO_EXCHANGE } from "./exchanges.ts";
import { REST_EXAMPLES } from "./examples.ts";
import { jsonResponse } from "../http/response.ts";
import { jsonFields, objectText } from "../text/json_text.ts";
import { type Protocol, PROTOCOL_VERSION, welcomeFields } from "./protocol.ts";
import {
  answered,
  bearerKind,
  type Call,
  callerOf,
  namedSession,
  ownSession,
  type Reply,
  type Route,
} from "./rest_call.ts";
import {
  byPassword,
  byRegistering,
  byScram,
  bySecond,
  deviceChoice,
  devicePresence,
  endChoice,
  type Principal,
  sessionChoice,
} from "./sign_in.ts";
import { exchangeElsewhere, OF_CELL_CHARS_MAX } from "./relay_request.ts";
import { openInTurn } from "../http/sign_in_queue.ts";
import { validate } from "../text/validate.ts";

type Spec<S extends z.ZodType> =
  & Pick<Route, "id" | "method" | "path" | "summary" | "access" | "status" | "answer">
  & Partial<Pick<Route, "from" | "fixed" | "cost" | "errors" | "signsInBy">>
  & { readonly input: S; run(call: Call, input: z.output<S>): Promise<Reply> };

/** A row whose `run` gets its input checked. */
export function route<S extends z.ZodType>(spec: Spec<S>): Route {
  return {
    from: {},
    fixed: {},
    cost: 1,
    rate: "frames",
    errors: [],
    example: REST_EXAMPLES[spec.id] ?? {},
    ...spec,
    run(call, raw) {
      const input = validate(spec.input, raw);
      return input.ok ? spec.run(call, input.value) : Promise.resolve(input);
    },
  };
}

/** All rows of this file. */
export function signInRoutes(protocol: Protocol, exchanges: Exchanges): readonly Route[] {
  return [
    ...passwordRoutes(protocol),
    secondRoute(protocol),
    ...scramRoutes(protocol, exchanges),
    ...sessionRoutes(protocol),
    eventsRoute(protocol),
    ...publicRoutes(),
  ];
}

/** Signing in costs work and tells things: it takes more from an address than a look. */
export const SIGN_IN_COST = 5;

function passwordRoutes({ schemas }: Protocol): readonly Route[] {
  const errors: readonly ErrorCode[] = ["unauthorized", "forbidden", "limit_reached"];
  const kind = {
    method: "POST",
    access: "public",
    cost: SIGN_IN_COST,
    answer: "SignedIn",
  } as const;
  return [
    route({
      ...kind,
      id: "register",
      path: "/v1/register",
      summary: "Creates an account and signs its first device in",
      input: schemas.rest.register,
      status: 201,
      errors: [...errors, "conflict"],
      signsInBy: () => "register",
      run: (call, input) => {
        const { deps, address } = call;
        const choice = deviceChoice(input);
        return signIn(call, (done) => byRegistering(deps, input, address, choice, done));
      },
    }),
    route({
      ...kind,
      id: "signInPassword",
      path: "/v1/auth/password",
      summary: "Signs a device in by password",
      input: schemas.rest.signInPassword,
      status: 200,
      errors: [...errors, "moved", "second_factor_required"],
      signsInBy: () => "password",
      run: (call, input) => {
        const { user, password } = input;
        const choice = deviceChoice(input);
        const { deps, address } = call;
        const proof = { user, password, address };
        return signIn(call, (done) => byPassword(deps, proof, choice, done));
      },
    }),
    route({
      ...kind,
      id: "resetPassword",
      path: "/v1/auth/reset",
      summary: "Sets a new password by an operator's link, and signs all devices out",
      input: schemas.rest.resetPassword,
      status: 204,
      answer: null,
      errors: ["forbidden", "not_found"],
      run: async ({ address, deps }, { code, password }) => {
        const refusal = deps.admit("signIn");
        if (refusal !== null) return refusal;
        return await answered<Result<null>>((done) =>
          deps.signIn.resetPassword({ code, password, address }, done)
        );
      },
    }),
  ];
}

function secondRoute({ schemas }: Protocol): Route {
  return route({
    method: "POST",
    access: "public",
    cost: SIGN_IN_COST,
    answer: "SignedIn",
    id: "signInSecond",
    path: "/v1/auth/second",
    summary: "Ends a sign-in by a second factor",
    input: schemas.rest.signInSecond,
    status: 200,
    errors: ["unauthorized", "limit_reached", "moved"],
    signsInBy: () => "second",
    run: (call, input) => {
      const { code, exchange, passkey } = input;
      const choice = deviceChoice(input);
      const { deps, address } = call;
      const answer = { exchange, code, passkey, address };
      return signIn(call, (done) => bySecond(deps, answer, choice, done));
    },
  });
}

function scramRoutes({ schemas }: Protocol, exchanges: Exchanges): readonly Route[] {
  const kind = { method: "POST", access: "public", cost: SIGN_IN_COST, status: 200 } as const;
  return [
    route({
      ...kind,
      id: "scramFirst",
      path: "/v1/auth/scram",
      summary: "Begins SCRAM: takes the client-first message",
      input: schemas.rest.scramFirst,
      answer: "Challenge",
      errors: ["unauthorized", "moved"],
      // A challenge is no end yet.
      signsInBy: (_request, outcome) => outcome === "ok" ? null : "scram",
      run: async ({ deps, address }, { mechanism, message }) => {
        const refusal = deps.admit("signIn");
        if (refusal !== null) return refusal;
        const begun = await answered<Result<ScramExchange>>((done) =>
          deps.signIn.scram({ mechanism, message, address }, done)
        );
        if (!begun.ok) return begun;
        const exchange = begun.value.seal(exchanges.limits.exchangeTtlMs);
        return ok(JSON.stringify({ exchange, message: begun.value.message }));
      },
    }),
    route({
      ...kind,
      id: "scramFinal",
      path: "/v1/auth/scram/{exchange}",
      summary: "Finishes SCRAM: takes the client-final message and signs a device in",
      input: schemas.rest.scramFinal.extend({
        exchange: z.string().max(SEALED_CHARS_MAX + OF_CELL_CHARS_MAX)
          .describe("As the first request returned it"),
      }),
      from: { exchange: "path" },
      answer: "SignedIn",
      errors: ["unauthorized", "moved", "not_found", "limit_reached", "second_factor_required"],
      signsInBy: () => "scram",
      run: ({ deps, address }, input) => {
        const elsewhere = exchangeElsewhere(deps.relay, input.exchange);
        if (elsewhere !== null) return Promise.resolve(elsewhere);
        const exchange = deps.signIn.reopenScram(input.exchange, address);
        if (exchange === null) return Promise.resolve(NO_EXCHANGE);
        if (!exchanges.finish(exchange, address)) return Promise.resolve(NO_EXCHANGE);
        return answered((answer) =>
          byScram(deps, exchange, input.message, deviceChoice(input), (result) => {
            if (!result.ok) return answer(result);
            const { principal, serverFinal } = result.value;
            answer(ok(signedIn(principal, serverFinal)));
          })
        );
      },
    }),
  ];
}

type Prove = (done: (result: Result<Principal>) => void) => void;

/** Runs a proof that mints a token, where the node takes sign-ins now. */
export async function signIn(call: Call, prove: Prove): Promise<Reply> {
  const refusal = call.deps.admit("signIn");
  if (refusal !== null) return refusal;
  const result = await answered<Result<Principal>>(prove);
  return result.ok ? ok(signedIn(result.value, null)) : result;
}

/** The text of a sign-in; `scram`: the server-final message. */
export function signedIn({ user, device, minted }: Principal, scram: string | null): string {
  const told = { user, device, token: minted?.token, expiresAt: minted?.expiresAt };
  return JSON.stringify(scram === null ? told : { ...told, scram });
}

function sessionRoutes({ schemas }: Protocol): readonly Route[] {
  return [
    route({
      id: "openSession",
      method: "POST",
      path: "/v1/sessions",
      summary: "Opens a session whose events are then polled",
      access: "bearer",
      input: schemas.rest.openSession,
      from: { wait: "number" },
      cost: SIGN_IN_COST,
      status: 201,
      answer: "Welcome",
      errors: ["limit_reached"],
      signsInBy: bearerKind,
      run: openSession,
    }),
    route({
      id: "closeSession",
      method: "DELETE",
      path: "/v1/sessions/{session}",
      summary: "Signs a session out, keeps the token",
      access: "bearer",
      input: z.object({
        session: schemas.parameters.session.describe("The session of this device that ends"),
      }),
      from: { session: "path" },
      status: 204,
      answer: null,
      errors: ["not_found"],
      run: (call, input) => {
        const session = ownSession(call, input.session);
        if (!session.ok) return Promise.resolve(session);
        return answered<Result<null>>((done) => session.value.end(done));
      },
    }),
  ];
}

type OpenInput = z.output<Protocol["schemas"]["rest"]["openSession"]>;

function openSession(call: Call, input: OpenInput): Promise<Reply> {
  const { deps } = call;
  const refusal = deps.admit("signIn");
  if (refusal !== null) return Promise.resolve(refusal);
  const after = input.after === undefined ? null : parseCursor(input.after);
  const options = {
    ...callerOf(call),
    address: call.address,
    cursor: after,
    presence: devicePresence(input.presence),
    resume: sessionChoice(input.session),
    ...endChoice(input.end),
    sink: null,
  };
  return answered((answer) =>
    openInTurn(deps, options, (result) => {
      if (!result.ok) return answer(result);
      const opened = result.value;
      const { domain, protocol, clock } = deps;
      const servers = deps.servers.all();
      const parts = { opened, domain, token: null, scram: null, servers };
      answer(ok(objectText(welcomeFields(protocol, clock, parts))));
      opened.session.start();
    })
  );
}

const WAIT_SECONDS = 30;

function eventsRoute({ schemas }: Protocol): Route {
  return route({
    id: "events",
    method: "GET",
    path: "/v1/events",
    summary: "Waits for events: long-poll, or server-sent events",
    access: "bearer",
    input: schemas.rest.events,
    from: {
      after: "query",
      wait: "number",
      soft: "number",
      presence: "query",
      end: "query",
      lastEventId: { header: "Last-Event-ID", required: false },
      session: { header: "Roost-Session", required: false },
    },
    status: 200,
    answer: "Events",
    errors: ["not_found", "limit_reached", "reset"],
    // Sessions that it opens are counted there; who names one has signed in before.
    signsInBy: (request, outcome) =>
      outcome === "ok" || request.headers.has("roost-session") ? null : bearerKind(request),
    run: async (call, input) => {
      const session = namedSession(call);
      if (!session.ok) return session;
      if (session.value === null) {
        const refusal = call.deps.admit("signIn");
        if (refusal !== null) return refusal;
      }
      const after = input.lastEventId ?? input.after;
      return await call.deps.events({
        request: call.request,
        caller: callerOf(call),
        address: call.address,
        session: session.value,
        after: after === undefined ? null : parseCursor(after),
        soft: input.soft ?? 0,
        waitMs: (input.wait ?? WAIT_SECONDS) * 1000,
        ...endChoice(input.end),
        invisible: input.presence === "invisible",
        stream: wantsStream(call.request),
      });
    },
  });
}

function wantsStream(request: Request): boolean {
  return (request.headers.get("accept") ?? "").toLowerCase().includes("text/event-stream");
}

function publicRoutes(): readonly Route[] {
  const kind = { method: "GET", access: "public", input: z.object({}) } as const;
  return [
    route({
      ...kind,
      id: "info",
      path: "/v1/info",
      summary: "Tells what this server is and how to sign in",
      status: 200,
      answer: "Info",
      run: ({ deps }) => {
        const { info, domain, protocol, clock } = deps;
        const fields = jsonFields({
          v: PROTOCOL_VERSION,
          domain,
          registration: info.registration,
          mechanisms: info.mechanisms,
          passwordLengthMin: info.passwordLengthMin,
          issuers: info.issuers,
          directory: info.directory,
          push: info.push,
          serverTime: clock.wallMs(),
        });
        return Promise.resolve(ok(objectText({ ...fields, limits: protocol.limitsJson })));
      },
    }),
    route({
      ...kind,
      id: "webSocket",
      path: "/v1/ws",
      summary: "Upgrades to the WebSocket protocol",
      status: 101,
      answer: null,
      errors: ["unsupported", "forbidden"],
      run: () => {
        const message = "This address speaks WebSocket only: a proxy may have dropped the upgrade";
        const text = JSON.stringify({ code: "unsupported", message });
        const headers = { "upgrade": "websocket" };
        return Promise.resolve(jsonResponse(426, text, headers));
      },
    }),
  ];
}
