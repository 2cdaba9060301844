import assert from "node:assert/strict";
import { ClientFixture, heard } from "./client_fixture.ts";

Deno.test("signOut: nothing is stored any more before the server has answered", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const statuses = heard(client, "status");
  client.send("bob", "not sent").catch(() => {});
  const told = client.signOut();
  await fixture.settle();
  assert.deepEqual([...fixture.items.keys()], []);
  assert.deepEqual(statuses, [], "the page may be reloaded at it, which would end the request");
  assert.equal(fixture.request.headers.get("authorization"), "Bearer rt1_token");
  fixture.request.answer(undefined, 204);
  assert.equal(await told, true);
  assert.deepEqual(statuses.map(({ status }) => status), ["signed_out"]);
});

Deno.test("signOut: who signs in before the server has answered stays signed in", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const told = client.signOut();
  const signedIn = client.signIn({ token: "rt1_other" });
  await fixture.settle();
  fixture.socket.welcome({ user: "eve" });
  await signedIn;
  fixture.requests.find(({ method }) => method === "DELETE")!.answer(undefined, 204);
  assert.equal(await told, true);
  assert.deepEqual([client.state.status, client.state.user], ["online", "eve"]);
  assert.match(fixture.items.get("roost http://server.test") ?? "", /rt1_other/);
});
