/** How push messages are sent: turns of push services, bounds, and those that fail. */
import { deepEqual, equal } from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { HookAnswer, PushRequest } from "../../server/node/ports.ts";
import { type PushDeps, PushSender } from "../../server/push/push_sender.ts";
import type { PushEffect } from "../../shard/effects.ts";
import type { PushTarget } from "../../shard/account/push_targets.ts";
import { serviceRequest } from "../../server/push/service_request.ts";
import type { Ops } from "../../shard/ops.ts";
import { Retries } from "../../shard/retry.ts";

const NONE = new Uint8Array(0);
const TAKEN: HookAnswer = { kind: "answered", status: 201, retryAfterMs: null };
const AWAY: HookAnswer = { kind: "failed", reason: "connection refused" };
const ADDRESS = { id: "phones", url: "https://gate.example/notify", secret: "s3cret-of-it" };

function target(device: string, endpoint: string, service = ""): PushTarget {
  const keys = { p256dh: NONE, auth: NONE };
  return { device: device as DeviceId, at: 1, endpoint, ...keys, content: "sender", service };
}

/** A sender with what it has under way, and what it told shards. */
function sender(over: { readonly requestsMax?: number; readonly waitingMax?: number } = {}) {
  let nowMs = 0;
  const posted: { readonly request: PushRequest; answer: (a: HookAnswer) => void }[] = [];
  const settled: Ops["push.settle"]["in"][] = [];
  const logged: object[] = [];
  const post: PushDeps["post"] = (request, done) => {
    posted.push({ request, answer: done });
    return () => {};
  };
  const note = (_: string, fields: object = {}) => void logged.push(fields);
  const deps: PushDeps = {
    clock: { monoMs: () => nowMs, wallMs: () => nowMs },
    random: { number: () => 0.5 } as PushDeps["random"],
    log: { debug: note, info: note, warn: note, error: note, debugOn: false },
    retries: new Retries({ leastMs: 0, baseMs: 10, capMs: 20, askedMaxMs: 20 }),
    router: {
      request: ((_name: AccountName, _op: string, input: Ops["push.settle"]["in"]) => {
        settled.push(input);
      }) as PushDeps["router"]["request"],
    },
    post,
    encode: (of, _push, done) =>
      done(of.endpoint.endsWith("/unusable") ? null : { headers: {}, body: NONE }),
    services: new Map([["phones", {
      url: ADDRESS.url,
      post,
      encode: (of, push, done) => done(serviceRequest(ADDRESS, of, push)),
    }]]),
  };
  const limits = { timeoutMs: 1000, requestsMax: 8, waitingMax: 100, ttlSeconds: 60 };
  const made = new PushSender(deps, { ...limits, contact: "mailto:a@example.org", ...over });
  let seq = 0;
  return {
    made,
    settled,
    logged,
    pass: (ms: number) => void (nowMs += ms),
    /** Takes a push message, which returns what it is known by. */
    take: (...targets: PushTarget[]) => {
      const of = { name: "bob" as AccountName, with: "ann" as AccountName, body: "hello" };
      const push: PushEffect = {
        ...{ kind: "push", ...of, seq: ++seq, last: seq, at: 5, unread: 1, unreadTotal: 1 },
        targets,
      };
      made.take(push);
      return push;
    },
    /** What was posted since the last look. */
    posted: () => posted.splice(0),
  };
}

/** What a shard has got of the last push message. */
function outcomes({ settled }: Pick<ReturnType<typeof sender>, "settled">) {
  const last = settled.at(-1)!;
  return [last.targets.map((t) => t.outcome), last.retryAfterMs];
}

Deno.test("13: a shard gets one reply for a push message, when all its devices have an outcome", () => {
  const s = sender();
  s.take(target("a", "https://a.example/1"), target("b", "https://b.example/1"));
  const [a, b] = s.posted();
  a!.answer(TAKEN);
  equal(s.settled.length, 0);
  b!.answer({ kind: "answered", status: 429, retryAfterMs: 9000 });
  deepEqual(outcomes(s), [["sent", "later"], 9000]);
  equal(s.settled.length, 1);
  deepEqual(s.made.counts, { sent: 1, refused: 0, gone: 0, failed: 1, put_off: 0 });
});

Deno.test("13: a push service that says gone, or keys that do not do, end a subscription; other refusals do not", () => {
  for (const [status, outcome] of [[404, "gone"], [410, "gone"], [400, "sent"], [500, "later"]]) {
    const s = sender();
    s.take(target("a", "https://a.example/1"));
    s.posted()[0]!.answer({ kind: "answered", status: status as number, retryAfterMs: null });
    deepEqual(outcomes(s), [[outcome], 0], `${status}`);
  }
  const s = sender();
  s.take(target("a", "https://a.example/unusable"));
  deepEqual(outcomes(s), [["gone"], 0]);
});

Deno.test("13: one push service has a quarter of the requests under way, and others go on", () => {
  const s = sender();
  for (let i = 0; i < 5; i++) s.take(target("a", "https://slow.example/1"));
  const slow = s.posted();
  equal(slow.length, 2);
  s.take(target("b", "https://fast.example/1"));
  const [fast, ...more] = s.posted();
  deepEqual([fast!.request.url, more.length], ["https://fast.example/1", 0]);
  slow[0]!.answer(TAKEN);
  equal(s.posted().length, 1, "the next one");
  equal(s.made.waiting, 2);
});

Deno.test("13: what is beyond the bound of those that wait is left to the shard, which asks again", () => {
  const s = sender({ waitingMax: 1 });
  for (let i = 0; i < 5; i++) s.take(target("a", "https://slow.example/1"));
  equal(s.made.waiting, 1);
  equal(s.made.counts.put_off, 2);
  equal(s.settled.length, 0);
});

Deno.test("13: the same push message is not taken twice while it is under way", () => {
  const s = sender();
  const push = s.take(target("a", "https://a.example/1"));
  s.made.take(push);
  const [only, ...more] = s.posted();
  equal(more.length, 0);
  only!.answer(TAKEN);
  s.made.take(push);
  equal(s.posted().length, 1, "the shard has asked again");
});

Deno.test("13: a push service that fails five times in a row is tried by single requests", () => {
  const s = sender();
  for (let i = 0; i < 5; i++) {
    s.take(target("a", "https://dead.example/1"));
    s.posted()[0]!.answer(AWAY);
  }
  equal(s.made.closed, 1);
  deepEqual(s.logged, [{ service: "dead.example", trouble: "connection refused" }]);
  s.take(target("a", "https://dead.example/1"));
  equal(s.posted().length, 0, "put off without a request");
  equal(s.made.counts.put_off, 1);
  equal(s.settled.at(-1)!.targets[0]!.outcome, "later");
  s.pass(60_000);
  for (let i = 0; i < 3; i++) s.take(target("a", "https://dead.example/1"));
  const [single, ...more] = s.posted();
  equal(more.length, 0);
  single!.answer(TAKEN);
  equal(s.made.closed, 0);
  for (let i = 0; i < 3; i++) s.take(target("a", "https://dead.example/1"));
  equal(s.posted().length, 2);
});

Deno.test("13: a service that passes push messages on gets its name of the device, and nothing of keys", () => {
  const s = sender();
  s.take(target("phone", "token of the phone", "phones"), target("b", "https://b.example/1"));
  const [toIt, direct] = s.posted();
  equal(direct!.request.url, "https://b.example/1");
  equal(toIt!.request.url, ADDRESS.url);
  equal(toIt!.request.headers["authorization"], `Bearer ${ADDRESS.secret}`);
  const { message, ...rest } = JSON.parse(new TextDecoder().decode(toIt!.request.body));
  const token = "token of the phone";
  deepEqual(rest, { v: 1, service: "phones", token, topic: "ann", ttlSeconds: 60 });
  deepEqual([message.from, message.body], ["ann", undefined]);
});

Deno.test("13: a service that the settings do not name (any more) gets nothing, and nobody waits for it", () => {
  const s = sender();
  s.take(target("phone", "https://evil.example/x", "other"));
  deepEqual([s.posted().length, outcomes(s)], [0, [["sent"], 0]]);
  s.take(target("phone", "t", "other"), target("b", "https://b.example/1"));
  s.posted()[0]!.answer(TAKEN);
  deepEqual(outcomes(s), [["sent", "sent"], 0]);
  deepEqual(s.made.counts, { sent: 1, refused: 2, gone: 0, failed: 0, put_off: 0 });
  deepEqual(s.logged[0], { service: "other", trouble: "is not in push.services" });
});
