/** Several tabs with one client: the first leads, the others mirror it, and one takes over. */
import assert from "node:assert/strict";
import { createClient } from "../../server/web/client.js";
import type { Client, Tabs } from "../../server/web/client.d.ts";
import { ClientFixture, heard, MAILBOX, message, RESUMED, SNAPSHOT } from "./client_fixture.ts";

/** A tab that the browser has frozen, or not: what happens meanwhile happens when it thaws. */
class Sleep {
  #queue: (() => void)[] | null = null;

  begin(): void {
    this.#queue = [];
  }

  end(): void {
    const queue = this.#queue ?? [];
    this.#queue = null;
    for (const run of queue) run();
  }

  /** As some browsers: what happened meanwhile never happens. */
  forget(): void {
    this.#queue = null;
  }

  run(task: () => void): void {
    if (this.#queue === null) task();
    else this.#queue.push(task);
  }
}

/** Locks and channels of one browser. */
class Browser {
  readonly #channels = new Set<(message: unknown) => void>();
  readonly #queue: { readonly got: () => void; readonly lost: () => void }[] = [];

  /** What a tab sees of it; it hears nothing while it sleeps, and all of it afterwards. */
  tab(sleep = new Sleep()): Tabs {
    return {
      channel: (_name, heard) => {
        const take = (message: unknown) => sleep.run(() => heard(message));
        this.#channels.add(take);
        const post = (message: unknown) => {
          const others = [...this.#channels].filter((other) => other !== take);
          const clone = structuredClone(message);
          queueMicrotask(() => others.forEach((other) => other(structuredClone(clone))));
        };
        return { post, close: () => void this.#channels.delete(take) };
      },
      lead: (_name, steal, calls) => {
        const on = { got: calls.got, lost: () => sleep.run(calls.lost) };
        const old = steal ? this.#queue.shift() : undefined;
        if (steal) this.#queue.unshift(on);
        else this.#queue.push(on);
        if (old !== undefined) queueMicrotask(old.lost);
        if (this.#queue[0] === on) queueMicrotask(on.got);
        return () => {
          const at = this.#queue.indexOf(on);
          if (at >= 0) this.#queue.splice(at, 1);
          const next = this.#queue[0];
          if (at === 0 && next !== undefined) queueMicrotask(next.got);
        };
      },
    };
  }
}

const ROSTER = [{ contact: "bob", subscription: "to" }];
const VALUE = { seq: 13, at: 1, num: 1 };

/** Two tabs of one browser that are online. */
async function twoTabs() {
  const fixture = new ClientFixture();
  const browser = new Browser();
  const sleep = new Sleep();
  let freeze: (frozen: boolean) => void = () => {};
  const open = (asleep = new Sleep()): Client => {
    const platform = fixture.platform();
    return createClient({
      url: "http://server.test",
      storage: fixture.storage,
      share: true,
      platform: {
        ...platform,
        after: (ms, run) => platform.after!(ms, () => asleep.run(run)),
        tabs: browser.tab(asleep),
        onFreeze: (run) => {
          if (asleep === sleep) freeze = run;
          return () => {};
        },
      },
    });
  };
  const first = open(sleep);
  const signedIn = first.signIn({ token: "t" });
  await fixture.settle();
  fixture.socket.welcome({ snapshot: { ...SNAPSHOT, roster: ROSTER } });
  await signedIn;
  const second = open();
  await fixture.settle();
  return { fixture, first, second, open, sleep, freeze: (frozen: boolean) => freeze(frozen) };
}

Deno.test("createClient with share: tabs have one connection, and show the same (A22)", async () => {
  const { fixture, first, second } = await twoTabs();
  assert.equal((await second.signIn()).status, "online");
  assert.equal(fixture.sockets.length, 1);
  assert.deepEqual([...second.contacts.keys()], ["bob"]);
  const shown = [first, second].map((client) => heard(client, "message"));
  const states = heard(second, "status");
  fixture.socket.events(message(11), { k: "presence", user: "bob", show: "away", device: "d" });
  await fixture.settle();
  assert.deepEqual(shown.map((all) => all.map(({ seq }) => seq)), [[11], [11]]);
  for (const client of [first, second]) {
    assert.equal(client.contacts.get("bob")!.presence.show, "away");
    assert.equal(client.conversations.get("bob")!.unread, 1);
  }
  fixture.socket.breaks();
  await fixture.settle();
  assert.deepEqual(states.map(({ status }) => status), ["waiting"]);
  assert.equal(second.state.status, "waiting");
});

Deno.test("createClient with share: every tab can ask, and gets values and typed errors (A22)", async () => {
  const { fixture, first, second } = await twoTabs();
  const sent = second.send("bob", "hello");
  const refused = second.subscribe("nobody");
  await fixture.settle();
  assert.deepEqual(first.pending.map(({ body }) => body), ["hello"]);
  const [send] = fixture.socket.commands("send");
  const [subscription] = fixture.socket.commands("subscription");
  fixture.socket.says({ t: "ok", id: send!["id"], value: VALUE });
  fixture.socket.says({ t: "error", id: subscription!["id"], code: "not_found", message: "no" });
  assert.deepEqual(await sent, VALUE);
  await assert.rejects(refused, { name: "RoostError", code: "not_found" });
  assert.deepEqual(second.pending, []);
});

Deno.test("createClient with share: a tab takes over, and nothing is lost, doubled or missed (A22)", async () => {
  const { fixture, first, second } = await twoTabs();
  const shown = heard(second, "message");
  const resets = heard(second, "snapshot");
  const states = heard(second, "status");
  fixture.socket.events(message(11));
  const sent = second.send("bob", "hello");
  const revoked = second.revoke("phone");
  await fixture.settle();
  const { key } = fixture.socket.commands("send")[0]!;
  first.close();
  await assert.rejects(revoked, { code: "offline" });
  await fixture.settle();
  assert.equal(fixture.sockets.length, 2);
  assert.equal(fixture.socket.open()["after"], `${MAILBOX}:11`);
  assert.deepEqual([...second.contacts.keys()], ["bob"]);
  fixture.socket.welcome(RESUMED);
  fixture.socket.events(message(11), message(12));
  await fixture.settle();
  const sends = fixture.socket.commands("send");
  assert.deepEqual(sends.map((frame) => frame["key"]), [key]);
  fixture.socket.says({ t: "ok", id: sends[0]!["id"], value: VALUE });
  assert.deepEqual(await sent, VALUE);
  assert.deepEqual(shown.map(({ seq }) => seq), [11, 12]);
  assert.deepEqual(resets, []);
  assert.ok(!states.some(({ status }) => status === "closed" || status === "signed_out"));
  await assert.rejects(first.send("bob", "more"), { code: "closed" });
});

Deno.test("createClient with share: where tabs cannot share, each is alone and keeps nothing (A22)", async () => {
  const fixture = new ClientFixture();
  const platform = { ...fixture.platform(), tabs: null };
  const client = fixture.client({ share: true, platform });
  const signedIn = client.signIn({ token: "t" });
  await fixture.settle();
  fixture.socket.welcome();
  await signedIn;
  assert.equal(fixture.items.size, 0);
});

Deno.test("createClient with share: a leader that sleeps is replaced, and does nothing twice when it wakes (9.5)", async () => {
  const { fixture, first, second, open, sleep } = await twoTabs();
  const third = open();
  await fixture.settle();
  const shown = [second, third].map((client) => heard(client, "message"));
  const states = [second, third].map((client) => heard(client, "status"));
  sleep.begin();
  // The leader of that time has it, and never hears of it before it wakes.
  const sent = second.send("bob", "hello");
  await fixture.pass(6000);
  assert.equal(fixture.sockets.length, 2, "one of the others leads");
  const [old, socket] = fixture.sockets as [typeof fixture.socket, typeof fixture.socket];
  socket.welcome(RESUMED);
  await fixture.settle();
  const [frame] = socket.commands("send");
  socket.says({ t: "ok", id: frame!["id"], value: VALUE });
  assert.deepEqual(await sent, VALUE);
  states.forEach((all) => all.length = 0);
  sleep.end();
  await fixture.settle();
  old.events(message(11, { body: "from the old link" }));
  socket.events(message(11));
  await fixture.pass(6000);
  assert.deepEqual(shown.map((all) => all.map(({ body }) => body)), [["body 11"], ["body 11"]]);
  assert.deepEqual(states, [[], []]);
  assert.equal(fixture.sockets.length, 2, "nobody takes the lead again");
  assert.equal(first.state.status, "online");
  const again = first.send("bob", "again");
  await fixture.settle();
  assert.deepEqual(socket.commands("send").map((f) => f["body"]), ["hello", "again"]);
  socket.says({ t: "ok", id: socket.commands("send")[1]!["id"], value: VALUE });
  assert.deepEqual(await again, VALUE);
});

Deno.test("createClient with share: a leader that the browser freezes gives up the lead at once (9.5)", async () => {
  const { fixture, first, second, sleep, freeze } = await twoTabs();
  freeze(true);
  sleep.begin();
  await fixture.settle();
  assert.equal(fixture.sockets.length, 2);
  fixture.socket.welcome(RESUMED);
  await fixture.settle();
  assert.equal(second.state.status, "online");
  sleep.end();
  freeze(false);
  await fixture.pass(6000);
  assert.equal(fixture.sockets.length, 2);
  assert.equal(first.state.status, "online");
});

Deno.test("createClient with share: a tab that missed events while it was frozen says so (9.5)", async () => {
  const { fixture, first, sleep, freeze } = await twoTabs();
  fixture.socket.events(message(11));
  await fixture.settle();
  freeze(true);
  sleep.begin();
  await fixture.settle();
  fixture.socket.welcome(RESUMED);
  fixture.socket.events(message(12));
  await fixture.settle();
  const resets = heard(first, "snapshot");
  sleep.forget();
  freeze(false);
  await fixture.settle();
  // The next leader has no snapshot yet.
  assert.deepEqual(resets, []);
  const [asked] = fixture.socket.commands("snapshot");
  const snapshot = { ...SNAPSHOT, roster: ROSTER };
  fixture.socket.says({
    t: "ok",
    id: asked!["id"],
    value: { cursor: `${MAILBOX}:12`, snapshot },
  });
  await fixture.settle();
  assert.deepEqual(resets, [{ reset: true }]);
});

Deno.test("createClient with share: a conversation of another tab has what waits (9 A1)", async () => {
  const { fixture, second } = await twoTabs();
  const waits = { out: true, num: 1, id: "k1", waits: true };
  fixture.socket.events(message(11, waits));
  await fixture.settle();
  assert.deepEqual(second.conversations.get("bob")!.waiting, [1]);
  const refusal = { k: "undelivered", seq: 12, at: 12, with: "bob", num: 1, id: "k1" };
  fixture.socket.events({ ...refusal, reason: "not_accepted" });
  await fixture.settle();
  assert.deepEqual(second.conversations.get("bob")!.waiting, []);
});
