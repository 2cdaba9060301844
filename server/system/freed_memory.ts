/**
 * Gives freed memory back to the system. V8 collects garbage when it needs room, and the C library
 * keeps blocks that lie between used ones: what a storm of sign-ins has left would stay for ever where
 * nothing happens afterwards.
 */
import type { Cancel, Clock, Timers } from "../node/ports.ts";
import type { Process } from "./process.ts";

/** The library of this program that has the function; others than glibc have none. */
const GLIBC = "libc.so.6";
/** How often the process's CPU time and memory are looked at (ms). */
const LOOK_MS = 10_000;
/** Share of a core below which a process is quiet: an idle one with 15,000 sessions takes 0.04. */
const QUIET_SHARE = 0.2;
/** Growth of the resident memory from which on it is worth while (bytes). */
const GROWTH_BYTES = 16 * 2 ** 20;
/** After so many looks once more: by then accounts that nobody uses have left memory. */
const AGAIN_LOOKS = 6;
/**
 * Most of V8's heap that is collected at once (bytes): 2 to 4 ms a megabyte on one busy core, and a
 * lease in a cell lasts 3 s.
 */
const HEAP_MAX_BYTES = 192 * 2 ** 20;

/** What gives memory back. */
export interface MemoryGiver {
  /** Bytes of V8's heap that are used. */
  heapBytes(): number;
  /** Collects V8's garbage; null where it cannot be asked to. Nothing else happens meanwhile. */
  readonly collect: (() => void) | null;
  /** Has the C library give back all freed blocks, beside the event loop; null where it cannot. */
  readonly trim: (() => void) | null;
}

/**
 * `collect` needs V8's flag `--expose-gc`; `trim` needs glibc and the permission for native
 * libraries.
 */
export function systemMemoryGiver(): MemoryGiver {
  const { gc } = globalThis as { gc?: (options: object) => void };
  return {
    heapBytes: () => Deno.memoryUsage().heapUsed,
    collect: gc === undefined ? null : () => gc({ type: "major", flavor: "last-resort" }),
    trim: systemTrim(),
  };
}

function systemTrim(): (() => void) | null {
  // Older versions have it with a flag only.
  if (Deno.build.os !== "linux" || typeof Deno.dlopen !== "function") return null;
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return null;
  try {
    const { symbols } = Deno.dlopen(GLIBC, {
      malloc_trim: { parameters: ["usize"], result: "i32", nonblocking: true },
    });
    return () => void symbols.malloc_trim(0n);
  } catch {
    // Another C library.
    return null;
  }
}

/**
 * Gives memory back whenever it has grown and the process is quiet: under load what is freed is soon
 * used again. The memory of the start counts as growth.
 */
export function giveWhenQuiet(
  ports: { readonly clock: Clock; readonly timers: Timers },
  process: Pick<Process, "cpuMs" | "rssBytes">,
  giver: MemoryGiver,
): Cancel {
  const { clock, timers } = ports;
  let before = { atMs: clock.monoMs(), cpuMs: process.cpuMs() };
  /** Least resident memory since it was last given back; at first any is more. */
  let leastBytes = -Infinity;
  let again = 0;
  const isQuiet = () => {
    const now = { atMs: clock.monoMs(), cpuMs: process.cpuMs() };
    const share = (now.cpuMs ?? NaN) - (before.cpuMs ?? NaN);
    const quiet = share < QUIET_SHARE * (now.atMs - before.atMs);
    before = now;
    return quiet;
  };
  const look = () => {
    cancel = timers.after(LOOK_MS, look);
    const rssBytes = process.rssBytes();
    const grown = rssBytes >= leastBytes + GROWTH_BYTES;
    leastBytes = Math.min(leastBytes, rssBytes);
    // Where the CPU time is not known, it is never quiet.
    if (!isQuiet()) return;
    if (grown) again = AGAIN_LOOKS;
    else if (again === 0 || --again > 0) return;
    if (giver.heapBytes() <= HEAP_MAX_BYTES) giver.collect?.();
    giver.trim?.();
    leastBytes = Infinity;
  };
  let cancel = timers.after(LOOK_MS, look);
  return () => cancel();
}
