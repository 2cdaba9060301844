/**
 * kill -9 at random moments while four users send to each other with retries. What was acked must
 * be exactly once in both mailboxes, in order. Each commit is delayed by 15 ms, in a copy of the
 * program, so that a kill falls between an ack and its commit wherever there is such a time. Short
 * runs over a copy that acks before its commit must each find a loss, or the check proves nothing.
 */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { Client, rest } from "../process/client.ts";
import { Prng } from "../sim/prng.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

/** Who sends to each other. */
export const USERS = ["ann", "bea", "cid", "dan"] as const;
const SENDS = 20_000;
/** The program as it is. */
const WHOLE: Plan = { kills: 10, sends: SENDS };
/** A run with one kill over the program that acks early, and how many of them there are. */
const SHORT: Plan = { kills: 1, sends: 2000 };
const SHORT_RUNS = 10;
const IN_FLIGHT = 32;
/** No rate holds the senders back, and nothing is trimmed. */
export const FLAGS = [
  "--registration",
  "open",
  ...[
    "limits.sendsPerSecond=100000",
    "limits.sendsBurst=100000",
    "limits.framesPerSecond=100000",
    "limits.framesBurst=100000",
    "limits.receivedPerSecond=100000",
    "limits.receivedBurst=100000",
    "storage.mailboxEventsMax=1000000",
  ].flatMap((s) => ["--set", s]),
];

/** How much a run sends, and how often the server is killed meanwhile. */
interface Plan {
  readonly kills: number;
  readonly sends: number;
}

/** An event of a mailbox; the fields of a message exist where `k` is `message`. */
export interface Event {
  readonly seq: number;
  readonly k: string;
  readonly with: string;
  readonly out?: boolean;
  readonly num: number;
  readonly id: string;
  readonly body: string;
}

/** One user: sends its share, again and again until each is acked. */
class Sender {
  readonly name: string;
  readonly token: string;
  /** Message id → recipient, in the order of their first sending. */
  readonly acked = new Map<string, { to: string; seq: number }>();
  readonly #todo: { id: string; to: string }[];
  client: Client | null = null;
  retries = 0;

  constructor(name: string, token: string, todo: { id: string; to: string }[]) {
    this.name = name;
    this.token = token;
    this.#todo = todo;
  }

  get left(): number {
    return this.#todo.length;
  }

  /** Sends until the connection breaks or all is acked. */
  async run(server: ServerProcess): Promise<void> {
    this.client = await Client.connect(server.wsUrl, { auth: { token: this.token } });
    const lanes = Array.from({ length: IN_FLIGHT }, () => this.#lane());
    await Promise.all(lanes);
  }

  async #lane(): Promise<void> {
    for (;;) {
      const next = this.#todo.shift();
      if (next === undefined) return;
      try {
        const { seq } = await this.client!.command<{ seq: number }>("send", {
          to: next.to,
          key: next.id,
          body: `${this.name} ${next.id}`,
        });
        this.acked.set(next.id, { to: next.to, seq });
      } catch {
        // Not acked, whatever became of it: the same id again, later.
        this.retries++;
        this.#todo.push(next);
        return;
      }
    }
  }
}

/** Registers users who take messages from anyone; their tokens. `does`: how each request is done. */
export async function makeUsers(
  server: ServerProcess,
  users: readonly string[] = USERS,
  does: <T>(request: () => Promise<T>) => Promise<T> = (request) => request(),
): Promise<Map<string, string>> {
  const tokens = new Map<string, string>();
  for (const user of users) {
    const body = { user, password: `password of ${user}` };
    const { token } = await does(() =>
      rest<{ token: string }>(server.url, "POST", "/v1/register", { body })
    );
    tokens.set(user, token);
    const settings = { messagesFrom: "anyone" };
    await does(() => rest(server.url, "PUT", "/v1/settings", { token, body: settings }));
  }
  return tokens;
}

/** All events of a mailbox. */
export async function mailbox(
  server: Pick<ServerProcess, "wsUrl">,
  token: string,
): Promise<Event[]> {
  const client = await Client.connect(server.wsUrl, { auth: { token } });
  const mailboxId = String(client.welcome["cursor"]).split(":")[0];
  const events: Event[] = [];
  for (let after = 0;;) {
    const page = await client.command<{ events: Event[]; cursor: string }>("events", {
      after: `${mailboxId}:${after}`,
      limit: 500,
    });
    if (page.events.length === 0) break;
    events.push(...page.events);
    after = page.events.at(-1)!.seq;
  }
  await client.close();
  return events;
}

/** Whose messages were acked, with their recipients and places. */
export interface Acked {
  readonly name: string;
  readonly acked: ReadonlyMap<string, { readonly to: string; readonly seq: number }>;
}

/** Everything that is wrong with what the server kept. */
export function faultsOf(
  senders: readonly Acked[],
  boxes: ReadonlyMap<string, readonly Event[]>,
): string[] {
  const faults: string[] = [];
  for (const [user, events] of boxes) {
    events.forEach((e, i) => {
      if (e.seq !== i + 1) faults.push(`${user}: event ${e.seq} at place ${i + 1}`);
    });
  }
  for (const s of senders) {
    const out = boxes.get(s.name)!.filter((e) => e.k === "message" && e.out === true);
    const place = new Map(out.map((e) => [e.id, e]));
    if (place.size !== out.length) faults.push(`${s.name}: a message twice in its own mailbox`);
    for (const [id, { seq }] of s.acked) {
      const e = place.get(id);
      if (e === undefined) faults.push(`${s.name}: acked ${id} is lost from its own mailbox`);
      else if (e.seq !== seq) faults.push(`${s.name}: ${id} acked as ${seq}, kept as ${e.seq}`);
    }
    for (const other of boxes.keys()) {
      if (other === s.name) continue;
      const sent = out.filter((e) => e.with === other).map((e) => e.id);
      const got = boxes.get(other)!.filter((e) => e.k === "message" && !e.out && e.with === s.name)
        .map((e) => e.id);
      if (sent.join() !== got.join()) {
        faults.push(`${s.name} to ${other}: ${sent.length} sent, ${got.length} got, not the same`);
      }
    }
  }
  return faults;
}

async function attempt(
  root: string,
  plan: Plan,
  options: Pick<ProofOptions, "seed" | "say">,
): Promise<{ faults: string[]; kills: number; retries: number; acked: number }> {
  using dir = tempDir();
  const prng = new Prng(options.seed);
  const start = () => ServerProcess.start({ dataDir: dir.path, flags: FLAGS, root });
  let server = await start();
  const tokens = await makeUsers(server);
  const senders = USERS.map((name, u) => {
    const todo = Array.from({ length: plan.sends / USERS.length }, (_, i) => ({
      id: `${name}-${i}`,
      to: USERS[(u + 1 + i % (USERS.length - 1)) % USERS.length]!,
    }));
    return new Sender(name, tokens.get(name)!, todo);
  });
  let kills = 0;
  for (; kills < plan.kills; kills++) {
    const running = senders.map((s) => s.run(server).catch(() => {}));
    // Let each round get through about an equal share before its end comes.
    const target = Math.max(
      0,
      plan.sends * (plan.kills - kills - prng.number()) / (plan.kills + 1),
    );
    while (senders.reduce((sum, s) => sum + s.left, 0) > target) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await new Promise((resolve) => setTimeout(resolve, prng.number() * 20));
    await server.kill();
    await Promise.all(running);
    options.say(`kill ${kills + 1}: ${senders.reduce((n, s) => n + s.acked.size, 0)} acked so far`);
    server = await start();
  }
  while (senders.some((s) => s.left > 0)) await Promise.all(senders.map((s) => s.run(server)));
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const boxes = new Map<string, Event[]>();
  for (const user of USERS) boxes.set(user, await mailbox(server, tokens.get(user)!));
  await server.stop();
  const sum = (of: (s: Sender) => number) => senders.reduce((n, s) => n + of(s), 0);
  return {
    faults: faultsOf(senders, boxes),
    kills,
    retries: sum((s) => s.retries),
    acked: sum((s) => s.acked.size),
  };
}

/** One change of a copy of the program. */
export interface Change {
  readonly file: string;
  /** Text that the file has exactly once. */
  readonly find: string;
  readonly replace: string;
}

/**
 * Commits begin 15 ms late. As the store promises, values are copied before `write` returns, and
 * reads wait for the commit under way.
 */
const LATE_COMMIT: readonly Change[] = [
  {
    file: "server/store/kv_store.ts",
    find: "atomic.set(mutation.key, mutation.value);",
    replace: "atomic.set(mutation.key, mutation.value.slice());",
  },
  {
    file: "server/store/kv_store.ts",
    find: "    atomic.commit().then(\n",
    replace: "    const late = new Promise((begin) => setTimeout(begin, 15));\n" +
      "    (globalThis.commit = late.then(() => atomic.commit())).then(\n",
  },
  {
    file: "server/store/kv_store.ts",
    find: "      start().then(\n",
    replace: "      Promise.allSettled([globalThis.commit]).then(start).then(\n",
  },
];
const EARLY_ACK: Change = {
  file: "shard/step/open_batch.ts",
  find: "if (batch <= this.committedBatch) return false;",
  replace: "return false;",
};

/** A copy of the program with these changes; returns where it is. */
export function changedCopy(path: string, changes: readonly Change[]): string {
  const root = new URL("../..", import.meta.url).pathname;
  for (
    const part of ["main.ts", "deno.json", "deno.lock", "README.md", "server", "shard", "tests"]
  ) {
    const { success } = new Deno.Command("cp", { args: ["-r", `${root}/${part}`, path] })
      .outputSync();
    if (!success) throw new Error(`Cannot copy ${part} to ${path}`);
  }
  for (const { file, find, replace } of changes) {
    const parts = Deno.readTextFileSync(`${path}/${file}`).split(find);
    if (parts.length !== 2) throw new Error(`${file}: the change no longer fits the source`);
    Deno.writeTextFileSync(`${path}/${file}`, parts.join(replace));
  }
  return path;
}

/** Runs the program that acks early with seeds of their own; returns how many runs found it. */
async function foundEarlyAcks(options: ProofOptions): Promise<number> {
  using dir = tempDir();
  const root = changedCopy(dir.path, [...LATE_COMMIT, EARLY_ACK]);
  let found = 0;
  for (let run = 1; run <= SHORT_RUNS; run++) {
    // A run that ends otherwise than with faults found nothing, and is an error of the proof.
    const { faults: [first] } = await attempt(root, SHORT, {
      seed: options.seed + run,
      say: () => {},
    });
    if (first !== undefined) found++;
    options.say(`early ack, run ${run}: ${first ?? "nothing found"}`);
  }
  return found;
}

/** Kill -9 during 20,000 sends with retries, ten times; then ten runs that must fail. */
export const crashProof: Proof = {
  name: "crash",
  claim: "kill -9 ten times during 20,000 sends: every acked message exactly once, in order",
  seconds: 180,
  async run(options): Promise<Verdict> {
    using dir = tempDir();
    const real = await attempt(changedCopy(dir.path, LATE_COMMIT), WHOLE, options);
    for (const fault of real.faults.slice(0, 10)) options.say(`FAULT ${fault}`);
    options.say("the same with acks that do not wait for their commit:");
    const found = await foundEarlyAcks(options);
    return {
      pass: real.faults.length === 0 && real.acked === SENDS && found === SHORT_RUNS,
      figures: {
        acked: real.acked,
        kills: real.kills,
        "sends repeated": real.retries,
        faults: real.faults.length,
        "runs that found the early ack": `${found} of ${SHORT_RUNS}`,
      },
    };
  },
};
