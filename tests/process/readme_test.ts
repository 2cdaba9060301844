import assert from "node:assert/strict";
import { blocksOf, commandsOf, missing } from "./document.ts";
import { get } from "node:https";
import { ServerProcess, tempDir } from "./server.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
/** What stands between the outputs of two commands. */
const MARK = "---8<---";

/** The texts of the shell blocks of a section of the README. */
function shellBlocks(section: string): readonly string[] {
  return blocksOf("README.md", `### ${section}`).filter(({ info }) => info === "sh")
    .map(({ text }) => text);
}

/** Runs commands in one shell, each as it stands; the standard output of each. */
async function run(commands: readonly string[], cwd: string): Promise<ReadonlyMap<string, string>> {
  // Not stopped by errors: a reader who pastes lines is not either.
  const script = commands.map((command) => `${command}\necho; echo "${MARK}$?"\n`).join("");
  const child = new Deno.Command("bash", {
    args: ["-s"],
    cwd,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(script));
  await writer.close();
  const { stdout, stderr } = await child.output();
  const errors = new TextDecoder().decode(stderr);
  const parts = new TextDecoder().decode(stdout).split(MARK);
  const outputs = new Map<string, string>();
  commands.forEach((command, i) => {
    const code = parts[i + 1]?.split("\n")[0];
    assert.equal(code, "0", `${command}\nended with ${code}: ${parts[i]}${errors}`);
    outputs.set(command, parts[i]!.replace(/^0\n/, "").trim());
  });
  assert.equal(errors, "");
  return outputs;
}

const lacks = missing(["bash", "curl", "sed"]);
if (lacks !== null) {
  // deno-lint-ignore no-console -- a test that is not run says why
  console.log(`The README's dialogue is not tested here, for there is no ${lacks}.`);
}

Deno.test({
  name: "the README's dialogue of two users works as it is written, line by line",
  ignore: lacks !== null,
  fn: async () => {
    using data = tempDir();
    using work = tempDir();
    // As the README starts it, but for the port, which may be in use.
    const command = [Deno.execPath(), "task", "--quiet"];
    const server = await ServerProcess.start({ dataDir: data.path, command });
    try {
      const commands = shellBlocks("Two users talk").flatMap(commandsOf).map((line) =>
        line.replace("http://127.0.0.1:8420", server.url)
          .replaceAll("npx -y deno@2.9.6", Deno.execPath())
      );
      await run(commands, work.path);
      // A second run of the same lines works as well: this is the one that is examined.
      const outputs = await run(commands, work.path);
      const output = (part: string) => {
        const found = [...outputs].find(([line]) => line.includes(part));
        assert.ok(found !== undefined, `no line of the dialogue has ${part}`);
        return found[1];
      };
      assert.match(output('-d \'{"to":"bob"'), /^\{"seq":\d+,"at":\d+,"num":1\}$/);
      assert.match(output("conversations/ann/messages"), /"with":"ann".*"body":"Hello Bob"/);
      assert.match(output("/v1/events"), /^\{.*"mode":"snapshot".*"subscription":"both"/);
      const chat = output("chat.js $BASE").split("\n").map((line) => JSON.parse(line).t);
      assert.deepEqual([chat[0], chat.includes("ok"), chat.includes("events")], [
        "welcome",
        true,
        true,
      ]);
      assert.match(output("conversations/bob/messages"), /"body":"Hello Ann"/);
      const silent = [...outputs].filter(([line]) => line.includes("/subscription"));
      assert.deepEqual(silent.map(([, text]) => text), ["", "", "", ""]);
    } finally {
      await server.stop();
    }
  },
});

const lacksOpenssl = missing(["openssl"]);
if (lacksOpenssl !== null) {
  // deno-lint-ignore no-console -- a test that is not run says why
  console.log("The README's example of a binary is not tested here, for there is no openssl.");
}

/** The status that a server with a certificate of its own answers with. */
function health(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get(`${url}/healthz`, { rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on("error", reject);
  });
}

Deno.test({
  name: "the README's example of a binary works as it is written, but for how it is compiled (A26)",
  ignore: lacks !== null || lacksOpenssl !== null,
  fn: async () => {
    using work = tempDir();
    Deno.mkdirSync(`${work.path}/dist`);
    const block = shellBlocks("A binary").join("").replaceAll("\\\n", "");
    const [compile, certificate, start] = commandsOf(block);
    assert.match(compile!, /task compile/);
    const made = new Deno.Command("bash", {
      args: ["-c", certificate!],
      cwd: work.path,
      stderr: "piped",
    }).outputSync();
    assert.equal(made.code, 0, new TextDecoder().decode(made.stderr));
    // The proof `binary` compiles; here the sources take the place of the binary.
    const program = `${Deno.execPath()} run -A --no-check --quiet ${ROOT}/main.ts`;
    const line = start!.replace("./dist/roost", program).replace("0.0.0.0:8443", "127.0.0.1:0");
    const server = await ServerProcess.run({
      command: ["bash", "-c", `exec ${line}`],
      dataDir: `${work.path}/roost-data`,
      cwd: work.path,
      env: {},
    });
    try {
      const { port } = new URL(server.url);
      assert.equal(await health(`https://127.0.0.1:${port}`), 200);
    } finally {
      await server.stop();
    }
  },
});

Deno.test("the tasks that the documents name exist", () => {
  const readme = ["README.md", "tests/README.md"]
    .map((path) => Deno.readTextFileSync(`${ROOT}/${path}`)).join("\n");
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}/deno.json`));
  const named = [...readme.matchAll(/deno(?:@2\.9\.6)? task (\w+)/g)].map((m) => m[1]!);
  assert.ok(named.length > 5, named.join());
  assert.deepEqual(named.filter((name) => !(name in tasks)), []);
});
