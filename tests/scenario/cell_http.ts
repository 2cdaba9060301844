/** Requests over HTTP to the nodes of a simulated cell: its REST app, long-polls and event streams. */
import { FIXED_UNREAD } from "../../server/config/fixed.ts";
import { UnreadResponses } from "../../server/http/unread_responses.ts";
import { createApp } from "../../server/v1/rest.ts";
import { EXCHANGE_LIMITS } from "../sim/limits.ts";
import { makeEvents, newStreamCounters } from "../../server/v1/events.ts";
import type { SimNode } from "../sim/sim_node.ts";
import { Throttle } from "../../server/auth/throttle.ts";
import type { VirtualTime } from "../sim/virtual_time.ts";

/** An answer with its body read. */
export interface Answer {
  readonly status: number;
  readonly value: Readonly<Record<string, unknown>>;
}

const generous = () => new Throttle({ burst: 1000, refillMs: 1, keysMax: 100 });

/** The client side: apps of nodes, and virtual time that runs while a request waits. */
export class CellHttp {
  readonly #time: VirtualTime;
  readonly #apps = new Map<SimNode["running"], ReturnType<typeof createApp>>();

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  #app({ running }: SimNode): ReturnType<typeof createApp> {
    const known = this.#apps.get(running);
    if (known !== undefined) return known;
    const { served, reach } = running;
    const device = generous();
    const app = createApp({
      ...served,
      info: { registration: "open", mechanisms: ["SCRAM-SHA-256"], passwordLengthMin: 8 },
      allowedOrigins: () => [],
      publicUrl: null,
      throttles: {
        account: generous(),
        address: generous(),
        device: { frames: device, sends: device, presence: device, signals: device },
      },
      unread: new UnreadResponses(FIXED_UNREAD, (_, over) => over()),
      addressOf: () => "10.0.0.9",
      reach,
      events: makeEvents({ ...served, streamBytesMax: 65_536, streams: newStreamCounters() }),
    }, EXCHANGE_LIMITS);
    this.#apps.set(running, app);
    return app;
  }

  /** Lets virtual time run until `promise` has settled; throws where that takes over `limitMs`. */
  async settled<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    const untilMs = this.#time.nowMs + limitMs;
    let open = true;
    const ended = promise.finally(() => open = false);
    for (let turn = 0; open; turn++) {
      await new Promise((done) => setTimeout(done, 0));
      if (!open) break;
      if (this.#time.nowMs > untilMs) throw new Error(`nothing for ${limitMs} ms`);
      this.#time.runFor(turn < 200 ? 5 : 50);
    }
    return await ended;
  }

  /** Makes a request, `METHOD path`, without waiting for its answer. */
  request(
    node: SimNode,
    line: string,
    { token, session, body, headers = {}, signal }: {
      readonly token?: string;
      readonly session?: string;
      readonly body?: unknown;
      readonly headers?: Readonly<Record<string, string>>;
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<Response> {
    const [method, path] = line.split(" ") as [string, string];
    const sent: RequestInit = {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(session === undefined ? {} : { "roost-session": session }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    };
    return Promise.resolve(this.#app(node).request(path, sent));
  }

  /** The same, with its answer. */
  async ask(...request: Parameters<CellHttp["request"]>): Promise<Answer> {
    return await this.settled(answerOf(this.request(...request)));
  }
}

/** Reads an answer to its end. */
export async function answerOf(pending: Promise<Response>): Promise<Answer> {
  const response = await pending;
  const text = await response.text();
  return { status: response.status, value: text === "" ? {} : JSON.parse(text) };
}
