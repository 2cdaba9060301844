/** What the client library does while one person cannot be reached: what is for others goes on. */
import assert from "node:assert/strict";
import { ClientFixture, type Frame } from "./client_fixture.ts";

const VALUE = { seq: 11, at: 1, num: 1 };

function refuse(fixture: ClientFixture, command: Frame, code: string): void {
  fixture.socket.says({ t: "error", id: command["id"], code, message: code, retryAfterMs: 5000 });
}

for (const code of ["unavailable", "busy"]) {
  Deno.test(`send: what is refused for one recipient as ${code} holds up no others (12)`, async () => {
    const fixture = new ClientFixture();
    const client = await fixture.connected();
    fixture.random = 0;
    const late = client.send("bob", "1");
    client.send("bob", "2").catch(() => {});
    const bodies = () => fixture.socket.commands("send").map(({ body }) => body);
    refuse(fixture, fixture.socket.commands("send")[0]!, code);
    const sent = client.send("cid", "3");
    assert.deepEqual(bodies(), ["1", "3"]);
    fixture.socket.says({ t: "ok", id: fixture.socket.commands("send")[1]!["id"], value: VALUE });
    assert.deepEqual(await sent, VALUE);
    await fixture.pass(4999);
    assert.deepEqual(bodies(), ["1", "3"]);
    await fixture.pass(1);
    assert.deepEqual(bodies(), ["1", "3", "1"]);
    fixture.socket.says({ t: "ok", id: fixture.socket.commands("send")[2]!["id"], value: VALUE });
    assert.deepEqual(await late, VALUE);
    assert.equal(bodies().at(-1), "2");
  });
}

Deno.test("approve: a contact that cannot be reached holds up no others, and keeps its order (12)", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  fixture.random = 0;
  client.approve("bob").catch(() => {});
  client.subscribe("Bob@example.org").catch(() => {});
  client.approve("cid").catch(() => {});
  client.block("dan").catch(() => {});
  client.setMessagesFrom("anyone").catch(() => {});
  const asked = () =>
    fixture.socket.commands("subscription").map(({ contact, type }) => `${contact} ${type}`);
  assert.deepEqual(asked(), ["bob subscribed", "cid subscribed"]);
  for (const t of ["block", "settings"]) assert.equal(fixture.socket.commands(t).length, 1);
  const [first, second] = fixture.socket.commands("subscription");
  refuse(fixture, first!, "unavailable");
  fixture.socket.says({ t: "ok", id: second!["id"], value: {} });
  client.subscribe("cid").catch(() => {});
  assert.equal(asked().at(-1), "cid subscribe");
  await fixture.pass(5000);
  assert.equal(asked().at(-1), "bob subscribed");
  const again = fixture.socket.commands("subscription").at(-1)!;
  fixture.socket.says({ t: "ok", id: again["id"], value: {} });
  assert.equal(asked().at(-1), "Bob@example.org subscribe");
});
