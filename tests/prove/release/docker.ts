/** The steps of the Dockerfile in a Debian without Docker: what an image would be, and do. */
import assert from "node:assert/strict";
import type { Debian } from "./debian.ts";

/** One instruction of a Dockerfile. */
interface Instruction {
  readonly name: string;
  readonly text: string;
}

function instructions(text: string): readonly Instruction[] {
  return text.replaceAll(/^#.*\n/gm, "").replaceAll(/\\\n\s*/g, " ").split("\n")
    .filter((line) => line.trim() !== "").map((line) => {
      const [name = ""] = line.split(" ");
      return { name, text: line.slice(name.length).trim() };
    });
}

const START_MS = 60_000;

/** Runs RUN and COPY, then the server as USER with ENV, twice under different host names. */
export async function replayDockerfile(debian: Debian, release: string): Promise<void> {
  const steps = instructions(Deno.readTextFileSync(`${release}/Dockerfile`));
  const only = (name: string) => steps.filter((step) => step.name === name).map(({ text }) => text);
  for (const run of only("RUN")) await debian.run("bash", "-c", run);
  const [copy] = only("COPY");
  const [, mode, from, to] = /^--chmod=(\d+) (\S+) (\S+)$/.exec(copy!)!;
  Deno.copyFileSync(`${release}/${from!.replace("${TARGETARCH}", "amd64")}`, debian.root + to!);
  Deno.chmodSync(debian.root + to!, parseInt(mode!, 8));
  const [user] = only("USER");
  const env = only("ENV").flatMap((line) => line.split(/ +/));
  const [check] = only("HEALTHCHECK").map((line) => line.split(" CMD ")[1]!.trim());
  const program: string[] = [...only("ENTRYPOINT"), ...only("CMD")].flatMap((list) =>
    JSON.parse(list)
  );
  const [uid, gid] = user!.split(":");
  const server = async (hostname: string) => {
    const ids = ["--reuid", uid!, "--regid", gid!, "--clear-groups", "--no-new-privs"];
    await debian.run(
      ...["systemd-run", "--unit", hostname, "--property=WorkingDirectory=/data"],
      ...["--property=SuccessExitStatus=0", "unshare", "--uts", "sh", "-c"],
      `hostname ${hostname} && exec "$@"`,
      ...["sh", "setpriv", ...ids, "--bounding-set=-all", "env", ...env, ...program],
    );
    await debian.until(
      START_MS,
      () => debian.run("bash", "-o", "pipefail", "-c", check!).then(() => true, () => false),
    );
    const listed = await debian.run("env", ...env, "roost", "user", "list", "--json");
    const secrets = await debian.run("cat", "/data/secrets.json");
    return { listed, secrets, end: () => debian.run("systemctl", "stop", hostname) };
  };
  const first = await server("first");
  const add = "echo 'correct horse' | env \"$@\" roost user add ann --password-stdin";
  await debian.run("bash", "-c", add, "bash", ...env);
  await first.end();
  const second = await server("second");
  await second.end();
  assert.equal(second.secrets, first.secrets);
  assert.match(second.listed, /"ann"/);
  assert.equal(await debian.run("systemctl", "list-units", "--failed", "--no-legend"), "");
}
