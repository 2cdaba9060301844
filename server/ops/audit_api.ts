/** The admin API's part for the audit log: it can be read and checked, and nothing else. */
import type { Hono } from "hono";
import { z } from "zod";
import { AUDIT_STREAMS, type AuditEntry } from "../audit/entry.ts";
import {
  type AuditStore,
  AuditUnread,
  formatCursor,
  parseCursor,
  readAudit,
  verifyAudit,
} from "../audit/reader.ts";
import { readNewest } from "../audit/newest.ts";
import { errorResponse } from "../http/response.ts";
import type { Clock } from "../node/ports.ts";
import { fail } from "../../shard/errors.ts";
import { userName } from "./actor.ts";
import { validate } from "../text/validate.ts";

const MS_MAX = 8_640_000_000_000_000;
const time = z.string().max(40).optional();

/** The query of a page of entries. Times are as 2026-11-30T12:00:00Z, or how long ago: 12h, 7d. */
export const AUDIT_QUERY = z.object({
  from: time.describe("From when on"),
  to: time.describe("Until when, exclusive"),
  actor: z.string().max(300).optional().describe("Of this actor: operator:eve, or eve"),
  user: z.string().max(300).optional().describe("Of this account, as user or as target"),
  action: z.string().max(100).optional(),
  log: z.enum(AUDIT_STREAMS).optional(),
  after: z.string().max(300).optional().describe("`next` of the page before"),
  newest: z.enum(["yes", "no"]).default("no")
    .describe(
      "Pages from the end: the newest entries, by after older ones, each in the order of time",
    ),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

/** An entry as it is shown. */
function shown({ at, i, n, node, stream, ...entry }: AuditEntry) {
  return {
    id: `${stream}.${node}.${n}.${i}`,
    at: new Date(at).toISOString(),
    log: stream,
    node,
    ...entry,
  };
}

const UNITS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A time of the query (ms since 1970); NaN where it is none. */
function timeOf(text: string | undefined, otherwise: number, nowMs: number): number {
  if (text === undefined) return otherwise;
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  return count === undefined ? Date.parse(text) : nowMs - Number(count) * UNITS[unit!]!;
}

const NO_TIME = fail("bad_request", "from and to are times such as 2026-11-30T12:00:00Z, or 7d");
const NO_SPAN = fail("bad_request", "from is not before to: there can be no entries");
const NO_CURSOR = fail("bad_request", "after is not the `next` of a page");
const UNREADABLE = fail("unavailable", "The store cannot be read now", 1000);

async function reply(run: () => Promise<object>): Promise<Response> {
  try {
    return Response.json(await run());
  } catch (error) {
    if (!(error instanceof AuditUnread)) throw error;
    const { kind, message } = error.error;
    return errorResponse(kind === "damaged" ? fail("unavailable", message) : UNREADABLE);
  }
}

/** Adds the routes to the admin API. */
export function addAuditRoutes(
  app: Hono,
  store: AuditStore,
  clock: Pick<Clock, "wallMs">,
): void {
  app.get("/admin/audit", async (c) => {
    const read = validate(AUDIT_QUERY, c.req.query());
    if (!read.ok) return errorResponse(read);
    const { action = null, actor = null, after, limit, log = null, newest } = read.value;
    const nowMs = clock.wallMs();
    const from = timeOf(read.value.from, 0, nowMs);
    const to = timeOf(read.value.to, MS_MAX, nowMs);
    if (Number.isNaN(from) || Number.isNaN(to)) return errorResponse(NO_TIME);
    if (from >= to) return errorResponse(NO_SPAN);
    const cursor = after === undefined ? null : parseCursor(after);
    if (after !== undefined && cursor === null) return errorResponse(NO_CURSOR);
    const user = read.value.user === undefined ? null : userName(read.value.user);
    const query = { from, to, actor, user, action, stream: log };
    return await reply(async () => {
      const page = newest === "yes"
        ? await readNewest(store, query, cursor, limit, nowMs)
        : await readAudit(store, query, cursor, limit);
      const next = page.next === null ? null : formatCursor(page.next);
      return { entries: page.entries.map(shown), next };
    });
  });
  app.get("/admin/audit/check", () => reply(() => verifyAudit(store)));
}
