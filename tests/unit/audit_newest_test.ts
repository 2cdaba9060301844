/** The newest entries of the audit log, and pages from there back (13). */
import assert from "node:assert/strict";
import { addAuditRoutes } from "../../server/ops/audit_api.ts";
import { AUDIT_STREAMS, type AuditEntry, encodeRow, rowKey } from "../../server/audit/entry.ts";
import {
  type AuditPage,
  type AuditQuery,
  type AuditStore,
  formatCursor,
  parseCursor,
  readAudit,
} from "../../server/audit/reader.ts";
import { encodeKey } from "../../server/store/key_bytes.ts";
import { encodeHex } from "byte-encodings/hex";
import { Hono } from "hono";
import type { NodeId } from "../../shard/name/ids.ts";
import { Prng } from "../sim/prng.ts";
import type { Row } from "../../server/node/ports.ts";
import { readNewest } from "../../server/audit/newest.ts";

const NOW_MS = Date.UTC(2026, 10, 30);
const HOUR_MS = 3_600_000;
const ALL: AuditQuery = {
  from: 0,
  to: Number.MAX_SAFE_INTEGER,
  actor: null,
  user: null,
  action: null,
  stream: null,
};

/** A store that only lists the rows of a log, and counts them. */
class Rows {
  listed = 0;
  readonly #rows: readonly { readonly name: string; readonly row: Row }[];

  constructor(rows: readonly Row[]) {
    const named = rows.map((row) => ({ name: encodeHex(encodeKey(row.key)), row }));
    this.#rows = named.sort((a, b) => a.name < b.name ? -1 : 1);
  }

  get store(): AuditStore {
    return { list: this.list.bind(this) } as Partial<AuditStore> as AuditStore;
  }

  list(...[{ after, limit, prefix }, done]: Parameters<AuditStore["list"]>): void {
    const from = encodeHex(encodeKey(after ?? prefix));
    let at = 0;
    for (let end = this.#rows.length; at < end;) {
      const middle = (at + end) >> 1;
      if (this.#rows[middle]!.name <= from) at = middle + 1;
      else end = middle;
    }
    const rows = this.#rows.slice(at, at + limit).map(({ row }) => row)
      .filter(({ key }) => prefix.every((part, i) => key[i] === part));
    this.listed += rows.length;
    done(null, rows);
  }
}

/** Rows of three logs and nodes: often in one millisecond, and sometimes months apart. */
function someRows(prng: Prng, count: number): Rows {
  let at = NOW_MS - prng.int(0, 500) * 24 * HOUR_MS;
  const last = new Map<string, number>();
  const rows: Row[] = [];
  while (rows.length < count && at < NOW_MS + HOUR_MS) {
    const stream = prng.pick(AUDIT_STREAMS);
    const node = prng.pick(["a", "b", "c"]) as NodeId;
    const n = (last.get(`${stream} ${node}`) ?? 0) + 1;
    last.set(`${stream} ${node}`, n);
    const entries = Array.from({ length: prng.int(1, 4) }, () => ({
      // Of a server that could not write, and of one that was stopped.
      at: at - prng.pick([0, 400, HOUR_MS - 1, 9 * HOUR_MS]),
      actor: prng.pick(["token", "operator:eve", "user:eve", "user:ann"]),
      action: prng.pick(["signIn", "removeUser"]),
      target: prng.pick(["ann", "bob", "node=eve count=3"]),
      outcome: "ok",
    }));
    const row = { stream, node, n, at, prev: "", entries };
    rows.push({ key: rowKey(row), value: encodeRow(row) });
    at += prng.pick([0, 0, 1, 500, 30_000, HOUR_MS, 90 * 24 * HOUR_MS * prng.int(0, 1)]);
  }
  return new Rows(rows);
}

/** All pages; where `newest`, from the end, and each before the one that was read before. */
async function pages(
  { store }: Rows,
  query: AuditQuery,
  limit: number,
  newest: boolean,
): Promise<readonly (readonly AuditEntry[])[]> {
  const all: (readonly AuditEntry[])[] = [];
  for (let after: string | null = "";;) {
    const cursor: ReturnType<typeof parseCursor> = parseCursor(after);
    const page: AuditPage = newest
      ? await readNewest(store, query, cursor, limit, NOW_MS)
      : await readAudit(store, query, cursor, limit);
    assert.ok(page.entries.length <= limit);
    if (newest) all.unshift(page.entries);
    else all.push(page.entries);
    after = page.next === null ? null : formatCursor(page.next);
    if (after === null) return all;
  }
}

Deno.test("13: pages from the end of the audit log are those from its beginning, backwards, with every filter", async () => {
  for (let seed = 0; seed < 60; seed++) {
    const prng = new Prng(seed);
    const rows = someRows(prng, prng.int(0, 300));
    const whole = (await pages(rows, ALL, 1000, false)).flat();
    const time = () => prng.chance(0.5) ? prng.pick([...whole, { at: NOW_MS }]).at : null;
    const query = {
      from: time() ?? 0,
      to: time() ?? ALL.to,
      actor: prng.pick([null, null, "eve", "operator:eve"]),
      user: prng.pick([null, null, "ann"]),
      action: prng.pick([null, "signIn"]),
      stream: prng.pick([null, null, ...AUDIT_STREAMS]),
    };
    const wanted = (await pages(rows, query, 1000, false)).flat();
    const limit = prng.int(1, 40);
    const found = await pages(rows, query, limit, true);
    assert.deepEqual(found.flat(), wanted, `seed ${seed}`);
    // So few rows are read at once: all pages but the oldest are full.
    assert.ok(found.slice(1).every(({ length }) => length === limit), `seed ${seed}`);
    assert.ok(found.length === 1 || found[0]!.length > 0, `seed ${seed}`);
  }
});

Deno.test("13: who is an actor is found by the name alone, and by the kind with it", async () => {
  const rows = someRows(new Prng(1), 300);
  const actors = async (actor: string) => {
    const found = await pages(rows, { ...ALL, actor }, 1000, true);
    return [...new Set(found.flat().map((entry) => entry.actor))].sort();
  };
  assert.deepEqual(await actors("eve"), ["operator:eve", "user:eve"]);
  assert.deepEqual(await actors("operator:eve"), ["operator:eve"]);
  assert.deepEqual(await actors("token"), ["token"]);
  assert.deepEqual(await actors("operator"), []);
});

Deno.test("13: a question about the newest entries reads a bounded part of a large log, and says where to go on", async () => {
  const count = 60_000;
  const from = NOW_MS - 300 * 24 * HOUR_MS;
  const rows = new Rows(Array.from({ length: count }, (_, i) => {
    const entries = [{ at: from + i * 20, actor: i < 5 ? "user:ann" : "token", action: "signIn" }]
      .map((entry) => ({ ...entry, outcome: "ok" }));
    const row = { stream: "signIns", node: "a" as NodeId, n: i + 1, at: from + i * 20 } as const;
    return { key: rowKey(row), value: encodeRow({ ...row, prev: "", entries }) };
  }));
  const sizes: number[] = [];
  for (let after: string | null = "", found = 0; after !== null; sizes.push(found)) {
    rows.listed = 0;
    const query = { ...ALL, actor: "ann" };
    const { entries, next } = await readNewest(rows.store, query, parseCursor(after), 10, NOW_MS);
    assert.ok(rows.listed < 30_000, `${rows.listed} rows`);
    found += entries.length;
    after = next === null ? null : formatCursor(next);
  }
  assert.equal(sizes.at(-1), 5);
  assert.ok(sizes.length > 2, `${sizes}`);
  rows.listed = 0;
  assert.equal((await readNewest(rows.store, ALL, null, 100, NOW_MS)).entries.length, 100);
  assert.ok(rows.listed < 20_000, `${rows.listed} rows`);
});

Deno.test("13: the admin API pages back, takes names as people type them, and says what is wrong with a query", async () => {
  const rows = someRows(new Prng(3), 300);
  const app = new Hono();
  addAuditRoutes(app, rows.store, { wallMs: () => NOW_MS });
  const ask = async (query: Readonly<Record<string, string>>) => {
    const response = await app.request(`/admin/audit?${new URLSearchParams(query)}`);
    return await response.json();
  };
  const ids: string[] = [];
  for (let more = {}, next: string | null = ""; next !== null; more = { after: next }) {
    const page = await ask({ newest: "yes", limit: "50", ...more });
    ids.unshift(...page.entries.map(({ id }: { id: string }) => id));
    next = page.next;
  }
  const whole = (await ask({ limit: "1000" })).entries;
  assert.deepEqual(ids, whole.map(({ id }: { id: string }) => id));
  const about = await ask({ user: "Ann@example.org", actor: "eve", limit: "1000" });
  assert.ok(about.entries.length > 0);
  assert.deepEqual(about, await ask({ user: "ann", actor: "eve", limit: "1000" }));
  for (
    const [query, words] of [
      [{ from: "yesterday" }, /times such as/],
      [{ from: "1h", to: "2h" }, /from is not before to/],
      [{ after: "0.admin" }, /not the `next` of a page/],
      [{ log: "all" }, /log/],
      [{ limit: "5000" }, /limit/],
    ] as const
  ) {
    const { code, message } = await ask(query);
    assert.equal(code, "bad_request");
    assert.match(message, words);
  }
});
