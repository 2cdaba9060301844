/** Push messages in the chat's service worker, and their commands in the client library. */
import assert from "node:assert/strict";
import { noteOf } from "../../server/web/chat/push_note.js";
import { PushWorker } from "../../server/web/chat/push_worker.js";
import type { NoteOptions } from "../../server/web/chat/worker_scope.d.ts";
import { asRequest } from "../../server/web/client/rest.js";
import { ClientFixture } from "./client_fixture.ts";

const ROOT = "https://a.test/roost/";
const FULL = { t: "message", to: "ann", total: 3, from: "bob", seq: 4, at: 5, unread: 2 };

Deno.test("noteOf: shows as much as the push message says, in a line", () => {
  const body = (fields: object) => noteOf(JSON.stringify({ ...FULL, ...fields }));
  assert.deepEqual(body({ body: "<b>one</b>\nline\u202e" }), {
    to: "ann",
    peer: "bob",
    title: "bob",
    body: "<b>one</b> line",
    tag: "roost bob",
    total: 3,
  });
  assert.equal(body({ body: "x".repeat(200) }).body, `${"x".repeat(140)}…`);
  assert.equal(body({ body: "half", cut: true }).body, "half…");
  assert.equal(body({}).body, "wrote to you");
  const none = noteOf(JSON.stringify({ t: "message", to: "ann", total: 3 }));
  assert.deepEqual([none.title, none.body, none.peer, none.tag], [
    ...["Roost", "3 unread messages", null, "roost"],
  ]);
});

Deno.test("noteOf: what is no push message still shows something, as browsers demand", () => {
  for (const text of ["", "null", "7", "[]", "{", '{"from":7,"body":{},"total":"x"}']) {
    const { title, body, peer } = noteOf(text);
    assert.deepEqual([title, body, peer], ["Roost", "1 unread message", null], text);
  }
});

interface Win {
  readonly url?: string;
  readonly focused?: boolean;
  readonly user?: string;
  readonly peer?: string | null;
}

/** A worker with windows that say whose they are; one without a user says nothing. */
function workerWith(...windows: readonly Win[]) {
  const shown: { title: string; options: NoteOptions }[] = [];
  const did: string[] = [];
  const worker = new PushWorker({
    registration: {
      showNotification: (title, options) => Promise.resolve(void shown.push({ title, options })),
    },
    navigator: { setAppBadge: (count) => Promise.resolve(void did.push(`badge ${count}`)) },
    clients: {
      matchAll: () =>
        Promise.resolve(
          windows.map(({ url = `${ROOT}#/x`, focused = false, user, peer = null }, i) => ({
            url,
            focused,
            postMessage(message: unknown, ports?: Transferable[]) {
              const { kind } = message as { kind: string };
              if (kind !== "look") return void did.push(`${i}: ${JSON.stringify(message)}`);
              const [port] = ports as MessagePort[];
              if (user !== undefined) port!.postMessage({ user, peer });
              port!.close();
            },
            focus: () => {
              did.push(`${i}: focus`);
              return Promise.reject(new Error("not here"));
            },
          })),
        ),
      openWindow: (url) => Promise.resolve(void did.push(url)),
    },
  }, new URL(ROOT));
  return { worker, shown, did };
}

Deno.test("PushWorker: notifies, but not of a conversation that a focused window shows", async () => {
  const there = { focused: true, user: "ann", peer: "bob" };
  const cases: readonly (readonly [Win, number])[] = [
    [there, 0],
    [{ ...there, url: "https://a.test/roost" }, 0],
    [{ ...there, focused: false }, 1],
    [{ ...there, peer: "cid" }, 1],
    [{ ...there, peer: null }, 1],
    [{ ...there, user: "eve" }, 1],
    [{ ...there, url: `${ROOT}docs/` }, 1],
    [{ ...there, url: "https://a.test/other/" }, 1],
    [{ focused: true }, 1],
  ];
  for (const [window, count] of cases) {
    const { worker, shown, did } = workerWith(window);
    await worker.push(JSON.stringify({ ...FULL, body: "hello" }));
    assert.equal(shown.length, count, JSON.stringify(window));
    if (count === 0) continue;
    assert.deepEqual(did, ["badge 3"]);
    assert.deepEqual(shown, [{
      title: "bob",
      options: {
        body: "hello",
        tag: "roost bob",
        icon: `${ROOT}chat/icon-192.png`,
        badge: `${ROOT}chat/badge-96.png`,
        data: { to: "ann", peer: "bob" },
      },
    }]);
  }
});

Deno.test("PushWorker: a message that does not say of whom is shown whatever is looked at", async () => {
  const { worker, shown } = workerWith({ focused: true, user: "ann", peer: null });
  await worker.push(JSON.stringify({ t: "message", to: "ann", total: 1 }));
  assert.equal(shown.length, 1);
});

Deno.test("PushWorker: a click opens the conversation where the account is, or in a new window", async () => {
  const data = { to: "ann", peer: "b&b" };
  const message = JSON.stringify({ kind: "open", peer: "b&b" });
  const eve = { user: "eve", focused: true };
  const cases: readonly (readonly [readonly Win[], readonly string[]])[] = [
    [[], [`${ROOT}#/b%26b`]],
    [[eve, {}], [`${ROOT}#/b%26b`]],
    [[eve, { user: "ann" }], [`1: ${message}`, "1: focus"]],
    [[{ user: "ann" }, { user: "ann", focused: true }], [`1: ${message}`, "1: focus"]],
  ];
  for (const [windows, wanted] of cases) {
    const { worker, did } = workerWith(...windows);
    await worker.open(data);
    assert.deepEqual(did, wanted);
  }
  const { worker, did } = workerWith();
  await worker.open(null);
  assert.deepEqual(did, [ROOT]);
});

const KEYS = { p256dh: "B".repeat(87), auth: "a".repeat(22) };
const SUBSCRIPTION = { endpoint: "https://push.test/1", keys: KEYS };

Deno.test("push, unpush and pushes are commands; fields that browsers add are left out", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const subscription = { ...SUBSCRIPTION, expirationTime: null };
  const calls = [
    ["push", client.push(subscription), { ...SUBSCRIPTION, content: "full" }, undefined],
    ["unpush", client.unpush(), {}, undefined],
    ["pushes", client.pushes(), {}, [{ device: "d", at: 1, service: "s", content: "full" }]],
  ] as const;
  for (const [t, call, wanted, value] of calls) {
    const { id, ...command } = fixture.socket.commands(t)[0]!;
    assert.deepEqual(command, { t, ...wanted });
    fixture.socket.says({ t: "ok", id, ...(value === undefined ? {} : { value }) });
    assert.deepEqual(await call, value);
  }
});

Deno.test("push, unpush and pushes are one resource of REST", () => {
  const asked = (["push", "unpush", "pushes"] as const).map((t) => {
    const { method, path } = asRequest(t, {});
    return `${method} ${path}`;
  });
  assert.deepEqual(asked, ["PUT /v1/push", "DELETE /v1/push", "GET /v1/push"]);
});
