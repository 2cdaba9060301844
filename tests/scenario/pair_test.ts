/** Those who may not write to an account cannot fill it, stop it, or learn that it exists. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;
const PHONE = "phone" as DeviceId;

function subscribe(w: NodeFixture, from: string, to: string): void {
  w.must(from, "roster.subscription", { contact: name(to), type: "subscribe" });
}

/** Users who have asked `user` for a subscription. */
function requests(w: NodeFixture, user: string): string[] {
  return [...w.must(user, "mailbox.snapshot", {}).snapshot.requests];
}

Deno.test("strangers whose messages are refused take none of an account's conversations", () => {
  const w = new NodeFixture({ limits: { conversationsMax: 3 } });
  for (const user of ["victim", "friend", "late"]) w.account(user);
  for (let i = 0; i < 10; i++) {
    w.account(`stranger${i}`);
    w.send(`stranger${i}`, "victim", "m1", "hello");
    // Nor do answers to requests that were never made.
    const type = i % 2 === 0 ? "unsubscribe" : "unsubscribed";
    w.must(`stranger${i}`, "roster.subscription", { contact: name("victim"), type });
  }
  w.settle();
  w.befriend("friend", "victim");
  w.send("victim", "friend", "m1", "still here");
  subscribe(w, "late", "victim");
  w.settle();
  ok(w.bodies("friend").includes("still here"));
  deepEqual(requests(w, "victim"), ["late"]);
  deepEqual(w.bodies("victim"), ["still here"]);
});

Deno.test("an account that can take no more others says so, and holds nobody up", () => {
  const w = new NodeFixture({ limits: { conversationsMax: 2 } });
  for (const user of ["full", "a", "b", "c", "d"]) w.account(user);
  w.must("full", "settings.set", { messagesFrom: "anyone" });
  for (const user of ["a", "b", "c"]) w.send(user, "full", "m1", `from ${user}`);
  w.settle();
  deepEqual(w.bodies("full"), ["from a", "from b"]);
  const events = w.mailbox("c").map((e) => e.kind === "undelivered" ? e.reason : e.kind);
  deepEqual(events, ["message", "quota"]);
  // A request finds room all the same: those who write cannot take it (10.3).
  subscribe(w, "c", "full");
  w.settle();
  deepEqual(requests(w, "full"), ["c"]);
  w.must("c", "roster.subscription", { contact: name("full"), type: "unsubscribe" });
  // Nothing waits at the sender, and the name can be given up.
  w.must("d", "settings.set", { messagesFrom: "anyone" });
  w.send("c", "d", "m2", "elsewhere");
  w.settle();
  ok(w.bodies("d").includes("elsewhere"));
  w.must("c", "account.remove", {});
  w.settle();
  w.must("c", "account.release", {});
});

Deno.test("what strangers write to who does not take it never leaves them", () => {
  const w = new NodeFixture({ limits: { cacheIdleMs: 200, checkpointMs: 100 } });
  for (const user of ["asker", "asked"]) w.account(user);
  w.send("asker", "asked", "m0", "known by now");
  // By then neither is in memory.
  w.settle();
  // Whether it can be read at once makes no difference.
  w.disk.failReadsOf("asked", 100);
  w.send("asker", "asked", "m1", "early");
  w.settle(150);
  w.send("asker", "asked", "m2", "late");
  w.settle(150);
  w.must("asked", "settings.set", { messagesFrom: "anyone" });
  w.settle(10_000);
  deepEqual(w.bodies("asked"), []);
  w.send("asker", "asked", "m3", "let in");
  w.settle();
  deepEqual(w.bodies("asked"), ["let in"]);
});

Deno.test("a stranger who is let in is taken from there on, in order", () => {
  const w = new NodeFixture();
  for (const user of ["a", "b"]) w.account(user);
  for (let i = 0; i < 5; i++) w.send("a", "b", `m${i}`, "unwanted");
  w.settle();
  w.must("b", "settings.set", { messagesFrom: "anyone" });
  for (let i = 0; i < 5; i++) w.send("a", "b", `n${i}`);
  w.settle();
  deepEqual(w.bodies("b"), ["n0", "n1", "n2", "n3", "n4"]);
});

Deno.test("a burst of large messages has the same answers whether there is anybody or not", () => {
  const answers = (to: "missing" | "hiding" | "blocking") => {
    const limits = {
      waitingMessagesMax: 100,
      waitingCharsMax: 1e6,
      waitingTotalCharsMax: 1e6,
    };
    const w = new NodeFixture({ limits });
    w.account("a");
    if (to !== "missing") w.account(to);
    if (to === "blocking") w.must(to, "roster.block", { contact: name("a"), blocked: true });
    const said: string[] = [];
    for (let i = 0; i < 12; i++) {
      const message = { device: PHONE, to: name(to), id: `m${i}`, body: "x".repeat(16_000) };
      w.node.request(name("a"), "message.send", { ...message, ext: "" }, (result) => {
        said.push(result.ok ? "ok" : `${result.code}: ${result.message}`);
      });
    }
    w.settle();
    // What was limited can be sent after the pause that was asked for.
    said.push(String(
      w.ask("a", "message.send", {
        device: PHONE,
        to: name(to),
        id: "later",
        body: "x".repeat(16_000),
        ext: "",
      }).ok,
    ));
    return said;
  };
  const missing = answers("missing");
  equal(missing.filter((text) => text === "ok").length, 4);
  ok(missing.some((text) => text.startsWith("busy")));
  deepEqual(answers("hiding"), missing);
  deepEqual(answers("blocking"), missing);
});

Deno.test("the next owner of a released name does not learn how much the former one was sent", () => {
  const w = new NodeFixture();
  for (const user of ["kim", "lou"]) w.account(user);
  w.must("kim", "settings.set", { messagesFrom: "anyone" });
  for (let i = 0; i < 5; i++) w.send("lou", "kim", `old${i}`);
  w.settle();
  w.must("kim", "account.remove", {});
  w.settle();
  w.must("kim", "account.release", {});
  w.account("kim");
  w.must("kim", "settings.set", { messagesFrom: "anyone" });
  const sent = w.send("lou", "kim", "new");
  w.settle();
  // Lou's own numbers go on; a restart knows what lies between the two.
  equal(sent.num, 6);
  const nums = () => w.mailbox("kim").flatMap((e) => e.kind === "message" ? [e.num] : []);
  deepEqual(nums(), [1]);
  w.settle(60_000);
  w.kill();
  w.start();
  w.send("lou", "kim", "newer");
  w.settle();
  deepEqual(nums(), [1, 2]);
  w.must("kim", "mailbox.ack", { seq: w.mailbox("kim").at(-1)!.seq });
  w.settle();
  const receipts = w.mailbox("lou").flatMap((e) => e.kind === "receipt" ? [e.delivered] : []);
  equal(receipts.at(-1), 7);
});

Deno.test("what the roster has of a former account does not stop messages to the present one", () => {
  const w = new NodeFixture();
  for (const user of ["ann", "bob"]) w.account(user);
  w.befriend("ann", "bob");
  // Behind a block bob forgets ann, whose roster is notified.
  w.must("bob", "roster.block", { contact: name("ann"), blocked: true });
  w.must("bob", "roster.remove", { contact: name("ann") });
  w.must("bob", "account.remove", {});
  w.settle();
  w.must("bob", "account.release", {});
  w.account("bob");
  w.must("bob", "settings.set", { messagesFrom: "anyone" });
  for (const id of ["m1", "m2"]) w.send("ann", "bob", id);
  w.settle();
  deepEqual(w.bodies("bob"), ["m1", "m2"]);
  w.must("ann", "roster.remove", { contact: name("bob") });
  w.settle();
  for (const id of ["m3", "m4"]) w.send("ann", "bob", id);
  w.settle();
  deepEqual(w.bodies("bob"), ["m1", "m2", "m3", "m4"]);
});
