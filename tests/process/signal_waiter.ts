/** Says that it waits, then names each SIGTERM or SIGINT; the second one ends it with 0. */
import { systemProcess } from "../../server/system/process.ts";

const process = systemProcess();
const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
let signals = 0;
process.onSignal((signal) => {
  say(signal);
  signals += 1;
  if (signals === 2) process.exit(0);
});
say("waiting");
// Listening to signals does not keep a process alive.
setInterval(() => {}, 60_000);
