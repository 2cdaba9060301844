/** A new Debian in a directory, booted by systemd in a container with a network of its own. */
import assert from "node:assert/strict";

const PACKAGES = "systemd,systemd-sysv,dbus";
const BOOT_MS = 120_000;
const LOOK_MS = 300;
const REQUEST = "GET $1 HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n";

const pause = (forMs: number) => new Promise((resolve) => setTimeout(resolve, forMs));

async function output(program: string, args: readonly string[]): Promise<string> {
  const command = new Deno.Command(program, { args: [...args], stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${out}${err}`);
  return out!;
}

/** Processes whose parent is the given one. */
async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`).catch(() => "");
  return text.split(" ").filter((word) => word !== "").map(Number);
}

/** See the head of this file. */
export class Debian {
  readonly #container: Deno.ChildProcess;
  readonly #leader: number;

  private constructor(readonly root: string, container: Deno.ChildProcess, leader: number) {
    this.#container = container;
    this.#leader = leader;
  }

  /** Makes it in a directory that is not there yet, and boots it. */
  static async boot(root: string, say: (line: string) => void): Promise<Debian> {
    say("makes a Debian");
    await output("debootstrap", ["--variant=minbase", `--include=${PACKAGES}`, "bookworm", root]);
    const container = new Deno.Command("systemd-nspawn", {
      args: [
        ...["--quiet", "--register=no", "--keep-unit", "--private-network"],
        ...[`--machine=roost-${Deno.pid}`, "--directory", root, "--boot"],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const until = performance.now() + BOOT_MS;
    for (;;) {
      const [leader] = await childrenOf(container.pid);
      if (leader !== undefined) {
        const debian = new Debian(root, container, leader);
        const state = await debian.run("systemctl", "is-system-running").catch(String);
        if (state.includes("running") && !state.includes("systemctl")) return debian;
      }
      assert.ok(performance.now() < until, "the container did not boot");
      await pause(LOOK_MS);
    }
  }

  /** Runs a command in it; rejects with its output where that fails. */
  run(...command: readonly string[]): Promise<string> {
    return output("nsenter", ["--target", String(this.#leader), "--all", "--", ...command]);
  }

  /** The response of its server. */
  get(path: string): Promise<string> {
    const script = `exec 3<>/dev/tcp/127.0.0.1/8420; printf "${REQUEST}" >&3; cat <&3`;
    return this.run("bash", "-c", script, "bash", path);
  }

  /** Waits until something holds. */
  async until(withinMs: number, holds: () => Promise<boolean>): Promise<void> {
    const until = performance.now() + withinMs;
    while (!await holds()) {
      assert.ok(performance.now() < until, `not within ${withinMs} ms`);
      await pause(LOOK_MS);
    }
  }

  /** Powers it off. */
  async end(): Promise<void> {
    await this.run("systemctl", "poweroff", "--force", "--force").catch(() => {});
    const timer = setTimeout(() => this.#container.kill("SIGKILL"), 10_000);
    await this.#container.status;
    clearTimeout(timer);
  }
}
