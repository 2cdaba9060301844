/** Mutants of when a store's writes are acknowledged, what its standbys cost, and what is sent again. */
import { inTested, type Mutant } from "./mutant.ts";

const DIR = "server/standby";

/** When writes are acknowledged. */
const ACKS: readonly Mutant[] = inTested(
  `${DIR}/ack_gate.ts`,
  "tests/unit/ack_gate_test.ts",
  [
    "acknowledge a write that only one of the ack set has",
    "(least, id) => Math.min(least, this.#acked.get(id) ?? -1),",
    "(most, id) => Math.max(most === Infinity ? -1 : most, this.#acked.get(id) ?? -1),",
  ],
  [
    "take a standby that is being compared for one that has all writes",
    "(least, id) => Math.min(least, this.#acked.get(id) ?? -1),",
    "(least, id) => Math.min(least, this.#acked.get(id) ?? Infinity),",
  ],
  [
    "acknowledge a write before any standby has it, in mode sync",
    'const waits = this.#mode === "sync";',
    'const waits = this.#mode === "sync" && this.#required.length === 0;',
  ],
  [
    "take writes however far a standby is behind",
    "if (writes < writesMax && ms < msMax) return null;",
    "if (writes >= 0 || writesMax + msMax > 0) return null;",
  ],
);

/** What a standby costs, and what is sent again that it did not have. */
const BOUNDS: readonly Mutant[] = [
  ...inTested(
    `${DIR}/standby_sender.ts`,
    "tests/unit/standby_copy_test.ts",
    [
      "fill a standby as fast as can be",
      "this.#notBeforeMs = Math.max(this.#notBeforeMs, clock.monoMs()) + spent;",
      "this.#notBeforeMs = Math.max(this.#notBeforeMs, clock.monoMs()) + 0 * spent;",
    ],
  ),
  ...inTested(
    `${DIR}/standby_sender.ts`,
    "tests/unit/standby_sender_test.ts",
    [
      "send a standby any number of writes that it has not acknowledged",
      "      if (this.#windowBytes >= limits.windowBytes) return;\n",
      "      void limits;\n",
    ],
  ),
  ...inTested(
    `${DIR}/resubmit.ts`,
    "tests/unit/unreplicated_test.ts",
    [
      "send again under another id",
      "const input = { device, to, id, body, ext };",
      "const input = { device, to, id: `${id}-again`, body, ext };",
    ],
    [
      "send again for a later account of the name",
      'if (found.value.createdAt > at) return done("the account is a later one");',
      "",
    ],
    [
      "leave out what cannot be sent again now",
      "if (!again) return done(code);",
      "if (again || !again) return done(code);",
    ],
  ),
  ...inTested(
    `${DIR}/unreplicated_delivery.ts`,
    "tests/unit/unreplicated_test.ts",
    [
      "forget what a primary has not taken yet",
      "    if (this.#left.length > 0) return;\n",
      "",
    ],
  ),
];

/** Until when workers serve by the role of their supervisor. */
const LENDING: readonly Mutant[] = [
  ...inTested(
    `${DIR}/lending.ts`,
    "tests/unit/role_lease_test.ts",
    ["lend a role for as long as a lease", "const PART = 1 / 3;", "const PART = 1;"],
  ),
  ...inTested(
    "server/workers/role_lease.ts",
    "tests/unit/role_lease_test.ts",
    [
      "count what is lent from when the reply arrives",
      "this.#untilMs = Math.max(this.#untilMs, askedMs + ms);",
      "this.#untilMs = Math.max(this.#untilMs, this.#clock.monoMs() + ms);",
    ],
  ),
  ...inTested(
    `${DIR}/store_member.ts`,
    "tests/unit/standby_places_test.ts",
    [
      "hand a role over that workers rely on",
      "else if (primary.hasAll(to) && this.#lending.over) this",
      "else if (primary.hasAll(to)) this",
    ],
  ),
  ...inTested(
    "server/workers/supervisor.ts",
    "tests/unit/supervisor_test.ts",
    [
      "settle what workers leave behind in a store that another place serves",
      "    if (this.#leaving) return this.#stopNext();\n",
      "",
    ],
  ),
];

/** All of them. */
export const REPLICATION: readonly Mutant[] = [...ACKS, ...BOUNDS, ...LENDING];
