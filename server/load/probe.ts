/** What the server's process uses, out of /proc and its metrics; the texts, not the files. */

/** One look at a process, or at several together. */
export interface ProcessUse {
  /** CPU time of all its threads so far, µs. */
  readonly cpuUs: number;
  readonly rssBytes: number;
  readonly threads: number;
}

/** Clock ticks a second in /proc (`getconf CLK_TCK`), which Linux fixes at 100 for user space. */
const TICKS_PER_SECOND = 100;

/** CPU time in the text of `/proc/PID/stat` (proc(5): utime and stime), µs; null where unreadable. */
export function parseCpuUs(stat: string): number | null {
  // The name in the second field may hold anything, parentheses included.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isFinite(ticks) ? ticks * 1e6 / TICKS_PER_SECOND : null;
}

/** Resident memory and threads in the text of `/proc/PID/status`; null where unreadable. */
export function parseStatus(status: string): Omit<ProcessUse, "cpuUs"> | null {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  const threads = /^Threads:\s+(\d+)$/m.exec(status)?.[1];
  if (kib === undefined || threads === undefined) return null;
  return { rssBytes: Number(kib) * 1024, threads: Number(threads) };
}

/** Process ids in the text of `/proc/PID/task/PID/children`; none where it is empty. */
export function parseChildren(text: string): readonly number[] {
  return [...text.matchAll(/\d+/g)].map(([pid]) => Number(pid));
}

/** What several processes use together. */
export function sumOfUses(uses: readonly ProcessUse[]): ProcessUse {
  return uses.reduce((sum, { cpuUs, rssBytes, threads }) => ({
    cpuUs: sum.cpuUs + cpuUs,
    rssBytes: sum.rssBytes + rssBytes,
    threads: sum.threads + threads,
  }));
}

/** The process id in the text of a data directory's lock file, or null. */
export function parseLock(text: string): number | null {
  const pid = Number(text.trim());
  return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
}

/**
 * Sums of metrics by name, labels added up, out of the Prometheus text format (0.0.4). Buckets of
 * histograms are left out.
 */
export function parseMetrics(text: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const line of text.split("\n")) {
    const match = /^([A-Za-z_:][\w:]*)(?:\{.*\})? ([-+]?[\d.eE+-]+|NaN|[-+]?Inf)/.exec(line);
    if (match === null || match[1]!.endsWith("_bucket")) continue;
    const value = Number(match[2]);
    if (Number.isFinite(value)) sums.set(match[1]!, (sums.get(match[1]!) ?? 0) + value);
  }
  return sums;
}

/** Inode of the socket that listens on a port, out of `/proc/net/tcp` or `tcp6`; null: none. */
export function parseListener(tcp: string, port: number): string | null {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  for (const line of tcp.split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    if (fields[1]?.endsWith(`:${hexPort}`) && fields[3] === "0A") return fields[9] ?? null;
  }
  return null;
}
