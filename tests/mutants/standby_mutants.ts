/** Ways to break what a store and its standby promise each other. */
import type { Mutant } from "./mutant.ts";

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
    "delete rows that a write has added meanwhile",
    `${DIR}/standby_sender.ts`,
    "        !isOfCopy(key) && isUpTo(key, upTo) && !(",
    "        isOfCopy(key) && isUpTo(key, upTo) && !(",
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
    "hand on writes of a run that a write of unknown outcome has ended",
    `${DIR}/numbered_rows.ts`,
    "    if (at.run === this.#run) {",
    "    if (at.run === this.#run || this.#last === null) {",
  ],
  [
    "go on after a write of unknown outcome",
    `${DIR}/numbered_rows.ts`,
    `if (writing.outcome!.kind === "unknown") this.#break();`,
    "",
  ],
  [
    "begin no run when a store is opened",
    `${DIR}/numbered_rows.ts`,
    "    this.#run = options.newRun();\n",
    `    this.#run = last?.run ?? options.newRun();\n`,
  ],
];

function mutants(rows: readonly Row[], sim: readonly string[]): Mutant[] {
  return rows.map(([name, file, find, replace]) => ({ name, file, find, replace, sim }));
}

/** All of them. */
export const STANDBY: readonly Mutant[] = mutants(COPY, ["--standby"]);
