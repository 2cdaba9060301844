/** The packed client in a directory of its own, as an application has it. */
import assert from "node:assert/strict";

const ROOT = new URL("../../..", import.meta.url).pathname;

/** Runs a program to its end; what it printed. Throws where it fails. */
export async function output(
  cwd: string,
  [program, ...args]: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const command = new Deno.Command(program!, { args, cwd, env, stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  const text = new TextDecoder().decode(stdout);
  assert.ok(success, `${program} ${args.join(" ")}: ${text}${new TextDecoder().decode(stderr)}`);
  return text;
}

/** Names and sums of the files in an archive. */
async function contents(archive: string): Promise<string> {
  const sums = `tar -xzf "$1" --to-command='echo "$TAR_FILENAME $(sha256sum)"' | sort`;
  return await output("/", ["sh", "-c", sums, "sh", archive]);
}

/**
 * Has the release's task make the package and npm pack it; the path of the archive. That which the task
 * makes itself must have the same in it.
 */
export async function packed(work: string): Promise<string> {
  const out = `${work}/release`;
  await output(ROOT, [Deno.execPath(), "task", "--quiet", "release", "--npm", "--out", out]);
  const name = (await output(work, ["npm", "pack", "--silent", `${out}/npm/roost-client`])).trim();
  assert.equal(await contents(`${work}/${name}`), await contents(`${out}/npm/${name}`));
  return `${work}/${name}`;
}

/** Makes a project with the archive and other packages installed. */
export async function install(
  dir: string,
  archive: string,
  packages: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    Deno.mkdirSync(`${dir}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(`${dir}/${path}`, text);
  }
  const dependencies = { ...packages, "roost-client": `file:${archive}` };
  const project = { private: true, type: "module", dependencies };
  Deno.writeTextFileSync(`${dir}/package.json`, JSON.stringify(project));
  await output(dir, ["npm", "install", "--no-audit", "--no-fund", "--silent"]);
}
