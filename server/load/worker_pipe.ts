/**
 * Workers in other processes: one JSON object a line, calls on the child's standard input, answers
 * on its standard output. A child ends when its input does, so that none outlives its parent.
 */
import type { Child } from "./machine.ts";
import {
  decodeTruth,
  type EncodedTruth,
  encodeTruth,
  type Worker,
  type WorkerPlan,
} from "./worker.ts";
import type { Phase } from "./phase.ts";
import { takeLines } from "../text/line_splitter.ts";

/** A call as it travels. */
type Call =
  | { readonly call: "plan"; readonly plan: WorkerPlan }
  | { readonly call: "phase"; readonly phase: Phase; readonly startUs: number }
  | { readonly call: "compare"; readonly truth: EncodedTruth; readonly graceMs: number }
  | { readonly call: "sample" | "truth" | "faults" | "stop" };

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** A worker that runs in `child`, which was started with `WORKER_COMMAND`. */
export function pipedWorker(child: Child, plan: WorkerPlan): Worker {
  const waiting = new Map<number, {
    readonly resolve: (value: unknown) => void;
    readonly reject: (error: Error) => void;
  }>();
  let lastId = 0;
  let gone: Error | null = null;
  const utf8 = new TextEncoder();
  const call = (body: Call): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (gone !== null) return reject(gone);
      const id = ++lastId;
      waiting.set(id, { resolve, reject });
      child.stdin.write(utf8.encode(JSON.stringify({ id, ...body }) + "\n")).catch(reject);
    });
  const end = (error: Error) => {
    gone ??= error;
    for (const { reject } of waiting.values()) reject(gone);
    waiting.clear();
  };
  takeLines(child.stdout, (line) => {
    const { id, value, error } = JSON.parse(line) as Answer;
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error !== undefined) asked?.reject(new Error(error));
    else asked?.resolve(value);
  }).catch(end);
  child.exited.then((code) => end(new Error(`The load process ${child.pid} ended with ${code}`)));
  const planned = call({ call: "plan", plan });
  const ask = async <T>(body: Call): Promise<T> => {
    await planned;
    return await call(body) as T;
  };
  return {
    phase: async (phase, startUs) => await ask({ call: "phase", phase, startUs }),
    sample: () => ask({ call: "sample" }),
    truth: async () => decodeTruth(await ask({ call: "truth" })),
    compare: (truth, graceMs) => ask({ call: "compare", truth: encodeTruth(truth), graceMs }),
    faults: () => ask({ call: "faults" }),
    stop: async () => {
      await ask({ call: "stop" });
      await child.stdin.close().catch(() => {});
      await child.exited;
    },
  };
}

/** The child's side: serves calls until the input ends. `make` makes the worker of a plan. */
export async function serveWorker(
  input: ReadableStream<Uint8Array>,
  write: (line: string) => void,
  make: (plan: WorkerPlan) => Worker,
): Promise<void> {
  let worker: Worker | null = null;
  const run = async (call: Call): Promise<unknown> => {
    if (call.call === "plan") {
      worker = make(call.plan);
      return null;
    }
    if (worker === null) throw new Error("The plan has to come first");
    switch (call.call) {
      case "phase":
        return await worker.phase(call.phase, call.startUs);
      case "sample":
        return await worker.sample();
      case "truth":
        return encodeTruth(await worker.truth());
      case "compare":
        return await worker.compare(decodeTruth(call.truth), call.graceMs);
      case "faults":
        return await worker.faults();
      case "stop":
        return await worker.stop();
    }
  };
  await takeLines(input, (line) => {
    const { id, ...call } = JSON.parse(line) as Call & { readonly id: number };
    run(call as Call).then(
      (value) => write(JSON.stringify({ id, value: value ?? null }) + "\n"),
      (error) => write(JSON.stringify({ id, error: String(error?.message ?? error) }) + "\n"),
    );
  });
}
