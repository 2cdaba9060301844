/** Writes batches to the store at argv 0 from number argv 1 on; prints each number once acked. */
import { openKvStore } from "../../server/store/kv_store.ts";
import type { Mutation } from "../../server/node/ports.ts";

const [path, first] = Deno.args;
const store = await openKvStore(path!);
const encoder = new TextEncoder();

function batch(n: number): Mutation[] {
  return [0, 1, 2].map((part) => ({
    kind: "set",
    key: ["row", n, part],
    // Sizes differ, so that batches end anywhere in a page of the file.
    value: new Uint8Array(100 + ((n * 977 + part * 3001) % 6000)).fill(n % 251),
  }));
}

function next(n: number): void {
  store.write(batch(n), (error) => {
    if (error !== null) throw new Error(`write ${n}: ${error.message}`);
    Deno.stdout.writeSync(encoder.encode(`${n}\n`));
    next(n + 1);
  });
}

next(Number(first));
