/** What the REST routes of a simulated node do, without HTTP. */
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { Answer, Greeting } from "./link.ts";
import type { Cancel } from "../../server/node/ports.ts";
import type { Principal } from "../../server/v1/sign_in.ts";
import type { Result } from "../../shard/errors.ts";
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
import { routerOf } from "../../server/v1/commands.ts";
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
      if (session === null) return reply({ ok: false, code: "not_found" });
      const options = {
        cursor: asked.after === null ? null : parseCursor(asked.after),
        soft: asked.soft,
        waitMs: asked.wait * 1000,
      };
      cancel = session.poll(options, (result) => {
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
      const session = sessionId === null ? null : this.#session(principal, sessionId);
      if (sessionId !== null && session === null) return reply({ ok: false, code: "not_found" });
      const command = PROTOCOL.commands[name as keyof typeof PROTOCOL.commands];
      const router = routerOf(served.router, principal.accountId);
      const here = { router, signIn, clock, domain, limits: PROTOCOL.limits, limited, charge() {} };
      const ctx = { ...here, user: principal.user, device: principal.device, session, address };
      command.run(ctx, fields, (result) => {
        if (!result.ok) return reply(answerOf(result));
        reply({ ok: true, value: result.value === null ? null : JSON.parse(result.value) });
        // DELETE /v1/sessions/{session}
        if (name === "bye") session?.end("signed_out");
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

  #session(principal: Principal, id: string) {
    const parsed = parseSessionId(id);
    if (parsed === null) return null;
    return this.#node.running.edge.find(parsed, principal.user as AccountName, principal.device);
  }
}

function answerOf(result: Result<unknown>): Answer {
  if (result.ok) return { ok: true, value: result.value };
  const { code, retryAfterMs } = result;
  return retryAfterMs === undefined ? { ok: false, code } : { ok: false, code, retryAfterMs };
}
