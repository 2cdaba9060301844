import assert from "node:assert/strict";
import { WriterOut } from "../../server/system/stderr.ts";

/** A writer that takes at most `bytesMax` at once, when it is let. */
function slowWriter(bytesMax: number) {
  const taken: number[] = [];
  let open = Promise.withResolvers<void>();
  return {
    text: () => new TextDecoder().decode(new Uint8Array(taken)),
    /** Lets it go on; it stays open. */
    open: () => open.resolve(),
    stall: () => open = Promise.withResolvers<void>(),
    write: async (bytes: Uint8Array) => {
      await open.promise;
      const some = bytes.subarray(0, bytesMax);
      taken.push(...some);
      return some.length;
    },
  };
}

const options = { pendingCharsMax: 20, droppedLine: (count: number) => `dropped ${count}` };

Deno.test("WriterOut writes all lines in order through a writer that takes parts", async () => {
  const writer = slowWriter(3);
  const out = new WriterOut(writer.write, { ...options, pendingCharsMax: 1000 });
  const wanted = Array.from({ length: 50 }, (_, i) => `line ${i} é`);
  for (const line of wanted) out.write(line);
  writer.open();
  await new Promise<void>((resolve) => out.flush(resolve));
  assert.equal(writer.text(), wanted.join("\n") + "\n");
});

Deno.test("WriterOut drops lines beyond its bound and says how many", async () => {
  const writer = slowWriter(100);
  const out = new WriterOut(writer.write, options);
  for (let i = 0; i < 5; i++) out.write("ten chars.");
  writer.open();
  await new Promise<void>((resolve) => out.flush(resolve));
  assert.equal(writer.text(), "ten chars.\nten chars.\ndropped 3\n");
  out.write("again");
  await new Promise<void>((resolve) => out.flush(resolve));
  assert.match(writer.text(), /dropped 3\nagain\n$/);
});

Deno.test("WriterOut says how many it dropped when nothing else follows", async () => {
  const writer = slowWriter(100);
  const out = new WriterOut(writer.write, options);
  out.write("twenty characters ok");
  // Now the write is under way; what comes has no place.
  await Promise.resolve();
  out.write("lost");
  writer.open();
  await new Promise<void>((resolve) => out.flush(resolve));
  assert.equal(writer.text(), "twenty characters ok\ndropped 1\n");
});

Deno.test("WriterOut keeps quiet when its reader is gone, and still flushes", async () => {
  let writes = 0;
  const out = new WriterOut(() => {
    writes += 1;
    return Promise.reject(new Deno.errors.BrokenPipe("gone"));
  }, options);
  out.write("a");
  await new Promise<void>((resolve) => out.flush(resolve));
  out.write("b");
  await new Promise<void>((resolve) => out.flush(resolve));
  assert.equal(writes, 1);
});
