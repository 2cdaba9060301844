/**
 * Copies the homes of a cell's names to members that have joined since they were decided: all names
 * are looked at, page by page, again and again until every member has acknowledged each of them. What
 * is done is one durable value of the cell.
 */
import type { AccountName, CellName } from "../../../shard/name/ids.ts";
import { type CellFormat, cellJson, type CellValue } from "../../node/cell_value.ts";
import type { Members } from "../../../shard/federation/members.ts";
import type { NameSource } from "./name_check.ts";
import type { Runtime } from "../../node/ports.ts";

/**
 * How long after a change of the members the names of before are looked at (ms): rounds that were
 * begun under the former members are over by then, and their names are in checkpoints.
 */
export const QUIET_MS = 20_000;
/** Names that are looked at together, and how long after that the next ones are (ms). */
const PAGE = 100;
const PAGE_PAUSE_MS = 50;
/** How long after a look at all names that has found some left the next one begins (ms). */
const AGAIN_MS = 3000;

/** What a cell remembers. */
export interface Shared {
  /** Names that were decided under earlier versions are known to all members of this one. */
  readonly version: number;
  readonly cells: readonly CellName[];
}

/** How it is stored. */
export const SHARED_FORMAT: CellFormat<Shared> = cellJson(
  "members.shared",
  (done) => done(null, { version: 0, cells: [] }),
);

/** Names, and what shards do with one of them. */
export interface ShareSource extends Pick<NameSource, "names"> {
  /** See the operation `name.share`; null: it could not be done now. */
  share(
    name: AccountName,
    add: readonly CellName[],
    done: (left: number | null) => void,
  ): void;
}

/** What it needs. */
export interface SharingDeps extends Runtime {
  readonly self: CellName;
  readonly value: Pick<CellValue<Shared>, "load" | "update" | "watch" | "onChange">;
  current(): Members;
  source(): ShareSource;
}

/** See the head of this file. */
export class Sharing {
  readonly #deps: SharingDeps;
  #shared: Shared | null = null;
  /** The version of the members that was seen last, and since when (monotonic ms). */
  #seen = { version: 0, sinceMs: 0 };
  #running = false;
  /**
   * Names that could not be looked at: all others owe the new members their homes by now. Null: no
   * look at this version has come to its end.
   */
  #missed: { readonly version: number; readonly names: ReadonlySet<AccountName> } | null = null;
  #nextMs = 0;
  #stopped = false;

  constructor(deps: SharingDeps) {
    this.#deps = deps;
  }

  /** The version of the members all of which know what was decided before it; 0: none. */
  get version(): number {
    return this.#shared?.version ?? 0;
  }

  /** Reads what was done. */
  start(): void {
    const { value } = this.#deps;
    value.onChange = (shared) => this.#shared = shared;
    value.watch();
    value.load((error, shared) => {
      if (error === null) this.#shared = shared;
    });
  }

  /** The cell has joined with this version, and has given no name before: it owes nobody any. */
  begun({ cells, version }: Members): void {
    this.#keep({ version, cells: cells.map(({ cell }) => cell) }, () => {});
  }

  #keep(known: Shared, done: () => void): void {
    this.#deps.value.update(
      (shared) => shared.version < known.version ? known : null,
      (error, shared) => {
        if (error !== null) return;
        this.#shared = shared;
        done();
      },
    );
  }

  /** Looks at no more names. */
  stop(): void {
    this.#stopped = true;
  }

  /** Goes on, where members have joined; one node of a cell does that. */
  tick(): void {
    const nowMs = this.#deps.clock.monoMs();
    const { version } = this.#deps.current();
    if (version !== this.#seen.version) this.#seen = { version, sinceMs: nowMs };
    if (this.#shared === null || this.#running || this.#stopped || nowMs < this.#nextMs) return;
    // Of version 1 this cell is the only member, which has nobody to tell.
    if (version <= Math.max(1, this.#shared.version)) return;
    if (nowMs - this.#seen.sinceMs < QUIET_MS) return;
    this.#running = true;
    this.#look(this.#deps.current(), this.#shared.cells);
  }

  #look(members: Members, known: readonly CellName[]): void {
    const { clock, log, self } = this.#deps;
    const cells = members.cells.map(({ cell }) => cell);
    const fresh = cells.filter((cell) => cell !== self && !known.includes(cell));
    const missed = this.#missed?.version === members.version ? this.#missed : null;
    const addOf = (name: AccountName) => missed === null || missed.names.has(name) ? fresh : [];
    this.#pages(addOf, (names, left, failed) => {
      this.#running = false;
      this.#nextMs = clock.monoMs() + AGAIN_MS;
      if (failed !== null) this.#missed = { version: members.version, names: failed };
      if (this.#stopped || left > 0 || this.#deps.current().version !== members.version) return;
      const { version } = members;
      this.#keep({ version, cells }, () => {
        log.info("names known to all members", { version, names });
      });
    });
  }

  /**
   * Looks at all names; `done` with their number, how many some cell does not know, and which could not
   * be looked at: null where not all could be listed.
   */
  #pages(
    addOf: (name: AccountName) => readonly CellName[],
    done: (names: number, left: number, failed: ReadonlySet<AccountName> | null) => void,
  ): void {
    let [count, open] = [0, 0];
    const failed = new Set<AccountName>();
    const { source, timers } = this.#deps;
    const page = (after: unknown) => {
      if (this.#stopped) return done(count, 1, null);
      source().names(after, PAGE, (error, names, next) => {
        if (error !== null) return done(count, 1, null);
        let left = names.length;
        const over = () => {
          if (next === null) return done(count, open, failed);
          timers.after(PAGE_PAUSE_MS, () => page(next));
        };
        if (left === 0) return over();
        for (const name of names) {
          source().share(name, addOf(name), (unknown) => {
            count++;
            if (unknown === null) failed.add(name);
            if (unknown !== 0) open++;
            if (--left === 0) over();
          });
        }
      });
    };
    page(null);
  }
}
