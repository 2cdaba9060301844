/** The real ports of the load tool, and the console it talks to people on. */
import type { CliHost } from "../cli/host.ts";
import type { AdminTransport } from "../ops/transport.ts";
import { type Machine, thisMachine } from "./machine.ts";
import { systemNetwork } from "./sockets.ts";
import { systemClock } from "../system/clock.ts";
import { systemKdf } from "../system/kdf.ts";
import { systemRandom } from "../system/random.ts";
import { systemTimers } from "../system/timers.ts";
import type { Clock } from "../node/ports.ts";
import type { WorkerPorts } from "./worker.ts";

/** Everything the tool does I/O with. */
export interface LoadPorts extends WorkerPorts {
  readonly clock: Clock;
  readonly machine: Machine;
  readonly console: Console;
  adminSocket(path: string): AdminTransport;
  onSignal(run: (signal: string) => void): () => void;
}

/** Lines for people. */
export interface Console {
  /** The result, on standard output. */
  out(text: string): void;
  /** A remark, on standard error. */
  note(text: string): void;
  /** What goes on right now: rewritten on a terminal, now and then a line elsewhere. */
  progress(text: string): void;
}

/** Lines of progress where they cannot be rewritten: one in so many. */
const PROGRESS_EVERY = 10;

/** The ports of this machine. `quiet`: no progress. */
export function loadPorts(host: CliHost, quiet: boolean): LoadPorts {
  const timers = systemTimers();
  const machine = thisMachine();
  return {
    clock: systemClock(),
    timers,
    random: systemRandom(),
    kdf: systemKdf(),
    network: systemNetwork(timers),
    machine,
    console: consoleOf(host, machine.live, quiet),
    adminSocket: (path) => host.adminSocket(path),
    onSignal: (run) => host.onSignal(run),
  };
}

/** A console on a terminal (`live`) or a file. */
export function consoleOf(
  host: Pick<CliHost, "out" | "err">,
  live: boolean,
  quiet: boolean,
): Console {
  let open = false;
  let count = 0;
  const close = () => {
    if (open) host.err("\r\x1b[K");
    open = false;
  };
  return {
    out(text) {
      close();
      host.out(text);
    },
    note(text) {
      close();
      host.err(`${text}\n`);
    },
    progress(text) {
      if (quiet) return;
      if (live) {
        host.err(`\r\x1b[K${text.slice(0, 200)}`);
        open = true;
      } else if (count++ % PROGRESS_EVERY === 0) {
        host.err(`${text}\n`);
      }
    },
  };
}
