import assert from "node:assert/strict";
import { fileMark, FileWatch, LOOK_MS } from "../../server/system/file_watch.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

function fixture() {
  const time = new VirtualTime();
  const files = new Map<string, string>();
  let changes = 0;
  const watch = new FileWatch({
    timers: time.process().timers,
    mark: (path) => Promise.resolve(files.get(path) ?? null),
    changed: () => void changes++,
  });
  const look = async () => {
    time.runFor(LOOK_MS);
    await turns();
    return changes;
  };
  return { files, look, watch };
}

Deno.test("13: FileWatch notices a change once its files have not changed for one look", async () => {
  const { files, look, watch } = fixture();
  await watch.watch(["cert", "key"]);
  assert.equal(await look(), 0);
  files.set("cert", "1");
  assert.equal(await look(), 0);
  files.set("key", "1");
  assert.equal(await look(), 0);
  assert.equal(await look(), 1);
  assert.equal(await look(), 1);
  files.delete("key");
  await look();
  assert.equal(await look(), 2);
});

Deno.test("13: FileWatch passes over a change that was undone, other files, and all once it stopped", async () => {
  const { files, look, watch } = fixture();
  files.set("cert", "1");
  await watch.watch(["cert"]);
  files.set("cert", "2");
  await look();
  files.set("cert", "1");
  await look();
  assert.equal(await look(), 0);
  files.set("cert", "3");
  // The files are read now.
  await watch.watch(["other"]);
  files.set("cert", "4");
  for (let i = 0; i < 3; i++) assert.equal(await look(), 0);
  watch.stop();
  files.set("other", "1");
  for (let i = 0; i < 3; i++) assert.equal(await look(), 0);
});

Deno.test("13: fileMark follows links, and tells a file from the next one and from none", async () => {
  const dir = Deno.makeTempDirSync();
  try {
    const path = `${dir}/live`;
    assert.equal(await fileMark(path), null);
    Deno.writeTextFileSync(`${dir}/1`, "one");
    Deno.writeTextFileSync(`${dir}/2`, "two");
    Deno.symlinkSync(`${dir}/1`, path);
    const first = await fileMark(path);
    assert.equal(await fileMark(path), first);
    Deno.removeSync(path);
    Deno.symlinkSync(`${dir}/2`, path);
    assert.notEqual(await fileMark(path), first);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
