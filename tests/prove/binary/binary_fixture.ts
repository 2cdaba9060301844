/**
 * Where the proof of the compiled binary takes place: a directory with nothing but the binary, a
 * home that is empty, no `deno` to be found. All commands and servers run there.
 */
import assert from "node:assert/strict";
import type { CliResult } from "../../process/cli.ts";
import { rest } from "../../process/client.ts";
import { ServerProcess } from "../../process/server.ts";

/** What is shown, on a line of its own. */
export interface Check {
  readonly name: string;
  /** Throws where it does not hold; its figures. */
  run(fixture: BinaryFixture): Promise<string>;
}

/** The password of everybody. */
export const PASSWORD = "correct horse battery";
/** Longest wait for something. */
const TIMEOUT_MS = 60_000;
/** Longest drain: twice what its sessions may take. */
const DRAIN_MS_MAX = 30_000;
/** Longest run of a command. */
const COMMAND_MS = 300_000;

/** Waits; for what is looked at again and again. */
export function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** Asks until the answer is as wanted; throws with the last one where it does not become so. */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  wanted: (value: T) => boolean,
): Promise<T> {
  const began = performance.now();
  for (;;) {
    const value = await ask();
    if (wanted(value)) return value;
    if (performance.now() - began > TIMEOUT_MS) {
      throw new Error(`${what} did not come: ${JSON.stringify(value)}`);
    }
    await pause(30);
  }
}

/** See the head of this file. */
export class BinaryFixture {
  /**
   * The directory with the binary and nothing else; what is given to commands is relative to it.
   */
  readonly dir: string;
  readonly home: string;
  readonly binary: string;
  readonly env: Readonly<Record<string, string>>;
  /** Those that run, to be ended with the proof. */
  readonly #servers = new Set<ServerProcess>();
  #main: ServerProcess | null = null;
  /** What it was started with. */
  #flags: readonly string[] = [];

  /** Makes it below `root`, with a copy of the binary. */
  constructor(root: string, binary: string) {
    this.dir = `${root}/alone`;
    this.home = `${root}/home`;
    for (const path of [this.dir, this.home, `${root}/tmp`]) Deno.mkdirSync(path);
    this.binary = `${this.dir}/roost`;
    Deno.copyFileSync(binary, this.binary);
    Deno.chmodSync(this.binary, 0o755);
    this.env = {
      HOME: this.home,
      DENO_DIR: `${this.home}/deno`,
      TMPDIR: `${root}/tmp`,
      PATH: `${root}/nothing`,
      NO_COLOR: "1",
    };
  }

  /** The server that most is shown with. */
  get server(): ServerProcess {
    assert.ok(this.#main !== null, "the server has not started");
    return this.#main;
  }

  /** Options that name its data directory. */
  readonly data: readonly string[] = ["--data", "data"];

  /** Runs a command of the binary; `input` is its standard input. */
  async roost(args: readonly string[], input: string | null = null): Promise<CliResult> {
    const child = new Deno.Command(this.binary, {
      args: [...args],
      cwd: this.dir,
      env: this.env,
      clearEnv: true,
      stdin: input === null ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(COMMAND_MS),
    }).spawn();
    if (input !== null) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(input));
      await writer.close();
    }
    const { code, stdout, stderr } = await child.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, out: text(stdout), err: text(stderr) };
  }

  /** The same where it has to end well; what it printed. */
  async must(args: readonly string[], input: string | null = null): Promise<string> {
    const { code, out, err } = await this.roost(args, input);
    assert.equal(code, 0, `roost ${args.join(" ")} ended with ${code}: ${err}${out}`);
    return out;
  }

  /** Starts a server of its own on a data directory; `stop` it. */
  async start(name: string, flags: readonly string[] = []): Promise<ServerProcess> {
    const server = await ServerProcess.start({
      command: [this.binary],
      dataDir: name,
      flags,
      place: { cwd: this.dir, env: this.env },
    });
    this.#servers.add(server);
    return server;
  }

  /** Runs the binary with exactly these arguments, as a server. */
  async serve(args: readonly string[]): Promise<ServerProcess> {
    const server = await ServerProcess.run({
      command: [this.binary, ...args],
      dataDir: "roost-data",
      cwd: this.dir,
      env: this.env,
      clearEnv: true,
    });
    this.#servers.add(server);
    return server;
  }

  /** Starts the server that most is shown with; again where it was. */
  async open(flags: readonly string[] = this.#flags): Promise<ServerProcess> {
    const bind = this.#main === null ? [] : ["--bind", new URL(this.#main.url).host];
    this.#flags = flags;
    this.#main = await this.start("data", [...bind, ...flags]);
    return this.#main;
  }

  /** Drains a server; it has to end with 0, and in time. */
  async stop(server: ServerProcess): Promise<void> {
    this.#servers.delete(server);
    const began = performance.now();
    assert.equal(await server.stop(), 0, server.log);
    const tookMs = performance.now() - began;
    assert.ok(tookMs < DRAIN_MS_MAX, `it took ${Math.round(tookMs)} ms to drain: ${server.log}`);
  }

  /** kill -9. */
  async kill(server: ServerProcess): Promise<void> {
    this.#servers.delete(server);
    await server.kill();
  }

  /** Ends what runs. */
  async close(): Promise<void> {
    for (const server of this.#servers) await server.kill();
    this.#servers.clear();
  }

  /** Makes accounts that take messages from anyone; their tokens. */
  async people(url: string, ...names: readonly string[]): Promise<readonly string[]> {
    const tokens: string[] = [];
    for (const user of names) {
      const { token } = await rest<{ token: string }>(url, "POST", "/v1/register", {
        body: { user, password: PASSWORD },
      });
      await rest(url, "PUT", "/v1/settings", { token, body: { messagesFrom: "anyone" } });
      tokens.push(token);
    }
    return tokens;
  }

  /** A path in the directory. */
  path(name: string): string {
    return `${this.dir}/${name}`;
  }

  /** The command lines of all processes of the binary; null where the platform does not say. */
  processes(): readonly string[] | null {
    if (Deno.build.os !== "linux") return null;
    return [...Deno.readDirSync("/proc")].flatMap(({ name }) => {
      if (!/^\d+$/.test(name)) return [];
      try {
        if (Deno.readLinkSync(`/proc/${name}/exe`) !== this.binary) return [];
        return [Deno.readTextFileSync(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim()];
      } catch {
        // It has ended meanwhile, or is another user's.
        return [];
      }
    });
  }
}
