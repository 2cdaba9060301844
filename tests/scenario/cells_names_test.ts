/** Names and messages between cells: each name has one home, wherever it is registered. */
import assert from "node:assert/strict";
import { CellsFixture, type OneCell } from "../sim/cells_fixture.ts";
import type { AccountName, CellName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import type { AttachAuth } from "../../shard/ops.ts";

const CONFLICT = "conflict";
const [ALICE, BOB] = ["alice", "bob"] as unknown as readonly [AccountName, AccountName];

function codeOf(result: { readonly ok: boolean; readonly code?: string }): string {
  return result.ok ? "ok" : result.code!;
}

/** What each cell knows of a name: its home. */
function homes(cells: readonly OneCell[], name: string): readonly (string | null)[] {
  return cells.map(({ node }) => {
    const accounts = [...node.shardOf(name as AccountName).inspect().accounts];
    return accounts.find((a) => a.name === name)?.register?.chosen?.value ?? null;
  });
}

/** Alice at `a` and Bob at `b` become contacts of each other. */
function befriend(f: CellsFixture, a: OneCell, b: OneCell): void {
  a.must("alice", "roster.subscription", { contact: BOB, type: "subscribe" });
  f.settle();
  b.must("bob", "roster.subscription", { contact: ALICE, type: "subscribed" });
  b.must("bob", "roster.subscription", { contact: ALICE, type: "subscribe" });
  f.settle();
  a.must("alice", "roster.subscription", { contact: BOB, type: "subscribed" });
  f.settle();
}

Deno.test("12: a name that is registered in one cell is taken in all", () => {
  const f = new CellsFixture();
  const [a, b, c] = f.cells as [OneCell, OneCell, OneCell];
  assert.equal(codeOf(a.register("alice")), "ok");
  assert.equal(codeOf(b.register("alice")), CONFLICT);
  assert.equal(codeOf(c.register("alice")), CONFLICT);
  assert.equal(codeOf(b.register("bob")), "ok");
  f.settle();
  assert.deepEqual(homes(f.cells, "alice"), ["aa", "aa", "aa"]);
  assert.equal(codeOf(a.register("alice")), CONFLICT);
  // Also where all of it comes from the disk.
  for (const cell of f.cells) cell.kill();
  for (const cell of f.cells) cell.start();
  f.settle();
  assert.equal(codeOf(c.register("alice")), CONFLICT);
  assert.equal(codeOf(a.register("bob")), CONFLICT);
  assert.ok(a.ask("alice", "account.info", {}).ok);
  assert.equal(codeOf(b.ask("alice", "account.info", {})), "not_found");
});

Deno.test("12: of those who register a name in all cells at once, one gets it", () => {
  for (let seed = 1; seed <= 8; seed++) {
    const f = new CellsFixture({ seed });
    f.wan.quality = { wayMs: [20, 150], lost: 0.1, twice: 0.1 };
    const input = { credentials: null };
    const results = f.cells.map((cell) => cell.begin("alice", "account.create", input));
    f.until("a result", () => results.every((result) => result() !== null));
    let won = results.filter((result) => result()!.ok).length;
    // Who got no decision repeats it.
    for (const [i, cell] of f.cells.entries()) {
      if (codeOf(results[i]!()!) === "unavailable" && cell.register("alice").ok) won++;
    }
    assert.equal(won, 1, `seed ${seed}`);
  }
});

Deno.test("12: a cell without a majority refuses to register, and serves its users", () => {
  const f = new CellsFixture();
  const [a, b, c] = f.cells as [OneCell, OneCell, OneCell];
  assert.equal(codeOf(a.register("alice")), "ok");
  f.wan.isolate(a.name, true);
  f.settle();
  const refused = a.register("anna");
  assert.ok(!refused.ok && refused.code === "unavailable" && refused.retryAfterMs! > 0);
  assert.match(refused.message, /other cells.* have not replied/);
  a.send("alice", "alice", "a note");
  assert.equal(a.events("alice").length, 1);
  // The others have one.
  assert.equal(codeOf(b.register("ben")), "ok");
  f.wan.isolate(a.name, false);
  f.settle();
  assert.equal(codeOf(a.register("anna")), "ok");
  f.settle(40_000);
  assert.deepEqual(homes(f.cells, "ben"), ["bb", "bb", "bb"]);
  assert.equal(codeOf(c.register("anna")), CONFLICT);
});

Deno.test("12: messages between cells arrive once and in order, also after a cut", () => {
  const f = new CellsFixture();
  const [a, b] = f.cells as [OneCell, OneCell, OneCell];
  a.register("alice");
  b.register("bob");
  befriend(f, a, b);
  f.wan.quality = { wayMs: [20, 150], lost: 0.1, twice: 0.2 };
  const texts = Array.from({ length: 40 }, (_, i) => `text ${i}`);
  for (const [i, text] of texts.entries()) {
    if (i === 10) f.wan.isolate(b.name, true);
    if (i === 30) f.settle(60_000);
    a.send("alice", "bob", text);
    if (i < 8) b.send("bob", "alice", text);
  }
  assert.ok(b.textsFrom("bob", "alice").length < 40);
  f.wan.isolate(b.name, false);
  f.until("all messages", () => b.textsFrom("bob", "alice").length >= 40, 120_000);
  f.settle(60_000);
  assert.deepEqual(b.textsFrom("bob", "alice"), texts);
  assert.deepEqual(a.textsFrom("alice", "bob"), texts.slice(0, 8));
  // Nothing is owed any more.
  for (const cell of f.cells) assert.equal(cell.disk.rows(["o"]).length, 0);
});

Deno.test("12: votes survive a crash before any checkpoint has them", () => {
  const f = new CellsFixture();
  const [a, b] = f.cells as [OneCell, OneCell, OneCell];
  assert.equal(codeOf(a.register("alice")), "ok");
  f.settle(300);
  for (const cell of f.cells) cell.kill();
  f.wan.isolate(a.name, true);
  for (const cell of f.cells) cell.start();
  f.settle();
  assert.equal(codeOf(b.register("alice")), CONFLICT);
});

Deno.test("12: the next account of a name in another cell is taken for the newest", () => {
  // Accounts leave memory before another cell has replied.
  const f = new CellsFixture({ limits: { cacheIdleMs: 50, checkpointMs: 50 } });
  const [a, b] = f.cells as [OneCell, OneCell, OneCell];
  a.register("alice");
  b.register("bob");
  befriend(f, a, b);
  b.must("bob", "account.remove", {});
  f.settle(20_000);
  b.must("bob", "account.release", {});
  assert.equal(codeOf(b.register("bob")), "ok");
  b.must("bob", "roster.subscription", { contact: ALICE, type: "subscribe" });
  f.settle(20_000);
  const { snapshot } = a.must("alice", "mailbox.snapshot", {});
  assert.deepEqual(snapshot.requests, ["bob"]);
});

Deno.test("12: a message to a name of no cell is as in a lone cell", () => {
  const f = new CellsFixture();
  const lone = new CellsFixture({ names: ["aa"] });
  const kinds = [f, lone].map(({ cells: [a] }) => {
    a!.register("alice");
    a!.send("alice", "nobody", "hello");
    return a!.events("alice").map((e) => e.kind);
  });
  assert.deepEqual(kinds[0], kinds[1]);
});

Deno.test("12: members that join later learn the homes of all names, and vote for them", () => {
  const f = new CellsFixture();
  const [a, b, c] = f.cells as [OneCell, OneCell, OneCell];
  const [A, B, C] = [a.name, b.name, c.name];
  const share = (name: string, ...add: readonly CellName[]) =>
    a.must(name, "name.share", { add }).left;
  f.wan.members = { version: 1, cells: [A] };
  for (const name of ["alice", "anna"]) assert.equal(codeOf(a.register(name)), "ok");
  f.wan.members = { version: 2, cells: [A, B] };
  assert.deepEqual([share("alice", B), share("anna", B), share("nobody", B)], [1, 1, 0]);
  f.settle();
  assert.deepEqual([share("alice"), share("anna")], [0, 0]);
  assert.deepEqual(homes([b, c], "alice"), [A, null]);
  f.wan.members = { version: 3, cells: [A, B, C] };
  // What was owed is owed by the next process too.
  f.wan.isolate(c.name, true);
  for (const name of ["alice", "anna"]) assert.equal(share(name, C), 1);
  a.kill();
  a.start();
  f.settle();
  assert.equal(share("alice"), 1);
  f.wan.isolate(c.name, false);
  f.settle(20_000);
  assert.deepEqual([share("alice"), share("anna")], [0, 0]);
  // A majority without the cell that has decided them.
  a.kill();
  assert.deepEqual([codeOf(b.register("alice")), codeOf(c.register("anna"))], [CONFLICT, CONFLICT]);
  assert.equal(codeOf(c.register("carol")), "ok");
  // A cell that has left is owed nothing.
  a.start();
  f.wan.isolate(b.name, true);
  f.settle();
  assert.equal(share("alice", B), 1);
  f.wan.members = { version: 4, cells: [A, C] };
  assert.equal(share("alice"), 0);
});

Deno.test("12: what a voter has accepted for a cell that is lost is decided before it is shared", () => {
  const f = new CellsFixture();
  const [a, b] = f.cells as [OneCell, OneCell, OneCell];
  const begun = a.begin("alice", "account.create", { credentials: null });
  // It dies when a voter has accepted, before anybody knows that.
  const accepted = () =>
    [...b.node.shardOf(ALICE).inspect().accounts].some((account) =>
      account.name === ALICE && account.register?.accepted != null
    );
  f.until("a vote", accepted);
  a.kill();
  assert.equal(begun(), null);
  assert.deepEqual(homes([b], "alice"), [null]);
  assert.equal(b.must("alice", "name.share", { add: [] }).left > 0, true);
  f.settle(20_000);
  assert.equal(b.must("alice", "name.share", { add: [] }).left, 1);
  a.start();
  f.settle(20_000);
  assert.equal(b.must("alice", "name.share", { add: [] }).left, 0);
  assert.deepEqual(homes(f.cells, "alice"), [a.name, a.name, a.name]);
});

Deno.test("12: a client that signs in at another cell is sent to the home of its account, by every way", () => {
  const f = new CellsFixture();
  const [a, b] = f.cells as [OneCell, OneCell, OneCell];
  b.register("bob");
  f.settle();
  const tokenHash = new Uint8Array(32);
  const attach = {
    session: "session000000001" as SessionId,
    device: "d1" as DeviceId,
    cursor: null,
    presence: null,
  };
  const auths: readonly AttachAuth[] = [
    { kind: "token", tokenHash },
    { kind: "issuer", expiresAt: Number.MAX_SAFE_INTEGER },
  ];
  const results = [
    a.ask("bob", "account.credentials", {}),
    a.ask("bob", "account.resolve", {}),
    a.ask("bob", "auth.token", { tokenHash }),
    ...auths.map((auth) => a.ask("bob", "session.attach", { ...attach, auth })),
  ];
  for (const result of results) {
    assert.ok(!result.ok && result.code === "moved" && result.cell === b.name);
    assert.deepEqual(result.servers, [`https://${b.name}.test`]);
  }
  f.wan.unheard.add(b.name);
  assert.equal(codeOf(a.ask("bob", "auth.token", { tokenHash })), "unavailable");
  assert.notEqual(codeOf(b.ask("bob", "account.resolve", {})), "moved");
  assert.deepEqual(a.ask("nobody", "account.resolve", {}), { ok: true, value: null });
});

Deno.test("12: a token is not refused for good while its account may be in a cell that is away", () => {
  const f = new CellsFixture();
  const [a, b, c] = f.cells as [OneCell, OneCell, OneCell];
  // One that has not learned the name before its home is lost.
  f.wan.cutWay(a.name, c.name, true);
  f.wan.cutWay(c.name, a.name, true);
  assert.ok(a.register("alice").ok);
  a.kill();
  f.settle();
  const tokenHash = new Uint8Array(32);
  assert.equal(codeOf(b.ask("alice", "auth.token", { tokenHash })), "moved");
  assert.equal(codeOf(c.ask("alice", "auth.token", { tokenHash })), "unavailable");
  f.wan.heal();
  a.start();
  f.settle(20_000);
  assert.equal(codeOf(c.ask("alice", "auth.token", { tokenHash })), "moved");
  assert.equal(codeOf(c.ask("nobody", "auth.token", { tokenHash })), "unauthorized");
});

/** The cell that has a name as each of the cells sees it; `reserve`: kept for that one. */
function compared(f: CellsFixture, name: string, reserve: CellName | null = null) {
  return f.cells.map((cell) => cell.must(name, "name.home", { reserve }).home);
}

Deno.test("12: a name that was released is free in all cells, also where cells compare names", () => {
  const f = new CellsFixture();
  const [a, b, c] = f.cells as [OneCell, OneCell, OneCell];
  a.register("alice");
  f.settle();
  a.must("alice", "account.remove", {});
  f.settle(20_000);
  assert.deepEqual(compared(f, "alice"), [a.name, a.name, a.name]);
  assert.equal(codeOf(c.register("alice")), CONFLICT);
  a.must("alice", "account.release", {});
  f.settle();
  assert.deepEqual(compared(f, "alice"), [null, null, null]);
  assert.equal(codeOf(a.ask("alice", "account.release", {})), CONFLICT);
  // As a name that nobody ever had.
  assert.deepEqual(b.ask("alice", "account.credentials", {}), { ok: true, value: null });
  assert.equal(codeOf(b.register("alice")), "ok");
  f.settle();
  assert.deepEqual(homes(f.cells, "alice"), [b.name, b.name, b.name]);
  assert.equal(codeOf(a.register("alice")), CONFLICT);
  b.must("alice", "account.remove", {});
  f.settle(20_000);
  b.must("alice", "account.release", {});
  f.settle();
  assert.deepEqual(compared(f, "alice", "dd" as CellName), ["dd", "dd", "dd"]);
});

Deno.test("12: a name is released by a majority, and given up at its cell whenever that learns it", () => {
  for (const kills of [false, true]) {
    const f = new CellsFixture({ seed: kills ? 2 : 1 });
    const [a, b, c] = f.cells as [OneCell, OneCell, OneCell];
    a.register("alice");
    f.settle();
    a.must("alice", "account.remove", {});
    f.settle(20_000);
    f.wan.isolate(a.name, true);
    f.settle();
    assert.equal(codeOf(a.ask("alice", "account.release", {})), "unavailable");
    assert.equal(codeOf(b.register("alice")), CONFLICT);
    f.wan.isolate(a.name, false);
    f.settle();
    // A vote gets through, what is made of it does not.
    const of = ({ node }: OneCell) =>
      [...node.shardOf(ALICE).inspect().accounts].find(({ name }) => name === ALICE)!;
    f.wan.cutWay(c.name, a.name, true);
    const released = a.begin("alice", "account.release", {});
    f.until("an accepted release", () => of(b).register?.accepted?.value === "");
    if (kills) a.kill();
    else f.wan.isolate(a.name, true);
    f.settle(30_000);
    if (!kills) assert.equal(codeOf(released()!), "unavailable");
    assert.equal(codeOf(b.register("alice")), CONFLICT);
    // One cell has not learned yet whose the name was.
    Object.assign(of(c), { register: null });
    assert.equal(codeOf(c.register("alice")), "ok");
    if (kills) a.start();
    f.wan.heal();
    f.settle(60_000);
    assert.deepEqual(homes(f.cells, "alice"), [c.name, c.name, c.name]);
    assert.equal(codeOf(a.ask("alice", "account.info", {})), "not_found");
    assert.equal(codeOf(a.ask("alice", "account.resolve", {})), "moved");
  }
});

Deno.test("12: a cell that is no member yet releases a name alone", () => {
  const f = new CellsFixture();
  const [a] = f.cells as [OneCell];
  a.register("alice");
  f.wan.members = { version: 0, cells: [] };
  a.must("alice", "account.remove", {});
  f.settle(20_000);
  a.must("alice", "account.release", {});
});

Deno.test("12: names that are reserved for a cell that is to join are given to no other one", () => {
  const f = new CellsFixture();
  const [a, b] = f.cells as [OneCell, OneCell, OneCell];
  const dd = "dd" as CellName;
  assert.equal(a.must("dora", "name.home", { reserve: dd }).home, dd);
  f.settle();
  assert.deepEqual(compared(f, "dora", "ee" as CellName), [dd, dd, dd]);
  assert.equal(codeOf(a.register("dora")), CONFLICT);
  for (const cell of f.cells) cell.kill();
  for (const cell of f.cells) cell.start();
  f.settle();
  assert.equal(codeOf(b.register("dora")), CONFLICT);
});

Deno.test("12: a name is registered or reserved for a cell that is to join, not both", () => {
  const outcomes = new Set<string>();
  for (let seed = 1; seed <= 40; seed++) {
    const f = new CellsFixture({ seed });
    f.wan.quality = { wayMs: [20, 150], lost: 0.05, twice: 0.05 };
    const [one, other] = [f.cells[seed % 3]!, f.cells[f.prng.int(0, 2)]!];
    const register = () => one.begin("dora", "account.create", { credentials: null });
    const reserve = () => other.begin("dora", "name.home", { reserve: "dd" as CellName });
    const early = seed % 2 === 0 ? register() : null;
    const asked = reserve();
    if (early === null) f.settle(f.prng.int(0, 300));
    const registered = early ?? register();
    f.until("results", () => registered() !== null && asked() !== null);
    const reserved = asked()!;
    const isReserved = reserved.ok && reserved.value.home === "dd";
    outcomes.add(`${registered()!.ok} ${isReserved}`);
    assert.ok(!(isReserved && registered()!.ok), `seed ${seed}: it is both`);
  }
  assert.ok(outcomes.has("true false") && outcomes.has("false true"), [...outcomes].join());
});

Deno.test("12: a packet that three cells have passed on is passed on no further", () => {
  const f = new CellsFixture();
  const [a, b] = f.cells as [OneCell, OneCell];
  const [alice, bob] = ["alice", "bob"] as unknown as [AccountName, AccountName];
  a.register(alice);
  b.register(bob);
  f.settle();
  a.send(alice, bob, "m1");
  f.settle();
  const { clock } = a.process;
  const passedOn = (hops: number) => {
    const now = { mono: clock.monoMs(), wall: clock.wallMs() };
    const packet = { kind: "resolve", from: alice, to: bob } as const;
    const effects = a.node.shardOf(bob).step(now, { kind: "packet", packet, hops });
    return effects.flatMap((effect) => effect.kind === "abroad" ? [effect.hops] : []);
  };
  assert.deepEqual([0, 1, 2, 3].map(passedOn), [[1], [2], [3], []]);
});
