/** Small files of a directory: read whole, written in one step. */
import { join } from "node:path";

/** A JSON object in a file; null where there is no file. */
export function readJson(file: string): Record<string, unknown> | null {
  let text: string;
  try {
    text = Deno.readTextFileSync(file);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return null;
    throw cause;
  }
  try {
    const read: unknown = JSON.parse(text);
    if (typeof read === "object" && read !== null) return read as Record<string, unknown>;
  } catch {
    // Not JSON: reads as an object without fields, which is refused by name of the file.
  }
  return {};
}

/** Puts a file there in one step, so that a crash leaves the whole file or none. */
export function writeDurably(
  dir: string,
  name: string,
  content: Record<string, unknown> | null,
): void {
  const made = join(dir, `${name}.new`);
  const file = Deno.openSync(made, { create: true, truncate: true, write: true, mode: 0o600 });
  try {
    if (content !== null) {
      file.writeSync(new TextEncoder().encode(JSON.stringify(content) + "\n"));
    }
    file.syncSync();
  } finally {
    file.close();
  }
  Deno.renameSync(made, join(dir, name));
  const entries = Deno.openSync(dir);
  try {
    entries.syncSync();
  } finally {
    entries.close();
  }
}

/** Bytes of a file; 0 where none exists. */
export function sizeOf(file: string): number {
  return statOf(file)?.size ?? 0;
}

/** What exists at a path; null where nothing does. */
export function statOf(path: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return null;
    throw cause;
  }
}

/** Removes a file that may not exist. */
export function removeIfThere(file: string): void {
  try {
    Deno.removeSync(file);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
  }
}
