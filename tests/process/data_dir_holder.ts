/** Takes the data directory argv 0, says so, and holds it until it is killed. */
import { openDataDir } from "../../server/system/data_dir.ts";
import { systemRandom } from "../../server/system/random.ts";

await openDataDir(Deno.args[0]!, systemRandom());
Deno.stdout.writeSync(new TextEncoder().encode("held\n"));
// Nothing else keeps the process alive.
setInterval(() => {}, 60_000);
