/**
 * What administrators did to the data directory of a stopped server. The commands append lines of
 * JSON to a file in the directory; the next start of the server moves them into its audit log.
 */
import { join } from "node:path";
import { readLines } from "./text_file.ts";

/** The file in the data directory. */
export const ACTIONS_FILE = "admin-actions.jsonl";

/** One action, as a running server logs it. */
export interface OfflineAction {
  /** When it ended: ISO 8601, UTC. */
  readonly at: string;
  readonly [field: string]: unknown;
}

/** Appends an action durably. Throws what the platform throws. */
export function recordAction(dataDir: string, action: OfflineAction): void {
  const path = join(dataDir, ACTIONS_FILE);
  using file = Deno.openSync(path, { append: true, create: true, mode: 0o600 });
  const bytes = new TextEncoder().encode(`${JSON.stringify(action)}\n`);
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  file.syncSync();
}

/**
 * Hands every recorded action to `take`, then deletes the file if it has taken all: a crash in between
 * repeats them. A line that a crash cut is handed over as text. Returns how many there were.
 */
export async function takeActions(
  dataDir: string,
  take: (action: OfflineAction) => Promise<boolean>,
): Promise<number> {
  const path = join(dataDir, ACTIONS_FILE);
  if (!exists(path)) return 0;
  let count = 0;
  let all = true;
  for await (const line of readLines(path)) {
    all = await take(parsed(line)) && all;
    count++;
  }
  if (all) Deno.removeSync(path);
  return count;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function parsed(line: string): OfflineAction {
  try {
    const action: unknown = JSON.parse(line);
    if (typeof action === "object" && action !== null && "at" in action) {
      return action as OfflineAction;
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { at: "", unreadable: line };
}
