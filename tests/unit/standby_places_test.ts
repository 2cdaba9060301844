/** The processes of a store with a standby; all faults are in the seeds of `deno task sim --places`. */
import assert from "node:assert/strict";
import { runPlacesSeed } from "../sim/standby_places_seed.ts";

Deno.test("12: nothing acknowledged is lost or doubled, and no two serve, in the first seeds of the places", async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const { failure } = await runPlacesSeed(seed);
    assert.equal(failure, null, `seed ${seed}: ${failure?.message}\n${failure?.history}`);
  }
});

Deno.test("12.4: a primary that is replaced during a handover acknowledges nothing that waits (seed 58)", async () => {
  assert.equal((await runPlacesSeed(58)).failure, null);
});
