/**
 * `deno task openapi`: checks the OpenAPI documents that a server serves with Redocly's linter, and the
 * AsyncAPI document with AsyncAPI's parser; npm provides both. `--out DIR` also keeps the documents
 * there.
 */
import { parseArgs } from "node:util";
import { freePort } from "../process/pinned.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

const LINTER = "npm:@redocly/cli@2.31.2";
const RULES = new URL("./redocly.yaml", import.meta.url).pathname;
/** The documents by the name of their file; that of the admin API needs its token. */
const DOCUMENTS = { "v1.json": "/openapi.json", "gateway.json": "/gateway/v1/openapi.json" };
const ADMIN_DOCUMENT = "/admin/openapi.json";

const ASYNC_PATH = "/v1/asyncapi.json";
/** Prints what AsyncAPI's parser finds in a document, and ends with 1 where that is an error. */
const PARSE = `
import parser from "npm:@asyncapi/parser@3.6.6";
const text = await new Response(Deno.stdin.readable).text();
const found = await new parser.Parser().validate(text);
for (const { severity, message, path } of found) console.log(severity, path.join("."), message);
const errors = found.filter(({ severity }) => severity === 0).length;
console.log(errors + " errors, " + (found.length - errors) + " other remarks");
Deno.exit(errors > 0 || text.length === 0 ? 1 : 0);
`;

/** Writes the documents of a server that is started for it into `dir`. */
async function writeDocuments(
  dir: string,
): Promise<{ readonly files: readonly string[]; readonly asyncApi: string }> {
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
    const asyncApi = await (await fetch(server.url + ASYNC_PATH)).text();
    await Deno.writeTextFile(`${dir}/asyncapi.json`, asyncApi);
    return { files, asyncApi };
  } finally {
    await server.stop();
  }
}

async function lint(files: readonly string[]): Promise<boolean> {
  const linter = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-lock", "--no-config", LINTER, "lint", ...files].concat(
      ["--config", RULES, "--format", "stylish"],
    ),
    env: { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" },
    stdin: "null",
  });
  return (await linter.spawn().status).success;
}

async function parse(asyncApi: string): Promise<boolean> {
  using dir = tempDir();
  await Deno.writeTextFile(`${dir.path}/parse.mjs`, PARSE);
  const parser = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-lock", "--no-config", `${dir.path}/parse.mjs`],
    stdin: "piped",
  }).spawn();
  await new Blob([asyncApi]).stream().pipeTo(parser.stdin);
  return (await parser.status).success;
}

async function main(): Promise<number> {
  const { values: { out } } = parseArgs({ options: { out: { type: "string" } } });
  using temporary = tempDir();
  const { files, asyncApi } = await writeDocuments(out ?? temporary.path);
  const [linted, parsed] = [await lint(files), await parse(asyncApi)];
  return linted && parsed ? 0 : 1;
}

Deno.exit(await main());
