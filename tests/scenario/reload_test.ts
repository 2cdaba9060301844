/**
 * Shards that lose their owner on a whole node; at random moments they are the simulator's work.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { AccountName, NodeId } from "../../shard/name/ids.ts";
import { NodeFixture, ONLINE } from "../sim/node_fixture.ts";
import { POINT_SPACE } from "../../shard/name/ids.ts";
import type { Result } from "../../shard/errors.ts";
import type { Reloaded } from "../../server/node/takeovers.ts";

const OTHER = { id: "node000000000009" as NodeId, incarnation: 1 };

function friends(shards = 1): NodeFixture {
  const w = new NodeFixture({ shards });
  for (const n of ["ann", "bob"]) w.account(n);
  w.befriend("ann", "bob");
  return w;
}

function reload(w: NodeFixture, id = 0): Result<Reloaded> {
  let result: Result<Reloaded> | null = null;
  w.node.reload(id, (r) => result = r);
  w.time.runWhile(() => result === null, w.time.nowMs + 10_000);
  ok(result, "the reload was not answered");
  return result;
}

/** What the edge that the test plays announces. */
function announced(w: NodeFixture): void {
  const asked = w.packets.findLast((p) => p.kind === "announce");
  ok(asked?.kind === "announce", "nobody was asked to announce");
  w.node.announced(asked.lo, asked.hi, asked.epoch);
  w.settle(100);
}

Deno.test("Node.reload raises the epoch by a claim, reads the log and asks for announcements", () => {
  const w = friends(2);
  w.send("ann", "bob", "m1");
  const before = w.node.table.shards.map(({ epoch }) => epoch);
  const result = reload(w, 1);
  ok(result.ok && result.value.pauseMs < 100, JSON.stringify(result));
  deepEqual(w.node.table.shards.map(({ epoch }) => epoch), [before[0], before[1]! + 1]);
  deepEqual(w.packets.filter((p) => p.kind === "announce"), [
    { kind: "announce", lo: POINT_SPACE / 2, hi: POINT_SPACE, epoch: before[1]! + 1 },
  ]);
  deepEqual([w.bodies("ann"), w.bodies("bob")], [["m1"], ["m1"]]);
  w.node.reload(0, () => {});
  deepEqual([w.node.ready, w.node.settled], [false, true], "readiness does not wait for it");
  w.settle(1000);
  equal(w.node.ready, true);
  const refused = reload(w, 7);
  equal(refused.ok || refused.code, "conflict");
});

Deno.test("Node.reload: what was asked before is done once, and what comes meanwhile waits", () => {
  const w = friends();
  const answers: string[] = [];
  const send = (id: string) =>
    w.node.request("ann" as AccountName, "message.send", {
      device: "phone" as never,
      to: "bob" as AccountName,
      id,
      body: id,
      ext: "",
    }, (result) => answers.push(`${id} ${result.ok ? "ok" : result.code}`));
  for (const id of ["a", "b"]) send(id);
  w.node.request("ann" as AccountName, "roster.remove", { contact: "bob" as AccountName }, (r) => {
    answers.push(`removal ${r.ok ? "ok" : r.code}`);
  });
  w.node.reload(0, () => {});
  send("c");
  w.settle();
  // Nobody can know whether what may not be done twice was done.
  deepEqual(answers.sort(), ["a ok", "b ok", "c ok", "removal unavailable"]);
  deepEqual(w.bodies("bob").sort(), ["a", "b", "c"]);
});

Deno.test("10.10: a shard that reads its log withholds requests of all accounts, however many one has", () => {
  const w = friends();
  const answers = { ann: 0, refused: 0, bob: "" };
  w.node.reload(0, () => {});
  for (let i = 0; i < 10_500; i++) {
    w.node.request("ann" as AccountName, "account.info", {}, (r) => {
      if (r.ok) answers.ann++;
      else answers.refused++;
    });
  }
  w.node.request("bob" as AccountName, "account.info", {}, (r) => {
    answers.bob = r.ok ? "ok" : r.code;
  });
  w.settle();
  deepEqual(answers, { ann: 1000, refused: 9500, bob: "ok" });
});

Deno.test("a shard that was taken over tells nobody's presence before all sessions are announced", () => {
  const w = friends();
  const bob = w.attach("bob");
  const ann = w.attach("ann");
  w.watch("ann", ann);
  ok(reload(w).ok);
  let shown: readonly unknown[] | null = null;
  const [self, other] = ann.watch;
  const items = [self!, other!].map((t) => ({
    watcher: "ann" as AccountName,
    watcherId: ann.id,
    watched: t.name,
    watchedId: t.id,
  }));
  w.node.interest(items, (answers) => {
    shown = answers.find((a) => a.watched === "bob")?.presence?.devices ?? null;
  });
  const before = w.packets.length;
  let set = "";
  w.node.request("bob" as AccountName, "presence.set", {
    session: bob.session,
    presence: { ...ONLINE, status: "new" },
  }, (result) => set = result.ok ? "ok" : result.code);
  w.settle(2000);
  // The session may still be announced: it is not told that it has ended.
  deepEqual([shown, set], [null, ""]);
  const input = {
    session: bob.session,
    device: "phone" as never,
    auth: { kind: "issuer", expiresAt: w.process.clock.wallMs() + 1000 },
    cursor: null,
    presence: ONLINE,
    announced: true,
  } as const;
  w.must("bob", "session.attach", input);
  w.settle(100);
  deepEqual([shown, set], [null, "ok"]);
  announced(w);
  deepEqual(shown, [{ device: "phone", presence: { ...ONLINE, status: "new" } }]);
  const offline = w.packets.slice(before).filter((p) =>
    p.kind === "presence" && p.watched === "bob" && p.devices.length === 0
  );
  deepEqual(offline, []);
});

Deno.test("a shard whose sessions nobody announces says so after a grace", () => {
  const w = friends();
  w.attach("bob");
  const ann = w.attach("ann");
  ok(reload(w).ok);
  const sinceMs = w.time.nowMs;
  const answers = (() => {
    let found: unknown = null;
    const { name, id } = ann.watch.find((t) => t.name === "bob")!;
    const item = { watcher: "ann", watcherId: ann.id, watched: name, watchedId: id } as never;
    w.node.interest([item], ([answer]) => found = answer?.presence?.devices);
    w.time.runWhile(() => found === null, w.time.nowMs + 30_000);
    return found;
  })();
  deepEqual(answers, []);
  ok(w.time.nowMs - sinceMs > 10_000, "the grace was not kept");
});

Deno.test("a session that was ended, or replaced, while it was not announced cannot be announced", () => {
  const w = friends();
  const ann = w.attach("ann");
  const bob = w.attach("bob");
  ok(reload(w).ok);
  w.must("ann", "account.signOut", {});
  const back = w.attach("bob");
  const again = (name: string, session: typeof ann.session) =>
    w.ask(name, "session.attach", {
      session,
      device: "phone" as never,
      auth: { kind: "issuer", expiresAt: w.process.clock.wallMs() + 1000 },
      cursor: null,
      presence: ONLINE,
      announced: true,
    });
  const codes = [again("ann", ann.session), again("bob", bob.session), again("bob", back.session)]
    .map((result) => result.ok ? "ok" : result.code);
  deepEqual(codes, ["unauthorized", "conflict", "ok"]);
});

Deno.test("a shard that is fenced drops its state at once and reads what its usurper wrote", () => {
  const w = friends();
  w.send("ann", "bob", "m1");
  const { store } = w.ports;
  const { epoch, id } = w.node.table.shards[0]!;
  let claimed = false;
  store.claim([{ shard: id, epoch }], OTHER, (error) => claimed = error === null);
  w.settle(100);
  ok(claimed);
  // The first write is refused: nothing of it is done.
  const refused = w.ask("carl", "account.create", { credentials: null });
  equal(refused.ok || refused.code, "unavailable");
  w.settle(500);
  equal(w.logged("shard fenced").length, 1);
  equal(w.node.table.shards[0]!.epoch, epoch + 2);
  ok(w.ask("carl", "account.create", { credentials: null }).ok);
  w.send("ann", "bob", "m2");
  deepEqual(w.bodies("bob"), ["m1", "m2"]);
});

Deno.test("after an append of unknown outcome the shards are claimed again and presence goes on", () => {
  for (const outcome of ["applied", "lost", "ghost"] as const) {
    const w = friends();
    const ann = w.attach("ann");
    w.watch("ann", ann);
    const bob = w.attach("bob");
    const { epoch } = w.node.table.shards[0]!;
    w.disk.failNext(outcome);
    const sent = w.ask("ann", "message.send", {
      device: "phone" as never,
      to: "bob" as AccountName,
      id: "m1",
      body: "m1",
      ext: "",
    });
    equal(sent.ok || sent.code, "unavailable");
    w.settle(5000);
    equal(w.node.table.shards[0]!.epoch, epoch + 1);
    w.send("ann", "bob", "m1");
    deepEqual(w.bodies("bob"), ["m1"]);
    w.must("bob", "presence.set", { session: bob.session, presence: { ...ONLINE, show: "dnd" } });
    w.settle(100);
    const last = w.packets.findLast((p) => p.kind === "presence" && p.watched === "bob");
    ok(last?.kind === "presence" && last.epoch === epoch + 1 && last.devices.length === 1);
    equal(w.packets.some((p) => p.kind === "announce"), false);
  }
});

Deno.test("11: an edge that no longer watches is forgotten, though its interest was withheld", () => {
  const w = friends();
  const { id: bobId } = w.must("bob", "account.info", {});
  const { id: annId } = w.must("ann", "account.info", {});
  reload(w);
  const item = { watcher: "ann", watcherId: annId, watched: "bob", watchedId: bobId } as never;
  let answers = 0;
  w.node.interest([item], () => answers++);
  w.settle(100);
  equal(answers, 0, "the shard waits for announcements");
  // What is to be forgotten of a node that has died counts it as well.
  deepEqual(w.node.shards[0]!.presence.ofEdge(w.node.id).watched, ["bob"]);
  w.node.uninterest(["bob" as AccountName]);
  announced(w);
  equal(answers, 1);
  deepEqual(w.node.shards[0]!.presence.ofEdge(w.node.id).watched, []);
  equal(w.node.shards[0]!.presence.size, 0);
});
