import assert from "node:assert/strict";
import { heard, World } from "./client_world.ts";

Deno.test("signOut: nothing is stored any more before the server has answered", async () => {
  const world = new World();
  const client = await world.connected();
  const statuses = heard(client, "status");
  client.send("bob", "not sent").catch(() => {});
  const told = client.signOut();
  await world.settle();
  assert.deepEqual([...world.items.keys()], []);
  assert.deepEqual(statuses, [], "the page may be reloaded at it, which would end the request");
  assert.equal(world.request.headers.get("authorization"), "Bearer rt1_token");
  world.request.answer(undefined, 204);
  assert.equal(await told, true);
  assert.deepEqual(statuses.map(({ status }) => status), ["signed_out"]);
});

Deno.test("signOut: who signs in before the server has answered stays signed in", async () => {
  const world = new World();
  const client = await world.connected();
  const told = client.signOut();
  const signedIn = client.signIn({ token: "rt1_other" });
  await world.settle();
  world.socket.welcome({ user: "eve" });
  await signedIn;
  world.requests.find(({ method }) => method === "DELETE")!.answer(undefined, 204);
  assert.equal(await told, true);
  assert.deepEqual([client.state.status, client.state.user], ["online", "eve"]);
  assert.match(world.items.get("roost http://server.test") ?? "", /rt1_other/);
});
