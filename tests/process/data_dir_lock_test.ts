import assert from "node:assert/strict";
import { DataDirError, openDataDir } from "../../server/system/data_dir.ts";
import { systemRandom } from "../../server/system/random.ts";
import { commandOf, start } from "./child_process.ts";

Deno.test("openDataDir is refused while another process lives, and not after kill -9", async () => {
  const parent = Deno.makeTempDirSync();
  const path = `${parent}/data`;
  const child = start(commandOf("data_dir_holder.ts", path));
  assert.equal(await child.nextLine(), "held");
  await assert.rejects(openDataDir(path, systemRandom()), (error: unknown) => {
    assert.ok(error instanceof DataDirError);
    assert.equal(error.kind, "locked");
    assert.equal(error.heldBy, child.pid);
    return true;
  });
  child.kill("SIGKILL");
  await child.ended();
  const dir = await openDataDir(path, systemRandom());
  dir.release();
  Deno.removeSync(parent, { recursive: true });
});
