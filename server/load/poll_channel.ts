/**
 * Protocol v1 by long-poll and REST. Each user has a connection on which a poll is always parked;
 * commands of all users share a few more, as through a proxy.
 */
import type { Answer, Channel, ChannelHandler, Command, OpenChannel, Opening } from "./channel.ts";
import { refusalOf, welcomeOf } from "./channel.ts";
import type { HttpConnection, HttpRequest, HttpResult, Network } from "./network.ts";
import { scanInt } from "./scan.ts";
import type { Target } from "./target.ts";

/** Seconds that a poll waits at most. */
const WAIT_SECONDS = 25;
/** Wait before a command is repeated whose connection broke. */
/** Connections for commands. */
const COMMAND_CONNECTIONS = 64;

/** What channels share. */
export interface PollOptions {
  readonly target: Target;
  readonly network: Network;
  readonly from: (user: string) => string | null;
}

/** Opens long-poll channels; they sign in by token only. */
export function pollChannels(options: PollOptions): OpenChannel {
  const { target, network } = options;
  const connections: HttpConnection[] = [];
  const commands = (user: string): HttpConnection => {
    const idle = connections.find(({ pending }) => pending === 0);
    if (idle !== undefined) return idle;
    if (connections.length < COMMAND_CONNECTIONS) {
      const made = network.http(target, options.from(user));
      connections.push(made);
      return made;
    }
    return connections.reduce((best, one) => one.pending < best.pending ? one : best);
  };
  return (opening, handler) => new PollChannel(options, opening, handler, commands);
}

class PollChannel implements Channel {
  readonly #handler: ChannelHandler;
  readonly #opening: Opening;
  readonly #commands: (user: string) => HttpConnection;
  readonly #polls: HttpConnection;
  readonly #authorization: string;
  #session = "";
  #cursor = "";
  #soft = 0;
  #over = false;

  constructor(
    { target, network, from }: PollOptions,
    opening: Opening,
    handler: ChannelHandler,
    commands: (user: string) => HttpConnection,
  ) {
    if (opening.proof.kind !== "token") throw new Error("Long-poll signs in by token only");
    this.#handler = handler;
    this.#opening = opening;
    this.#commands = commands;
    this.#authorization = `Bearer ${opening.proof.token}`;
    this.#polls = network.http(target, from(opening.user));
    this.#open();
  }

  command(command: Command, done: (answer: Answer) => void): void {
    if (this.#over) return;
    const request = requestOf(command);
    const headers = { ...request.headers, ...this.#headers() };
    this.#commands(this.#opening.user).ask({ ...request, headers }, (result) => {
      if (!this.#over) done(answerOf(result));
    });
  }

  leave(): void {
    if (!this.#over && this.#session !== "") {
      const path = `/v1/sessions/${this.#session}`;
      const request = { method: "DELETE", path, headers: this.#headers(), body: null } as const;
      this.#commands(this.#opening.user).ask(request, () => {});
    }
    this.vanish();
  }

  vanish(): void {
    this.#over = true;
    this.#polls.drop();
  }

  #headers(): Readonly<Record<string, string>> {
    const authorization = { authorization: this.#authorization };
    return this.#session === ""
      ? authorization
      : { ...authorization, "roost-session": this.#session };
  }

  #fail(why: string): void {
    if (this.#over) return;
    this.vanish();
    this.#handler.lost(why);
  }

  #open(): void {
    const { session, after, status, show } = this.#opening;
    const body = JSON.stringify({
      ...(session === null ? {} : { session }),
      ...(after === null ? {} : { after }),
      presence: { show, status },
    });
    const headers = this.#headers();
    this.#polls.ask({ method: "POST", path: "/v1/sessions", headers, body }, (result) => {
      if (this.#over) return;
      if (!result.ok) return this.#fail(result.why);
      const { status, body } = result.response;
      try {
        const fields = JSON.parse(new TextDecoder().decode(body));
        if (status !== 201) {
          this.#handler.refused(refusalOf(fields));
          return this.#fail(`the session was answered ${status}`);
        }
        const welcome = welcomeOf(fields);
        this.#session = welcome.session;
        this.#cursor = welcome.cursor;
        this.#handler.welcome(welcome);
        this.#poll();
      } catch (error) {
        this.#fail(error instanceof Error ? error.message : String(error));
      }
    });
  }

  #poll(): void {
    if (this.#over) return;
    const path = `/v1/events?wait=${WAIT_SECONDS}&soft=${this.#soft}&after=${this.#cursor}`;
    const request: HttpRequest = { method: "GET", path, headers: this.#headers(), body: null };
    this.#polls.ask(request, (result) => {
      if (this.#over) return;
      if (!result.ok) return this.#fail(result.why);
      const { status, body } = result.response;
      if (status !== 200) return this.#fail(`a poll was answered ${status}`);
      try {
        this.#handler.events(body, 0, body.length, "events");
        this.#soft = Math.max(this.#soft, scanInt(body, 0, "soft"));
        this.#cursor = cursorOf(body) ?? this.#cursor;
      } catch (error) {
        return this.#fail(error instanceof Error ? error.message : String(error));
      }
      this.#poll();
    });
  }
}

/** `cursor` stands before the events, within the first bytes of a poll's answer. */
function cursorOf(body: Uint8Array): string | null {
  const text = new TextDecoder().decode(body.subarray(0, 512));
  return /"cursor":"([A-Za-z0-9_-]{16}:\d+)"/.exec(text)?.[1] ?? null;
}

function requestOf(command: Command): HttpRequest {
  const put = (path: string, fields: object): HttpRequest => {
    return { method: "PUT", path, headers: {}, body: JSON.stringify(fields) };
  };
  const post = (path: string, fields: object, headers = {}): HttpRequest => {
    return { method: "POST", path, headers, body: JSON.stringify(fields) };
  };
  switch (command.t) {
    case "send": {
      const { to, key, body } = command;
      return post("/v1/messages", { to, body }, { "idempotency-key": key });
    }
    case "presence":
      return put("/v1/presence", { show: command.show, status: command.status });
    case "ack":
      return post("/v1/ack", { seq: command.seq });
    case "read":
      return put(`/v1/conversations/${command.with}/read`, { upTo: command.upTo });
    case "history": {
      const path = `/v1/conversations/${command.with}/messages?limit=${command.limit}`;
      return { method: "GET", path, headers: {}, body: null };
    }
    case "signal": {
      const { t: _, ...fields } = command;
      return post("/v1/signals", fields);
    }
  }
}

function answerOf(result: HttpResult): Answer {
  if (!result.ok) {
    const refusal = { code: "unavailable", message: result.why, retryAfterMs: null };
    return { ok: false, refusal };
  }
  const { status, body } = result.response;
  if (status === 204) return { ok: true, num: -1 };
  if (status < 300) return { ok: true, num: scanInt(body, 0, "num") };
  try {
    return { ok: false, refusal: refusalOf(JSON.parse(new TextDecoder().decode(body))) };
  } catch {
    const message = `answered ${status} without a reason`;
    return { ok: false, refusal: { code: "unknown", message, retryAfterMs: null } };
  }
}
