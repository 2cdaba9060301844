import assert from "node:assert/strict";
import { SignInStorm, STORM_PER_SECOND } from "../../server/edge/sign_in_storm.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

Deno.test("9 C3: SignInStorm is active while more than STORM_PER_SECOND sessions a second are opened", () => {
  const time = new VirtualTime();
  const storm = new SignInStorm(time.global.clock);
  const opens = (perSecond: number, ms: number) => {
    for (let at = 0; at < ms; at += 10) {
      for (let i = 0; i < perSecond / 100; i++) storm.opened();
      time.runFor(10);
    }
  };
  opens(STORM_PER_SECOND / 2, 5000);
  assert.equal(storm.active, false);
  opens(STORM_PER_SECOND * 3, 1000);
  assert.equal(storm.active, true);
  time.runFor(1100);
  assert.equal(storm.active, false);
  opens(STORM_PER_SECOND * 3, 100);
  assert.equal(storm.active, false);
});
