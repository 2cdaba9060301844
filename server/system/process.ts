/** What the operating system says about this process, and how it ends. */
import process from "node:process";
import type { Cancel } from "../node/ports.ts";

/** What asks a process to end. */
export type EndSignal = "SIGTERM" | "SIGINT" | "SIGHUP";

/** This process. */
export interface Process {
  readonly pid: number;
  /** How many files and sockets it may open; null where the platform does not say. */
  filesMax(): number | null;
  /** Resident memory. Costs 10 µs. */
  rssBytes(): number;
  /** CPU time so far, user and system; null where the platform does not say. Costs 3 µs. */
  cpuMs(): number | null;
  /**
   * Calls `run` for each SIGTERM and SIGINT, and for the SIGHUP of a terminal that was closed; they
   * then neither end the process nor keep it.
   */
  onSignal(run: (signal: EndSignal) => void): Cancel;
  /** Calls `run` for each other SIGHUP, which asks to read the configuration anew. */
  onReload(run: () => void): Cancel;
  /**
   * Calls `run` for each bug that nobody caught: thrown by a callback or a timer, or a rejection.
   * The state is not to be trusted any more: `run` logs it and exits.
   */
  onFatal(run: (cause: unknown) => void): Cancel;
  exit(code: number): never;
}

/** The soft limit of open files in the text of `/proc/self/limits`, or null. */
export function parseFilesMax(limits: string): number | null {
  const m = /^Max open files\s+(\d+|unlimited)\s/m.exec(limits);
  if (m === null) return null;
  return m[1] === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(m[1]);
}

function listenTo(signal: Deno.Signal, run: () => void): Cancel {
  Deno.addSignalListener(signal, run);
  return () => Deno.removeSignalListener(signal, run);
}

const ON_TERMINAL = Deno.stdin.isTerminal();

/** Whether the terminal that the program was started on was closed: SIGHUP tells that, too. */
function hungUp(): boolean {
  return ON_TERMINAL && !Deno.stdin.isTerminal();
}

function onSignal(run: (signal: EndSignal) => void): Cancel {
  const added = [
    listenTo("SIGTERM", () => run("SIGTERM")),
    listenTo("SIGINT", () => run("SIGINT")),
    onHangUp(() => hungUp() && run("SIGHUP")),
  ];
  return () => added.forEach((remove) => remove());
}

/** On Windows it tells that a console is closed, and nothing else. */
function onHangUp(run: () => void): Cancel {
  return Deno.build.os === "windows" ? () => {} : listenTo("SIGHUP", run);
}

function onReload(run: () => void): Cancel {
  return onHangUp(() => hungUp() || run());
}

function onFatal(run: (cause: unknown) => void): Cancel {
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    run(event.error);
  };
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    run(event.reason);
  };
  globalThis.addEventListener("error", onError);
  globalThis.addEventListener("unhandledrejection", onRejection);
  return () => {
    globalThis.removeEventListener("error", onError);
    globalThis.removeEventListener("unhandledrejection", onRejection);
  };
}

function filesMax(): number | null {
  try {
    return parseFilesMax(Deno.readTextFileSync("/proc/self/limits"));
  } catch {
    // There is no such file outside Linux: "not known" is the answer.
    return null;
  }
}

/** How many cores this process may use. */
export function coresOf(): number {
  return navigator.hardwareConcurrency;
}

function cpuMs(): number | null {
  // Older versions do not have it.
  if (typeof process.cpuUsage !== "function") return null;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The process that runs this program. */
export function systemProcess(): Process {
  return {
    pid: Deno.pid,
    filesMax,
    rssBytes: () => Deno.memoryUsage().rss,
    cpuMs,
    onSignal,
    onReload,
    onFatal,
    exit: (code) => Deno.exit(code),
  };
}
