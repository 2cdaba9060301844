/** What the REST routes of a simulated node do, without HTTP. */
import type { DeviceId } from "../../shard/name/ids.ts";
import type { Answer, Greeting } from "./link.ts";
import type { Cancel } from "../../server/node/ports.ts";
import type { Principal } from "../../server/v1/sign_in.ts";
import type { ReachedSession } from "../../server/edge/reach.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { SimNode } from "./sim_node.ts";
import {
  byPassword,
  byToken,
  devicePresence,
  endChoice,
  sessionChoice,
} from "../../server/v1/sign_in.ts";
import { objectText } from "../../server/text/json_text.ts";
import { parseCursor, parseSessionId } from "../../shard/name/ids.ts";
import { routerOf } from "../../server/v1/command.ts";
import { welcomeFields } from "../../server/v1/protocol.ts";
import { DOMAIN, PROTOCOL } from "./limits.ts";

/** See the head of this file. */
export class SimRest {
  readonly #node: SimNode;

  constructor(node: SimNode) {
    this.#node = node;
  }

  /** POST /v1/auth/password; the value is the token. */
  signIn(
    input: { readonly user: string; readonly password: string; readonly device: string },
    address: string,
    reply: (answer: Answer) => void,
  ): void {
    if (!this.#node.serving) return;
    const { served } = this.#node.running;
    const proof = { user: input.user, password: input.password, address };
    const choice = { device: input.device as DeviceId, label: "" };
    byPassword(served, proof, choice, (result) => {
      reply(result.ok ? { ok: true, value: result.value.minted.token } : answerOf(result));
    });
  }

  /** POST /v1/sessions; the value is the welcome's text. */
  open(
    token: string,
    address: string,
    input: Omit<Greeting, "proof" | "device">,
    reply: (answer: Answer) => void,
  ): void {
    this.#authenticated(token, address, reply, (principal) => {
      const { edge, ports } = this.#node.running;
      const options = {
        ...principal,
        cursor: input.after === null ? null : parseCursor(input.after),
        presence: devicePresence(input.presence as Parameters<typeof devicePresence>[0]),
        resume: sessionChoice(input.session ?? undefined),
        ...endChoice(input.end),
        sink: null,
      };
      edge.open(options, (result) => {
        if (!result.ok) return reply(answerOf(result));
        const parts = {
          opened: result.value,
          domain: DOMAIN,
          token: null,
          scram: null,
          servers: [],
        };
        reply({ ok: true, value: objectText(welcomeFields(PROTOCOL, ports.clock, parts)) });
        result.value.session.start();
      });
    });
  }

  /** GET /v1/events. */
  poll(
    token: string,
    address: string,
    sessionId: string,
    asked: { readonly after: string | null; readonly soft: number; readonly wait: number },
    reply: (answer: Answer) => void,
  ): Cancel {
    let cancel: Cancel | null = null;
    let wanted = true;
    this.#authenticated(token, address, reply, (principal) => {
      if (!wanted) return;
      const session = this.#session(principal, sessionId);
      if (!session.ok) return reply(answerOf(session));
      const options = {
        cursor: asked.after === null ? null : parseCursor(asked.after),
        soft: asked.soft,
        waitMs: asked.wait * 1000,
        provedUntil: principal.provedUntil,
      };
      cancel = session.value.poll(options, (result) => {
        if (!result.ok) return reply(answerOf(result));
        const { mailboxId, seq } = result.value.cursor;
        reply({ ok: true, value: { ...result.value, cursor: `${mailboxId}:${seq}` } });
      });
    });
    return () => {
      wanted = false;
      cancel?.();
    };
  }

  /** Any command as a REST request. */
  command(
    token: string,
    address: string,
    sessionId: string | null,
    name: string,
    fields: Readonly<Record<string, unknown>>,
    reply: (answer: Answer) => void,
  ): void {
    this.#authenticated(token, address, reply, (principal) => {
      const { served, served: { signIn, clock, domain, limited } } = this.#node.running;
      const found = sessionId === null ? ok(null) : this.#session(principal, sessionId);
      if (!found.ok) return reply(answerOf(found));
      const session = found.value;
      const command = PROTOCOL.commands[name as keyof typeof PROTOCOL.commands];
      const router = routerOf(served.router, principal.accountId);
      const here = { router, signIn, clock, domain, limits: PROTOCOL.limits, limited, charge() {} };
      const ctx = { ...here, user: principal.user, device: principal.device, session, address };
      command.run(ctx, fields, (result) => {
        if (!result.ok) return reply(answerOf(result));
        const value = result.value === null ? null : JSON.parse(result.value);
        // DELETE /v1/sessions/{session}
        if (name === "bye" && session !== null) session.end((ended) => reply(answerOf(ended)));
        else reply({ ok: true, value });
      });
    });
  }

  #authenticated(
    token: string,
    address: string,
    reply: (answer: Answer) => void,
    then: (principal: Principal) => void,
  ): void {
    if (!this.#node.serving) return;
    const proof = { token, address, device: null, attaches: false };
    byToken(this.#node.running.served, proof, (result) => {
      if (result.ok) then(result.value);
      else reply(answerOf(result));
    });
  }

  #session({ user, device }: Principal, id: string): Result<ReachedSession> {
    const parsed = parseSessionId(id);
    if (parsed === null) return fail("not_found", "This is not the id of a session");
    return this.#node.running.reach.find(parsed, user, device);
  }
}

function answerOf(result: Result<unknown>): Answer {
  if (result.ok) return { ok: true, value: result.value };
  const { code, retryAfterMs } = result;
  return retryAfterMs === undefined ? { ok: false, code } : { ok: false, code, retryAfterMs };
}
