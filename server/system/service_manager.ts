/**
 * Reports the state of the service to systemd (sd_notify(3)): datagrams to the socket that
 * `NOTIFY_SOCKET` names. Deno has such sockets only with an unstable flag, so the C library sends them.
 */
import type { Cancel, Timers } from "../node/ports.ts";

/** What started this process and wants to know how it fares. */
export interface ServiceManager {
  /** Sends assignments such as `READY=1`. One that cannot be sent is lost: the service goes on. */
  notify(...assignments: readonly string[]): void;
  /** Says that the configuration is being read again; `READY=1` follows when that is done. */
  reloading(): void;
  /**
   * Keeps its watchdog from ending the process for as long as the event loop turns; does nothing where
   * there is none.
   */
  feedWatchdog(): Cancel;
}

const GLIBC = "libc.so.6";
const AF_UNIX = 1;
/** SOCK_DGRAM | SOCK_CLOEXEC, of every architecture that Deno runs on. */
const SOCKET_KIND = 2 | 0o2000000;
const CLOCK_MONOTONIC = 1;
/** MSG_DONTWAIT | MSG_NOSIGNAL: a manager that does not read does not stop the event loop. */
const SEND_FLAGS = 0x40 | 0x4000;
/** Length of `sun_path` (unix(7)). */
const PATH_BYTES_MAX = 108;

/** The `sockaddr_un` of a socket's path; one that begins with `@` is abstract. Null: no such path. */
export function socketAddress(path: string): Uint8Array<ArrayBuffer> | null {
  const bytes = new TextEncoder().encode(path);
  if (!/^[@/]/.test(path) || bytes.length > PATH_BYTES_MAX) return null;
  if (path.startsWith("@")) bytes[0] = 0;
  const address = new Uint8Array(2 + bytes.length);
  // The family has the byte order of the machine: each that Deno runs on is little-endian.
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(bytes, 2);
  return address;
}

/**
 * Half of the time after which the watchdog ends the process (ms), as sd_watchdog_enabled(3) advises;
 * null where it does not watch this process.
 */
export function watchdogPeriodMs(
  env: Readonly<Record<string, string>>,
  pid: number,
): number | null {
  const { WATCHDOG_USEC: micros, WATCHDOG_PID: of } = env;
  if (micros === undefined || (of !== undefined && of !== String(pid))) return null;
  return /^[1-9]\d*$/.test(micros) ? Number(micros) / 2000 : null;
}

/** What it takes of the C library; null with another one. */
function cLibrary() {
  try {
    return Deno.dlopen(GLIBC, {
      socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
      sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
      close: { parameters: ["i32"], result: "i32" },
      clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
    }).symbols;
  } catch {
    return null;
  }
}

/** What the C library does for reports. */
interface Reports {
  send(text: string): void;
  /** The monotonic clock of the machine (µs). */
  micros(): bigint;
}

/** Sends datagrams to an address. */
function reports(to: Uint8Array<ArrayBuffer>): Reports | null {
  // Older versions have it with a flag only.
  if (Deno.build.os !== "linux" || typeof Deno.dlopen !== "function") return null;
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return null;
  const library = cLibrary();
  if (library === null) return null;
  const { socket, sendto, close, clock_gettime } = library;
  return {
    send(text) {
      const fd = socket(AF_UNIX, SOCKET_KIND, 0);
      if (fd < 0) return;
      const bytes = new TextEncoder().encode(text);
      sendto(fd, bytes, BigInt(bytes.length), SEND_FLAGS, to, to.length);
      close(fd);
    },
    micros() {
      // A `timespec`: two numbers of 64 bits.
      const time = new BigInt64Array(2);
      clock_gettime(CLOCK_MONOTONIC, time);
      return time[0]! * 1_000_000n + time[1]! / 1000n;
    },
  };
}

/** The manager that `env` names; null where nothing waits for reports, or none can be sent. */
export function systemServiceManager(
  env: Readonly<Record<string, string>>,
  pid: number,
  timers: Timers,
): ServiceManager | null {
  const to = socketAddress(env["NOTIFY_SOCKET"] ?? "");
  const library = to === null ? null : reports(to);
  if (library === null) return null;
  const send = (text: string) => library.send(text);
  const periodMs = watchdogPeriodMs(env, pid);
  return {
    notify: (...assignments) => send(assignments.join("\n")),
    // With its time, which `Type=notify-reload` wants.
    reloading: () => send(`RELOADING=1\nMONOTONIC_USEC=${library.micros()}`),
    feedWatchdog() {
      if (periodMs === null) return () => {};
      let cancel: Cancel = () => {};
      const feed = () => {
        send("WATCHDOG=1");
        cancel = timers.after(periodMs, feed);
      };
      feed();
      return () => cancel();
    },
  };
}
