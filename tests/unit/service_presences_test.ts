/** Presence that services set, at shards that reply late or not at all. */
import { deepEqual, equal } from "node:assert/strict";
import { type AccountName, POINT_SPACE } from "../../shard/name/ids.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { GatewayDeps } from "../../server/gateway/gateway_deps.ts";
import { memoryLog, simRetries } from "../sim/sim_ports.ts";
import type { OpName } from "../../shard/ops.ts";
import { presenceOf } from "./edge_fixture.ts";
import { Presences } from "../../server/gateway/presences.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const ANN = "ann" as AccountName;
const CONTACT = { contact: "service.calendar", subscription: "both" };

/** A service whose presence of one user stands; `fails` operations are refused, `holds` wait. */
function standing() {
  const time = new VirtualTime();
  const asked: OpName[] = [];
  const fails = new Set<OpName>();
  const holds = new Set<OpName>();
  const held: (() => void)[] = [];
  const request = (
    _user: AccountName,
    op: OpName,
    _input: unknown,
    done: (result: Result<unknown>) => void,
  ) => {
    asked.push(op);
    const value = op === "mailbox.snapshot"
      ? { snapshot: { blocked: [], roster: [CONTACT] } }
      : null;
    const answer = () => done(fails.has(op) ? fail("unavailable", "away") : ok(value));
    if (holds.has(op)) held.push(answer);
    else answer();
  };
  const deps = {
    ...time.global,
    random: simRandom(new Prng(7)),
    log: memoryLog().log,
    retries: simRetries(),
    router: { request },
  } as unknown as GatewayDeps;
  const presences = new Presences(deps, 10);
  presences.set("calendar", ANN, presenceOf("dnd"), 3_600_000, () => {});
  equal(presences.size, 1);
  asked.length = 0;
  return { time, asked, fails, holds, held, presences };
}

Deno.test("the end of a service's presence is repeated until its shard confirms it", () => {
  const { time, asked, fails, presences } = standing();
  fails.add("session.detach");
  presences.endAll("calendar");
  time.runFor(60_000);
  equal(asked.every((op) => op === "session.detach") && asked.length > 2, true);
  fails.clear();
  time.runFor(60_000);
  const { length } = asked;
  time.runFor(60_000);
  equal(asked.length, length, "it is confirmed");
});

Deno.test("a service's presence that ends while it is announced is detached after that", () => {
  const { time, asked, holds, held, presences } = standing();
  holds.add("session.attach");
  presences.announce(0, POINT_SPACE, () => {});
  presences.endAll("calendar");
  for (const answer of held) answer();
  time.runFor(1000);
  deepEqual(asked, ["session.attach", "session.detach", "session.detach"]);
});
