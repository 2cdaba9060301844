import { equal, ok } from "node:assert/strict";

/** It peaks at about 70 MB; one bomb would add 256, or end the process at its heap's bound. */
const PEAK_MB_MAX = 140;

Deno.test({
  name: "no stored length is believed: bombs at every place cost no memory and no time",
  // /proc has the peak of a process's memory.
  ignore: Deno.build.os !== "linux",
  async fn() {
    const program = new URL("length_bombs.ts", import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--v8-flags=--max-old-space-size=64", program],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(30_000),
    });
    const { code, stdout, stderr } = await child.output();
    equal(code, 0, new TextDecoder().decode(stderr));
    const peakMb = Number(new TextDecoder().decode(stdout));
    ok(peakMb > 0 && peakMb < PEAK_MB_MAX, `the peak was ${peakMb} MB`);
  },
});
