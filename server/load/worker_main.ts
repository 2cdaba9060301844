/** A further process of a run: serves the calls of the one that started it. */
import type { CliHost } from "../cli/host.ts";
import { loadPorts } from "./ports.ts";
import { localWorker } from "./worker.ts";
import { serveWorker } from "./worker_pipe.ts";

/** Serves until standard input ends. Signals are for the parent to act on. */
export async function runWorker(host: CliHost): Promise<void> {
  const ports = loadPorts(host, true);
  const ignore = host.onSignal(() => {});
  try {
    await serveWorker(Deno.stdin.readable, host.out, (plan) => localWorker(ports, plan));
  } finally {
    ignore();
  }
}
