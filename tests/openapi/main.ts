/**
 * `deno task openapi`: checks the OpenAPI documents that a server serves with Redocly's linter, which
 * npm provides. `--out DIR` also keeps the documents there.
 */
import { parseArgs } from "node:util";
import { ServerProcess, tempDir } from "../process/server.ts";

const LINTER = "npm:@redocly/cli@2.31.2";
const RULES = new URL("./redocly.yaml", import.meta.url).pathname;
/** The documents by the name of their file. */
const DOCUMENTS = { "v1.json": "/openapi.json", "gateway.json": "/gateway/v1/openapi.json" };

/** Writes the documents of a server that is started for it into `dir`. */
async function writeDocuments(dir: string): Promise<readonly string[]> {
  using data = tempDir();
  const server = await ServerProcess.start({ dataDir: data.path });
  try {
    const files: string[] = [];
    for (const [name, path] of Object.entries(DOCUMENTS)) {
      const response = await fetch(server.url + path);
      if (!response.ok) throw new Error(`Cannot read ${path}: ${response.status}`);
      await Deno.writeTextFile(`${dir}/${name}`, await response.text());
      files.push(`${dir}/${name}`);
    }
    return files;
  } finally {
    await server.stop();
  }
}

async function main(): Promise<number> {
  const { values: { out } } = parseArgs({ options: { out: { type: "string" } } });
  using temporary = tempDir();
  const files = await writeDocuments(out ?? temporary.path);
  const linter = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-lock", "--no-config", LINTER, "lint", ...files].concat(
      ["--config", RULES, "--format", "stylish"],
    ),
    env: { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" },
    stdin: "null",
  });
  const { code } = await linter.spawn().status;
  return code;
}

Deno.exit(await main());
