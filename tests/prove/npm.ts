/**
 * The client library as an npm package: packed, installed elsewhere, and used with a real server from
 * Node, Deno, and an application of Vite and React in Chromium. Needs npm and Chromium.
 */
import assert from "node:assert/strict";
import { APP_PACKAGES, COUNTS, html, TSCONFIG, TYPED, VITE_CONFIG } from "./npm/app.ts";
import { CutProxy } from "./cut_proxy.ts";
import { driveApp, driveCounts, serveFiles } from "./npm/pages.ts";
import { Figures } from "./figures.ts";
import { findChromium, startBrowser } from "./browser.ts";
import { freePort } from "../process/pinned.ts";
import { install, output, packed } from "./npm/install.ts";
import { PROGRAM } from "./npm/program.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

/** Runtimes from npm, by the package that has them. */
const NODES: Readonly<Record<string, string>> = { node20: "20.20.2", node22: "22.23.3" };
/** How long connections are cut (ms). */
const CUT_MS = 1000;

/** The package of npm that has Node for this machine. */
function nodePackage(version: string): string {
  const arch = Deno.build.arch === "aarch64" ? "arm64" : "x64";
  return `npm:node-${Deno.build.os}-${arch}@${version}`;
}

/** Runs the program with a runtime, and cuts its connections where it wants that. */
async function runProgram(
  cwd: string,
  [program, ...args]: readonly string[],
  server: ServerProcess,
  names: readonly string[],
): Promise<string> {
  const proxy = new CutProxy(new URL(server.url));
  const child = new Deno.Command(program!, {
    args: [...args, "program.js", proxy.url, ...names],
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors = new Response(child.stderr).text();
  let said = "";
  let cut = false;
  try {
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      said += chunk;
      if (cut || !said.startsWith("cut\n")) continue;
      cut = true;
      proxy.cut();
      setTimeout(() => proxy.reopen(), CUT_MS);
    }
    assert.ok((await child.status).success, `${program}: ${said}${await errors}`);
    return JSON.parse(said.split("\n")[1]!).transport;
  } finally {
    proxy.close();
  }
}

/** Node 20 polls, for it has no WebSocket. */
async function inPrograms(work: string, archive: string, figures: Figures): Promise<void> {
  const dir = `${work}/programs`;
  const packages = Object.entries(NODES).map(([name, version]) => [name, nodePackage(version)]);
  await install(dir, archive, Object.fromEntries(packages), { "program.js": PROGRAM });
  const deno = ["run", "--quiet", "--node-modules-dir=manual", "--allow-net", "--allow-env"];
  const runtimes: Readonly<Record<string, readonly string[]>> = {
    node20: [`${dir}/node_modules/node20/bin/node`],
    node22: [`${dir}/node_modules/node22/bin/node`],
    deno: [Deno.execPath(), ...deno],
  };
  const flags = ["--set", "registration.perAddressPerHour=1000"];
  const server = await ServerProcess.start({ dataDir: `${work}/programs-data`, flags });
  try {
    for (const [name, command] of Object.entries(runtimes)) {
      const version = await output(dir, [command[0]!, "--version"]);
      const names = [`ann.${name}`, `bob.${name}`];
      const transport = await runProgram(dir, command, server, names);
      assert.equal(transport, name === "node20" ? "poll" : "ws", name);
      figures.note(name, `${version.split("\n")[0]}, ${transport}`);
    }
  } finally {
    await server.stop();
  }
}

/** The second block of the package's README: a whole application. */
function readmeApp(archiveDir: string): string {
  const text = Deno.readTextFileSync(`${archiveDir}/README.md`);
  return /^```jsx\n(.*?)^```$/ms.exec(text)![1]!;
}

async function inVite(
  { work, archive, chromium, say, figures }: {
    readonly work: string;
    readonly archive: string;
    readonly chromium: string;
    readonly say: ProofOptions["say"];
    readonly figures: Figures;
  },
): Promise<void> {
  const dir = `${work}/app`;
  await install(dir, archive, APP_PACKAGES, {
    "index.html": html("main.jsx"),
    "counts.html": html("counts.jsx"),
    "vite.config.js": VITE_CONFIG,
    "tsconfig.json": TSCONFIG,
    "src/main.jsx": readmeApp(`${work}/release/npm/roost-client`),
    "src/counts.jsx": COUNTS,
    "src/typed.tsx": TYPED,
  });
  const bin = (name: string) => `${dir}/node_modules/.bin/${name}`;
  await output(dir, [bin("tsc"), "--project", "tsconfig.json"]);
  say("the types hold in a strict project");
  const [port, page] = [freePort(), freePort()];
  const env = { VITE_ROOST: `http://127.0.0.1:${port}` };
  await output(dir, [bin("vite"), "build", "--outDir", "production"], env);
  const development = ["--mode", "development", "--outDir", "development"];
  await output(dir, [bin("vite"), "build", ...development], { ...env, NODE_ENV: "development" });
  const flags = [
    ...["--bind", `127.0.0.1:${port}`, "--set", "registration.perAddressPerHour=1000"],
    ...["--set", `server.allowedOrigins=http://127.0.0.1:${page}`],
  ];
  const start = () => ServerProcess.start({ dataDir: `${work}/app-data`, flags });
  let server = await start();
  let built = "production";
  const files = serveFiles(page, () => `${dir}/${built}`);
  const browser = await startBrowser(chromium);
  try {
    await driveApp(browser, `http://127.0.0.1:${page}`, async (meanwhile) => {
      await server.stop();
      await meanwhile();
      server = await start();
    });
    say("the README's application: signed in, presence live, messages both ways, a restart");
    built = "development";
    await driveCounts(browser, `http://127.0.0.1:${page}`, figures);
    say("each hook renders when what it shows changes, and otherwise not");
  } finally {
    await browser.close();
    await files.shutdown();
    await server.stop();
  }
}

/** What the package is to show. */
export const npmProof: Proof = {
  name: "npm",
  claim: "the packed client library works in Node 20 and 22, Deno, and Vite with React in Chromium",
  seconds: 120,
  async run(options): Promise<Verdict> {
    const chromium = findChromium();
    if (chromium === null) {
      options.say("It does not run: there is no Chromium (ROOST_CHROMIUM)");
      return { pass: false, figures: {} };
    }
    const figures = new Figures(options);
    using work = tempDir();
    const archive = await packed(work.path);
    figures.note("the package", Deno.statSync(archive).size / 1000, "kB");
    await inPrograms(work.path, archive, figures);
    options.say("presence, messages and a cut connection in Node and Deno");
    await inVite({ work: work.path, archive, chromium, say: options.say, figures });
    return figures.verdict;
  },
};
