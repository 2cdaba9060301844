import assert from "node:assert/strict";
import { giveWhenQuiet } from "../../server/system/freed_memory.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const MB = 2 ** 20;

/** What a process does in 10 s: the share of a core that it takes, and what it has then (MB). */
interface Stretch {
  readonly share: number | null;
  readonly rssMb: number;
}

/** The stretches at whose ends memory was given back; `heapMb`: what V8 has then. */
function givenIn(stretches: readonly Stretch[], heapMb = 50): string[] {
  const time = new VirtualTime();
  const given: string[] = [];
  let stretch = 0;
  let cpuMs: number | null = 0;
  const cancel = giveWhenQuiet(time.process(), {
    cpuMs: () => cpuMs,
    rssBytes: () => stretches[stretch]!.rssMb * MB,
  }, {
    heapBytes: () => heapMb * MB,
    collect: () => given.push(`collect ${stretch}`),
    trim: () => given.push(`trim ${stretch}`),
  });
  for (const { share } of stretches) {
    cpuMs = share === null ? null : (cpuMs ?? 0) + share * 10_000;
    time.runFor(10_000);
    stretch++;
  }
  cancel();
  time.runFor(300_000);
  return given;
}

const quiet = (rssMb: number, count = 1): Stretch[] => new Array(count).fill({ share: 0.1, rssMb });
const busy = (rssMb: number, count = 1): Stretch[] => new Array(count).fill({ share: 0.3, rssMb });

Deno.test("giveWhenQuiet gives back what the start has left, when it is quiet and a minute later", () => {
  const given = givenIn([...busy(200, 2), ...quiet(200), ...quiet(120, 20)]);
  assert.deepEqual(given, ["collect 2", "trim 2", "collect 8", "trim 8"]);
});

Deno.test("giveWhenQuiet gives back what has grown by 16 MB since, however slowly", () => {
  const start = quiet(100, 10);
  assert.deepEqual(givenIn([...start, ...quiet(115, 5)]).slice(4), []);
  const slow = [...start, ...quiet(108), ...quiet(115), ...quiet(116), ...quiet(105)];
  assert.deepEqual(givenIn(slow).slice(4), ["collect 12", "trim 12"]);
});

Deno.test("giveWhenQuiet compares with the least memory since it was last given back", () => {
  const after = [...quiet(200), ...quiet(150), ...quiet(120), ...quiet(135), ...quiet(136)];
  assert.deepEqual(givenIn(after), ["collect 0", "trim 0", "collect 4", "trim 4"]);
});

Deno.test("giveWhenQuiet does nothing under load, nor where the CPU time is not known", () => {
  assert.deepEqual(givenIn([...busy(100), ...busy(500, 10)]), []);
  assert.deepEqual(givenIn(new Array(10).fill({ share: null, rssMb: 500 })), []);
});

Deno.test("giveWhenQuiet does not hold up a process with a large heap", () => {
  assert.deepEqual(givenIn(quiet(900, 3), 192), ["collect 0", "trim 0"]);
  assert.deepEqual(givenIn(quiet(900, 3), 193), ["trim 0"]);
});
