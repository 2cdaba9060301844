/** Events to all sessions of a node. */
import { deepEqual, equal } from "node:assert/strict";
import { NOTICE_STEP_MS } from "../../server/edge/notices.ts";
import { batch, device, name, opened, poll, rig } from "./edge_fixture.ts";

const EVENT = '{"k":"servers","servers":["https://b.test"]}';

Deno.test("11: a notice reaches each session once, a few in each step, and those without a client not at all", () => {
  const r = rig();
  const started = Array.from({ length: 300 }, (_, i) => r.start({ user: name(`user${i}`) }));
  const [lost] = started;
  lost!.session.lost(lost!.sink);
  const polled =
    opened(r.open({ user: name("polled"), device: device("web"), sink: null })).session;
  const polling = poll(polled, { waitMs: 20_000 });
  const count = () => started.filter(({ sink }) => sink.of("servers").length > 0).length;
  r.time.runFor(1);
  r.edge.notify(EVENT);
  r.time.runFor(NOTICE_STEP_MS - 1);
  equal(count(), 9, "one step, in which the first is lost");
  r.time.runFor(10_000);
  const got = started.map(({ sink }) => sink.of("servers").length);
  deepEqual(got, [0, ...Array.from({ length: 299 }, () => 1)]);
  deepEqual(batch(polling).events, [JSON.parse(EVENT)]);
});

Deno.test("11: a later notice is sent in place of one that is under way", () => {
  const r = rig();
  const started = Array.from({ length: 30 }, (_, i) => r.start({ user: name(`user${i}`) }));
  r.edge.notify(EVENT);
  r.edge.notify('{"k":"servers","servers":[]}');
  r.time.runFor(10_000);
  const last = started.map(({ sink }) => sink.of("servers").at(-1)?.["servers"]);
  deepEqual(last, Array.from({ length: 30 }, () => []));
  equal(started.at(-1)!.sink.of("servers").length, 1);
});
