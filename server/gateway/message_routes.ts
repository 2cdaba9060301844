/** Routes of messages and of what became of them. */
import { type DeviceId, parseCursor } from "../../shard/name/ids.ts";
import { clientExt } from "../../shard/message/note.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import {
  type GatewayCall,
  type GatewayRoute,
  type In,
  nameOf,
  NO_STREAM,
  once,
  readerOf,
  route,
  streamsOf,
} from "./route.ts";
import type { GatewaySchemas } from "./schemas.ts";
import { outcomeStream, readOutcomes } from "./streams.ts";

/** What a service's messages are sent by. */
const DEVICE = "gateway" as DeviceId;

/** The rows. */
export function messageRoutes(schemas: GatewaySchemas): readonly GatewayRoute[] {
  return [
    route(schemas, "message", {
      id: "gatewaySend",
      method: "POST",
      path: "/gateway/v1/messages",
      summary: "Sends a message from the service's account; durable when it is answered",
      scopes: ["send"],
      from: { key: "idempotency-key" },
      status: 200,
      answer: "Accepted",
    }, send),
    route(schemas, "outcomes", {
      id: "gatewayOutcomes",
      method: "GET",
      path: "/gateway/v1/outcomes",
      summary: "What became of messages, after a cursor: a page, or as events from then on",
      scopes: ["outcomes"],
      from: { after: "query", limit: "number" },
      status: 200,
      answer: "Outcomes",
      streams: true,
    }, outcomes),
  ];
}

async function send(call: GatewayCall, input: In<"message">): Promise<Result<unknown>> {
  const to = nameOf(call, input.to);
  if (to === null) return fail("not_found", "There is no such user");
  const message = {
    device: DEVICE,
    to,
    id: input.key,
    body: input.body,
    ext: clientExt(input.ext ?? ""),
  };
  const { router } = call.deps.gateway.ports;
  type Sent = Result<{ readonly num: number; readonly at: number }>;
  const sent = await once<Sent>((done) =>
    router.request(call.account, "message.send", message, done)
  );
  return sent.ok ? ok({ num: sent.value.num, at: sent.value.at }) : sent;
}

async function outcomes(call: GatewayCall, input: In<"outcomes">) {
  // A client that reconnects by itself repeats the address, with what it had when it began.
  const after = call.request.headers.get("last-event-id") ?? input.after ?? null;
  const cursor = after === null ? null : parseCursor(after);
  if (after !== null && cursor === null) return fail("bad_request", "Last-Event-ID is no cursor");
  const { deps, service, account } = call;
  if (!wantsStream(call)) {
    return await once<Result<unknown>>((done) =>
      readOutcomes(deps.gateway.ports.router, account, cursor, input.limit, done)
    );
  }
  if (await streamsOf(call) >= deps.streamsMax) return NO_STREAM;
  // Its session says when there is something to read.
  await readerOf(call);
  return outcomeStream(deps.gateway, service.name, account, cursor);
}

function wantsStream({ request }: GatewayCall): boolean {
  return /\btext\/event-stream\b/.test(request.headers.get("accept") ?? "");
}
