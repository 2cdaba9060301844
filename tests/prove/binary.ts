/**
 * The compiled binary, alone in an empty directory: everything that the program can do, it does
 * from there. Without `--binary` it is compiled first, of a copy of the sources that is gone when
 * the binary runs.
 */
import { BACKEND_CHECKS } from "./binary/backend.ts";
import { COMMANDS_ALONE, COMMANDS_BESIDE } from "./binary/commands.ts";
import { GATEWAY_CHECKS } from "./binary/gateway.ts";
import { KEEP_CHECKS } from "./binary/keep.ts";
import { LIFE_CHECKS } from "./binary/life.ts";
import { LOAD_CHECKS } from "./binary/load.ts";
import { LOOK_CHECKS } from "./binary/look.ts";
import { PAGE_CHECKS } from "./binary/pages.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { BinaryFixture, type Check } from "./binary/binary_fixture.ts";
import { TALK_CHECKS } from "./binary/talk.ts";
import { tempDir } from "../process/server.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const SOURCES = ["main.ts", "deno.json", "deno.lock", "README.md", "server", "shard", "tests"];

/** The server that most is shown with: rates of one session are not what is shown. */
const FLAGS = [
  "admin.listen=127.0.0.1:0",
  "gateway.privateTargets=true",
  "registration.perAddressPerHour=10000",
  ...["sends", "received", "frames"].flatMap((what) => [
    `limits.${what}PerSecond=100000`,
    `limits.${what}Burst=100000`,
  ]),
].flatMap((setting) => ["--set", setting]);

/** Starts the server that the checks after it are about. */
const opened: Check = {
  name: "start with settings, for all that follows",
  async run(fixture) {
    const { url, pid } = await fixture.open(FLAGS);
    return `${url}, process ${pid}`;
  },
};

const CHECKS: readonly Check[] = [
  ...COMMANDS_ALONE,
  opened,
  ...COMMANDS_BESIDE,
  ...PAGE_CHECKS,
  ...TALK_CHECKS,
  ...KEEP_CHECKS,
  ...LOOK_CHECKS,
  ...GATEWAY_CHECKS,
  ...BACKEND_CHECKS,
  ...LOAD_CHECKS,
  ...LIFE_CHECKS,
];

/** Compiles a copy of the sources as `deno task compile` does; the binary's path, or null. */
async function compile(work: string, say: ProofOptions["say"]): Promise<string | null> {
  const path = `${work}/sources`;
  Deno.mkdirSync(path);
  for (const part of SOURCES) {
    new Deno.Command("cp", { args: ["-r", `${ROOT}/${part}`, path] }).outputSync();
  }
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "compile"],
    cwd: path,
    stdout: "null",
    stderr: "piped",
  }).output();
  if (code !== 0) {
    const why = new TextDecoder().decode(stderr).trim();
    say(`FAIL deno task compile ended with ${code}; --binary takes one that exists: ${why}`);
    return null;
  }
  Deno.renameSync(`${path}/dist/roost`, `${work}/roost`);
  Deno.removeSync(path, { recursive: true });
  return `${work}/roost`;
}

async function runAll(fixture: BinaryFixture, { say }: ProofOptions): Promise<number> {
  let failed = 0;
  for (const { name, run } of CHECKS) {
    const began = performance.now();
    const seconds = () => ((performance.now() - began) / 1000).toFixed(1);
    try {
      const figures = await run(fixture);
      say(`ok   ${name}: ${figures} (${seconds()} s)`);
    } catch (error) {
      failed++;
      const text = error instanceof Error ? error.stack ?? error.message : String(error);
      say(`FAIL ${name} (${seconds()} s)\n${text}`);
    }
  }
  return failed;
}

/** What the binary is to show: all of it. */
export const binaryProof: Proof = {
  name: "binary",
  claim: "every feature works from the compiled binary alone, with no file beside it",
  seconds: 120,
  async run(options): Promise<Verdict> {
    using work = tempDir();
    const binary = options.binary ?? await compile(work.path, options.say);
    if (binary === null) return { pass: false, figures: {} };
    const fixture = new BinaryFixture(work.path, binary);
    try {
      const failed = await runAll(fixture, options);
      const bytes = Deno.statSync(fixture.binary).size;
      return {
        pass: failed === 0,
        figures: {
          "checks passed": `${CHECKS.length - failed} of ${CHECKS.length}`,
          "the binary": `${(bytes / 1e6).toFixed(0)} MB`,
        },
      };
    } finally {
      await fixture.close();
    }
  },
};
