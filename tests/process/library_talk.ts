/** Two clients of the library that do everything it can. */
import assert from "node:assert/strict";
import { createClient } from "../../server/web/client.js";
import type { Client, Events, FoundMessage, Transport } from "../../server/web/client.d.ts";

/** The next event of a kind that fits; listens from now on. */
export function next<K extends keyof Events>(
  client: Client,
  event: K,
  fits: (detail: Events[K]) => boolean = () => true,
): Promise<Events[K]> {
  return new Promise((resolve) => {
    const off = client.on(event, (detail) => {
      if (!fits(detail)) return;
      off();
      resolve(detail);
    });
  });
}

/** Runs both over one transport; throws where one gets something else than it should. */
export async function talk(url: string, onlyTransport: Transport): Promise<void> {
  const [annName, bobName] = [`ann.${onlyTransport}`, `bob.${onlyTransport}`];
  const timing = { ackMs: 20 };
  const ann = createClient({ url, onlyTransport, timing, device: "desk", label: "Ann's desk" });
  const bob = createClient({ url, onlyTransport, timing });
  assert.equal((await ann.register({ user: annName, password: "correct horse" })).user, annName);
  await bob.register({ user: bobName, password: "battery staple" });
  await ann.signOut();
  const wrong = ann.signIn({ user: annName, password: "wrong horse" });
  await assert.rejects(wrong, { code: "unauthorized" });
  const { device, transport } = await ann.signIn({ user: annName, password: "correct horse" });
  assert.deepEqual([device, transport], ["desk", onlyTransport]);

  const asked = next(bob, "request");
  await ann.subscribe(bobName);
  assert.equal((await asked).from, annName);
  assert.deepEqual([...bob.requests], [annName]);
  const seen = next(ann, "presence", ({ show }) => show === "dnd");
  await bob.approve(annName);
  await bob.setPresence({ show: "dnd", status: "Writing" });
  assert.equal((await seen).status, "Writing");
  const { subscription, presence } = ann.contacts.get(bobName)!;
  assert.deepEqual([subscription, presence.show], ["to", "dnd"]);

  await bob.setMessagesFrom("anyone");
  const [got, own] = [next(bob, "message"), next(ann, "message")];
  const read = next(ann, "receipt", (receipt) => receipt.read > 0);
  const sent = await ann.send(bobName, "Hello, Bob", { key: "k1" });
  const [received, mine] = [await got, await own];
  assert.deepEqual([received.with, received.body, received.id], [annName, "Hello, Bob", "k1"]);
  assert.deepEqual([mine.seq, mine.out, mine.num], [sent.seq, true, sent.num]);
  assert.equal(bob.conversations.get(annName)!.unread, 1);
  await bob.markRead(annName);
  assert.equal((await read).read, sent.num);
  const { events, more } = await bob.history(annName, { limit: 10 });
  const bodies = events.map((event) => event.k === "message" ? event.body : event.k);
  assert.deepEqual([bodies, more], [["Hello, Bob"], false]);
  const found = await bob.search("hello b", { with: annName, limit: 10 });
  const [{ seq, excerpt, marks }] = found.found as [FoundMessage];
  assert.deepEqual([seq, excerpt, marks], [received.seq, "Hello, Bob", [[0, 5], [7, 8]]]);
  assert.deepEqual([found.found.length, found.next], [1, undefined]);
  // Only those who see somebody may send them what is of the moment.
  await ann.approve(bobName);
  await bob.subscribe(annName);
  const typing = next(bob, "signal");
  await ann.contact(bobName, { label: "Bob", groups: ["Friends"] });
  assert.equal(await ann.typing(bobName), true);
  assert.deepEqual([(await typing).from, (await typing).type], [annName, "typing"]);
  assert.deepEqual((await ann.devices()).map(({ label }) => label), ["Ann's desk"]);
  assert.equal(await ann.signOut(), true);
  bob.close();
}
