import assert from "node:assert/strict";
import { PageTurns } from "../../server/transfer/page_turns.ts";

Deno.test("10.10: PageTurns reads one page at a time, in turns, and goes on after a failure", async () => {
  const turns = new PageTurns();
  const seen: string[] = [];
  let running = 0;
  const page = (name: string, fails = false) =>
    turns.run(async () => {
      assert.equal(++running, 1);
      await Promise.resolve();
      running--;
      seen.push(name);
      if (fails) throw new Error(name);
      return name;
    });
  const exported = async (name: string) => {
    for (let i = 1; i <= 3; i++) await page(`${name}${i}`);
  };
  const failed = page("x", true);
  const all = Promise.all([exported("a"), exported("b")]);
  await assert.rejects(failed, /x/);
  await all;
  assert.deepEqual(seen, ["x", "a1", "b1", "a2", "b2", "a3", "b3"]);
});
