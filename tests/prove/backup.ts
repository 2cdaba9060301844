/**
 * Backups of a server under steady traffic, restored elsewhere and compared: what was acked before
 * the stated moment exists, exactly once and in order; nothing that was sent after the backup had
 * ended; mailboxes without gaps; both sides of every message agree. The same comparison of a plain
 * copy of the store's file must find faults, or it proves nothing.
 */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { Client, Refused } from "../process/client.ts";
import { type Event, FLAGS, mailbox, makeUsers, USERS } from "./crash.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

const BACKUPS = 3;
/** Messages a second of all users together. */
const RATE = 1000;
/** Traffic before the first backup, and from each to the next (ms). */
const BETWEEN_MS = 4000;
/** Messages that exist before, of each user, and their characters: a copy should take a while. */
const BALLAST = 500;
const BALLAST_CHARS = 8000;
/** How long a restored server has to settle what was on its way (ms). */
const SETTLE_MS = 3000;

/** A message: its sender, and when it was sent and acked (ms since 1970). */
interface Sent {
  readonly from: string;
  readonly to: string;
  readonly sentAt: number;
  ackedAt: number;
  seq: number;
}

interface BackupRun {
  readonly file: string;
  /** What it states: everything acked before is in it. */
  readonly momentMs: number;
  readonly endedAt: number;
}

/** Users who send to each other at a steady rate. */
class Traffic {
  readonly sent = new Map<string, Sent>();
  readonly #clients = new Map<string, Client>();
  readonly #open = new Set<Promise<void>>();
  #timer: ReturnType<typeof setInterval> | null = null;
  failures = 0;

  static async start(
    server: ServerProcess,
    tokens: ReadonlyMap<string, string>,
    { rate, ballast }: { readonly rate: number; readonly ballast: number },
  ): Promise<Traffic> {
    const traffic = new Traffic();
    for (const user of USERS) {
      const token = tokens.get(user)!;
      traffic.#clients.set(user, await Client.connect(server.wsUrl, { auth: { token } }));
    }
    await Promise.all(USERS.map((_, u) => traffic.#fill(u, ballast)));
    const began = performance.now();
    let due = 0;
    traffic.#timer = setInterval(() => {
      const wanted = (performance.now() - began) / 1000 * rate;
      for (; due < wanted; due++) traffic.#send(due);
    }, 5);
    return traffic;
  }

  /** Sends one after another, each until it is taken. */
  async #fill(u: number, count: number): Promise<void> {
    const [from, to] = [USERS[u]!, USERS[(u + 1) % USERS.length]!];
    for (let i = 0; i < count;) {
      const key = `${from}-ballast-${i}`;
      const sent = { from, to, sentAt: Date.now() };
      try {
        const { seq } = await this.#clients.get(from)!
          .command<{ seq: number }>("send", { to, key, body: key.padEnd(BALLAST_CHARS, "x") });
        this.sent.set(key, { ...sent, ackedAt: Date.now(), seq });
        i++;
      } catch (error) {
        if (!(error instanceof Refused) || error.code !== "busy") throw error;
        await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs));
      }
    }
  }

  #send(i: number): void {
    const from = USERS[i % USERS.length]!;
    const to = USERS[(i + 1 + Math.floor(i / USERS.length) % (USERS.length - 1)) % USERS.length]!;
    const key = `${from}-${i}`;
    const sent: Sent = { from, to, sentAt: Date.now(), ackedAt: Infinity, seq: 0 };
    this.sent.set(key, sent);
    const done = this.#clients.get(from)!
      .command<{ seq: number }>("send", { to, key, body: `${key} ${"x".repeat(i % 400)}` })
      .then(({ seq }) => {
        sent.ackedAt = Date.now();
        sent.seq = seq;
      }, () => void this.failures++)
      .finally(() => this.#open.delete(done));
    this.#open.add(done);
  }

  /** How many were sent from one time to another. */
  between(fromMs: number, toMs: number): number {
    return [...this.sent.values()].filter(({ sentAt }) => sentAt >= fromMs && sentAt <= toMs)
      .length;
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await Promise.all(this.#open);
    for (const client of this.#clients.values()) await client.close();
  }
}

async function command(root: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", `${root}/main.ts`, ...args],
    cwd: root,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (code !== 0) throw new Error(`roost ${args[0]}: ${text(stderr)}`);
  return text(stdout) + text(stderr);
}

async function takeBackup(root: string, data: string, file: string): Promise<BackupRun> {
  const said = await command(root, ["backup", "--data", data, "--out", file]);
  const moment = /\((\d+) ms\)/.exec(said)?.[1];
  if (moment === undefined) throw new Error(`the backup states no moment: ${said}`);
  return { file, momentMs: Number(moment), endedAt: Date.now() };
}

/** What is wrong with one mailbox of a restored server. */
function boxFaults(user: string, events: readonly Event[], original: readonly Event[]): string[] {
  const faults: string[] = [];
  events.forEach((e, i) => {
    if (e.seq !== i + 1) faults.push(`${user}: event ${e.seq} at place ${i + 1}`);
  });
  const ids = (list: readonly Event[]) =>
    list.filter((e) => e.k === "message" && e.out === true).map((e) => `${e.seq} ${e.id}`);
  const was = ids(original);
  ids(events).forEach((id, i) => {
    if (id !== was[i]) faults.push(`${user}: sent ${id} where the original has ${was[i]}`);
  });
  return faults;
}

/** Everything that is wrong with a restored server. */
function faultsOf(
  run: BackupRun,
  sent: ReadonlyMap<string, Sent>,
  boxes: ReadonlyMap<string, readonly Event[]>,
  originals: ReadonlyMap<string, readonly Event[]>,
): string[] {
  const faults = USERS.flatMap((u) => boxFaults(u, boxes.get(u)!, originals.get(u)!));
  const pick = (user: string, out: boolean, other: string) =>
    boxes.get(user)!.filter((e) => e.k === "message" && (e.out === true) === out)
      .filter((e) => e.with === other).map((e) => e.id);
  for (const from of USERS) {
    for (const to of USERS.filter((u) => u !== from)) {
      const [gone, come] = [pick(from, true, to), pick(to, false, from)];
      if (gone.join() !== come.join()) {
        faults.push(`${from} to ${to}: ${gone.length} sent, ${come.length} got, not the same`);
      }
      if (new Set(gone).size !== gone.length) faults.push(`${from} to ${to}: a message twice`);
      for (const id of gone) {
        if (sent.get(id)!.sentAt > run.endedAt) faults.push(`${id}: sent after the backup ended`);
      }
    }
  }
  const kept = new Map(
    USERS.map((u) => [u, new Set(boxes.get(u)!.map((e) => `${e.seq} ${e.id}`))]),
  );
  for (const [id, { from, ackedAt, seq }] of sent) {
    if (ackedAt < run.momentMs && !kept.get(from as typeof USERS[number])!.has(`${seq} ${id}`)) {
      faults.push(`${id}: acked ${run.momentMs - ackedAt} ms before the moment, and lost`);
    }
  }
  return faults;
}

async function allBoxes(server: ServerProcess, tokens: ReadonlyMap<string, string>) {
  const boxes = new Map<string, readonly Event[]>();
  for (const user of USERS) boxes.set(user, await mailbox(server, tokens.get(user)!));
  return boxes;
}

interface Attempt {
  readonly faults: readonly string[];
  readonly runs: readonly BackupRun[];
  readonly sent: number;
  /** Messages in each backup, and sent while it was made. */
  readonly kept: readonly number[];
  readonly during: readonly number[];
  readonly failures: number;
}

/** Takes backups with the program at `root`; compares what it restores from them. */
async function attempt(
  root: string,
  options: ProofOptions,
  backups: number,
): Promise<Attempt> {
  using dir = tempDir();
  const data = `${dir.path}/data`;
  const server = await ServerProcess.start({ dataDir: data, flags: FLAGS });
  const tokens = await makeUsers(server);
  const { scale } = options;
  const traffic = await Traffic.start(server, tokens, {
    rate: RATE * scale,
    ballast: Math.ceil(BALLAST * scale),
  });
  const runs: BackupRun[] = [];
  const during: number[] = [];
  for (let i = 0; i < backups; i++) {
    // Not in step with checkpoints, which come every two seconds.
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS + i * 313));
    runs.push(await takeBackup(root, data, `${dir.path}/backup-${i}`));
    const { momentMs, endedAt } = runs.at(-1)!;
    const meanwhile = traffic.between(momentMs, endedAt);
    options.say(`backup ${i + 1}: ${traffic.sent.size} sent so far, ${meanwhile} meanwhile`);
    during.push(meanwhile);
  }
  await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS / 4));
  await traffic.stop();
  const originals = await allBoxes(server, tokens);
  await server.stop();
  const faults: string[] = [];
  const kept: number[] = [];
  for (const [i, run] of runs.entries()) {
    const dataDir = `${dir.path}/restored-${i}`;
    await command(root, ["restore", run.file, "--data", dataDir]);
    const restored = await ServerProcess.start({ dataDir, flags: FLAGS });
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const boxes = await allBoxes(restored, tokens);
    await restored.stop();
    const out = [...boxes.values()].flat().filter((e) => e.k === "message" && e.out === true);
    kept.push(out.length);
    faults.push(...faultsOf(run, traffic.sent, boxes, originals).map((f) => `#${i + 1} ${f}`));
  }
  return { faults, runs, sent: traffic.sent.size, kept, during, failures: traffic.failures };
}

/** A copy of the program that copies the store's file as it lies there. */
function brokenCopy(path: string): string {
  const root = new URL("../..", import.meta.url).pathname;
  for (const part of ["main.ts", "deno.json", "deno.lock", "server", "shard"]) {
    new Deno.Command("cp", { args: ["-r", `${root}/${part}`, path] }).outputSync();
  }
  const file = `${path}/server/system/backup_file.ts`;
  const source = Deno.readTextFileSync(file);
  const copy = "    copyStore(kvPath, part);";
  const broken = source.replace(copy, "    Deno.copyFileSync(kvPath, part);");
  if (broken === source) throw new Error("the deliberate fault no longer fits the source");
  Deno.writeTextFileSync(file, broken);
  return path;
}

/** Backup under load, restored elsewhere, consistent as of a stated moment. */
export const backupProof: Proof = {
  name: "backup",
  claim: "backups under traffic restore to exactly what was acked before the stated moment",
  seconds: 80,
  async run(options): Promise<Verdict> {
    const here = new URL("../..", import.meta.url).pathname;
    const real = await attempt(here, options, BACKUPS);
    for (const fault of real.faults.slice(0, 10)) options.say(`FAULT ${fault}`);
    options.say("the same with a plain copy of the store's file:");
    using dir = tempDir();
    let broken: readonly string[];
    try {
      broken = (await attempt(brokenCopy(dir.path), options, 1)).faults;
    } catch (error) {
      broken = [String(error)];
    }
    options.say(`found there: ${broken[0] ?? "nothing"}`);
    const took = real.runs.map((r) => r.endedAt - r.momentMs);
    return {
      pass: real.faults.length === 0 && real.failures === 0 && broken.length > 0,
      figures: {
        sent: real.sent,
        "messages in the backups": real.kept.join(", "),
        "sent while they were made": real.during.join(", "),
        "moment to end of the backup (ms)": took.join(", "),
        "sends that failed": real.failures,
        faults: real.faults.length,
        "faults of the plain copy": broken.length,
      },
    };
  },
};
