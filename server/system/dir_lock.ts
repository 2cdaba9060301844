import { statOf } from "./small_file.ts";

/** Milliseconds that a Deno without `tryLock` (before 2.5) waits before it says "held". */
const LOCK_WAIT_MS = 500;

/**
 * How often a lock that is held is tried again, and after how long each time (ms): a process that is
 * just being made has the files of the one that makes it, with their locks, until it runs.
 */
const AGAIN_MAX = 4;
const AGAIN_MS = 50;

/** A held lock. The kernel gives it back when the process ends, however it ends. */
export interface DirLock {
  /** Gives it back; the file stays, since removing it would let two processes in. */
  release(): void;
}

/** What newer Denos can do; `lib.deno` of the oldest one does not know it. */
interface TryLock {
  readonly tryLock?: (exclusive: boolean) => Promise<boolean>;
}

/** Takes an exclusive lock where nobody holds it; otherwise closes the file, now or later. */
async function tryLock(file: Deno.FsFile): Promise<boolean> {
  if ((file as TryLock).tryLock !== undefined) {
    for (let again = 0; again <= AGAIN_MAX; again++) {
      if (again > 0) await new Promise((done) => setTimeout(done, AGAIN_MS));
      if (await (file as TryLock).tryLock!(true)) return true;
    }
    file.close();
    return false;
  }
  let wanted = true;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const taken = file.lock(true).then(() => {
    // Too late: the caller already learned that it is held.
    if (!wanted) file.close();
    return true;
  });
  const held = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), LOCK_WAIT_MS);
  });
  wanted = await Promise.race([taken, held]);
  clearTimeout(timer);
  return wanted;
}

/**
 * Root may open the files of any user, but what it makes or replaces beside them is its own: the
 * server, which runs as that user, could not start any more.
 */
function refuseRoot(path: string): void {
  const owner = statOf(path)?.uid ?? null;
  if (owner === null || owner === 0 || Deno.uid() !== 0) return;
  throw new Error(
    `${path} belongs to user ${owner}, who could not read what root writes beside it; ` +
      `run this as that user, as with sudo -u '#${owner}'`,
  );
}

/**
 * Locks the file `path` (made where missing, mode 0600) against other processes and writes this
 * process's id into it. Answers the holder's id, null where it is not known yet, when it is held.
 * Throws what the platform throws where the file cannot be opened, and where root would open that of
 * another user.
 */
export async function lockFile(
  path: string,
): Promise<DirLock | { readonly heldBy: number | null }> {
  const file = await Deno.open(path, { create: true, read: true, write: true, mode: 0o600 });
  if (!await tryLock(file)) {
    const holder = Number((await Deno.readTextFile(path)).trim());
    return { heldBy: Number.isSafeInteger(holder) && holder > 0 ? holder : null };
  }
  try {
    refuseRoot(path);
  } catch (error) {
    file.close();
    throw error;
  }
  await file.truncate();
  await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
  return { release: () => file.close() };
}
