/** A key stands for one message: repetitions, other contents, and what is read to know of them. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { checkDisk } from "../sim/check_disk.ts";
import { NodeFixture } from "../sim/node_fixture.ts";
import { SMALL_WINDOW } from "../sim/config.ts";

const name = (text: string) => text as AccountName;

function fixture(hashBits = 64): NodeFixture {
  const dedupeShape = { ...SMALL_WINDOW, hashBits };
  const w = new NodeFixture({ shards: 1, limits: { dedupeShape, cacheIdleMs: 1000 } });
  for (const user of ["ann", "bob", "cid"]) w.account(user);
  w.befriend("ann", "bob");
  w.befriend("ann", "cid");
  return w;
}

interface Message {
  readonly to: string;
  readonly id: string;
  readonly body: string;
  readonly ext: string;
}

function send(w: NodeFixture, { to, ...rest }: Message) {
  const device = "phone" as DeviceId;
  return w.ask("ann", "message.send", { ...rest, to: name(to), device });
}

const code = (result: ReturnType<typeof send>) => result.ok ? "ok" : result.code;

/** Everything that another message under the key of `m` may differ in. */
const others = (m: Message): Message[] => [
  { ...m, to: "cid" },
  { ...m, body: "another" },
  { ...m, ext: "another" },
];

Deno.test("issue 9 A2: a key with another recipient, text or ext is a conflict, and sends nothing", () => {
  const w = fixture();
  const m = { to: "bob", id: "k", body: "hello", ext: "" };
  const first = send(w, m);
  ok(first.ok);
  for (const again of ["at once", "committed", "read back", "after a start"]) {
    deepEqual(others(m).map((other) => code(send(w, other))), Array(3).fill("conflict"), again);
    deepEqual(send(w, m), first, again);
    if (again === "at once") w.settle(100);
    if (again === "committed") w.settle(20_000);
    if (again === "read back") {
      w.kill();
      w.start();
    }
  }
  w.settle();
  deepEqual([w.bodies("bob"), w.bodies("cid")], [["hello"], []]);
});

Deno.test("issue 9 A2: while the first is under way, an identical one waits for it, another is refused", () => {
  const w = fixture();
  w.settle(20_000);
  const m = { to: "bob", id: "k", body: "hello", ext: "" };
  const results: (ReturnType<typeof send> | null)[] = [null, null, null];
  [m, { ...m, body: "another" }, m].forEach(({ to, ...rest }, i) => {
    const device = "phone" as DeviceId;
    const input = { ...rest, to: name(to), device };
    w.node.request(name("ann"), "message.send", input, (result) => results[i] = result);
  });
  w.settle();
  const [first, other, again] = results;
  ok(first?.ok && other !== null && other !== undefined);
  deepEqual(again, first);
  equal(code(other), "conflict");
  deepEqual(w.bodies("bob"), ["hello"]);
});

for (const bits of [64, 2]) {
  Deno.test(`a window in many blocks and rows is known over starts: hashes of ${bits} bits`, () => {
    const w = fixture(bits);
    const sent = Array.from({ length: 40 }, (_, i) => {
      return { to: i % 2 ? "bob" : "cid", id: `m${i}`, body: `body ${i}`, ext: "" };
    });
    const results = sent.map((m) => {
      const result = send(w, m);
      ok(result.ok);
      w.settle(i(m) % 7 * 100);
      return result;
    });
    for (const how of ["idle", "killed"]) {
      if (how === "idle") w.settle(20_000);
      else w.kill();
      if (how === "killed") w.start();
      deepEqual(sent.map((m) => send(w, m)), results, how);
      for (const m of sent) equal(code(send(w, others(m)[1]!)), "conflict", how);
      equal(code(send(w, { to: "bob", id: `new when ${how}`, body: "", ext: "" })), "ok");
    }
  });
}

const i = ({ id }: Message) => Number(id.slice(1));

/** Stops a fixture as an operator does, and looks at the disk. */
function stopped(w: NodeFixture) {
  let done = false;
  w.node.committer.checkpointAll(() => done = true);
  w.time.runWhile(() => !done, w.time.nowMs + 60_000);
  ok(done);
  checkDisk(w.disk);
  return ["d", "h"].map((table) => w.disk.rows([table]).length);
}

Deno.test("blocks and rows of hashes are deleted when they are over age, and with the account", () => {
  const w = fixture();
  for (let n = 0; n < 40; n++) ok(send(w, { to: "bob", id: `m${n}`, body: "", ext: "" }).ok);
  deepEqual(stopped(w), [13, 6]);
  w.process.jumpWall(8 * 86_400_000);
  // A jump counts once it has stood for ten minutes.
  w.settle(11 * 60_000);
  ok(send(w, { to: "bob", id: "m0", body: "another", ext: "" }).ok, "the key is free again");
  deepEqual(stopped(w), [0, 0]);
  for (let n = 1; n < 40; n++) ok(send(w, { to: "bob", id: `m${n}`, body: "", ext: "" }).ok);
  // The first of these blocks is the second of its row.
  deepEqual(stopped(w), [13, 7]);
  w.must("ann", "account.remove", {});
  w.must("ann", "account.release", {});
  w.settle(30_000);
  deepEqual(stopped(w), [0, 0]);
});
