/** `GET /v1/export`: what the server holds of a person, for that person. */
import { z } from "zod";
import type { AccountName } from "../../shard/name/ids.ts";
import type { Reply, RestDeps, Route } from "./rest_call.ts";
import { doneLine, endLine, headLine } from "../transfer/lines.ts";
import { exportEvents, exportHead, type ExportPage } from "../transfer/exporter.ts";
import { callerOf } from "./rest_call.ts";
import { FIXED_EXPORTS } from "../config/fixed.ts";
import { fail } from "../../shard/errors.ts";
import { PageTurns } from "../transfer/page_turns.ts";
import { newId, type SessionId } from "../../shard/name/ids.ts";
import { Throttle } from "../auth/throttle.ts";
import { VERSION } from "../config/version.ts";

/** The row of the route table; each call makes one with rates of its own. */
export function exportRoute(): Route {
  const rate = new Throttle(FIXED_EXPORTS);
  const turns = new PageTurns();
  return {
    id: "export",
    method: "GET",
    path: "/v1/export",
    summary: "Everything that the server holds of the caller but credentials, as lines of JSON",
    access: "bearer",
    input: z.object({}),
    from: {},
    fixed: {},
    cost: 5,
    rate: "frames",
    status: 200,
    answer: null,
    example: {},
    errors: [],
    async run(call): Promise<Reply> {
      const { deps } = call;
      const { user } = callerOf(call);
      const refusal = deps.admit("write");
      if (refusal !== null) return refusal;
      const waitMs = rate.take(deps.clock.monoMs(), user);
      if (waitMs > 0) {
        deps.limited("exports");
        return fail("rate_limited", "Too many exports of this account", waitMs);
      }
      const head = await exportHead(deps.router, user, false);
      return head.ok ? response(deps, user, head.value, turns) : head;
    },
  };
}

function response(
  deps: RestDeps,
  user: AccountName,
  head: ExportPage,
  turns: PageTurns,
): Response {
  const first = headLine({
    export: newId<SessionId>(deps.random.bytes(12)),
    domain: deps.domain,
    program: VERSION,
    at: deps.clock.wallMs(),
    credentials: false,
  });
  return new Response(lineStream([first, ...head.lines], deps, user, head, turns), {
    headers: {
      "content-type": "application/x-ndjson",
      "content-disposition": 'attachment; filename="roost-export.ndjson"',
    },
  });
}

/** A page at a time, as the reader takes them; it breaks off where the account can no longer be read. */
function lineStream(
  begin: readonly string[],
  deps: RestDeps,
  user: AccountName,
  head: ExportPage,
  turns: PageTurns,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const encode = (lines: readonly string[]) => encoder.encode(lines.join("\n") + "\n");
  let page = head;
  let events = 0;
  return new ReadableStream({
    start(controller) {
      controller.enqueue(encode(begin));
    },
    async pull(controller) {
      if (page.after >= page.upTo) {
        controller.enqueue(encode([endLine(user, events), doneLine(1)]));
        return controller.close();
      }
      const next = await turns.run(() => exportEvents(deps.router, user, page));
      if (!next.ok) return controller.error(new Error(next.message));
      page = next.value;
      events += page.lines.length;
      controller.enqueue(encode(page.lines));
    },
  });
}
