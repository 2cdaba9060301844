/**
 * A program for Node and Deno that has only the npm package: two people see each other's presence,
 * write both ways, lose their connections and go on. It prints `cut` where it wants them cut, and at
 * the end the transport.
 */
export const PROGRAM = `
import process from "node:process";
import { createClient, RoostError } from "roost-client";

const [url, annName, bobName] = process.argv.slice(2);
const ann = createClient({ url }), bob = createClient({ url });
const next = (client, event, fits = () => true) =>
  new Promise((resolve) => {
    const off = client.on(event, (detail) => {
      if (!fits(detail)) return;
      off();
      resolve(detail);
    });
  });
const hears = (client, body) => next(client, "message", (m) => m.body === body && m.out !== true);
const equal = (is, wanted) => {
  if (is !== wanted) throw new Error(String(is) + " is not " + wanted);
};

await ann.register({ user: annName, password: "correct horse" });
await bob.register({ user: bobName, password: "battery staple" });
const refused = await ann.signIn({ user: annName, password: "wrong horse" }).catch((e) => e);
equal(refused instanceof RoostError && refused.code, "unauthorized");
await ann.signIn({ user: annName, password: "correct horse" });

const asked = next(bob, "request");
await ann.subscribe(bobName);
equal((await asked).from, annName);
const seen = next(ann, "presence", ({ show }) => show === "dnd");
await bob.approve(annName);
const back = next(ann, "request");
await bob.subscribe(annName);
await back;
await ann.approve(bobName);
await bob.setPresence({ show: "dnd", status: "Writing" });
equal((await seen).status, "Writing");

for (const [from, to, name] of [[ann, bob, bobName], [bob, ann, annName]]) {
  const heard = hears(to, "Hello " + name);
  await from.send(name, "Hello " + name);
  await heard;
}

const transport = ann.state.transport;
const both = (fits) =>
  Promise.all([ann, bob].map((client) => next(client, "status", ({ status }) => fits(status))));
const lost = both((status) => status === "waiting");
console.log("cut");
await lost;
const again = [hears(bob, "While away"), next(ann, "status", (s) => s.status === "online")];
const sent = ann.send(bobName, "While away");
await sent;
await Promise.all(again);
equal(ann.contacts.get(bobName).subscription, "both");
const away = next(ann, "presence", ({ show }) => show === "away");
await bob.setPresence({ show: "away" });
await away;
const { events } = await ann.history(bobName);
equal(events.map(({ body }) => body).join(), ["Hello " + bobName, "Hello " + annName, "While away"].join());
ann.close();
bob.close();
console.log(JSON.stringify({ transport }));
`;
