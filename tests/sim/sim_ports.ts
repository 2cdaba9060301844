/** All ports of one simulated process. */
import { configOf } from "../../server/config/config.ts";
import { retries } from "../../server/settings.ts";
import { pbkdf2Sync } from "node:crypto";
import type { Kdf, Log, Ports, Store, Timers } from "../../server/node/ports.ts";
import { FencedStore } from "../../server/store/fenced_store.ts";
import type { MemoryDisk } from "./memory_store.ts";
import { type Prng, simRandom } from "./prng.ts";
import type { VirtualProcess } from "./virtual_time.ts";

/** Virtual milliseconds of 1,000 iterations, as they were measured. */
const KDF_MS_PER_1000 = 0.15;

/** Real keys, computed at once, answered after the virtual time that real hardware takes. */
export function simKdf(timers: Timers): Kdf {
  return {
    pbkdf2(hash, password, salt, iterations, done) {
      const [digest, bytes] = hash === "SHA-256" ? ["sha256", 32] as const : ["sha1", 20] as const;
      const key = new Uint8Array(pbkdf2Sync(password, salt, iterations, bytes, digest));
      timers.after((iterations / 1000) * KDF_MS_PER_1000, () => done(key));
    },
  };
}

/** A line that was logged. */
export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A log that keeps its lines; debug is off unless `debugOn`. `note` is called with each line. */
export function memoryLog(
  debugOn = false,
  note: (line: LogLine) => void = () => {},
): { readonly log: Log; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: LogLine["level"]) => (event: string, fields: LogLine["fields"] = {}) => {
    if (level === "debug" && !debugOn) return;
    lines.push({ level, event, fields });
    note({ level, event, fields });
  };
  const log = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    debugOn,
  };
  return { log, lines };
}

/** The configuration where nothing is set. */
export const DEFAULTS = configOf("/data");

/** The waits before something is tried again, as configured where nothing is set. */
export const simRetries = () => retries(DEFAULTS);

/** Ports for a process with a disk; opens the disk. */
export function simPorts(
  parts: {
    readonly process: VirtualProcess;
    readonly disk: MemoryDisk;
    readonly prng: Prng;
    readonly log: Log;
    /** In the place of one on the disk. */
    readonly store?: Store | null;
  },
): Ports {
  const { process, disk, prng, log } = parts;
  return {
    clock: process.clock,
    timers: process.timers,
    random: simRandom(prng),
    store: parts.store ?? new FencedStore(disk.open(process)),
    kdf: simKdf(process.timers),
    log,
    retries: simRetries(),
  };
}
