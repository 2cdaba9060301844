import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import fc from "fast-check";
import { decodeTruth, encodeTruth, joinTruth, localWorker } from "../../server/load/worker.ts";
import { Lines } from "../../server/text/line_splitter.ts";
import { pipedWorker, serveWorker } from "../../server/load/worker_pipe.ts";
import type { Child } from "../../server/load/machine.ts";
import { LoadFixture } from "./load_fixture.ts";
import { NO_PHASE, QUIET } from "../../server/load/phase.ts";

Deno.test("Lines gives the same lines however the text is cut", () => {
  const text = fc.array(fc.string({ maxLength: 20 }).map((s) => s.replaceAll("\n", "")));
  fc.assert(fc.property(text, fc.array(fc.nat({ max: 9 })), (all, cuts) => {
    const whole = all.map((line) => `${line}\n`).join("");
    const lines = new Lines();
    const found: string[] = [];
    let at = 0;
    for (const cut of cuts) {
      found.push(...lines.take(whole.slice(at, at + cut)));
      at += cut;
    }
    found.push(...lines.take(whole.slice(at)));
    assert.deepEqual(found, all);
  }));
});

Deno.test("encodeTruth and decodeTruth are inverse, and joinTruth keeps the order of users", () => {
  const truth = (k: number) => ({
    presence: new Int32Array([k, -1]),
    messages: new Int32Array([k, k + 1, 2 ** 31 - 1]),
    goneMs: new Float64Array([k + 0.5]),
    backMs: new Float64Array([1e13]),
  });
  assert.deepEqual(decodeTruth(encodeTruth(truth(7))), truth(7));
  const joined = joinTruth([truth(1), truth(2)]);
  assert.deepEqual([...joined.presence], [1, -1, 2, -1]);
  assert.deepEqual([...joined.goneMs], [1.5, 2.5]);
});

/** A child process that runs here, its pipes streams in memory. */
function childOf(fixture: LoadFixture): Child & { readonly end: (code: number) => void } {
  const input = new TransformStream<Uint8Array, Uint8Array>();
  const output = new TransformStream<Uint8Array, Uint8Array>();
  const writer = output.writable.getWriter();
  const utf8 = new TextEncoder();
  let end: (code: number) => void = () => {};
  const exited = new Promise<number>((resolve) => end = resolve);
  const write = (line: string) => void writer.write(utf8.encode(line));
  serveWorker(input.readable, write, (plan) => localWorker(fixture.ports(), plan))
    .then(() => end(0));
  const stdin = input.writable.getWriter();
  return { pid: 1, stdin, stdout: output.readable, exited, kill: () => end(137), end };
}

Deno.test("a piped worker does what a local one does", async () => {
  const fixture = new LoadFixture();
  const worker = pipedWorker(childOf(fixture), fixture.plan(0, 12));
  const settle = async <T>(promise: Promise<T>): Promise<T> => {
    let over = false;
    promise.finally(() => over = true).catch(() => {});
    while (!over) {
      fixture.time.runFor(20);
      await new Promise((done) => setImmediate(done));
    }
    return await promise;
  };
  const arrivals = { perSecond: 100, from: 0, to: 1, inFlightMax: null };
  const arrive = { ...NO_PHASE, name: "arrive", seconds: null, arrivals };
  assert.equal(await settle(worker.phase(arrive, fixture.nowUs())), 0);
  const traffic = { ...QUIET, messages: 50 };
  const talk = { ...NO_PHASE, name: "talk", seconds: 2, measured: true, traffic };
  await settle(worker.phase(talk, fixture.nowUs()));
  const { counts, messages } = await settle(worker.sample());
  assert.deepEqual([counts.online, counts.sends, messages.received], [12, 100, 100]);
  const truth = await settle(worker.truth());
  const verdict = await settle(worker.compare(truth, 10_000));
  assert.deepEqual(verdict.messages, { accepted: 100, missing: 0, surplus: 0 });
  assert.deepEqual(await settle(worker.faults()), []);
  await settle(worker.stop());
  await assert.rejects(settle(worker.sample()), /The load process 1 ended with 0/);
});

Deno.test("a piped worker that dies makes its calls fail instead of hanging", async () => {
  const fixture = new LoadFixture();
  const child = childOf(fixture);
  const worker = pipedWorker(child, fixture.plan(0, 12));
  const phase = worker.phase({ ...NO_PHASE, name: "forever", seconds: 1e6 }, fixture.nowUs());
  child.end(137);
  await assert.rejects(phase, /ended with 137/);
});
