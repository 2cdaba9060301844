/** The REST app over a fake node. */
import { setImmediate } from "node:timers";
import { Throttle } from "../../server/auth/throttle.ts";
import { FIXED_UNREAD } from "../../server/config/fixed.ts";
import { createApp } from "../../server/v1/rest.ts";
import { UnreadResponses } from "../../server/http/unread_responses.ts";
import type { EventsCall, RestDeps } from "../../server/v1/rest_call.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { SessionReach } from "../../server/edge/reach.ts";
import { EXCHANGE_LIMITS } from "../sim/limits.ts";
import { type Frame, openNode, TOKEN } from "./json_fakes.ts";

/** The node of the app. */
export const NODE_ID = "node000000000001" as NodeId;

/** A throttle of this burst that gives a unit back every 100 ms. */
export const throttle = (burst: number) => new Throttle({ burst, refillMs: 100, keysMax: 100 });

/** Lets virtual time pass where a refusal waits for a whole step of it. */
async function untilEven(
  { time }: Pick<ReturnType<typeof openNode>, "time">,
  pending: Response | Promise<Response>,
): Promise<Response> {
  let open = true;
  const response = Promise.resolve(pending).finally(() => open = false);
  for (let turn = 0; open && turn < 2; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (open) time.runFor(10);
  }
  return await response;
}

/** An app over a fake node, and a client that calls it: `METHOD path`, body, headers. */
export function openApp(change: Partial<RestDeps> = {}) {
  const node = openNode();
  const polls: EventsCall[] = [];
  const device = throttle(1000);
  const deps: RestDeps = {
    ...node.deps,
    info: { registration: "open", mechanisms: ["SCRAM-SHA-256"], passwordLengthMin: 8 },
    allowedOrigins: () => [],
    publicUrl: null,
    throttles: {
      account: throttle(1000),
      address: throttle(1000),
      device: { frames: device, sends: device, presence: device, signals: device },
    },
    unread: new UnreadResponses(FIXED_UNREAD, (_, over) => over()),
    addressOf: () => "192.0.2.1",
    reach: new SessionReach({
      node: NODE_ID,
      session: (id) => node.edge.session(id),
      calls: null,
    }),
    events: (call) => {
      polls.push(call);
      return new Response("{}");
    },
    ...change,
  };
  const app = createApp(deps, EXCHANGE_LIMITS);
  const bearer = { authorization: `Bearer ${TOKEN}` };
  const call = async (
    line: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = bearer,
  ) => {
    const [method, path] = line.split(" ") as [string, string];
    const sent = body === undefined ? { method, headers } : {
      method,
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    };
    const response = await untilEven(node, app.request(path, sent));
    const text = await response.text();
    const value = text === "" ? null : JSON.parse(text) as Frame;
    return { status: response.status, headers: response.headers, value };
  };
  return { app, node, polls, call, bearer };
}
