import assert from "node:assert/strict";
import fc from "fast-check";
import { DueQueue } from "../../server/system/due_queue.ts";

Deno.test("9 C3: DueQueue gives out what is due in the order of time, then of adding; nothing that was cancelled", () => {
  const step = fc.record({
    dueMs: fc.integer({ min: 0, max: 20 }),
    cancels: fc.boolean(),
    takesAt: fc.integer({ min: 0, max: 25 }),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
    const queue = new DueQueue();
    let model: { readonly dueMs: number; readonly number: number }[] = [];
    const taken: number[] = [];
    for (const [number, { dueMs, cancels, takesAt }] of steps.entries()) {
      const entry = queue.add(dueMs, () => void taken.push(number));
      if (cancels) queue.cancel(entry);
      else model.push({ dueMs, number });
      queue.cancel({ dueMs: 0, number: 0, run: null });
      if (number % 5 === 0) {
        const due = model.filter((e) => e.dueMs <= takesAt)
          .sort((a, b) => a.dueMs - b.dueMs || a.number - b.number);
        taken.length = 0;
        for (let run = queue.takeDue(takesAt); run !== null; run = queue.takeDue(takesAt)) run();
        assert.deepEqual(taken, due.map((e) => e.number));
        model = model.filter((e) => e.dueMs > takesAt);
      }
      assert.equal(queue.size, model.length);
    }
  }));
});

Deno.test("9 C3: DueQueue forgets cancelled entries that are due much later", () => {
  const queue = new DueQueue();
  for (let i = 0; i < 10_000; i++) queue.cancel(queue.add(1e9 + i, () => {}));
  queue.add(2e9, () => {});
  assert.ok(queue.nextMs >= 1e9 + 9900, `${queue.nextMs}`);
  assert.equal(queue.size, 1);
});
