/**
 * kill -9 at random moments while four users send to each other with retries. What was acked must
 * be exactly once in both mailboxes, in order. The same run over a copy of the program that acks
 * before its commit must find a loss, or the check proves nothing.
 */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { Client, rest } from "../process/client.ts";
import { Prng } from "../sim/prng.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

/** Who sends to each other. */
export const USERS = ["ann", "bea", "cid", "dan"] as const;
const ROUNDS = 10;
const SENDS = 20_000;
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

/** Registers `USERS`, who take messages from anyone; their tokens. */
export async function makeUsers(server: ServerProcess): Promise<Map<string, string>> {
  const tokens = new Map<string, string>();
  for (const user of USERS) {
    const made = await rest<{ token: string }>(server.url, "POST", "/v1/register", {
      body: { user, password: `password of ${user}` },
    });
    tokens.set(user, made.token);
    await rest(server.url, "PUT", "/v1/settings", {
      token: made.token,
      body: { messagesFrom: "anyone" },
    });
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
export function faultsOf(senders: readonly Acked[], boxes: ReadonlyMap<string, Event[]>): string[] {
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
    for (const other of USERS) {
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
  root: string | undefined,
  options: ProofOptions,
): Promise<{ faults: string[]; kills: number; retries: number; acked: number }> {
  using dir = tempDir();
  const prng = new Prng(options.seed);
  const start = () =>
    ServerProcess.start({
      dataDir: dir.path,
      flags: FLAGS,
      ...(root === undefined ? {} : { root }),
    });
  let server = await start();
  const tokens = await makeUsers(server);
  const senders = USERS.map((name, u) => {
    const todo = Array.from({ length: SENDS / USERS.length }, (_, i) => ({
      id: `${name}-${i}`,
      to: USERS[(u + 1 + i % (USERS.length - 1)) % USERS.length]!,
    }));
    return new Sender(name, tokens.get(name)!, todo);
  });
  let kills = 0;
  for (; kills < ROUNDS; kills++) {
    const running = senders.map((s) => s.run(server).catch(() => {}));
    // Let each round get through about an equal share before its end comes.
    const target = Math.max(0, SENDS * (ROUNDS - kills - prng.number()) / (ROUNDS + 1));
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

/** A copy of the program in which effects do not wait for their commit. */
function brokenCopy(path: string): string {
  const root = new URL("../..", import.meta.url).pathname;
  for (const part of ["main.ts", "deno.json", "deno.lock", "server", "shard"]) {
    new Deno.Command("cp", { args: ["-r", `${root}/${part}`, path] }).outputSync();
  }
  const file = `${path}/shard/step/open_batch.ts`;
  const source = Deno.readTextFileSync(file);
  const broken = source.replace("if (batch <= this.committedBatch) return false;", "return false;");
  if (broken === source) throw new Error("the deliberate fault no longer fits the source");
  Deno.writeTextFileSync(file, broken);
  return path;
}

/** Kill -9 during 20,000 sends with retries, ten times. */
export const crashProof: Proof = {
  name: "crash",
  claim: "kill -9 ten times during 20,000 sends: every acked message exactly once, in order",
  seconds: 60,
  async run(options): Promise<Verdict> {
    const real = await attempt(undefined, options);
    for (const fault of real.faults.slice(0, 10)) options.say(`FAULT ${fault}`);
    options.say("the same with a commit that is acked early:");
    using dir = tempDir();
    let broken: { faults: string[] };
    try {
      broken = await attempt(brokenCopy(dir.path), options);
    } catch (error) {
      broken = { faults: [String(error)] };
    }
    options.say(`found there: ${broken.faults[0] ?? "nothing"}`);
    return {
      pass: real.faults.length === 0 && real.acked === SENDS && broken.faults.length > 0,
      figures: {
        acked: real.acked,
        kills: real.kills,
        "sends repeated": real.retries,
        faults: real.faults.length,
        "faults of the early ack": broken.faults.length,
      },
    };
  },
};
