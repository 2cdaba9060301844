/** Errors of the client library: what it refuses itself, and which refusals end its tries. */
import assert from "node:assert/strict";
import { createClient, RoostError } from "../../server/web/client.js";
import type { ErrorCode, OwnPresence } from "../../server/web/client.d.ts";
import { ERROR_CODES, type ErrorCode as ServerCode } from "../../shard/errors.ts";
import { baseOf } from "../../server/web/client/rest.js";
import { ClientFixture, RESUMED } from "./client_fixture.ts";

Deno.test("RoostError: its codes include the server's closed list (A21)", () => {
  const codes: readonly ErrorCode[] = Object.keys(ERROR_CODES) as ServerCode[];
  for (const code of codes) assert.equal(new RoostError(code, "").code, code);
});

Deno.test("setPresence: a refused presence is not sent again (A21)", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const settle = (fields: object) => {
    const { id } = fixture.socket.commands("presence").at(-1)!;
    fixture.socket.says({ id, ...fields });
  };
  const taken = client.setPresence({ show: "away" });
  settle({ t: "ok" });
  await taken;
  const refused = client.setPresence({ show: "gone" } as unknown as OwnPresence);
  settle({ t: "error", code: "bad_request", message: "no" });
  await assert.rejects(refused, { name: "RoostError", code: "bad_request" });
  fixture.socket.breaks();
  await fixture.pass(1000);
  assert.deepEqual(fixture.socket.open()["presence"], { show: "away" });
  fixture.socket.welcome(RESUMED);
  assert.deepEqual([fixture.socket.commands("presence"), client.state.status], [[], "online"]);
});

Deno.test("setPresence: one that is not acknowledged is sent again, and no greeting has it (A21)", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const set = client.setPresence(null);
  fixture.socket.breaks();
  await fixture.pass(1000);
  assert.equal("presence" in fixture.socket.open(), false);
  fixture.socket.welcome(RESUMED);
  const [command] = fixture.socket.commands("presence");
  assert.equal(command!["invisible"], true);
  fixture.socket.says({ t: "ok", id: command!["id"] });
  await set;
  fixture.socket.breaks();
  await fixture.pass(1000);
  assert.equal(fixture.socket.open()["presence"], null);
});

Deno.test("createClient: commands before the sign-in reject with signed_out (A21)", async () => {
  const client = new ClientFixture().client();
  const calls = [
    client.send("bob", "hello"),
    client.setPresence({}),
    client.subscribe("bob"),
    client.history("bob"),
    client.search("hello"),
    client.devices(),
    client.signal("bob", "wave"),
    client.typing("bob"),
  ];
  for (const call of calls) {
    await assert.rejects(call, { name: "RoostError", code: "signed_out" });
  }
  assert.deepEqual(client.pending, []);
});

Deno.test("on: throws for the name of no event (A21)", () => {
  const client = new ClientFixture().client();
  assert.throws(() => client.on("mesage" as "message", () => {}), {
    name: "RoostError",
    code: "bad_request",
    message: /mesage: events are message, /,
  });
});

Deno.test("createClient: takes addresses of WebSockets, and refuses others (A21)", async () => {
  for (const url of ["ws://server.test", "http://server.test/", "wss://server.test"]) {
    const fixture = new ClientFixture();
    fixture.client({ url }).signIn({ token: "t" }).catch(() => {});
    await fixture.settle();
    assert.match(fixture.socket.url, /^wss?:\/\/server\.test\/v1\/ws$/);
    assert.equal(fixture.socket.url.startsWith("wss"), url.startsWith("wss"));
  }
  for (const url of ["ftp://server.test", "server.test", ""]) {
    assert.throws(() => createClient({ url }), { name: "RoostError", code: "bad_request" });
  }
});

Deno.test("signIn: a page of a refused origin gets the name of the setting, by password and by token (A21)", async () => {
  for (const credentials of [{ token: "t" }, { user: "ann", password: "correct horse" }]) {
    const fetch = (url: string) =>
      url.endsWith("/client.js")
        ? Promise.resolve(new Response(null))
        : Promise.reject(new TypeError("Failed to fetch"));
    const platform = { origin: "https://app.test", fetch, socket: null, random: () => 0 };
    const client = createClient({ url: "http://server.test", platform });
    await assert.rejects(client.signIn(credentials), {
      code: "forbidden",
      message: /https:\/\/app\.test.*server\.allowedOrigins/,
    });
    client.close();
  }
});

/** Codes and reasons that a greeting can end with, and whether they end the tries. */
const GREETINGS: Readonly<Record<string, boolean>> = {
  unsupported: true,
  unauthorized: true,
  forbidden: true,
  not_found: true,
  too_large: true,
  limit_reached: true,
  reset: true,
  of_a_later_version: true,
  rate_limited: false,
  busy: false,
  unavailable: false,
};

for (const [code, final] of Object.entries(GREETINGS)) {
  const does = final ? "rejects at once" : "tries again";
  Deno.test(`signIn: ${does} where the greeting is refused as ${code}, on each transport (A11)`, async () => {
    for (const socket of [true, false]) {
      const fixture = new ClientFixture();
      const client = fixture.client({}, socket);
      const result = client.signIn({ token: "t" }).then(() => "online", ({ code }) => code);
      await fixture.settle();
      if (socket) {
        fixture.socket.open();
        fixture.socket.says({ t: "error", code, message: "no" });
        fixture.socket.breaks();
      } else fixture.request.answer({ code, message: "no" }, 422);
      await fixture.settle();
      const { status, reason } = client.state;
      const ended = code === "unauthorized" ? "signed_out" : "stopped";
      assert.deepEqual([status, reason], [final ? ended : "waiting", code]);
      if (final) assert.equal(await result, code);
    }
  });
}

Deno.test("signIn: a session that others take again and again ends the tries (A11)", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client();
  const result = client.signIn({ token: "t" });
  await fixture.settle();
  for (let i = 0; i < 4; i++) {
    fixture.socket.open();
    fixture.socket.says({ t: "error", code: "conflict", message: "no" });
    fixture.socket.breaks();
    await fixture.pass(5000);
  }
  await assert.rejects(result, { code: "conflict" });
  assert.equal(client.state.status, "stopped");
});

Deno.test("signIn: over the limit of sessions, devices are listed and one is ended (A11)", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client();
  const first = client.signIn({ token: "t" });
  await fixture.settle();
  fixture.socket.open();
  fixture.socket.says({ t: "error", code: "limit_reached", message: "10 already" });
  fixture.socket.says({ t: "goaway", reason: "protocol" });
  await assert.rejects(first, { code: "limit_reached" });
  const listed = client.devices();
  await fixture.settle();
  assert.deepEqual([fixture.request.method, fixture.request.path], ["GET", "/v1/devices"]);
  assert.equal(fixture.request.headers.get("authorization"), "Bearer t");
  fixture.request.answer([{ device: "old" }]);
  assert.deepEqual((await listed).map(({ device }) => device), ["old"]);
  const revoked = client.revoke("old");
  await fixture.settle();
  assert.deepEqual([fixture.request.method, fixture.request.path], ["DELETE", "/v1/devices/old"]);
  fixture.request.answer(undefined, 204);
  await revoked;
  const again = client.signIn(undefined, { end: "old" });
  await fixture.settle();
  assert.equal(fixture.socket.open()["end"], "old");
  fixture.socket.welcome();
  assert.equal((await again).status, "online");
  fixture.socket.breaks();
  await fixture.pass(1000);
  assert.equal("end" in fixture.socket.open(), false);
});

Deno.test("baseOf: keeps the path of an address; without one it is where client.js is (A19)", () => {
  assert.equal(baseOf("https://example.org/a/roost/"), "https://example.org/a/roost");
  assert.equal(baseOf("wss://example.org/roost"), "https://example.org/roost");
  const at = (module: string) => baseOf(undefined, module);
  assert.equal(at("https://example.org/client.js"), "https://example.org");
  assert.equal(at("https://example.org/a/roost/client.js"), "https://example.org/a/roost");
  assert.equal(at("https://example.org/static/app.js"), "https://example.org");
});
