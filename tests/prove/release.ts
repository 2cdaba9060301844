/**
 * A release as an operator gets it: built twice, and its Debian package installed in a new Debian that
 * systemd has booted in a container. Needs root, Linux, `debootstrap` and `systemd-nspawn`.
 */
import assert from "node:assert/strict";
import { Debian } from "./release/debian.ts";
import { replayDockerfile } from "./release/docker.ts";
import { Figures } from "./figures.ts";
import { lintRelease } from "./release/lint.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { tempDir } from "../process/server.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
/** Most that `systemd-analyze security` may say, of 10. */
const EXPOSURE_MAX = 2;
/** `WatchdogSec` of the unit, and what ending and starting take besides (ms). */
const WATCHDOG_MS = 60_000 + 30_000;
const BUSY_MS = 30_000;
/** How often the start of the program alone is measured. */
const STARTS = 7;

/** Runs the task; the directory that it has written. */
async function release(out: string, binary: string | null): Promise<string> {
  const platform = "linux-amd64";
  const what = binary === null ? ["--target", platform] : ["--binary", `${platform}=${binary}`];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "release", "--out", out, ...what],
    cwd: ROOT,
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.ok(success, `deno task release: ${text}`);
  return out;
}

/** The numbers of a unit that `systemctl show` prints. */
async function shown(
  debian: Debian,
  ...names: string[]
): Promise<Readonly<Record<string, string>>> {
  const text = await debian.run("systemctl", "show", "roost", "-p", names.join());
  return Object.fromEntries(
    text.trim().split("\n").map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

/** Waits until systemd has started the service again, so that it serves. */
async function restarted(debian: Debian, before: number, withinMs: number): Promise<void> {
  await debian.until(withinMs, async () => {
    const { NRestarts, ActiveState } = await shown(debian, "NRestarts", "ActiveState");
    return Number(NRestarts) > before && ActiveState === "active";
  });
  assert.match(await debian.get("/readyz"), /^HTTP\/1\.1 200 /);
}

async function installed(debian: Debian, figures: Figures): Promise<void> {
  await debian.run("dpkg", "--install", "/srv/roost.deb");
  assert.equal((await shown(debian, "ActiveState"))["ActiveState"], "inactive");
  await noteColdStart(debian, figures);
  const settings = "/etc/roost/roost.toml";
  await debian.run("sed", "--in-place", 's/^domain = .*/domain = "chat.example.org"/', settings);
  await debian.run("systemctl", "enable", "--quiet", "--now", "roost");
  const unit = await shown(
    debian,
    "ActiveState",
    "StatusText",
    "InactiveExitTimestampMonotonic",
    "ActiveEnterTimestampMonotonic",
  );
  assert.equal(unit["ActiveState"], "active");
  assert.match(unit["StatusText"]!, /^serves chat\.example\.org at /);
  assert.match(await debian.get("/readyz"), /^HTTP\/1\.1 200 /);
  const micros = (name: string) => Number(unit[`${name}TimestampMonotonic`]);
  const startMs = (micros("ActiveEnter") - micros("InactiveExit")) / 1000;
  figures.note("first start, until READY=1", startMs, "ms");
  const file = "/usr/lib/systemd/system/roost.service";
  await debian.run("systemd-analyze", "verify", "--man=no", file);
  const text = await debian.run("systemd-analyze", "security", "--no-pager", "roost.service");
  const exposure = Number(/exposure level for roost\.service: ([\d.]+)/.exec(text)?.[1]);
  figures.atMost("systemd-analyze security", exposure, EXPOSURE_MAX, "");
  await debian.run("roost", "user", "list", "--data", "/var/lib/roost");
}

/** How long the program takes to begin (ms): the median, after a first time. */
async function noteColdStart(debian: Debian, figures: Figures): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i <= STARTS; i++) {
    const began = performance.now();
    await debian.run("roost", "version");
    times.push(performance.now() - began);
  }
  const [first, ...rest] = times;
  figures.note("roost version, the first time", first!, "ms");
  figures.note("roost version, median", rest.sort((a, b) => a - b)[STARTS >> 1]!, "ms");
}

/** New settings by `systemctl reload`, in the same process. */
async function reloaded(debian: Debian): Promise<void> {
  const level = async () => {
    const args = ["config", "show", "log.level", "--data", "/var/lib/roost"];
    return /^level = "(\w+)"/m.exec(await debian.run("roost", ...args))?.[1];
  };
  const before = await shown(debian, "MainPID");
  assert.equal(await level(), "info");
  await debian.run("sh", "-c", "printf '\\n[log]\\nlevel = \"debug\"\\n' >> /etc/roost/roost.toml");
  await debian.run("systemctl", "reload", "roost");
  await debian.until(BUSY_MS, async () => await level() === "debug");
  const after = await shown(debian, "MainPID", "ActiveState");
  assert.deepEqual(after, { ...before, ActiveState: "active" });
}

async function kept(debian: Debian): Promise<void> {
  const { NRestarts } = await shown(debian, "NRestarts");
  await debian.run("systemctl", "kill", "--signal", "KILL", "roost");
  await restarted(debian, Number(NRestarts), BUSY_MS);
  await debian.run("systemctl", "kill", "--signal", "STOP", "roost");
  await restarted(debian, Number(NRestarts) + 1, WATCHDOG_MS);
  assert.match(await debian.run("journalctl", "--unit", "roost"), /Watchdog timeout/);
}

async function updated(debian: Debian): Promise<void> {
  const before = await shown(debian, "MainPID");
  await debian.run("dpkg", "--install", "/srv/roost.deb");
  const after = await shown(debian, "MainPID", "ActiveState");
  assert.equal(after["ActiveState"], "active");
  assert.notEqual(after["MainPID"], before["MainPID"]);
}

async function removed(debian: Debian): Promise<void> {
  const secrets = await debian.run("cat", "/var/lib/roost/secrets.json");
  await debian.run("dpkg", "--remove", "roost");
  assert.equal((await shown(debian, "ActiveState"))["ActiveState"], "inactive");
  await debian.run("dpkg", "--install", "/srv/roost.deb");
  assert.match(await debian.get("/readyz"), /^HTTP\/1\.1 200 /);
  assert.equal(await debian.run("cat", "/var/lib/roost/secrets.json"), secrets);
  await debian.run("dpkg", "--purge", "roost");
  const left = await debian.run(
    ...["find", "/etc", "/usr", "/var", "-name", "*roost*", "-not", "-path", "/var/log/*"],
  );
  assert.equal(left, "");
  assert.equal(await debian.run("systemctl", "list-units", "--failed", "--no-legend"), "");
}

async function attempt(options: ProofOptions): Promise<Verdict> {
  const figures = new Figures(options);
  const { say, binary } = options;
  using work = tempDir();
  const [first, second] = [
    await release(`${work.path}/first`, binary),
    await release(`${work.path}/second`, binary),
  ];
  const sums = (dir: string) => Deno.readTextFileSync(`${dir}/SHA256SUMS`);
  assert.equal(sums(first), sums(second));
  await lintRelease(first);
  say("two releases are the same; Dockerfile, compose files, manifests and alerts are valid");
  const deb = [...Deno.readDirSync(first)].find(({ name }) => name.endsWith(".deb"))!.name;
  figures.note("the package", Deno.statSync(`${first}/${deb}`).size / 1e6, "MB");
  const archive = `${first}/${
    deb.replace(/^roost_(.*)_amd64\.deb$/, "roost-$1-linux-amd64.tar.gz")
  }`;
  figures.note("the archive", Deno.statSync(archive).size / 1e6, "MB");
  figures.note("the binary", Deno.statSync(`${first}/roost-linux-amd64`).size / 1e6, "MB");
  const debian = await Debian.boot(`${work.path}/debian`, say);
  try {
    Deno.copyFileSync(`${first}/${deb}`, `${debian.root}/srv/roost.deb`);
    await installed(debian, figures);
    say("installed, active, verified");
    await reloaded(debian);
    say("reloaded");
    await kept(debian);
    say("started again after SIGKILL and by the watchdog");
    await updated(debian);
    await removed(debian);
    say("updated, removed, installed again with its data, purged");
    await replayDockerfile(debian, first);
    say("a container of the Dockerfile's steps keeps its identity under another name");
  } finally {
    await debian.end();
  }
  return figures.verdict;
}

/** What a release is to show. */
export const releaseProof: Proof = {
  name: "release",
  claim:
    "a release is reproducible; its package installs, serves, is reloaded, kept running, updated, " +
    "removed and purged under systemd; its deployment files are valid",
  seconds: 300,
  run: attempt,
};
