/**
 * Notices that files have changed, by looking at them: it works through links that are changed to
 * lead elsewhere, over network file systems, and for files that do not exist yet.
 */
import type { Cancel, Timers } from "../node/ports.ts";

/** Between two looks (ms). */
export const LOOK_MS = 2000;

/** What a watch needs. */
export interface FileWatchDeps {
  readonly timers: Pick<Timers, "after">;
  /** A text that differs whenever the content of the file does; null where there is none. */
  mark(path: string): Promise<string | null>;
  /** Files have changed, and have not for one look: who replaces several does it one by one. */
  changed(): void;
}

/** See the head of this file. */
export class FileWatch {
  readonly #deps: FileWatchDeps;
  #paths: readonly string[] = [];
  /** What the files were when they were read. */
  #known = "";
  /** What they were at the last look. */
  #seen = "";
  #cancel: Cancel = () => {};
  #stopped = false;

  constructor(deps: FileWatchDeps) {
    this.#deps = deps;
  }

  /** Notices changes of these files from now on; they are about to be read. */
  async watch(paths: readonly string[]): Promise<void> {
    this.#cancel();
    this.#paths = paths;
    const marks = await this.#marks(paths);
    if (this.#paths !== paths || this.#stopped) return;
    this.#known = this.#seen = marks;
    this.#wait();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #wait(): void {
    this.#cancel();
    this.#cancel = this.#deps.timers.after(LOOK_MS, () => void this.#look(this.#paths));
  }

  async #look(paths: readonly string[]): Promise<void> {
    const marks = await this.#marks(paths);
    if (this.#paths !== paths || this.#stopped) return;
    const settled = marks === this.#seen;
    this.#seen = marks;
    if (settled && marks !== this.#known) {
      this.#known = marks;
      this.#deps.changed();
    }
    this.#wait();
  }

  async #marks(paths: readonly string[]): Promise<string> {
    const marks = await Promise.all(paths.map((path) => this.#deps.mark(path)));
    return JSON.stringify(marks);
  }
}

/** The mark of a file: which one it is, how large, and when it was written. */
export async function fileMark(path: string): Promise<string | null> {
  try {
    const { dev, ino, mtime, size } = await Deno.stat(path);
    return `${dev} ${ino} ${size} ${mtime?.getTime()}`;
  } catch {
    // There is none, or nobody may look: to read it says why.
    return null;
  }
}
