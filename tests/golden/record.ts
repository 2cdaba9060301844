/**
 * `deno run -A tests/golden/record.ts DRAFT…` shows the transcripts of drafts; with `--record` it
 * writes them to `v1/` under the drafts' names. What exists already is never overwritten.
 */
import { basename } from "node:path";
import { openSimHost } from "./sim_host.ts";
import { parseTranscript } from "./transcript.ts";
import { record, transcriptText } from "./recorder.ts";

async function transcribe(path: string): Promise<string> {
  const text = await Deno.readTextFile(path);
  const draft = parseTranscript(text);
  return transcriptText(text, await record(draft, await openSimHost(draft.settings)));
}

const encoder = new TextEncoder();
const write = Deno.args.includes("--record");
for (const path of Deno.args.filter((arg) => !arg.startsWith("--"))) {
  const text = await transcribe(path);
  if (!write) Deno.stdout.writeSync(encoder.encode(text));
  else {
    const name = `v1/${basename(path)}`;
    try {
      await Deno.writeTextFile(new URL(name, import.meta.url), text, { createNew: true });
    } catch (cause) {
      if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
      throw new Error(`${name} exists already, and is for ever: record under another name`);
    }
  }
}
