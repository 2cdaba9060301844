/** Requests over HTTP that are passed on to the home of an account in another cell. */
import type { Context } from "hono";
import type { Failure, Result } from "../../shard/errors.ts";
import { errorResponse, readBytes } from "../http/response.ts";
import { hasBody, type RestDeps, type Route } from "./rest_call.ts";
import { prefixOf, withoutPrefix } from "../text/path_prefix.ts";
import { RELAY_HEADER } from "../http/relay_proof.ts";
import type { Relays } from "./relay.ts";
import { unreached, withServers } from "./relay.ts";

/** What says of a sealed exchange which cell has sealed it; no other text has it. */
const OF_CELL = /^([a-z0-9-]{1,32})~/;
/** Characters of it at most. */
export const OF_CELL_CHARS_MAX = 33;

/** Whether a refused request is passed on; one that another cell has passed on is not. */
export function isRelayed(deps: RestDeps, request: Request, { code }: Failure): boolean {
  return deps.relay !== undefined && code === "moved" && !request.headers.has(RELAY_HEADER);
}

/** The refusal of an exchange that another cell has begun and that is finished there; else null. */
export function exchangeElsewhere(relay: Relays | undefined, exchange: string): Failure | null {
  const [, cell] = OF_CELL.exec(exchange) ?? [];
  return relay === undefined || cell === undefined ? null : relay.movedTo(cell);
}

/** Passes a request on; `input`: its checked fields, where its body has been read. */
export async function relayRequest(
  deps: RestDeps,
  route: Route,
  c: Context,
  moved: Failure,
  input: Readonly<Record<string, unknown>> | null,
): Promise<Response> {
  const request = c.req.raw;
  const body = await bodyOf(deps, route, request, input);
  if (!body.ok) return errorResponse(body);
  const { pathname, search } = new URL(request.url);
  const path = withoutPrefix(prefixOf(deps.publicUrl), pathname);
  const response = await deps.relay!.request(moved, {
    method: request.method,
    path: `${route.id === "scramFinal" ? path.replace(`/${moved.cell}~`, "/") : path}${search}`,
    headers: request.headers,
    body: body.value,
    address: deps.addressOf(request, c.env),
    signal: request.signal,
  });
  if (!response.ok || (route.id !== "openSession" && route.id !== "scramFirst")) return response;
  const { status, headers } = response;
  try {
    const text = await response.text();
    if (route.id === "openSession") {
      return new Response(withServers(text, deps.servers.all()), { status, headers });
    }
    const challenge = JSON.parse(text);
    return Response.json({ ...challenge, exchange: `${moved.cell}~${challenge.exchange}` });
  } catch {
    // The connection broke, or what came is no response of a server.
    return errorResponse(unreached(moved.cell ?? ""));
  }
}

async function bodyOf(
  deps: RestDeps,
  route: Route,
  request: Request,
  input: Readonly<Record<string, unknown>> | null,
): Promise<Result<Uint8Array<ArrayBuffer> | null>> {
  if (!hasBody(route)) return { ok: true, value: null };
  if (input === null) {
    const { frameBytesMax } = deps.protocol.limits;
    const bytes = await readBytes(request, frameBytesMax);
    return bytes.ok ? { ok: true, value: new Uint8Array(bytes.value) } : bytes;
  }
  const others = new Set([...Object.keys(route.from), ...Object.keys(route.fixed)]);
  const fields = Object.entries(input).filter(([name]) => !others.has(name));
  const text = JSON.stringify(Object.fromEntries(fields));
  return { ok: true, value: new Uint8Array(new TextEncoder().encode(text)) };
}
