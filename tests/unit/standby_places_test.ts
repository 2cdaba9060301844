/** The processes of a store with a standby; all faults are in the seeds of `deno task sim --places`. */
import assert from "node:assert/strict";
import {
  handedOverAfterLending,
  runPlacesSeed,
  whoServesAfterReturn,
} from "../sim/standby_places_seed.ts";

Deno.test("12: nothing acknowledged is lost or doubled, and no two serve, in the first seeds of the places", async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const { failure } = await runPlacesSeed(seed);
    assert.equal(failure, null, `seed ${seed}: ${failure?.message}\n${failure?.history}`);
  }
});

Deno.test("12.4: a primary that is replaced during a handover acknowledges nothing that waits (seed 58)", async () => {
  assert.equal((await runPlacesSeed(58)).failure, null);
});

Deno.test("12.4: a place that returns serves again by itself where the policy says so, else by order", async () => {
  assert.equal(await whoServesAfterReturn(5000), "a");
  assert.equal(await whoServesAfterReturn(null), "b");
});

Deno.test("12.4: a role is handed over when no worker relies on it any more", async () => {
  const { lentMs, handedMs } = await handedOverAfterLending();
  assert.ok(lentMs > 500, String(lentMs));
  // Clocks differ by 1 %.
  assert.ok(handedMs > lentMs * 0.98, `${handedMs} ms after ${lentMs} ms were lent`);
});
