/** The documented example of the client library, as it is written, wherever it should run (A26). */
import assert from "node:assert/strict";
import { findChromium, startBrowser } from "../prove/browser.ts";
import { rest } from "./client.ts";
import { ServerProcess, tempDir } from "./server.ts";

const PAGE = new URL("../../server/web/README.md", import.meta.url);
const ADDRESS = "http://127.0.0.1:8420";

/** The first block of a language in the library's section, with the address of this server. */
function block(language: string, url: string): string {
  const section = Deno.readTextFileSync(PAGE).split("\n## Client library\n")[1]!;
  const [, text] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "ms").exec(section)!;
  assert.ok(text!.includes(ADDRESS));
  return text!.replaceAll(ADDRESS, url);
}

/** Runs `use` with a server that has the accounts, and a directory with the library and example. */
async function withExample(
  use: (at: { readonly url: string; readonly path: string; readonly example: string }) => unknown,
  flags: readonly string[] = [],
): Promise<void> {
  using dir = tempDir();
  using work = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  try {
    for (const [user, password] of [["ann", "correct horse"], ["bob", "battery staple"]] as const) {
      await rest(server.url, "POST", "/v1/register", { body: { user, password } });
    }
    await output("sh", ["-c", block("sh", server.url)], work.path);
    const example = block("js", server.url);
    Deno.writeTextFileSync(`${work.path}/main.mjs`, example);
    await use({ url: server.url, path: work.path, example });
  } finally {
    await server.stop();
  }
}

/** What a program prints; it must end well. */
async function output(program: string, args: readonly string[], cwd: string): Promise<string> {
  // Nothing of what it loads is to be kept.
  const env = { DENO_DIR: `${cwd}/cache`, NO_COLOR: "1" };
  const command = new Deno.Command(program, { args: [...args], cwd, env });
  const { code, stdout, stderr } = await command.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

function has(program: string): boolean {
  const { success } = new Deno.Command("sh", {
    args: ["-c", `command -v ${program}`],
    stdout: "null",
  }).outputSync();
  return success;
}

/** The example's last line. */
const LAST = /^\d+ \[ ["']Hello Bob["'] \] \[.*\]$/m;

/** Why a test is not run. */
function skips(what: string, isMissing: boolean): boolean {
  // deno-lint-ignore no-console -- a test that is not run says why
  if (isMissing) console.log(`The library's example is not tested here in ${what}: none exists.`);
  return isMissing;
}

const noCurl = skips("programs, with curl", !has("curl"));

Deno.test({
  name: "the library's example works as written in Deno, twice (A26)",
  ignore: noCurl,
  fn: () =>
    withExample(async ({ path }) => {
      for (let i = 0; i < 2; i++) {
        const printed = await output(Deno.execPath(), ["run", "-A", "--quiet", "main.mjs"], path);
        assert.match(printed, LAST);
        assert.match(printed, /^to bob Hello Bob$/m);
      }
    }),
});

Deno.test({
  name: "the library's example has types where it is imported from the server (A26)",
  ignore: noCurl,
  fn: () =>
    withExample(async ({ path, url, example }) => {
      const typed = example.replace("./client.mjs", `${url}/client.js`);
      Deno.writeTextFileSync(`${path}/main.ts`, typed);
      const args = ["run", "--check", "--quiet", "-A", "main.ts"];
      assert.match(await output(Deno.execPath(), args, path), LAST);
      const wrong = typed.replace('"message"', '"mesage"');
      Deno.writeTextFileSync(`${path}/main.ts`, wrong);
      await assert.rejects(output(Deno.execPath(), args, path), /mesage/);
    }),
});

Deno.test({
  name: "the library's example works as written in Node (A26)",
  ignore: noCurl || skips("Node", !has("node")),
  fn: () =>
    withExample(async ({ path }) => {
      assert.match(await output("node", ["main.mjs"], path), LAST);
    }),
});

/** Serves the example as a page of another origin. */
function servePage(served: { readonly path: string }): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (!pathname.endsWith(".mjs")) {
      const html = '<!doctype html><script type="module" src="/main.mjs"></script>';
      return new Response(html, { headers: { "content-type": "text/html" } });
    }
    const text = Deno.readTextFileSync(`${served.path}${pathname}`);
    return new Response(text, { headers: { "content-type": "text/javascript" } });
  });
}

const chromium = findChromium();

Deno.test({
  name: "the library's example works as written in a page of an allowed origin, and another is " +
    "told the setting (A26, A21)",
  ignore: noCurl || skips("Chromium", chromium === null),
  fn: async () => {
    const served = { path: "" };
    const pages = servePage(served);
    const { port } = pages.addr;
    const allowed = `http://allowed.localhost:${port}`;
    const browser = await startBrowser(chromium!);
    try {
      await withExample(async ({ path }) => {
        served.path = path;
        const page = await browser.newPage();
        const said = new Promise<string>((resolve) => {
          page.on("console", (message) => {
            if (/^\d+ \[/.test(message.text())) resolve(message.text());
          });
          page.on("pageerror", (error) => resolve(String(error)));
        });
        await page.goto(`${allowed}/`);
        assert.match(await said, /^\d+ \[Hello Bob\]/);
        const other = await browser.newPage();
        const refused = new Promise<Error>((resolve) => other.on("pageerror", resolve));
        await other.goto(`http://127.0.0.1:${port}/`);
        assert.match((await refused).message, /server\.allowedOrigins/);
      }, ["--set", `server.allowedOrigins=${allowed}`]);
    } finally {
      await browser.close();
      await pages.shutdown();
    }
  },
});
