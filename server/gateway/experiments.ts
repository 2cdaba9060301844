/**
 * Experiments: a few accounts are served a little differently, and what comes of it is counted by
 * arm. Which arm an account is in depends on its id and the experiment's name alone, so that it
 * stays there over restarts; when percentages change, only those in between change sides.
 *
 * The guard in code is one line: `experiments.arm("offline-grace", accountId)`.
 */
import type { AccountId } from "../../shard/name/ids.ts";
import { POINT_SPACE, pointOf } from "../../shard/name/ids.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { type Arms, formatArms, parseArms } from "../config/arms.ts";
import { cellText, CellValue, type Registers } from "../node/cell_value.ts";
import type { Store, StoreError } from "../node/ports.ts";

/** Every experiment there is in the code, with its arms; `control` changes nothing. */
export const EXPERIMENTS = {
  "offline-grace": {
    doc: "How long a lost connection still counts as online, times presence.graceMs.",
    arms: { control: 1, short: 0.5, long: 2 },
  },
} as const;

/** The name of an experiment. */
export type ExperimentName = keyof typeof EXPERIMENTS;
/** The arms of one. */
export type ArmOf<N extends ExperimentName> = keyof (typeof EXPERIMENTS)[N]["arms"];

/** What is counted for each arm. */
export const ARM_COUNTS = [
  "exposures",
  "sessions",
  "resumes",
  "false_offlines",
  "presence_changes",
] as const;
/** One of them. */
export type ArmCount = (typeof ARM_COUNTS)[number];

/** How an experiment stands. */
export interface ExperimentStatus {
  readonly name: ExperimentName;
  readonly doc: string;
  /** Every arm there is. */
  readonly known: readonly string[];
  /** `control=50,short=50`, or null: off. */
  readonly arms: string | null;
  /** Whether it was set while the server ran, which counts more than the configuration. */
  readonly from: "configuration" | "set";
}

interface Running {
  readonly arms: Arms | null;
  readonly from: ExperimentStatus["from"];
}

const NAMES = Object.keys(EXPERIMENTS) as readonly ExperimentName[];

/** What is stored where the configuration decides. */
const DEFAULT = "default";

/** Where experiments are kept: what the nodes of the cell share, and rows of earlier versions. */
export interface ExperimentStore {
  readonly registers: Registers;
  readonly rows: Pick<Store, "read">;
}

/** The arms of an experiment as text, "" for off; at first what an earlier version has stored. */
function settingOf(
  { registers, rows }: ExperimentStore,
  name: ExperimentName,
): CellValue<string | null> {
  return new CellValue(registers, {
    ...cellText(`experiment ${name}`),
    initial: (done) =>
      rows.read([["meta", "experiment", name]], (error, [value]) => {
        done(error, value ? new TextDecoder().decode(value) : null);
      }),
  });
}

/** Whether a text names an experiment. */
export function isExperiment(name: string): name is ExperimentName {
  return Object.hasOwn(EXPERIMENTS, name);
}

/** The arm of an account, by how much of the hash space lies before it. */
export function armAt(arms: Arms, name: string, account: string): string {
  const percent = pointOf(`${name} ${account}`) / POINT_SPACE * 100;
  let upTo = 0;
  let last = "";
  for (const [arm, share] of Object.entries(arms)) {
    if (share === 0) continue;
    upTo += share;
    last = arm;
    if (percent < upTo) return arm;
  }
  return last;
}

/** See the head of this file. */
export class Experiments {
  readonly #settings: ReadonlyMap<ExperimentName, CellValue<string | null>>;
  readonly #configured: Readonly<Record<ExperimentName, Arms | null>>;
  readonly #running: Map<ExperimentName, Running>;
  readonly #counts = new Map<string, number>();

  /** `configured`: the arms where nothing else was set; null: off. */
  constructor(
    store: ExperimentStore,
    configured: Readonly<Record<ExperimentName, Arms | null>>,
  ) {
    this.#settings = new Map(NAMES.map((name) => [name, settingOf(store, name)]));
    this.#configured = configured;
    this.#running = new Map(
      NAMES.map((name) => [name, { arms: configured[name], from: "configuration" }]),
    );
  }

  /** Reads what was set earlier, and follows what other nodes set from now on. */
  load(done: (error: StoreError | null) => void): void {
    let left = NAMES.length;
    let failed: StoreError | null = null;
    for (const [name, setting] of this.#settings) {
      setting.onChange = (text) => this.#apply(name, text);
      setting.watch();
      setting.load((error, text) => {
        if (error === null) this.#apply(name, text);
        else failed = error;
        if (--left === 0) done(failed);
      });
    }
  }

  #apply(name: ExperimentName, text: string | null): void {
    const known = Object.keys(EXPERIMENTS[name].arms);
    this.#running.set(
      name,
      text === null || text === DEFAULT
        ? { arms: this.#configured[name], from: "configuration" }
        : { arms: text === "" ? null : parseArms(text, known), from: "set" },
    );
  }

  /** The arm that an account is in; null where the experiment is off. */
  arm<N extends ExperimentName>(name: N, account: AccountId): ArmOf<N> | null {
    const arms = this.#running.get(name)?.arms ?? null;
    return arms === null ? null : armAt(arms, name, account) as ArmOf<N>;
  }

  /** Counts something that happened to an account, under its arm. */
  count(name: ExperimentName, account: AccountId, what: ArmCount): void {
    const arm = this.arm(name, account);
    if (arm === null) return;
    const key = `${name} ${String(arm)} ${what}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** All counts that are not 0: experiment, arm, what. */
  *counts(): Iterable<readonly [experiment: string, arm: string, what: ArmCount, count: number]> {
    for (const [key, count] of this.#counts) {
      const [name, arm, what] = key.split(" ") as [string, string, ArmCount];
      yield [name, arm, what, count];
    }
  }

  list(): readonly ExperimentStatus[] {
    return NAMES.map((name) => {
      const { arms, from } = this.#running.get(name)!;
      const { doc, arms: known } = EXPERIMENTS[name];
      const text = arms === null ? null : formatArms(arms);
      return { name, doc, known: Object.keys(known), arms: text, from };
    });
  }

  /**
   * Sets the arms from now on and for later starts: `control=50,short=50`, "off", or "default" for
   * what the configuration says.
   */
  set(name: string, text: string, done: (result: Result<ExperimentStatus>) => void): void {
    if (!isExperiment(name)) {
      return done(fail("not_found", `There is no experiment ${name}: see roost experiment list`));
    }
    const known = Object.keys(EXPERIMENTS[name].arms);
    const arms = text === "off" || text === "default" ? null : parseArms(text, known);
    if (arms === null && text !== "off" && text !== "default") {
      const wanted = `percentages of ${
        known.join(", ")
      } that make 100, such as control=50,short=50`;
      return done(fail("bad_request", `The arms must be ${wanted}`));
    }
    const stored = text === DEFAULT ? DEFAULT : arms === null ? "" : formatArms(arms);
    this.#settings.get(name)!.update(() => stored, (error) => {
      if (error !== null) return done(fail("unavailable", "The store takes no changes now", 1000));
      this.#apply(name, stored);
      done(ok(this.list().find((status) => status.name === name)!));
    });
  }
}
