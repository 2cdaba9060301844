/**
 * Ends what a proof has started when its process gets a signal to end: its servers would go on. All
 * are killed, and so are those that it still starts while it fails.
 */

const SIGNALS: readonly { readonly name: Deno.Signal; readonly number: number }[] = [
  { name: "SIGINT", number: 2 },
  { name: "SIGTERM", number: 15 },
];
/** How long a proof may take to fail (ms), and between two looks for processes. */
const ENDS_MS = 3000;
const LOOK_MS = 100;

/** Processes by the process that has started them, from `ps -A -o pid=,ppid=`. */
export function descendantsOf(pid: number, listing: string): readonly number[] {
  const all = listing.trim().split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  const found: number[] = [];
  for (const parents = [pid]; parents.length > 0;) {
    const parent = parents.pop()!;
    for (const [child, of] of all) {
      if (of !== parent || child === undefined || found.includes(child)) continue;
      found.push(child);
      parents.push(child);
    }
  }
  return found;
}

/** The processes that this one has started, and those that they have. */
export function descendants(of: number): readonly number[] {
  const ps = new Deno.Command("ps", { args: ["-A", "-o", "pid=,ppid="] }).outputSync();
  return descendantsOf(of, new TextDecoder().decode(ps.stdout));
}

function killDescendants(): void {
  for (const pid of descendants(Deno.pid)) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // It has ended, as `ps` has.
    }
  }
}

/** Runs a task; at SIGINT or SIGTERM ends what it has started, and then this process. */
export async function endingAll<T>(task: () => Promise<T>): Promise<T> {
  let settled = false;
  const running = task().finally(() => settled = true);
  let ending = false;
  const end = async (number: number) => {
    if (ending) return;
    ending = true;
    running.catch(() => {});
    // Clients of what is killed fail, wherever they are.
    addEventListener("unhandledrejection", (event) => event.preventDefault());
    for (let ms = 0; ms < ENDS_MS && !settled; ms += LOOK_MS) {
      killDescendants();
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    killDescendants();
    Deno.exit(128 + number);
  };
  for (const { name, number } of SIGNALS) Deno.addSignalListener(name, () => end(number));
  const result = await running.catch((error) => {
    // `end` exits.
    if (ending) return new Promise<never>(() => {});
    throw error;
  });
  return ending ? await new Promise<never>(() => {}) : result;
}
