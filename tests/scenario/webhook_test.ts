import assert from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { GatewayFixture, type HookEvent, type Receiver } from "../sim/gateway_fixture.ts";
import type { Outcome } from "../../server/gateway/outcome.ts";
import { type OutcomePage, readOutcomes } from "../../server/gateway/streams.ts";

const MAIL = "service.mail";
const device = "gateway" as DeviceId;

function fixture(options: ConstructorParameters<typeof GatewayFixture>[0] = {}) {
  const w = new GatewayFixture(options);
  w.service("mail", ["send", "watch", "presence.read", "outcomes"]);
  w.person("ann", "mail");
  const send = (id: string) =>
    w.ask(MAIL, "message.send", { device, to: "ann" as AccountName, id, body: id, ext: "" });
  return { w, send };
}

const keys = ({ events }: Receiver) =>
  events.filter((e) => e["state"] === "accepted").map((e) => e["key"]);
const positions = (events: readonly HookEvent[]) => events.map(({ n }) => n);
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const names = (count: number) => upTo(count).map((i) => `m${i}`);

function outcomesOf(w: GatewayFixture): readonly Outcome[] {
  return w.must<OutcomePage>((done) => readOutcomes(w.node, MAIL as AccountName, null, 500, done))
    .outcomes;
}

Deno.test("a webhook gets outcomes in order, each once, as the poll tells them", () => {
  const { w, send } = fixture();
  const receiver = w.hook("mail", "main", ["outcomes"]);
  for (const id of names(5)) send(id);
  w.time.runFor(1000);
  const { mailboxId, snapshot } = w.ask("ann", "mailbox.snapshot", {});
  assert.ok(mailboxId);
  w.ask("ann", "mailbox.ack", { seq: snapshot.seq });
  w.time.runFor(1000);
  w.ask("ann", "conversation.read", { with: MAIL as AccountName, upTo: snapshot.seq });
  w.time.runFor(1000);
  assert.deepEqual(keys(receiver), names(5));
  assert.deepEqual(
    receiver.events.slice(5).map((e) => [e["state"], e["upTo"]]),
    [["delivered", 5], ["read", 5]],
  );
  assert.deepEqual(
    receiver.events.map(({ n: _, type: __, ...outcome }) => outcome),
    outcomesOf(w).map((outcome) => ({ ...outcome })),
  );
});

Deno.test("a receiver that was away gets everything in order, across a kill of the server", () => {
  const { w, send } = fixture();
  const receiver = w.hook("mail", "main", ["outcomes"]);
  send("m1");
  w.time.runFor(500);
  receiver.state = "down";
  for (const id of names(150).slice(1)) send(id);
  w.time.runFor(120_000);
  w.kill();
  w.start();
  for (const id of names(300).slice(150)) send(id);
  w.time.runFor(300_000);
  assert.deepEqual(keys(receiver), ["m1"]);
  receiver.losesAnswers = 1;
  receiver.state = "up";
  w.time.runFor(130_000);
  assert.deepEqual(keys(receiver), names(300));
  assert.deepEqual(positions(receiver.events), upTo(300));
  assert.ok(receiver.repeated > 0, "an answer was lost, so that a batch has to come again");
  assert.equal(w.rows("webhook queue").count, 0);
});

Deno.test("a receiver that hangs holds no other up, and what is too much becomes dead letters", () => {
  const { w, send } = fixture({ limits: { eventsMax: 200, deadMax: 150 } });
  const stuck = w.hook("mail", "stuck", ["outcomes"]);
  const quick = w.hook("mail", "quick", ["outcomes"]);
  stuck.state = "hangs";
  for (const id of names(400)) send(id);
  w.time.runFor(5000);
  assert.deepEqual(keys(quick), names(400));
  const [how] = w.gateway.hooks.status("mail");
  assert.deepEqual({ waiting: how!.waiting, dead: how!.dead }, { waiting: 200, dead: 150 });
  assert.equal(w.rows("webhook queue").count, 200);
  assert.equal(w.rows("webhook dead").count, 150);
  stuck.state = "up";
  w.time.runFor(70_000);
  assert.deepEqual(keys(stuck), names(400).slice(200));
  assert.equal(w.must<number>((done) => w.gateway.hooks.replay("mail", "stuck", done)), 150);
  w.time.runFor(5000);
  // The fifty oldest are gone; the replayed ones come behind the others.
  assert.deepEqual(keys(stuck), [...names(400).slice(200), ...names(200).slice(50)]);
});

Deno.test("events that waited for too long become dead letters", () => {
  const { w, send } = fixture({ limits: { ageMaxMs: 60_000 } });
  const receiver = w.hook("mail", "main", ["outcomes"]);
  receiver.state = "full";
  for (const id of names(3)) send(id);
  w.time.runFor(150_000);
  receiver.state = "up";
  send("m4");
  w.time.runFor(70_000);
  assert.deepEqual(keys(receiver), ["m4"]);
  assert.equal(w.gateway.hooks.status("mail")[0]!.dead, 3);
});

Deno.test("presence goes to those who watch it, and users who did not agree are not in it", () => {
  const { w } = fixture();
  const receiver = w.hook("mail", "main", ["presence"]);
  w.ask("eve", "account.create", { credentials: null });
  w.gateway.ask(MAIL as AccountName, "eve" as AccountName, () => {});
  const session = (n: number) => `session00000000${n}` as `session${string}`;
  const attach = (name: string, n: number) =>
    w.ask(name, "session.attach", {
      session: session(n) as never,
      device: "phone" as DeviceId,
      auth: { kind: "issuer", expiresAt: w.process.clock.wallMs() + 1e9 },
      cursor: null,
      presence: { show: "away", status: "", priority: 0, ext: "" },
    });
  attach("ann", 1);
  attach("eve", 2);
  w.time.runFor(1000);
  assert.deepEqual(receiver.events.map((e) => [e["user"], e["show"]]), [["ann", "away"]]);
  w.ask("ann", "roster.block", { contact: MAIL as AccountName, blocked: true });
  w.time.runFor(1000);
  assert.equal(receiver.events.at(-1)!["show"], "offline");
});

Deno.test("a revoked service is sent nothing more, and its rows are gone", () => {
  const { w, send } = fixture();
  const receiver = w.hook("mail", "main", ["outcomes"]);
  receiver.state = "down";
  for (const id of names(5)) send(id);
  w.time.runFor(3000);
  w.must<null>((done) => w.gateway.registry.revoke("mail", done));
  receiver.state = "up";
  w.time.runFor(120_000);
  assert.deepEqual(receiver.events, []);
  for (const kind of ["webhook", "webhook queue", "webhook ends"]) {
    assert.equal(w.rows(kind).count, 0, kind);
  }
});

Deno.test("a webhook made anew repeats no id of a batch, for receivers know what they had by it", () => {
  const { w, send } = fixture();
  const before = w.hook("mail", "main", ["outcomes"]);
  for (const id of names(3)) send(id);
  w.time.runFor(1000);
  w.must<null>((done) => w.gateway.hooks.remove("mail", "main", done));
  const after = w.hook("mail", "main", ["outcomes"]);
  for (const id of names(3)) send(`again-${id}`);
  w.time.runFor(1000);
  assert.equal(after.events.length, 3);
  const ids = [...before.ids, ...after.ids];
  assert.equal(new Set(ids).size, ids.length, ids.join(" "));
});

Deno.test("a batch that comes again has the id that it had, and not before the receiver wants it", () => {
  const { w, send } = fixture();
  const receiver = w.hook("mail", "main", ["outcomes"]);
  Object.assign(receiver, { state: "full", retryAfterMs: 30_000 });
  send("m1");
  w.time.runFor(200_000);
  const gaps = receiver.times.slice(1).map((at, i) => at - receiver.times[i]!);
  assert.ok(gaps.length > 2 && gaps.every((ms) => ms >= 30_000), gaps.join(" "));
  Object.assign(receiver, { state: "up", losesAnswers: 2 });
  w.time.runFor(200_000);
  assert.equal(receiver.ids.length, 3);
  assert.equal(new Set(receiver.ids).size, 1);
});

Deno.test("a batch under repetition keeps its id and events over a restart and a change (A10)", () => {
  const { w, send } = fixture();
  const receiver = w.hook("mail", "main", ["outcomes"]);
  receiver.losesAnswers = Infinity;
  send("m1");
  w.time.runFor(10_000);
  const [id] = receiver.ids;
  const sent = receiver.ids.length;
  assert.ok(sent > 1);
  // They wait behind it, and must not join it.
  for (const key of ["m2", "m3"]) send(key);
  w.time.runFor(1000);
  w.kill();
  w.start();
  w.time.runFor(200_000);
  const restarted = receiver.ids.length;
  assert.ok(restarted > sent, "the batch is repeated after the restart");
  const changed = {
    service: "mail",
    id: "main",
    url: "https://mail-main.example/",
    topics: ["outcomes", "presence"] as const,
    users: null,
  };
  w.must((done) => w.gateway.putHook(changed, done));
  w.time.runFor(200_000);
  assert.ok(receiver.ids.length > restarted, "the batch is repeated after the change");
  assert.deepEqual([...new Set(receiver.ids)], [id]);
  receiver.losesAnswers = 0;
  w.time.runFor(130_000);
  assert.deepEqual(keys(receiver), ["m1", "m2", "m3"]);
  assert.deepEqual(positions(receiver.events), upTo(receiver.events.length));
});
