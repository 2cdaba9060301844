/**
 * Throws in a callback of the port named by argv 0. With argv 1 = "handled", the fatal handler
 * says so and exits with 70.
 */
import { systemKdf } from "../../server/system/kdf.ts";
import { openKvStore } from "../../server/store/kv_store.ts";
import { systemProcess } from "../../server/system/process.ts";
import { systemTimers } from "../../server/system/timers.ts";

const [port, handled] = Deno.args;
const process = systemProcess();
if (handled === "handled") {
  process.onFatal((cause) => {
    const message = cause instanceof Error ? cause.message : String(cause);
    Deno.stdout.writeSync(new TextEncoder().encode(`fatal: ${message}\n`));
    process.exit(70);
  });
}

function bug(): never {
  throw new Error(`bug in ${port}`);
}

const store = await openKvStore(":memory:");
const some = new Uint8Array(8);
const list = { prefix: ["k"], after: null, limit: 1 };
const ports: Readonly<Record<string, () => void>> = {
  write: () => store.write([{ kind: "set", key: ["k"], value: some }], bug),
  writeNothing: () => store.write([], bug),
  read: () => store.read([["k"]], bug),
  list: () => store.list(list, bug),
  close: () => store.close(bug),
  pbkdf2: () => systemKdf().pbkdf2("SHA-1", some, some, 1, bug),
  after: () => void systemTimers().after(1, bug),
  soon: () => systemTimers().soon(bug),
};
ports[port!]!();
// Long enough to be seen as "went on", should the bug be swallowed.
setTimeout(() => process.exit(0), 5000);
