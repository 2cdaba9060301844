import assert from "node:assert/strict";
import { keepDomain, storedDomain } from "../../server/node/domain.ts";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import { Prng } from "../sim/prng.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

/** A disk, and time that runs until something is settled. */
function openDisk() {
  const time = new VirtualTime();
  const disk = new MemoryDisk(time, new Prng(1));
  const settled = async <T>(task: Promise<T>): Promise<T> => {
    let over = false;
    task.then(() => over = true, () => over = true);
    while (!over) {
      time.runFor(100);
      await Promise.resolve();
    }
    return await task;
  };
  return { disk, store: new FencedStore(disk.open(time.process())), settled };
}

Deno.test("keepDomain keeps the first domain, and takes the same one again", async () => {
  const { store, settled } = openDisk();
  assert.equal(await settled(storedDomain(store)), null);
  await settled(keepDomain(store, "chat.example.org", "/data"));
  assert.equal(await settled(storedDomain(store)), "chat.example.org");
  await settled(keepDomain(store, "chat.example.org", "/data"));
});

Deno.test("keepDomain refuses another domain, says what to do, and keeps the first", async () => {
  const { store, settled } = openDisk();
  await settled(keepDomain(store, "localhost", "/data"));
  await assert.rejects(settled(keepDomain(store, "example.org", "/data")), {
    message: "Cannot serve server.domain example.org from --data /data: its accounts are of " +
      "localhost. Set server.domain to localhost, or give another directory.",
  });
  assert.equal(await settled(storedDomain(store)), "localhost");
});

Deno.test("keepDomain hands on that the store takes nothing", async () => {
  const { disk, store, settled } = openDisk();
  disk.full = true;
  await assert.rejects(
    settled(keepDomain(store, "localhost", "/data")),
    /^Error: Cannot open the store: /,
  );
});
