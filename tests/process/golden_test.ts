import { parseTranscript } from "../golden/transcript.ts";
import { play } from "../golden/player.ts";
import { ProcessHost } from "../golden/process_host.ts";
import { ServerProcess, tempDir } from "./server.ts";

/** Some of them: all are played in virtual time (tests/scenario/golden_v1_test.ts). */
const FILES = ["messages", "coming_back", "signals", "scram", "long_poll", "event_stream"];

for (const file of FILES) {
  Deno.test(`golden v1 ${file} is accepted and answered over real sockets`, async () => {
    using dir = tempDir();
    const path = new URL(`../golden/v1/${file}.txt`, import.meta.url);
    const transcript = parseTranscript(await Deno.readTextFile(path));
    const settings = Object.entries(transcript.settings)
      .flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    const server = await ServerProcess.start({
      dataDir: dir.path,
      flags: ["--domain", "example.com", ...settings],
    });
    const host = new ProcessHost(server.url);
    try {
      await play(transcript, host);
    } finally {
      host.close();
      await server.stop();
    }
  });
}
