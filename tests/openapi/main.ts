/**
 * `deno task openapi`: checks the OpenAPI documents that a server serves with Redocly's linter, which
 * npm provides. `--out DIR` also keeps the documents there.
 */
import { parseArgs } from "node:util";
import { freePort } from "../process/pinned.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

const LINTER = "npm:@redocly/cli@2.31.2";
const RULES = new URL("./redocly.yaml", import.meta.url).pathname;
/** The documents by the name of their file; that of the admin API needs its token. */
const DOCUMENTS = { "v1.json": "/openapi.json", "gateway.json": "/gateway/v1/openapi.json" };
const ADMIN_DOCUMENT = "/admin/openapi.json";

/** Writes the documents of a server that is started for it into `dir`. */
async function writeDocuments(dir: string): Promise<readonly string[]> {
  using data = tempDir();
  const admin = `127.0.0.1:${freePort()}`;
  const flags = ["--set", `admin.listen=${admin}`];
  const server = await ServerProcess.start({ dataDir: data.path, flags });
  try {
    const token = Deno.readTextFileSync(`${data.path}/admin.token`).trim();
    const files: string[] = [];
    const write = async (name: string, url: string, headers: Record<string, string> = {}) => {
      const response = await fetch(url, { headers });
      if (!response.ok) throw new Error(`Cannot read ${url}: ${response.status}`);
      await Deno.writeTextFile(`${dir}/${name}`, await response.text());
      files.push(`${dir}/${name}`);
    };
    for (const [name, path] of Object.entries(DOCUMENTS)) await write(name, server.url + path);
    const authorization = `Bearer ${token}`;
    await write("admin.json", `http://${admin}${ADMIN_DOCUMENT}`, { authorization });
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
