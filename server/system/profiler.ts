/** Looks into the running process by V8's inspector: where time goes, and what holds memory. */
import { Session } from "node:inspector";

/** CPU profiles and heap snapshots of this process. */
export interface Profiler {
  /** Begins a profile; rejects where one is under way or the platform cannot. */
  startCpu(): Promise<void>;
  /** Ends it; returns it as the JSON of a .cpuprofile. Rejects where none is under way. */
  stopCpu(): Promise<string>;
  /**
   * Writes a .heapsnapshot to `file`, for this user only, and returns its bytes. The process stands
   * still meanwhile. Rejects where it cannot.
   */
  writeHeap(file: string): Promise<number>;
}

interface HeapChunk {
  readonly params: { readonly chunk: string };
}

/** How often a profile looks (µs). */
const SAMPLE_US = 1000;

/** The profiler of this process. */
export function systemProfiler(): Profiler {
  let session: Session | null = null;
  const post = (on: Session, method: string, params: object = {}) =>
    new Promise<unknown>((resolve, reject) =>
      on.post(method, params, (error: Error | null, result?: object) => {
        if (error === null || error === undefined) resolve(result);
        else reject(new Error(`${method}: ${error.message}`, { cause: error }));
      })
    );
  return {
    async startCpu() {
      if (session !== null) throw new Error("a profile is under way already");
      const begun = new Session();
      begun.connect();
      session = begun;
      try {
        await post(begun, "Profiler.enable");
        await post(begun, "Profiler.setSamplingInterval", { interval: SAMPLE_US });
        await post(begun, "Profiler.start");
      } catch (error) {
        session = null;
        begun.disconnect();
        throw error;
      }
    },
    async stopCpu() {
      const begun = session;
      if (begun === null) throw new Error("no profile is under way");
      session = null;
      try {
        const { profile } = await post(begun, "Profiler.stop") as { readonly profile: object };
        return JSON.stringify(profile);
      } finally {
        begun.disconnect();
      }
    },
    async writeHeap(file) {
      // For this user only.
      const written = Deno.openSync(file, { createNew: true, write: true, mode: 0o600 });
      const heap = new Session();
      heap.connect();
      try {
        const encoder = new TextEncoder();
        heap.on("HeapProfiler.addHeapSnapshotChunk", ({ params }: HeapChunk) => {
          const bytes = encoder.encode(params.chunk);
          for (let at = 0; at < bytes.length;) at += written.writeSync(bytes.subarray(at));
        });
        await post(heap, "HeapProfiler.takeHeapSnapshot");
        return written.statSync().size;
      } catch (error) {
        Deno.removeSync(file);
        throw error;
      } finally {
        heap.disconnect();
        written.close();
      }
    },
  };
}
