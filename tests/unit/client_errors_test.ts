/** Errors of the client library: what it refuses itself, and which refusals end its tries. */
import assert from "node:assert/strict";
import { createClient, RoostError } from "../../server/web/client.js";
import type { ErrorCode, OwnPresence } from "../../server/web/client.d.ts";
import { ERROR_CODES, type ErrorCode as ServerCode } from "../../shard/errors.ts";
import { baseOf } from "../../server/web/client/rest.js";
import { RESUMED, World } from "./client_world.ts";

Deno.test("RoostError: its codes include the server's closed list (A21)", () => {
  const codes: readonly ErrorCode[] = Object.keys(ERROR_CODES) as ServerCode[];
  for (const code of codes) assert.equal(new RoostError(code, "").code, code);
});

Deno.test("setPresence: a refused presence is not sent again (A21)", async () => {
  const world = new World();
  const client = await world.connected();
  const settle = (fields: object) => {
    const { id } = world.socket.commands("presence").at(-1)!;
    world.socket.says({ id, ...fields });
  };
  const taken = client.setPresence({ show: "away" });
  settle({ t: "ok" });
  await taken;
  const refused = client.setPresence({ show: "gone" } as unknown as OwnPresence);
  settle({ t: "error", code: "bad_request", message: "no" });
  await assert.rejects(refused, { name: "RoostError", code: "bad_request" });
  world.socket.breaks();
  await world.pass(1000);
  assert.deepEqual(world.socket.open()["presence"], { show: "away" });
  world.socket.welcome(RESUMED);
  assert.deepEqual([world.socket.commands("presence"), client.state.status], [[], "online"]);
});

Deno.test("setPresence: one that is not acknowledged is sent again, and no greeting has it (A21)", async () => {
  const world = new World();
  const client = await world.connected();
  const set = client.setPresence(null);
  world.socket.breaks();
  await world.pass(1000);
  assert.equal("presence" in world.socket.open(), false);
  world.socket.welcome(RESUMED);
  const [command] = world.socket.commands("presence");
  assert.equal(command!["invisible"], true);
  world.socket.says({ t: "ok", id: command!["id"] });
  await set;
  world.socket.breaks();
  await world.pass(1000);
  assert.equal(world.socket.open()["presence"], null);
});

Deno.test("createClient: commands before the sign-in reject with signed_out (A21)", async () => {
  const client = new World().client();
  const calls = [
    client.send("bob", "hello"),
    client.setPresence({}),
    client.subscribe("bob"),
    client.history("bob"),
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
  const client = new World().client();
  assert.throws(() => client.on("mesage" as "message", () => {}), {
    name: "RoostError",
    code: "bad_request",
    message: /mesage: events are message, /,
  });
});

Deno.test("createClient: takes addresses of WebSockets, and refuses others (A21)", async () => {
  for (const url of ["ws://server.test", "http://server.test/", "wss://server.test"]) {
    const world = new World();
    world.client({ url }).signIn({ token: "t" }).catch(() => {});
    await world.settle();
    assert.match(world.socket.url, /^wss?:\/\/server\.test\/v1\/ws$/);
    assert.equal(world.socket.url.startsWith("wss"), url.startsWith("wss"));
  }
  for (const url of ["ftp://server.test", "server.test", ""]) {
    assert.throws(() => createClient({ url }), { name: "RoostError", code: "bad_request" });
  }
});

Deno.test("signIn: a page of a refused origin is told the setting, by password and by token (A21)", async () => {
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
      const world = new World();
      const client = world.client({}, socket);
      const result = client.signIn({ token: "t" }).then(() => "online", ({ code }) => code);
      await world.settle();
      if (socket) {
        world.socket.open();
        world.socket.says({ t: "error", code, message: "no" });
        world.socket.breaks();
      } else world.request.answer({ code, message: "no" }, 422);
      await world.settle();
      const { status, reason } = client.state;
      const ended = code === "unauthorized" ? "signed_out" : "stopped";
      assert.deepEqual([status, reason], [final ? ended : "waiting", code]);
      if (final) assert.equal(await result, code);
    }
  });
}

Deno.test("signIn: a session that others take again and again ends the tries (A11)", async () => {
  const world = new World();
  const client = world.client();
  const result = client.signIn({ token: "t" });
  await world.settle();
  for (let i = 0; i < 4; i++) {
    world.socket.open();
    world.socket.says({ t: "error", code: "conflict", message: "no" });
    world.socket.breaks();
    await world.pass(5000);
  }
  await assert.rejects(result, { code: "conflict" });
  assert.equal(client.state.status, "stopped");
});

Deno.test("signIn: over the limit of sessions, devices are listed and one is ended (A11)", async () => {
  const world = new World();
  const client = world.client();
  const first = client.signIn({ token: "t" });
  await world.settle();
  world.socket.open();
  world.socket.says({ t: "error", code: "limit_reached", message: "10 already" });
  world.socket.says({ t: "goaway", reason: "protocol" });
  await assert.rejects(first, { code: "limit_reached" });
  const listed = client.devices();
  await world.settle();
  assert.deepEqual([world.request.method, world.request.path], ["GET", "/v1/devices"]);
  assert.equal(world.request.headers.get("authorization"), "Bearer t");
  world.request.answer([{ device: "old" }]);
  assert.deepEqual((await listed).map(({ device }) => device), ["old"]);
  const revoked = client.revoke("old");
  await world.settle();
  assert.deepEqual([world.request.method, world.request.path], ["DELETE", "/v1/devices/old"]);
  world.request.answer(undefined, 204);
  await revoked;
  const again = client.signIn(undefined, { end: "old" });
  await world.settle();
  assert.equal(world.socket.open()["end"], "old");
  world.socket.welcome();
  assert.equal((await again).status, "online");
  world.socket.breaks();
  await world.pass(1000);
  assert.equal("end" in world.socket.open(), false);
});

Deno.test("baseOf: keeps the path of an address; without one it is where client.js is (A19)", () => {
  assert.equal(baseOf("https://example.org/a/roost/"), "https://example.org/a/roost");
  assert.equal(baseOf("wss://example.org/roost"), "https://example.org/roost");
  const at = (module: string) => baseOf(undefined, module);
  assert.equal(at("https://example.org/client.js"), "https://example.org");
  assert.equal(at("https://example.org/a/roost/client.js"), "https://example.org/a/roost");
  assert.equal(at("https://example.org/static/app.js"), "https://example.org");
});
