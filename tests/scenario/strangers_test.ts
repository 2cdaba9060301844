/**
 * What a stranger learns about an account that is missing, blocks him, takes no messages from
 * strangers, is disabled, or was removed: everywhere the same, or accounts could be probed.
 */
import assert from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { configOf } from "../../server/config/config.ts";
import { breathe, openServer, type ServerFixture } from "../golden/server_fixture.ts";

type Json = Readonly<Record<string, unknown>>;

const KINDS = ["missing", "blocking", "hiding", "disabled", "removed"] as const;
/** A control: this one answers a subscription, so that what is seen of it is not the same. */
const FRIENDLY = "friendly";

const openStrangersServer = () =>
  openServer({
    config: configOf("/data", {
      "storage.shards": "4",
      "registration.perAddressBurst": "100",
      "limits.requestsPerAddressBurst": "10000",
    }),
  });

/** Lets time go on until the answer has arrived. */
async function settled<T>(fixture: ServerFixture, task: Promise<T>): Promise<T> {
  let over = false;
  task.then(() => over = true, () => over = true);
  while (!over) {
    fixture.time.runFor(1);
    await breathe(1);
  }
  return await task;
}

/** One request, with status, headers and body of its answer as one text. */
async function ask(
  fixture: ServerFixture,
  token: string,
  line: string,
  body?: Json,
): Promise<string> {
  const [method, path] = line.split(" ") as [string, string];
  const headers = {
    ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
    "content-type": "application/json",
    "idempotency-key": "by-rest",
  };
  const text = body === undefined ? {} : { body: JSON.stringify(body) };
  const asked = Promise.resolve(fixture.app.request(path, { method, headers, ...text }));
  const response = await settled(fixture, asked);
  const told = JSON.stringify([...response.headers].sort());
  return `${response.status} ${told} ${await response.text()}`;
}

async function register(fixture: ServerFixture, user: string): Promise<string> {
  const answer = await ask(fixture, "", "POST /v1/register", {
    user,
    password: `secret of ${user}`,
  });
  const token = /"token":"([^"]+)"/.exec(answer)?.[1];
  assert.ok(token !== undefined, answer);
  return token;
}

/** A connection whose frames are kept as they come. */
function connect(fixture: ServerFixture, token: string) {
  const frames: string[] = [];
  const handler = fixture.connect({
    sink: {
      send: (text) => void frames.push(text),
      bufferedBytes: () => 0,
      close: (reason) => void frames.push(`closed ${reason}`),
      terminate: () => void frames.push("terminated"),
    },
    address: "192.0.2.1",
  });
  let id = 0;
  const say = (t: string, fields: Json) => {
    handler.frame(JSON.stringify({ t, id: ++id, ...fields }));
    fixture.time.runFor(200);
  };
  handler.frame(JSON.stringify({ t: "hello", v: 1, auth: { token } }));
  fixture.time.runFor(1000);
  return { frames, say, handler };
}

/** Makes an account of this kind, and brings it about as far as the stranger is concerned. */
async function prepare(fixture: ServerFixture, kind: string, target: string, stranger: string) {
  if (kind === "missing") return;
  const token = await register(fixture, target);
  if (kind === "blocking") await ask(fixture, token, `PUT /v1/blocked/${stranger}`);
  if (kind === "hiding") {
    await ask(fixture, token, "PUT /v1/settings", { messagesFrom: "contacts" });
    // He exists: only nobody may see it.
    connect(fixture, token);
  }
  if (kind === FRIENDLY) {
    const path = `POST /v1/contacts/${stranger}/subscription`;
    await ask(fixture, token, path, { type: "subscribed" });
    connect(fixture, token);
  }
  if (kind === "disabled") fixture.setDisabled(target, true);
  if (kind === "removed") {
    fixture.node.request(
      target as AccountName,
      "account.remove",
      {},
      (result) => assert.ok(result.ok),
    );
  }
  fixture.time.runFor(60_000);
}

/** Everything that a stranger learns by every operation. */
async function probe(fixture: ServerFixture, kind: string): Promise<string> {
  const stranger = `stranger-of-${kind}`;
  const target = `target-${kind}`;
  const token = await register(fixture, stranger);
  await prepare(fixture, kind, target, stranger);
  const told: string[] = [];
  const first = connect(fixture, token);
  first.say("send", { to: target, key: "one", body: "hello?" });
  first.say("signal", { to: target, type: "typing", key: "s" });
  first.say("subscription", { contact: target, type: "subscribe" });
  first.say("send", { to: target, key: "two", body: "hello again" });
  first.say("history", { with: target });
  first.say("contact", { contact: target, label: "him" });
  // Whatever comes of it later: refusals, receipts, presence.
  fixture.time.runFor(300_000);
  first.say("ping", {});
  told.push(...first.frames);
  first.handler.closed();
  fixture.time.runFor(60_000);
  const again = connect(fixture, token);
  told.push("again", ...again.frames);
  const base = `/v1/contacts/${target}`;
  for (
    const [line, body] of [
      ["POST /v1/messages", { to: target, body: "by REST" }],
      ["POST /v1/signals", { to: target, type: "typing" }],
      [`POST ${base}/subscription`, { type: "subscribe" }],
      [`POST ${base}/subscription`, { type: "subscribed" }],
      [`GET /v1/conversations/${target}/messages`, undefined],
      ["GET /v1/snapshot", undefined],
      [`POST ${base}/subscription`, { type: "unsubscribe" }],
      [`PUT /v1/blocked/${target}`, undefined],
      [`DELETE /v1/blocked/${target}`, undefined],
      [`DELETE ${base}`, undefined],
      ["GET /v1/snapshot", undefined],
    ] as const
  ) told.push(`${line}: ${await ask(fixture, token, line, body)}`);
  fixture.time.runFor(60_000);
  told.push("at last", ...again.frames.slice(1));
  return normal(told.join("\n"), kind);
}

/** The text without what differs between any two accounts: names, secrets and times. */
function normal(text: string, kind: string): string {
  return text
    .replaceAll(`stranger-of-${kind}`, "STRANGER")
    .replaceAll(`target-${kind}`, "TARGET")
    .replaceAll(/"(session|device)":"[^"]*"/g, '"$1":"…"')
    .replaceAll(/"cursor":"[^":]+/g, '"cursor":"…')
    .replaceAll(/"(at|lastAt|serverTime|expiresAt)":\d+/g, '"$1":0');
}

Deno.test("missing, blocking, hiding, disabled and removed accounts answer a stranger alike", async () => {
  const fixture = await openStrangersServer();
  const [missing, ...others] = KINDS;
  const wanted = await probe(fixture, missing);
  // What is compared is not nothing: the acks, the roster's events, and no word about anybody.
  assert.match(wanted, /\{"t":"ok","id":1,"value":\{"seq":\d+,"at":0,"num":1,"waits":true\}\}/);
  assert.match(wanted, /"k":"roster","seq":\d+,"at":0,"contact":"TARGET"[^}]*"pendingOut":true/);
  assert.doesNotMatch(wanted, /"k":"(receipt|presence)"|"t":"error"/);
  // What waits with the request is given up with it, and not before.
  const [before, after] = wanted.split("at last");
  assert.doesNotMatch(before!, /"k":"undelivered"/);
  assert.match(after!, /"k":"undelivered"[^}]*"reason":"not_accepted"/);
  for (const kind of others) assert.equal(await probe(fixture, kind), wanted, kind);
});

Deno.test("an account that lets a stranger see it does not answer like that", async () => {
  const fixture = await openStrangersServer();
  const told = await probe(fixture, FRIENDLY);
  assert.match(told, /"k":"presence","user":"TARGET","show":"online"/);
  assert.notEqual(told, await probe(fixture, "missing"));
});
