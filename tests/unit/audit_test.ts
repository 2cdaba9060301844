/** The audit log: chains, pages, retention, and what floods of failures cost (13). */
import assert from "node:assert/strict";
import { Audit } from "../../server/audit/audit.ts";
import {
  type AuditInput,
  decodeRow,
  encodeRow,
  rowKey,
  streamKey,
} from "../../server/audit/entry.ts";
import { AuditWriter } from "../../server/audit/writer.ts";
import {
  type AuditCursor,
  formatCursor,
  parseCursor,
  readAudit,
  verifyAudit,
} from "../../server/audit/reader.ts";
import { FailureCounts } from "../../server/audit/failures.ts";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { headName, parseHead } from "../../server/audit/heads.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { Prng } from "../sim/prng.ts";
import type { Row, StoreError } from "../../server/node/ports.ts";
import { removeOld } from "../../server/audit/retention.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const DAY_MS = 86_400_000;
const ALL = {
  from: 0,
  to: Number.MAX_SAFE_INTEGER,
  actor: null,
  user: null,
  action: null,
  stream: null,
} as const;
const DID: AuditInput = { actor: "token", action: "removeUser", target: "bob", outcome: "ok" };

/** A store in memory, with writers of several nodes. */
function world() {
  const time = new VirtualTime();
  const disk = new MemoryDisk(time, new Prng("audit"));
  const store = new FencedStore(disk.open(time.process()));
  const writer = (node: string, stream: "admin" | "signIns" = "admin", process = time.process()) =>
    new AuditWriter({ store, ...process, node: node as NodeId, stream });
  /** Waits for something that needs time of the simulation. */
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let open = true;
    const end = promise.finally(() => open = false);
    end.catch(() => {});
    while (open) {
      time.runFor(100);
      await new Promise<void>((done) => queueMicrotask(done));
    }
    return await promise;
  };
  const durably = (to: AuditWriter, input: AuditInput) =>
    settled(new Promise<StoreError | null>((done) => to.addDurably(input, done)));
  const rows = () =>
    settled(
      new Promise<readonly Row[]>((done) =>
        store.list(
          { prefix: streamKey("admin"), after: null, limit: 500 },
          (_, rows) => done(rows),
        )
      ),
    );
  const all = async (query: Parameters<typeof readAudit>[1] = ALL, limit = 1000) => {
    const entries = [];
    let cursor: AuditCursor | null = null;
    do {
      const page: Awaited<ReturnType<typeof readAudit>> = await settled(
        readAudit(store, query, cursor, limit),
      );
      entries.push(...page.entries);
      const next: string | null = page.next === null ? null : formatCursor(page.next);
      cursor = next === null ? null : parseCursor(next);
    } while (cursor !== null);
    return entries;
  };
  const verify = () => settled(verifyAudit(store));
  return { time, disk, store, writer, settled, durably, rows, all, verify };
}

Deno.test("13: entries of several nodes are read in the order of time, page by page, by all filters", async () => {
  const { all, durably, time, writer } = world();
  const [a, b] = [writer("a"), writer("b")];
  const signIns = writer("a", "signIns");
  for (let i = 0; i < 30; i++) {
    await durably(i % 2 === 0 ? a : b, { ...DID, target: `user${i % 3}`, detail: String(i) });
    signIns.add({
      actor: "user:ann",
      action: "signIn",
      outcome: "ok",
      user: "ann",
      detail: `s${i}`,
    });
    time.runFor(i % 4 * 700);
  }
  time.runFor(2000);
  const whole = await all();
  assert.equal(whole.length, 60);
  const admin = whole.filter(({ stream }) => stream === "admin").map(({ detail }) => detail);
  assert.deepEqual(admin, Array.from({ length: 30 }, (_, i) => String(i)));
  for (const limit of [1, 7]) assert.deepEqual(await all(ALL, limit), whole);
  assert.equal((await all({ ...ALL, user: "user1" })).length, 10);
  assert.equal((await all({ ...ALL, user: "ann" })).length, 30);
  assert.equal((await all({ ...ALL, action: "signIn", stream: "admin" })).length, 0);
  const { at } = whole[30]!;
  const late = await all({ ...ALL, from: at });
  assert.deepEqual(late, whole.filter((entry) => entry.at >= at));
  assert.deepEqual(await all({ ...ALL, to: at }), whole.filter((entry) => entry.at < at));
});

Deno.test("13: sign-ins of half a second are one row, and an action is durable with what waits", async () => {
  const { all, durably, time, rows, writer } = world();
  const a = writer("a");
  for (let i = 0; i < 100; i++) a.add({ ...DID, detail: String(i) });
  time.runFor(499);
  assert.equal((await rows()).length, 0);
  time.runFor(1);
  assert.equal((await rows()).length, 1);
  a.add(DID);
  assert.equal(await durably(a, DID), null);
  assert.equal((await all()).length, 102);
});

Deno.test("13: the longest entries of any characters fit into rows of the store", async () => {
  const { all, durably, time, verify, writer } = world();
  for (const text of ["\u0000", "\u20ac", "\ud800", "x"]) {
    const long = text.repeat(5000);
    const input = { actor: long, action: long, outcome: long, address: long, target: long };
    const a = writer("a");
    for (let i = 0; i < 300; i++) a.add({ ...input, user: long, device: long, method: long });
    assert.equal(await durably(a, { ...input, detail: long }), null);
    time.runFor(1000);
  }
  assert.equal((await all()).length, 4 * 301);
  assert.deepEqual((await verify()).faults, []);
});

Deno.test("13: a chain goes on in the next process of its node", async () => {
  const { durably, rows, verify, writer } = world();
  for (let i = 0; i < 3; i++) await durably(writer("a"), DID);
  assert.deepEqual((await rows()).map(({ key }) => key[4]), [1, 2, 3]);
  const { chains, entries, faults } = await verify();
  assert.deepEqual([entries, faults, chains.map(({ n }) => n)], [3, [], [3]]);
});

Deno.test("13: two processes under one node id do not break the chain", async () => {
  const { all, durably, verify, writer } = world();
  const [one, other] = [writer("a"), writer("a")];
  for (let i = 0; i < 4; i++) {
    await durably(i % 2 === 0 ? one : other, { ...DID, detail: String(i) });
  }
  assert.deepEqual((await all()).map(({ detail }) => detail), ["0", "1", "2", "3"]);
  assert.deepEqual((await verify()).faults, []);
});

Deno.test("13: a row that was changed, removed, or cut off at the end is noticed", async () => {
  const change = async (
    tamper: (
      rows: readonly Row[],
    ) => readonly { readonly key: Row["key"]; readonly value: Uint8Array | null }[],
  ) => {
    const { durably, rows, settled, store, verify, writer } = world();
    const nodes = [writer("a"), writer("b")];
    for (let i = 0; i < 10; i++) await durably(nodes[i % 2]!, { ...DID, detail: String(i) });
    assert.deepEqual((await verify()).faults, []);
    const mutations = tamper(await rows()).map(({ key, value }) =>
      value === null ? { kind: "delete", key } as const : { kind: "set", key, value } as const
    );
    await settled(new Promise((done) => store.write(mutations, done)));
    return (await verify()).faults.join("; ");
  };
  const cleared = (row: Row) => {
    const { entries, ...read } = decodeRow(row)!;
    return encodeRow({ ...read, entries: entries.map((entry) => ({ ...entry, actor: "nobody" })) });
  };
  assert.match(
    await change((rows) => [{ key: rows[4]!.key, value: cleared(rows[4]!) }]),
    /^admin of a: row 3 was changed, before \S+$/,
  );
  assert.match(
    await change((rows) => [{ key: rows[9]!.key, value: cleared(rows[9]!) }]),
    /^admin of b: row 5, the last one, was changed$/,
  );
  assert.match(
    await change((rows) => [{ key: rows[5]!.key, value: null }]),
    /^admin of b: rows 3 to 3 are missing/,
  );
  assert.match(
    await change((rows) => [{ key: rows[8]!.key, value: null }]),
    /^admin of a: rows 5 to 5 are missing at the end$/,
  );
  assert.match(
    await change((rows) => rows.slice(0, 3).map(({ key }) => ({ key, value: null }))),
    /rows 1 to 2 are missing/,
  );
  // Moved to another time.
  assert.match(
    await change((rows) => {
      const read = decodeRow(rows[4]!)!;
      const key = rowKey({ ...read, at: read.at + 1 });
      return [{ key: rows[4]!.key, value: null }, { key, value: rows[4]!.value }];
    }),
    /row 3 was changed|missing/,
  );
});

Deno.test("13: what a node could not write is an error, tried again, and stored once", async () => {
  const { all, disk, durably, time, verify, writer } = world();
  const a = writer("a");
  assert.equal(await durably(a, { ...DID, detail: "0" }), null);
  for (const outcome of ["applied", "lost", "ghost", "failed"] as const) {
    disk.failNext(outcome);
    const error = await durably(a, { ...DID, detail: outcome });
    assert.equal(
      error?.kind,
      outcome === "applied" ? undefined : outcome === "failed" ? "failed" : "unknown",
    );
    time.runFor(3000);
  }
  assert.deepEqual((await all()).map(({ detail }) => detail), [
    "0",
    "applied",
    "lost",
    "ghost",
    "failed",
  ]);
  assert.deepEqual((await verify()).faults, []);
});

Deno.test("13: retention removes the oldest rows alone, says so, and the chains still hold", async () => {
  const { all, durably, rows, settled, store, time, verify, writer } = world();
  const nodes = [writer("a"), writer("b")];
  for (let i = 0; i < 20; i++) {
    await durably(nodes[i % 2]!, { ...DID, detail: String(i) });
    time.runFor(DAY_MS);
  }
  const recorded: AuditInput[] = [];
  const record = async (input: AuditInput) => {
    recorded.push(input);
    assert.equal(await durably(nodes[0]!, input), null);
  };
  const nowMs = () => Math.floor(time.global.clock.wallMs());
  const keep = { ms: 10 * DAY_MS + DAY_MS / 2, bytes: 1e9 };
  assert.equal(await settled(removeOld(store, "admin", keep, nowMs(), record)), 10);
  assert.deepEqual(recorded.map(({ action, detail }) => [action, detail]), [[
    "auditRemoved",
    "entries are older than is kept",
  ]]);
  const left = await all();
  assert.equal(left[0]!.detail, "10");
  assert.equal(left.at(-1)!.action, "auditRemoved");
  const { faults, removed } = await verify();
  assert.deepEqual([faults, removed], [[], 10]);
  assert.equal(await settled(removeOld(store, "admin", keep, nowMs(), record)), 0);
  // By size: what is left fits, and no more than has to is removed.
  const sizes = (await rows()).map(({ value }) => value.length);
  const bytes = sizes.slice(4).reduce((sum, size) => sum + size, 0);
  const bySize = await settled(removeOld(store, "admin", { ms: 1e12, bytes }, nowMs(), record));
  // The entry that says so needs room, too.
  assert.ok(bySize >= 4 && bySize <= 6, `${bySize} rows`);
  assert.equal((await all())[0]!.detail, String(10 + bySize));
  const now = (await rows()).reduce((sum, { value }) => sum + value.length, 0);
  assert.ok(now <= bytes, `${now} of ${bytes}`);
  assert.deepEqual((await verify()).faults, []);
  // Who removes more than that is noticed.
  await settled(
    new Promise((done) =>
      rows().then(([row]) => store.write([{ kind: "delete", key: row!.key }], done))
    ),
  );
  assert.match((await verify()).faults.join(), /missing/);
});

Deno.test("13: a head says how many bytes its chain has", async () => {
  const { durably, rows, settled, store, writer } = world();
  for (let i = 0; i < 5; i++) await durably(writer("a"), DID);
  const head = await settled(
    new Promise<Uint8Array>((done) =>
      store.register(headName("admin", "a" as NodeId), (_, register) => done(register!.value))
    ),
  );
  const bytes = (await rows()).reduce((sum, { value }) => sum + value.length, 0);
  assert.equal(parseHead(head).bytes, bytes);
});

Deno.test("13: a flood of failed sign-ins is counted by address and minute, and hides no account", () => {
  const found: AuditInput[] = [];
  const counts = new FailureCounts((input) => found.push(input));
  const failure = {
    actor: "unknown",
    action: "signIn",
    method: "password",
    outcome: "unauthorized",
  };
  for (let i = 0; i < 100_000; i++) counts.add({ ...failure, address: `10.${i % 3}.0.1` });
  assert.equal(found.length, 3);
  for (let i = 0; i < 100_000; i++) {
    counts.add({ ...failure, address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` });
  }
  assert.equal(found.length, 500);
  for (let i = 0; i < 5; i++) counts.add({ ...failure, address: "10.9.9.9", user: "ann" });
  assert.equal(found.length, 501);
  counts.end();
  const sum = found.reduce((all, { count = 1 }) => all + count, 0);
  assert.equal(sum, 200_005);
  assert.ok(found.length < 1100, `${found.length}`);
  assert.deepEqual(found.filter(({ user }) => user === "ann").map(({ count }) => count), [
    undefined,
    4,
  ]);
  assert.equal(counts.counting, false);
});

Deno.test("13: Audit keeps its logs apart, skips users of the load tool, and writes all at its end", async () => {
  const { all, settled, store, time } = world();
  const lines: string[] = [];
  const keep = { ms: DAY_MS, bytes: 1e9 };
  const audit = new Audit({
    store,
    ...time.process(),
    node: "a" as NodeId,
    log: { error: assert.fail },
    line: (event, { actor }) => void lines.push(`${event} ${actor}`),
  }, { keep: { admin: keep, services: keep, signIns: keep }, logged: "admin", sessions: true });
  assert.equal(await settled(audit.admin(DID)), null);
  const signIn = { actor: "user:ann", action: "signIn", outcome: "ok", user: "ann" };
  audit.signIn(signIn);
  audit.signIn({ ...signIn, user: "roost.load.000001" });
  audit.service({ ...DID, actor: "service:shop" });
  assert.equal(await settled(audit.servicesDurable()), null);
  for (let i = 0; i < 3; i++) {
    audit.failed({ ...signIn, actor: "unknown", outcome: "unauthorized" });
  }
  await settled(audit.stop());
  const found = (await all()).map(({ actor, count, stream }) => `${stream} ${actor} ${count ?? 1}`);
  assert.deepEqual(found.toSorted(), [
    "admin token 1",
    "services service:shop 1",
    "signIns unknown 1",
    "signIns unknown 2",
    "signIns user:ann 1",
  ]);
  assert.deepEqual(lines, ["admin action token", "service action service:shop"]);
});
