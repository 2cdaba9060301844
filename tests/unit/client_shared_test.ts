/** Several tabs with one client: the first leads, the others mirror it, and one takes over. */
import assert from "node:assert/strict";
import { createClient } from "../../server/web/client.js";
import type { Client, Tabs } from "../../server/web/client.d.ts";
import { ClientFixture, heard, MAILBOX, message, RESUMED, SNAPSHOT } from "./client_fixture.ts";

/** Locks and channels of one browser. */
class Browser {
  readonly #channels = new Set<(message: unknown) => void>();
  readonly #queue: { readonly got: () => void; readonly lost: () => void }[] = [];

  /** What a tab sees of it. */
  tab(): Tabs {
    return {
      channel: (_name, take) => {
        this.#channels.add(take);
        const post = (message: unknown) => {
          const others = [...this.#channels].filter((other) => other !== take);
          const clone = structuredClone(message);
          queueMicrotask(() => others.forEach((other) => other(structuredClone(clone))));
        };
        return { post, close: () => void this.#channels.delete(take) };
      },
      lead: (_name, steal, on) => {
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
  const open = (): Client => {
    const platform = fixture.platform();
    return createClient({
      url: "http://server.test",
      storage: fixture.storage,
      share: true,
      platform: { ...platform, tabs: browser.tab() },
    });
  };
  const first = open();
  const signedIn = first.signIn({ token: "t" });
  await fixture.settle();
  fixture.socket.welcome({ snapshot: { ...SNAPSHOT, roster: ROSTER } });
  await signedIn;
  const second = open();
  await fixture.settle();
  return { fixture, first, second, open };
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
