/** Ways to break what a store and its standby promise each other. */
import { inTested, type Mutant } from "./mutant.ts";

type Row = readonly [name: string, file: string, find: string, replace: string];

const DIR = "server/standby";

const COPY: readonly Row[] = [
  [
    "take a write after a gap",
    `${DIR}/standby_copy.ts`,
    "if (!samePosition(after, taken)) return this.#end(`a gap before write ${at.w}`);",
    "",
  ],
  [
    "set the number of the first of several writes",
    `${DIR}/standby_copy.ts`,
    "      if (count > 0) mutations.pop();\n      mutations.push(...rows);",
    "      const number = mutations.pop();\n      mutations.push(...rows);\n" +
    "      if (number !== undefined) mutations[mutations.length - 1] = number;",
  ],
  [
    "keep rows that the primary does not have",
    `${DIR}/standby_copy.ts`,
    "if (!names.has(keyName(key))) mutations.push(",
    "if (names.has(keyName(key))) mutations.push(",
  ],
  [
    "go on with a state that a failed write has left unknown",
    `${DIR}/standby_copy.ts`,
    "        this.#stale = true;",
    "",
  ],
  [
    "take the reply to an older question",
    `${DIR}/standby_copy.ts`,
    "if (!this.#asked || job.n !== this.#n) return done(null);",
    "if (!this.#asked) return done(null);",
  ],
  [
    "count a copy that is being compared as whole",
    `${DIR}/standby_copy.ts`,
    "return this.position !== null && this.#state.filling === null;",
    "return this.position !== null;",
  ],
  [
    "put older rows over those that a write has changed meanwhile",
    `${DIR}/standby_sender.ts`,
    "rows: rows.filter(({ key }) => !changed.has(keyName(key))),",
    "rows,",
  ],
  [
    "call a copy equal before writes that its pages have shown",
    `${DIR}/standby_sender.ts`,
    "if (equal === null || this.#sent === null || rows.settled < equal.w) return;",
    "if (equal === null || this.#sent === null) return;",
  ],
  [
    "go on with a standby of another run",
    `${DIR}/write_number.ts`,
    "a.run === b.run && a.w === b.w",
    "a.w === b.w",
  ],
  [
    "begin no run when a store is opened",
    `${DIR}/numbered_rows.ts`,
    "    this.#run = options.newRun();\n",
    `    this.#run = last?.run ?? options.newRun();\n`,
  ],
  [
    "count a copy as equal before its primary has looked at it",
    `${DIR}/standby_copy.ts`,
    "return this.#link !== null && this.#agreed && this.whole;",
    "return this.#link !== null && this.whole;",
  ],
  [
    "replace rows of a former primary by writes without keeping them",
    `${DIR}/standby_copy.ts`,
    "const keep = this.#state.filling === null ? null : this.#keepReplaced();",
    "const keep = null as ReturnType<KeepReplaced>;",
  ],
  [
    "replace rows of a former primary by pages without keeping them",
    `${DIR}/standby_copy.ts`,
    "if (keep !== null && !keep(own.filter(isOther)))",
    "if (keep !== null && !keep([]))",
  ],
  [
    "delete rows that a write has added meanwhile",
    `${DIR}/standby_sender.ts`,
    "        !isOfCopy(key) && isUpTo(key, upTo) && !(",
    "        isOfCopy(key) && isUpTo(key, upTo) && !(",
  ],
  [
    "go on after a write of unknown outcome",
    `${DIR}/numbered_rows.ts`,
    `if (writing.outcome!.kind === "unknown") this.#break();`,
    "",
  ],
];

const ROLES: readonly Row[] = ([
  [
    "promote an outsider",
    "if (!this.#whole || !roles.inSync.includes(self)) return null;",
    "if (!this.#whole) return null;",
  ],
  [
    "shrink the ack set before the register",
    "[...this.#roles!.inSync, ...this.#joining.keys()].sort()",
    "[...this.#roles!.inSync.filter((m) => !this.#isGone(m)), ...this.#joining.keys()].sort()",
  ],
  [
    "grow the ack set after the register",
    "[...this.#roles!.inSync, ...this.#joining.keys()].sort()",
    '[...this.#roles!.inSync, ...[...this.#joining.keys()].filter(() => this.#asking === "read")].sort()',
  ],
  [
    "put a standby into the register before it has everything",
    'return state === "complete" && !inSync',
    'return state !== "lost" as string && !inSync',
  ],
  [
    "take over with the former primary as a standby in sync",
    "const next = { epoch: roles.epoch + 1, primary: self, inSync: [] };",
    "const next = { epoch: roles.epoch + 1, primary: self, inSync: [roles.primary] };",
  ],
  [
    "take over at the epoch of the former primary",
    "const next = { epoch: roles.epoch + 1, primary: self, inSync: [] };",
    "const next = { epoch: roles.epoch, primary: self, inSync: [] };",
  ],
  [
    "take over too early",
    "this.#nowMs - this.#heardMs >= takeoverMs ? next",
    "this.#nowMs - this.#heardMs >= takeoverMs / 2 ? next",
  ],
  [
    "take over at a start without a wait",
    "    this.#heardMs = nowMs;\n    this.#answeredMs = nowMs;",
    "    this.#heardMs = -Infinity;\n    this.#answeredMs = nowMs;",
  ],
  [
    "serve at a start without a change of the register",
    "if (roles.epoch !== this.#epoch) return { ...roles, epoch: roles.epoch + 1 };",
    "if (roles.epoch !== this.#epoch) this.#epoch = roles.epoch;",
  ],
  [
    "serve as ordered while the former primary has a lease",
    "    if (!alone && nowMs - this.#answeredMs < lentMs(leaseMs)) return 0;\n",
    "    if (!alone && nowMs - this.#answeredMs < lentMs(leaseMs) / 2) return 0;\n",
  ],
  [
    "serve without a lease",
    "return Math.max(0, Math.min(nowMs, ...fromMs) + leaseMs - nowMs);",
    "return Math.max(0, Math.min(nowMs, Math.max(nowMs, ...fromMs)) + leaseMs - nowMs);",
  ],
  [
    "count a lease from when the answer arrives",
    "Math.max(this.#leases.get(from) ?? -Infinity, message.sentMs)",
    "this.#nowMs",
  ],
  [
    "forget a change of unknown outcome",
    'if (outcome !== "set" || wanted === null) return this.#read();',
    'if (outcome === "unknown") this.#wanted = null;\n' +
    '    if (outcome !== "set" || wanted === null) return this.#read();',
  ],
  [
    "hand over before the successor has everything",
    "if (this.#handTo !== null && this.#drained) {",
    "if (this.#handTo !== null) {",
  ],
  [
    "take back a handover that may still happen",
    "if (this.#keeps && this.#wanted?.roles.primary !== this.#handTo) this.#handTo = null;",
    "if (this.#keeps) this.#handTo = null;",
  ],
  [
    "serve while handing over",
    "return this.#handTo === null && this.leasedAt(nowMs);",
    "return this.leasedAt(nowMs);",
  ],
  [
    "drop a lost standby that the register may hold from the ack set",
    "if (!this.#mayBeInSync(member)) this.#joining.delete(member);",
    "this.#joining.delete(member);",
  ],
] as const).map(([name, find, replace]) => [name, `${DIR}/roles.ts`, find, replace]);

/** The wiring of processes. */
const PLACES: readonly Row[] = [
  [
    "lend a role to workers though its lease is over",
    `${DIR}/store_member.ts`,
    "this.#lending.lend(this.#driver.leaseLeftMs)",
    "this.#lending.lend(5000)",
  ],
  [
    "vote on the own store in two parts of a process",
    `${DIR}/station.ts`,
    "    if (frame.cell === this.#options.place) return false;\n",
    "",
  ],
  [
    "follow with two members of one copy",
    `${DIR}/station.ts`,
    "if (hosted.member !== null || hosted.starting || hosted.serving !== null) return;",
    "if (hosted.serving !== null) return;",
  ],
  [
    "acknowledge what waits when another place has become the primary",
    `${DIR}/store_member.ts`,
    "if (this.#driver.machine.isPrimary) this.#primary?.require(members);",
    "if (this.#driver !== null) this.#primary?.require(members);",
  ],
  [
    "serve from a copy that is still open",
    `${DIR}/store_member.ts`,
    "else copy.close(() => this.#options.serves(epoch));",
    "else {\n      copy.close(() => {});\n      this.#options.serves(epoch);\n    }",
  ],
  [
    "leave a copy alone once the process has ended that served it",
    `${DIR}/station.ts`,
    "timers.after(delayMs, () => this.#follow(cell, hosted));",
    "void [timers, delayMs];",
  ],
  [
    "reply while another place may serve, during a handover",
    `${DIR}/store_member.ts`,
    "!this.#overdue && this.#driver.leased",
    "!this.#overdue",
  ],
  [
    "go on with cursors after a takeover that may have lost events",
    `${DIR}/store_member.ts`,
    "return hasAll || voter.stored.resets === true || voter.save({ resets: true });",
    "return hasAll || voter !== null;",
  ],
  [
    "take over where it cannot be stored that cursors end",
    `${DIR}/store_member.ts`,
    "return hasAll || voter.stored.resets === true || voter.save({ resets: true });",
    "return hasAll || voter.save({ resets: true }) || true;",
  ],
  [
    "forget that a former primary may have acknowledged alone",
    `${DIR}/store_member.ts`,
    "voter.save({ servedEpoch: epoch, wrote: true })",
    "voter.save({ servedEpoch: epoch })",
  ],
];

/** Those who vote on the roles. */
const VOTES: readonly Row[] = [
  [
    "make a minority of a store's voters decide its roles",
    "shard/federation/caspaxos.ts",
    "if (votes.size * 2 <= voters.length) return",
    "if (votes.size === 0) return",
  ],
  [
    "propose older roles than the newest that were accepted",
    "shard/federation/caspaxos.ts",
    "compareBallots(vote.accepted.ballot, best.ballot) > 0",
    "compareBallots(vote.accepted.ballot, best.ballot) < 0",
  ],
  [
    "accept roles below what was promised",
    "shard/federation/caspaxos.ts",
    "if (compareBallots(ballot, promised) < 0) {",
    'if (compareBallots(ballot, promised) < 0 && ask.kind === "prepare") {',
  ],
  [
    "vote on roles where the vote cannot be stored",
    `${DIR}/voter.ts`,
    "|| this.save({ vote: next.state }) ? next.vote : null",
    "|| this.save({ vote: next.state }) || true ? next.vote : null",
  ],
];

/** What operators and unlucky moments do, which the seeds do not have. */
const TESTED: readonly Row[] = [
  [
    "serve at a start without a wait",
    `${DIR}/roles.ts`,
    "    this.#heardMs = nowMs;\n    this.#answeredMs = nowMs;",
    "    this.#heardMs = nowMs;\n    this.#answeredMs = -Infinity;",
  ],
  [
    "follow a former primary",
    `${DIR}/roles.ts`,
    "roles.primary !== this.#options.self && epoch >= roles.epoch &&",
    "roles.primary !== this.#options.self &&",
  ],
  [
    "hand over while a former primary has a lease",
    `${DIR}/roles.ts`,
    "if (!this.leasedAt(this.#nowMs) || this.#wanted !== null) return;",
    "if (!this.#isPrimary || this.#wanted !== null) return;",
  ],
  [
    "follow a primary while taking over from it",
    `${DIR}/roles.ts`,
    "epoch >= roles.epoch &&\n      this.#wanted === null;",
    "epoch >= roles.epoch;",
  ],
];

function mutants(rows: readonly Row[], sim: readonly string[]): Mutant[] {
  return rows.map(([name, file, find, replace]) => ({ name, file, find, replace, sim }));
}

/** All of them. */
export const STANDBY: readonly Mutant[] = [
  ...mutants(COPY, ["--standby"]),
  ...mutants(ROLES, ["--roles"]),
  ...mutants([...PLACES, ...VOTES], ["--places"]),
  ...inTested(
    `${DIR}/primary_side.ts`,
    "tests/unit/primary_side_test.ts",
    [
      "wait for a standby for ever that does not go on",
      "if (nowMs - has.behindMs >= times.shrinkMs) this.#lost(member);",
      "if (nowMs - has.behindMs >= Infinity) this.#lost(member);",
    ],
  ),
  ...inTested(
    `${DIR}/role_register.ts`,
    "tests/unit/role_register_test.ts",
    [
      "wait no longer each time another proposal has come between",
      "retryWaitMs(AGAIN, ++this.#overtakings, random.number())",
      "retryWaitMs(AGAIN, 1, random.number())",
    ],
    [
      "let those who only read the roles come between changes",
      "operation.reads ? 2 * (clock.monoMs() - operation.beganMs) : 0",
      "operation.reads ? 0 : 0",
    ],
  ),
  ...TESTED.flatMap(([name, file, find, replace]) =>
    inTested(file, "tests/unit/roles_test.ts", [name, find, replace])
  ),
];
