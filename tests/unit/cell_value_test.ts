/** What the nodes of a cell share: two users of one store agree (issue 9, B5). */
import assert from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { cellText, CellValue } from "../../server/node/cell_value.ts";
import { Experiments } from "../../server/gateway/experiments.ts";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { keepDomain, storedDomain } from "../../server/node/domain.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import { ok } from "../../shard/errors.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import { Registry } from "../../server/gateway/registry.ts";
import type { Router } from "../../server/node/router.ts";
import { Rows, setRow } from "../../server/gateway/rows.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

function openStore() {
  const time = new VirtualTime();
  const disk = new MemoryDisk(time, new Prng("cell"));
  const store = new FencedStore(disk.open(time.process()));
  /** Runs time until a call has called back; returns its arguments. */
  const run = <A extends readonly unknown[]>(call: (done: (...args: A) => void) => void): A => {
    let got: A | null = null;
    call((...args) => got = args);
    time.runUntilIdle();
    assert.ok(got !== null);
    return got;
  };
  return { time, disk, store, run };
}

const accounts = {
  request: (_name: AccountName, _op: string, _input: unknown, done: (result: unknown) => void) =>
    done(ok({})),
} as unknown as Pick<Router, "request">;

/** The services as one node sees them. */
function openRegistry({ store, time, run }: ReturnType<typeof openStore>, seed: string): Registry {
  const random = simRandom(new Prng(seed));
  const { clock } = time.global;
  const registry = new Registry(
    { registers: store, router: accounts, clock, random },
    new Rows(store),
  );
  assert.deepEqual(run((done) => registry.load(done)), [null]);
  return registry;
}

Deno.test("CellValue.update: of changes that many users make at once none is lost", () => {
  const { store, time, run } = openStore();
  const users = Array.from({ length: 8 }, () => new CellValue(store, cellText("list")));
  const errors: unknown[] = [];
  users.forEach((user, i) => user.update((text) => `${text ?? ""}${i}`, (e) => errors.push(e)));
  time.runUntilIdle();
  assert.deepEqual(errors, users.map(() => null));
  const [, text] = run<[unknown, string | null]>((done) => users[0]!.load(done));
  assert.equal([...text!].toSorted().join(""), "01234567");
});

Deno.test("CellValue.watch: a change of another user is noticed, an own one is not", () => {
  const { store, run } = openStore();
  const [a, b] = [0, 1].map(() => new CellValue(store, cellText("text"))) as [
    CellValue<string | null>,
    CellValue<string | null>,
  ];
  const seen: string[] = [];
  for (const [name, user] of [["a", a], ["b", b]] as const) {
    user.onChange = (text) => seen.push(`${name} sees ${text}`);
    user.watch();
  }
  run((done) => a.update(() => "one", done));
  run((done) => b.update(() => "two", done));
  assert.deepEqual(seen, ["b sees one", "a sees two"]);
});

Deno.test("CellValue.update: a late reply does not bring back what another change has replaced", () => {
  const { store, run, time } = openStore();
  let release = () => {};
  /** As over a slow way: the first change is made, and its reply waits. */
  const cas: typeof store.cas = (name, version, bytes, claims, done) =>
    store.cas(name, version, bytes, claims, (...result) => release = () => done(...result));
  const slow = {
    register: store.register.bind(store),
    watch: store.watch.bind(store),
    cas,
  };
  const [a, b] = [slow, store].map((each) => new CellValue(each, cellText("text"))) as [
    CellValue<string | null>,
    CellValue<string | null>,
  ];
  const seen: (string | null)[] = [];
  a.onChange = (text) => seen.push(text);
  a.watch();
  a.update(() => "one", (error, text) => error === null && seen.push(text));
  time.runUntilIdle();
  run((done) => b.update(() => "two", done));
  release();
  assert.deepEqual(seen, ["two", "two"]);
});

Deno.test("CellValue.update: an unknown outcome is decided by reading", () => {
  for (const outcome of ["applied", "lost"] as const) {
    const { disk, store, run } = openStore();
    const value = new CellValue(store, cellText("text"));
    disk.failNext(outcome);
    const [error] = run<[unknown, unknown]>((done) => value.update(() => "one", done));
    const [, text] = run<[unknown, string | null]>((done) => value.load(done));
    assert.deepEqual([error === null, text], outcome === "applied" ? [true, "one"] : [false, null]);
  }
});

Deno.test("keepDomain: of two nodes that start at once with two domains one is refused", async () => {
  const { store, time } = openStore();
  const starts = ["a.example", "b.example"].map((domain) =>
    keepDomain(store, domain, "/data").then(() => domain, () => null)
  );
  time.runUntilIdle();
  const kept = (await Promise.all(starts)).filter((domain) => domain !== null);
  const stored = storedDomain(store);
  time.runUntilIdle();
  assert.deepEqual(kept, [await stored]);
});

Deno.test("Registry: two nodes agree on services, their tokens and revocations", () => {
  const cell = openStore();
  const [one, two] = [openRegistry(cell, "one"), openRegistry(cell, "two")];
  const add = (registry: Registry, name: string) =>
    cell.run<Parameters<Parameters<Registry["add"]>[3]>>((done) =>
      registry.add(name, ["send"], null, done)
    )[0];
  const mail = add(one, "mail");
  const shop = add(two, "shop");
  assert.ok(mail.ok && shop.ok);
  assert.deepEqual(one.list(), two.list());
  assert.ok(one.authenticate(shop.value.token).ok && two.authenticate(mail.value.token).ok);
  const told: string[] = [];
  two.onChange = ({ name }) => told.push(name);
  cell.run((done) => one.revoke("mail", done));
  assert.equal(two.authenticate(mail.value.token).ok, false);
  assert.deepEqual(told, ["mail"]);
  assert.deepEqual(openRegistry(cell, "three").list(), one.list());
});

Deno.test("Registry: of two nodes that add the same service at once one is refused", () => {
  const cell = openStore();
  const nodes = [openRegistry(cell, "one"), openRegistry(cell, "two")];
  const codes: string[] = [];
  for (const node of nodes) {
    node.add("mail", ["send"], null, (made) => codes.push(made.ok ? "ok" : made.code));
  }
  cell.time.runUntilIdle();
  assert.deepEqual(codes.toSorted(), ["conflict", "ok"]);
  assert.deepEqual(nodes[0]!.list(), nodes[1]!.list());
});

Deno.test("Registry: services that an earlier version has stored are kept", () => {
  const cell = openStore();
  const service = { name: "old", tokenHash: null, scopes: ["send"], expiresAt: null, createdAt: 1 };
  cell.run((done) => cell.store.write([setRow(["meta", "service", "old"], service)], done));
  const registry = openRegistry(cell, "one");
  assert.deepEqual(registry.list(), [service]);
  cell.run((done) => registry.add("mail", ["send"], null, done));
  assert.deepEqual(openRegistry(cell, "two").list().map(({ name }) => name), ["mail", "old"]);
});

Deno.test("Experiments: two nodes agree, also on what an earlier version has stored", () => {
  const { store, run } = openStore();
  const key = ["meta", "experiment", "offline-grace"];
  const value = new TextEncoder().encode("control=50,long=50");
  run((done) => store.write([{ kind: "set", key, value }], done));
  const [one, two] = [0, 1].map(() => {
    const experiments = new Experiments({ registers: store, rows: store }, {
      "offline-grace": null,
    });
    run((done) => experiments.load(done));
    return experiments;
  }) as [Experiments, Experiments];
  const arms = (experiments: Experiments) =>
    experiments.list().map(({ arms, from }) => [arms, from]);
  assert.deepEqual(arms(one), [["control=50,long=50", "set"]]);
  run((done) => one.set("offline-grace", "control=50,short=50", done));
  assert.deepEqual(arms(two), [["control=50,short=50", "set"]]);
  run((done) => two.set("offline-grace", "default", done));
  assert.deepEqual([arms(one), arms(two)], [[[null, "configuration"]], [[null, "configuration"]]]);
});
