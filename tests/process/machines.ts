/**
 * Machines with a network between them, for proofs on one: each is a network namespace with one
 * address, and every two have a link of their own, of which each way can be cut. A cut way loses what
 * is sent, whichever side has connected, as a partition of a network does. Linux and root only, in a
 * process that `inOwnNetwork` has started: all of it ends with that.
 */
import { missing } from "./document.ts";
import { until } from "./until.ts";

/** The process that asks: it reaches all machines at any time. */
const CLIENT = "10.77.0.254";
const INSIDE = "PROOF_OWN_NETWORK";

/** Why there can be no machines; null where there can. */
export function machinesObstacle(): string | null {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return "it takes Linux and root";
  const lacks = missing(["unshare", "nsenter", "ip"]);
  if (lacks !== null) return `there is no ${lacks}`;
  const { success } = new Deno.Command("unshare", { args: [...ALONE, "true"], stderr: "null" })
    .outputSync();
  return success ? null : "namespaces are not allowed";
}

const ALONE = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];

/**
 * Runs a program of this project in a network of its own, in which it finds `isInOwnNetwork`; returns
 * whether it has ended well.
 */
export async function inOwnNetwork(args: readonly string[]): Promise<boolean> {
  const { success } = await new Deno.Command("unshare", {
    args: [...ALONE, Deno.execPath(), "run", "-A", "--frozen", "--no-prompt", "--quiet", ...args],
    env: { [INSIDE]: "1" },
    stdin: "null",
  }).spawn().status;
  return success;
}

/** Whether this process has a network of its own. */
export function isInOwnNetwork(): boolean {
  return Deno.env.get(INSIDE) === "1";
}

interface Machine {
  readonly name: string;
  readonly host: string;
  /** Keeps its namespace. */
  readonly holder: Deno.ChildProcess;
}

/** See the head of this file. */
export class Machines {
  readonly #machines = new Map<string, Machine>();
  readonly #cut = new Set<string>();

  /** Makes machines of these names. */
  static async start(names: readonly string[]): Promise<Machines> {
    const machines = new Machines();
    run(["ip", "link", "set", "lo", "up"]);
    run(["ip", "addr", "replace", `${CLIENT}/32`, "dev", "lo"]);
    for (const [i, name] of names.entries()) await machines.#add(name, `10.77.0.${i + 1}`);
    return machines;
  }

  /** The address of a machine. */
  hostOf(name: string): string {
    return this.#of(name).host;
  }

  /** What stands before a command that runs on a machine. */
  on(name: string): readonly string[] {
    return ["nsenter", `--net=/proc/${this.#of(name).holder.pid}/ns/net`];
  }

  /** Cuts the way from one machine to another, or mends it. */
  set(from: string, to: string, stopped: boolean): void {
    const way = `${from}>${to}`;
    if (stopped === this.#cut.has(way)) return;
    if (stopped) this.#cut.add(way);
    else this.#cut.delete(way);
    this.#route(this.#of(from), this.#of(to), stopped ? "sink" : `to-${to}`);
  }

  /** Mends all ways. */
  mend(): void {
    for (const way of [...this.#cut]) this.set(...way.split(">") as [string, string], false);
  }

  async stop(): Promise<void> {
    for (const { holder } of this.#machines.values()) {
      holder.kill("SIGKILL");
      await holder.status;
    }
  }

  #of(name: string): Machine {
    return this.#machines.get(name)!;
  }

  async #add(name: string, host: string): Promise<void> {
    const holder = new Deno.Command("unshare", { args: ["--net", "sleep", "infinity"] }).spawn();
    const space = (pid: number | "self") => Deno.readLinkSync(`/proc/${pid}/ns/net`);
    await until("a network namespace", () => space(holder.pid) !== space("self"));
    const machine = { name, host, holder };
    const others = [...this.#machines.values()];
    this.#machines.set(name, machine);
    const here = (...command: string[]) => run([...this.on(name), "ip", ...command]);
    here("link", "set", "lo", "up");
    here("addr", "add", `${host}/32`, "dev", "lo");
    // What is sent into it reaches nobody.
    here("link", "add", "sink", "type", "veth", "peer", "name", "drain");
    here("link", "set", "sink", "arp", "off", "up");
    here("link", "set", "drain", "up");
    const pid = String(holder.pid);
    const end = `to-${name}`;
    run(["ip", "link", "add", end, "type", "veth", "peer", "name", "client", "netns", pid]);
    run(["ip", "link", "set", end, "up"]);
    run(["ip", "route", "add", `${host}/32`, "dev", end, "src", CLIENT]);
    here("link", "set", "client", "up");
    here("route", "add", `${CLIENT}/32`, "dev", "client", "src", host);
    for (const other of others) this.#join(machine, other);
  }

  #join(one: Machine, other: Machine): void {
    const ends = [`to-${other.name}`, `to-${one.name}`] as const;
    const pid = String(other.holder.pid);
    const link = ["link", "add", ends[0], "type", "veth", "peer", "name", ends[1], "netns", pid];
    run([...this.on(one.name), "ip", ...link]);
    for (const [{ name }, end] of [[one, ends[0]], [other, ends[1]]] as const) {
      run([...this.on(name), "ip", "link", "set", end, "up"]);
    }
    this.#route(one, other, ends[0]);
    this.#route(other, one, ends[1]);
  }

  #route(from: Machine, to: Machine, device: string): void {
    const route = ["route", "replace", `${to.host}/32`, "dev", device, "src", from.host];
    run([...this.on(from.name), "ip", ...route]);
  }
}

function run([program, ...args]: readonly string[]): void {
  const { success, stderr } = new Deno.Command(program!, { args }).outputSync();
  if (!success) {
    throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
}
