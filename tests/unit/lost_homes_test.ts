/** Clients that wait at a cell for their home, which cannot be reached. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { connect, type Frame, openNode, TOKEN } from "./json_fakes.ts";
import { fail, type Failure } from "../../shard/errors.ts";
import { LostHomes, movedTo } from "../../server/v1/lost_homes.ts";
import { openApp } from "./json_app.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const OLD = movedTo("b", ["https://old.example"]);
const NEW = ["https://new.example"];

/** A place to wait, beside a cell `b` that is lost. */
function openHomes(waitingMax = 1000) {
  const time = new VirtualTime();
  const b = { reached: false, addresses: ["https://old.example"] as readonly string[] | null };
  const draw = { random: 0 };
  const homes = new LostHomes({
    timers: time.global.timers,
    random: { number: () => draw.random, bytes: (count) => new Uint8Array(count) },
    waitingMax,
    isReached: (cell) => cell === "b" && b.reached,
    addressesOf: (cell) => cell === "b" ? b.addresses : null,
  });
  const left: Failure[] = [];
  const hold = (seconds = 8, refusal: Failure = OLD) =>
    homes.hold(refusal, seconds, (later) => void left.push(later));
  return { b, draw, hold, homes, left, time };
}

Deno.test("12.8: who waits for a lost home learns where it is once that can be reached", () => {
  const { b, hold, homes, left, time } = openHomes();
  ok(hold() !== null);
  deepEqual([...homes.waiting], [["b", 1]]);
  time.runFor(3000);
  deepEqual(left, []);
  Object.assign(b, { reached: true, addresses: NEW });
  time.runFor(50);
  deepEqual(left, [movedTo("b", NEW)]);
  equal(homes.waiting.size, 0);
  time.runFor(60_000);
  equal(left.length, 1);
});

Deno.test("12.8: those who wait for a home leave in their order, and not all at one moment", () => {
  const { b, homes, left, time } = openHomes();
  const order: number[] = [];
  for (let i = 0; i < 500; i++) homes.hold(OLD, 8, () => void order.push(i));
  b.reached = true;
  time.runFor(100);
  ok(order.length >= 40 && order.length <= 100, String(order.length));
  time.runFor(1000);
  deepEqual(order, order.toSorted((x, y) => x - y));
  equal(order.length, 500);
  deepEqual(left, []);
});

Deno.test("12.8: nobody waits for a home longer than it offers, or than 20 s, nor all equally long", () => {
  const { draw, hold, left, time } = openHomes();
  hold(8);
  time.runFor(7900);
  equal(left.length, 0);
  time.runFor(200);
  deepEqual(left, [OLD]);
  draw.random = 0.999;
  hold(8);
  time.runFor(5900);
  equal(left.length, 1);
  time.runFor(200);
  equal(left.length, 2);
  draw.random = 0;
  hold(1e9);
  time.runFor(19_900);
  equal(left.length, 2);
  time.runFor(200);
  equal(left.length, 3);
});

Deno.test("12.8: where there is nothing to wait for, or no room, a client is sent on at once", () => {
  const { b, hold, left, time } = openHomes(2);
  equal(hold(0), null);
  equal(hold(Number.NaN), null);
  equal(hold(8, fail("unauthorized", "no")), null);
  b.reached = true;
  equal(hold(), null);
  b.reached = false;
  ok(hold() !== null);
  const leave = hold();
  ok(leave !== null);
  equal(hold(), null, "two wait already");
  leave();
  leave();
  ok(hold() !== null, "who goes away makes room, once");
  equal(hold(), null);
  b.reached = true;
  time.runFor(50);
  equal(left.length, 2);
});

Deno.test("12.8: who waits for a home without known servers is refused as before, or sent to them", () => {
  const { b, hold, left, time } = openHomes();
  const unknown = { ...fail("unavailable", "not known yet", 500), cell: "b" };
  b.addresses = null;
  ok(hold(1, unknown) !== null);
  time.runFor(1000);
  deepEqual(left, [unknown]);
  hold(1, unknown);
  Object.assign(b, { reached: true, addresses: NEW });
  time.runFor(50);
  deepEqual(left[1], movedTo("b", NEW));
});

/** A node with a place to wait, which sends alice to her home. */
function openFront() {
  const node = openNode();
  const held: { wait: number; done: (refusal: Failure) => void; left: boolean }[] = [];
  node.router.answers["auth.token"] = () => OLD;
  const lostHomes = {
    hold: (refusal: Failure, wait: number, done: (refusal: Failure) => void) => {
      equal(refusal, OLD);
      const one = { wait, done, left: false };
      held.push(one);
      return () => void (one.left = true);
    },
  };
  Object.assign(node.deps, { lostHomes });
  return { held, lostHomes, node };
}

const HELLO = { t: "hello", v: 1, auth: { token: TOKEN }, wait: 8 };
const REFUSED: Frame = {
  t: "error",
  code: "moved",
  message: "Sign in at cell b, where this account is at home",
  servers: NEW,
};

/** The frames since the last look, once refusals that wait for a step of time have come. */
function later({ node, sink }: { node: ReturnType<typeof openNode>; sink: { frames: Frame[] } }) {
  node.time.runFor(20);
  return sink.frames.splice(0);
}

Deno.test("12.8: Connection: a hello that offers to wait gets its refusal when its home is found", () => {
  const { held, node } = openFront();
  const { handler, say, sink } = connect(node);
  say(HELLO);
  deepEqual(later({ node, sink }), []);
  equal(held[0]?.wait, 8);
  deepEqual(node.outcomes, [], "nothing is decided yet");
  held[0]!.done(movedTo("b", NEW));
  deepEqual(sink.frames.splice(0), [REFUSED]);
  equal(sink.ended, "protocol");
  deepEqual([node.outcomes, node.signIns], [["hello moved"], ["token moved"]]);
  handler.closed();
  equal(held.length, 1);
});

Deno.test("12.8: Connection: who names a device waits as well, for only attaching looks at it", () => {
  const { held, node } = openFront();
  node.edge.open = (_options, done) => done(OLD);
  node.deps.open = node.edge.open;
  const { say, sink } = connect(node);
  say({ ...HELLO, device: "phone" });
  deepEqual(later({ node, sink }), []);
  equal(held.length, 1);
});

Deno.test("12.8: Connection: a frame while it waits is early, and one that goes away waits no more", () => {
  const { held, node } = openFront();
  const impatient = connect(node);
  impatient.say(HELLO);
  node.time.runFor(20);
  const [refusal] = impatient.say({ t: "ping", id: 1 });
  equal(refusal?.["code"], "bad_request");
  deepEqual([impatient.sink.ended, held[0]?.left], ["protocol", true]);
  const gone = connect(node);
  gone.say(HELLO);
  node.time.runFor(20);
  gone.handler.closed();
  equal(held[1]?.left, true);
});

Deno.test("12.8: Connection: a hello without that offer is refused at once", () => {
  const { held, node } = openFront();
  const { say, sink } = connect(node);
  say({ ...HELLO, wait: undefined });
  equal(later({ node, sink })[0]?.["code"], "moved");
  const none = connect(node);
  none.say({ ...HELLO, wait: 0 });
  equal(later({ node, sink: none.sink })[0]?.["code"], "moved");
  const wrong = connect(node);
  equal(wrong.say({ ...HELLO, wait: 21 })[0]?.["code"], "bad_request");
  equal(held.length, 0);
});

Deno.test("12.8: POST /v1/sessions?wait= waits for a lost home, until its client hangs up", async () => {
  const { held, lostHomes } = openFront();
  const { app, bearer, node } = openApp({ lostHomes });
  node.router.answers["auth.token"] = () => OLD;
  const end = new AbortController();
  const ask = (path: string, signal?: AbortSignal) =>
    app.request(path, { method: "POST", headers: bearer, ...(signal ? { signal } : {}) });
  const turn = async () => {
    for (let i = 0; i < 4; i++) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      node.time.runFor(10);
    }
  };
  const first = ask("/v1/sessions?wait=8");
  await turn();
  equal(held[0]?.wait, 8);
  held[0]!.done(movedTo("b", NEW));
  const response = await first;
  const { code, servers } = await response.json();
  deepEqual([response.status, code, servers], [421, "moved", NEW]);
  const second = ask("/v1/sessions?wait=8", end.signal);
  await turn();
  equal(held.length, 2);
  end.abort();
  await second;
  equal(held[1]!.left, true);
});
