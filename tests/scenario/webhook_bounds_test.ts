/** Webhooks at their bounds: large events, smaller limits after a start, many requests at once. */
import assert from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { HookRecord } from "../../server/gateway/hook_events.ts";
import type { Result } from "../../shard/errors.ts";
import { mindAgreement } from "../../server/gateway/agreement.ts";
import type { Router } from "../../server/node/router.ts";
import { GatewayFixture } from "../sim/gateway_fixture.ts";

const MAIL = "service.mail";
const input = { device: "gateway" as DeviceId, to: "ann" as AccountName, body: "x", ext: "" };

function fixture(options: ConstructorParameters<typeof GatewayFixture>[0] = {}): GatewayFixture {
  const w = new GatewayFixture(options);
  w.service("mail", ["send", "watch", "presence.read", "outcomes"]);
  w.person("ann", "mail");
  return w;
}

function sendAll(w: GatewayFixture, from: number, upTo: number): void {
  for (let i = from; i <= upTo; i++) w.ask(MAIL, "message.send", { ...input, id: `m${i}` });
  w.time.runFor(20_000);
}

function record(id: string): Omit<HookRecord, "secret"> {
  return {
    service: "mail",
    id,
    url: `https://mail-${id}.example/`,
    topics: ["outcomes"],
    users: null,
  };
}

Deno.test("presence as large as it may be waits, becomes dead letters and is replayed", () => {
  const w = fixture({ limits: { eventsMax: 150, deadMax: 150 } });
  const receiver = w.hook("mail", "main", ["presence"]);
  receiver.state = "down";
  // In JSON each of these characters takes six.
  const ext = "\u0001".repeat(2048);
  const session = "session000000001" as never;
  w.ask("ann", "session.attach", {
    session,
    device: "phone" as DeviceId,
    auth: { kind: "issuer", expiresAt: w.process.clock.wallMs() + 1e9 },
    cursor: null,
    presence: { show: "away", status: "", priority: 0, ext },
  });
  for (let i = 0; i < 320; i++) {
    const status = String(i).repeat(100);
    w.ask("ann", "presence.set", { session, presence: { show: "away", status, priority: 0, ext } });
    w.time.runFor(300);
  }
  const how = () => w.gateway.hooks.status("mail")[0]!;
  assert.deepEqual([how().waiting, how().dead], [150, 150]);
  receiver.state = "up";
  w.time.runFor(120_000);
  assert.equal(receiver.events.length, 150);
  assert.equal(w.must<number>((done) => w.gateway.hooks.replay("mail", "main", done)), 150);
  w.time.runFor(120_000);
  assert.equal(receiver.events.length, 300);
});

Deno.test("a server that starts with smaller bounds of webhooks keeps what they let it", () => {
  const w = fixture({ limits: { eventsMax: 200, deadMax: 1000 } });
  const receiver = w.hook("mail", "main", ["outcomes"]);
  receiver.state = "down";
  sendAll(w, 1, 1250);
  assert.equal(w.gateway.hooks.status("mail")[0]!.dead, 1000);
  w.kill();
  Object.assign(w.limits, { deadMax: 100, eventsMax: 100 });
  w.start();
  sendAll(w, 1251, 1260);
  const { waiting, dead } = w.gateway.hooks.status("mail")[0]!;
  assert.deepEqual([waiting, dead], [100, 100]);
  assert.equal(w.rows("webhook dead").count, 100);
  assert.equal(w.rows("webhook queue").count, 100);
});

Deno.test("webhooks that are made at once are no more than a service may have", () => {
  const w = fixture({ limits: { perServiceMax: 3 } });
  const answers: Result<HookRecord>[] = [];
  for (let i = 0; i < 20; i++) w.gateway.putHook(record(`h${i}`), (result) => answers.push(result));
  w.time.runFor(1000);
  assert.equal(answers.length, 20);
  assert.equal(answers.filter(({ ok }) => ok).length, 3);
  assert.equal(w.gateway.hooks.of("mail").length, 3);
});

Deno.test("a webhook that is made twice at once has the secret that was returned", () => {
  const w = fixture();
  const answers: Result<HookRecord>[] = [];
  for (let i = 0; i < 2; i++) {
    w.gateway.putHook(record("main"), (result) => answers.push(result));
  }
  w.time.runFor(1000);
  const [refused, made] = answers;
  assert.ok(made?.ok === true && refused?.ok === false && refused.code === "unavailable");
  assert.deepEqual(w.gateway.hooks.of("mail").map(({ secret }) => secret), [made.value.secret]);
});

Deno.test("a webhook cannot be made anew before all of its removal is done", () => {
  const w = fixture();
  const receiver = w.hook("mail", "main", ["outcomes"]);
  receiver.state = "down";
  sendAll(w, 1, 250);
  const answers: boolean[] = [];
  w.gateway.hooks.remove("mail", "main", ({ ok }) => answers.push(ok));
  w.gateway.putHook(record("main"), ({ ok }) => answers.push(ok));
  w.gateway.hooks.remove("mail", "main", ({ ok }) => answers.push(ok));
  w.time.runFor(1000);
  assert.deepEqual(answers, [false, false, true]);
  for (const kind of ["webhook", "webhook queue", "webhook ends"]) {
    assert.equal(w.rows(kind).count, 0, kind);
  }
  const made = w.hook("mail", "main", ["outcomes"]);
  sendAll(w, 251, 260);
  assert.deepEqual(
    made.events.map(({ key }) => key),
    Array.from({ length: 10 }, (_, i) => `m${251 + i}`),
  );
});

Deno.test("a webhook that the store cannot remove exists until it is removed again", () => {
  const w = fixture();
  const receiver = w.hook("mail", "main", ["outcomes"]);
  w.disk.faults = { failed: 1, unknown: 0, readFailed: 0 };
  const refused = w.wait<Result<null>>((done) => w.gateway.hooks.remove("mail", "main", done));
  assert.equal(refused.ok, false);
  w.disk.heal();
  sendAll(w, 1, 3);
  assert.deepEqual(receiver.events.map(({ key }) => key), ["m1", "m2", "m3"]);
  w.must<null>((done) => w.gateway.hooks.remove("mail", "main", done));
  assert.equal(w.rows("webhook").count, 0);
});

Deno.test("webhooks of a service that is revoked on a failing disk end at once, and for good", () => {
  const w = fixture();
  const receiver = w.hook("mail", "main", ["outcomes"]);
  receiver.state = "down";
  sendAll(w, 1, 250);
  w.disk.faults = { failed: 1, unknown: 0, readFailed: 0 };
  w.gateway.registry.revoke("mail", () => {});
  receiver.state = "up";
  w.time.runFor(60_000);
  assert.deepEqual(w.gateway.hooks.of("mail"), []);
  w.disk.heal();
  w.time.runFor(5000);
  assert.deepEqual(receiver.events, []);
  for (const kind of ["webhook", "webhook queue", "webhook ends"]) {
    assert.equal(w.rows(kind).count, 0, kind);
  }
});

Deno.test("a removal that was broken off leaves nothing to a webhook of the same name", () => {
  for (let afterMs = 0; afterMs < 40; afterMs += 2) {
    const w = fixture({ seed: afterMs + 1 });
    const before = w.hook("mail", "main", ["outcomes"]);
    before.state = "down";
    sendAll(w, 1, 250);
    w.gateway.hooks.remove("mail", "main", () => {});
    w.time.runFor(afterMs);
    w.kill();
    w.start();
    if (w.gateway.hooks.of("mail").length > 0) {
      w.must<null>((done) => w.gateway.hooks.remove("mail", "main", done));
    }
    const receiver = w.hook("mail", "main", ["outcomes"]);
    sendAll(w, 251, 255);
    assert.deepEqual(
      receiver.events.map(({ key }) => key),
      ["m251", "m252", "m253", "m254", "m255"],
      `killed after ${afterMs} ms`,
    );
  }
});

Deno.test("presence set at once is for no more users than a service may have", () => {
  const w = new GatewayFixture({ limits: { presencesMax: 2 } });
  w.service("calendar", ["presence.set"]);
  const names = ["ann", "bob", "cid", "dan"] as readonly string[] as readonly AccountName[];
  for (const name of names) w.person(name, "calendar");
  // Started anew, it has to read them first.
  w.time.runFor(120_000);
  w.kill();
  w.start();
  const presence = { show: "dnd", status: "", priority: 0, ext: "" } as const;
  const set = (users: readonly AccountName[]) => {
    const answers: boolean[] = [];
    for (const user of users) {
      w.gateway.presences.set("calendar", user, presence, 60_000, ({ ok }) => answers.push(ok));
    }
    w.time.runFor(1000);
    return answers.filter((ok) => ok).length;
  };
  assert.equal(set(names), 2);
  assert.equal(w.gateway.presences.size, 2);
  assert.equal(set(names.slice(0, 2)), 2, "who has it set may have it changed");
  w.time.runFor(120_000);
  assert.equal(set(names.slice(2)), 2, "they have ended");
});

Deno.test("presence that a service has set ends when its user takes the agreement back", () => {
  const contact = "service.calendar" as AccountName;
  const ann = "ann" as AccountName;
  const takesBack = (change: (clients: Router) => void) => {
    const w = new GatewayFixture();
    w.service("calendar", ["presence.set"]);
    w.person("ann", "calendar");
    const presence = { show: "dnd", status: "", priority: 0, ext: "" } as const;
    w.must<null>((done) => w.gateway.presences.set("calendar", ann, presence, 60_000, done));
    change(mindAgreement(w.node, w.gateway.presences));
    w.time.runFor(1000);
    return w.ask("ann", "account.info", {}).sessions === 0;
  };
  const changes = {
    block: takesBack((clients) =>
      clients.request(ann, "roster.block", { contact, blocked: true }, () => {})
    ),
    remove: takesBack((clients) => clients.request(ann, "roster.remove", { contact }, () => {})),
    unsubscribe: takesBack((clients) =>
      clients.request(ann, "roster.subscription", { contact, type: "unsubscribe" }, () => {})
    ),
    other: takesBack((clients) =>
      clients.request(
        ann,
        "roster.block",
        { contact: "bob" as AccountName, blocked: true },
        () => {},
      )
    ),
  };
  assert.deepEqual(changes, { block: true, remove: true, unsubscribe: true, other: false });
});

Deno.test("presence that a service has set outlives the owner of its user's shard", () => {
  const w = new GatewayFixture();
  w.service("calendar", ["presence.set"]);
  w.person("ann", "calendar");
  const ann = "ann" as AccountName;
  const presence = { show: "dnd", status: "", priority: 0, ext: "" } as const;
  w.must<null>((done) => w.gateway.presences.set("calendar", ann, presence, 60_000, done));
  const { id } = w.node.shardOf(ann);
  w.node.reload(id, () => {});
  w.time.runFor(2000);
  assert.equal(w.ask("ann", "account.info", {}).sessions, 1);
  assert.equal(w.node.shardOf(ann).presence.settling.active, false);
  w.time.runFor(60_000);
  assert.equal(w.ask("ann", "account.info", {}).sessions, 0);
});
