/** Accounts that are served another grace, and what is counted of them. */
import assert from "node:assert/strict";
import { opened, rig } from "./edge_fixture.ts";

function trial() {
  const counts: string[] = [];
  return {
    counts,
    graceMs: (_account: string, graceMs: number) => graceMs / 2,
    count: (_account: string, what: string) => void counts.push(what),
  };
}

Deno.test("a session's grace is the trial's, and taking it up within counts as resumed", () => {
  const t = trial();
  const r = rig({ graceMs: 10_000 }, t);
  const { session, sink } = r.start();
  session.lost(sink);
  r.time.runFor(4000);
  assert.ok(opened(r.open({ resume: session.id, cursor: null })).resumed);
  assert.deepEqual(t.counts, ["opened", "resumed"]);
});

Deno.test("a session that is asked for after its grace counts as a false offline", () => {
  const t = trial();
  const r = rig({ graceMs: 10_000 }, t);
  const { session, sink } = r.start();
  session.lost(sink);
  r.time.runFor(6000);
  assert.equal(r.edge.session(session.id), null);
  assert.ok(!opened(r.open({ resume: session.id, cursor: null })).resumed);
  assert.deepEqual(t.counts, ["opened", "opened", "falseOffline"]);
});
