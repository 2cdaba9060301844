/** Pages of the audit log from its end: the entries of `readAudit`, backwards. */
import type { NodeId } from "../../shard/name/ids.ts";
import {
  type AuditCursor,
  type AuditPage,
  type AuditQuery,
  type AuditStore,
  fits,
  LATE_MS,
  order,
  rowsInOrder,
} from "./reader.ts";
import type { AuditEntry, AuditRow } from "./entry.ts";

/** How far the clock of another node may be ahead (ms). */
const AHEAD_MS = 3_600_000;
/** The time whose rows are read at first, and the least that is (ms). */
const SPAN_MS = 600_000;
const SPAN_LEAST_MS = 60_000;
/** Rows of a span below which the next one is longer, and above which shorter ones are read. */
const FEW_ROWS = 250;
const MANY_ROWS = 2000;
/** Rows that one question may read: where few entries fit, it returns with less than a page. */
const ROWS_MAX = 20_000;

/** An entry that fits, and the cursor before it. */
interface Found {
  readonly entry: AuditEntry;
  readonly before: AuditCursor;
}

/** The cursor behind all rows that were written until a time (ms). */
function behind(at: number): AuditCursor {
  return { at, stream: "signIns", node: "-" as NodeId, n: 0, taken: 0 };
}

function isOf(row: AuditRow, { stream, node, n }: AuditCursor): boolean {
  return row.stream === stream && row.node === node && row.n === n;
}

/**
 * What fits in the rows from a time on, up to `end`: the last `keep` of it, and how many rows were
 * read; null where these are more than `rowsMax`.
 */
async function readSpan(
  store: AuditStore,
  query: AuditQuery,
  { from, end, keep, rowsMax }: { from: number; end: AuditCursor; keep: number; rowsMax: number },
): Promise<{ readonly found: readonly Found[]; readonly rows: number } | null> {
  const found: Found[] = [];
  let rows = 0;
  for await (const row of rowsInOrder(store, { ...query, from }, null)) {
    if (order(row, end) > 0) break;
    if (++rows > rowsMax) return null;
    const { stream, node, n, at } = row;
    const last = isOf(row, end);
    const entries = last ? row.entries.slice(0, end.taken) : row.entries;
    for (const [i, entry] of entries.entries()) {
      if (!fits(query, entry)) continue;
      const before = { stream, node, n, at, taken: i };
      found.push({ entry: { ...entry, stream, node, n, i }, before });
    }
    if (found.length > 2 * keep) found.splice(0, found.length - keep);
    if (last) break;
  }
  return { found: found.slice(-keep), rows };
}

/**
 * The newest `limit` entries before `cursor` (null: of all), in the order of time, and where those
 * before them end. Has fewer where many rows have none. Rejects with `AuditUnread`.
 */
export async function readNewest(
  store: AuditStore,
  query: AuditQuery,
  cursor: AuditCursor | null,
  limit: number,
  nowMs: number,
): Promise<AuditPage> {
  // One more tells whether there is another page.
  const keep = limit + 1;
  let end = cursor ?? behind(Math.min(query.to + LATE_MS, nowMs + AHEAD_MS));
  let found: readonly Found[] = [];
  let spanMs = SPAN_MS;
  let rows = 0;
  // Where the last span began that had too many rows.
  let crowdedFrom = Infinity;
  while (found.length < keep && end.at >= query.from) {
    if (rows >= ROWS_MAX) return { entries: found.map(({ entry }) => entry), next: end };
    const from = Math.max(query.from, Math.min(end.at, nowMs) - spanMs);
    const rowsMax = spanMs > SPAN_LEAST_MS ? MANY_ROWS : Infinity;
    const span = await readSpan(store, query, { from, end, keep, rowsMax });
    rows += span?.rows ?? rowsMax;
    if (span === null) {
      crowdedFrom = from;
      spanMs = Math.max(SPAN_LEAST_MS, spanMs / 16);
      continue;
    }
    found = [...span.found, ...found].slice(-keep);
    end = behind(from - 1);
    if (span.rows < FEW_ROWS && end.at < crowdedFrom) spanMs *= 4;
  }
  if (found.length < keep) return { entries: found.map(({ entry }) => entry), next: null };
  const page = found.slice(1);
  return { entries: page.map(({ entry }) => entry), next: page[0]!.before };
}
