/** CPU of a process's threads, by what they do; Linux alone. */

/** The kinds of threads. */
export type ThreadKind = "main" | "store" | "other";

/** CPU that the threads of a process have used so far, in µs. */
export function cpuOfThreads(pid: number): Record<ThreadKind, number> {
  const used = { main: 0, store: 0, other: 0 };
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    const path = `/proc/${pid}/task/${name}`;
    const thread = Deno.readTextFileSync(`${path}/comm`).trim();
    const what = Number(name) === pid ? "main" : thread.startsWith("sw-") ? "store" : "other";
    used[what] += Number(Deno.readTextFileSync(`${path}/schedstat`).split(" ")[0]) / 1000;
  }
  return used;
}
