/**
 * A process that makes a store, or opens damaged copies of it one after another and says of each what
 * became of it. Its standard error is the log, divided by a line after each case.
 */
import type { AccountName } from "../../../shard/name/ids.ts";
import type { Failure } from "../../../shard/errors.ts";
import type { Inflicted } from "./inflict.ts";
import { ask, type Look, must, namesOf, readAccount, send } from "./accounts.ts";
import { checkStore } from "../../../server/ops/check.ts";
import { configOf } from "../../../server/config/config.ts";
import { DatabaseSync } from "node:sqlite";
import { inflict } from "./inflict.ts";
import { type OpenNode, openNode } from "../../../server/open.ts";
import { repairStore } from "../../../server/ops/repair.ts";
import { Prng } from "../../sim/prng.ts";
import { Statements } from "./statements.ts";

const ACCOUNTS = 24;
const SHARDS = 4;
/** How long an answer may take (ms): a server that serves gives one at once. */
const ANSWER_MS = 10_000;

/** What a case found; `accounts` are those that are refused. */
export interface Found extends Inflicted {
  readonly number: number;
  readonly base: string;
  /** The message of a refused start; null where it served. */
  readonly refused: string | null;
  readonly quarantined: readonly { readonly name: string; readonly shard: number }[];
  /** What a repair made of it: `whole`: nothing was given up; null: it was not needed. */
  readonly repair: "whole" | "given up" | "impossible" | null;
  /** What must not be, one line each. */
  readonly faults: readonly string[];
  /** What the repair has kept and given up. */
  readonly said: readonly string[];
}

function open(dataDir: string): Promise<OpenNode> {
  const config = configOf(dataDir);
  return openNode(
    {
      ...config,
      storage: { ...config.storage, shards: SHARDS, checkpointIntervalMs: 5000 },
      log: { ...config.log, level: "warn", format: "json" },
    },
    () => {},
    { makes: true, serves: true },
  );
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Accounts that write to each other and read; the last of it is in the log only. */
async function fill({ node }: OpenNode, prng: Prng): Promise<void> {
  const names = namesOf(ACCOUNTS);
  for (const name of names) {
    await must(node, name, "account.create", { credentials: null });
    await must(node, name, "settings.set", { messagesFrom: "anyone" });
  }
  for (let round = 0; round < 40; round++) {
    await Promise.all(names.map((from, i) => {
      const to = names[(i + prng.int(1, ACCOUNTS - 1)) % ACCOUNTS]!;
      return send(node, from, to, `r${round}`, prng.int(20, 2500));
    }));
    if (round % 10 !== 9) continue;
    for (const name of names) await befriend(node, name, prng.pick(names), round);
    await pause(6000);
  }
  for (let round = 0; round < 4; round++) {
    await Promise.all(names.map((from, i) => {
      return send(node, from, names[(i + 1) % ACCOUNTS]!, `last${round}`, 2500);
    }));
    await befriend(node, prng.pick(names), prng.pick(names), round);
  }
}

/** A contact, a request, and a mark of what has been read. */
async function befriend(
  node: OpenNode["node"],
  name: AccountName,
  peer: AccountName,
  round: number,
): Promise<void> {
  if (name === peer) return;
  await must(node, name, "roster.set", { contact: peer, label: `r${round}`, groups: ["all"] });
  await must(node, name, "roster.subscription", { contact: peer, type: "subscribe" });
  await must(node, peer, "roster.subscription", { contact: name, type: "subscribed" });
  await must(node, name, "conversation.read", { with: peer, upTo: 30 });
}

type Looks = ReadonlyMap<AccountName, Look>;

async function looks(node: OpenNode["node"]): Promise<Looks> {
  const seen = new Map<AccountName, Look>();
  for (const name of namesOf(ACCOUNTS)) {
    const look = await readAccount(node, name);
    if (!("events" in look)) throw new Error(`${name}: ${look.message}`);
    seen.set(name, look);
  }
  return seen;
}

/** Waits until nothing changes any more. */
async function settled(node: OpenNode["node"]): Promise<Looks> {
  let before = "";
  for (;;) {
    const now = await looks(node);
    const text = JSON.stringify([...now.values()]);
    if (text === before) return now;
    before = text;
    await pause(300);
  }
}

function copyDir(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name, isFile } of Deno.readDirSync(from)) {
    if (isFile && !name.endsWith("-shm")) Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Puts what the write-ahead file has into the store's file, the log's tail with it. */
function mergeWal(path: string): void {
  const db = new DatabaseSync(path);
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
}

/**
 * Makes `stopped` and `killed`: what a server leaves in one way and the other; and `merged`: what a
 * killed one leaves right after SQLite has emptied its write-ahead file.
 */
async function make(base: string, seed: number): Promise<void> {
  const opened = await open(`${base}/live`);
  await fill(opened, new Prng(seed));
  const expected = await settled(opened.node);
  copyDir(`${base}/live`, `${base}/killed`);
  copyDir(`${base}/live`, `${base}/merged`);
  mergeWal(`${base}/merged/kv.sqlite3`);
  await opened.close();
  copyDir(`${base}/live`, `${base}/stopped`);
  Deno.writeTextFileSync(`${base}/expected.json`, JSON.stringify([...expected]));
}

function late(): Promise<Failure> {
  const message = "no answer";
  return pause(ANSWER_MS).then(() => ({ ok: false, code: "busy", message }));
}

/** What was given up before the store was opened. */
const NOTHING = new Statements([]);

/** Looks at every account, and lets those that are served write to each other. */
async function examine({ node }: OpenNode, expected: Looks, given: Statements) {
  const faults: string[] = [];
  const quarantined: { name: AccountName; shard: number }[] = [];
  const served = new Map<AccountName, Look>();
  for (const [name, wanted] of expected) {
    const look = await Promise.race([readAccount(node, name), late()]);
    if ("events" in look) {
      served.set(name, look);
      const fault = given.closes(name) ? "is there again" : given.fault(name, wanted, look);
      if (fault !== null) faults.push(`${name} ${fault}`);
    } else if (given.closes(name) && look.code === "unauthorized") continue;
    else if (/damaged: an administrator must repair it/.test(look.message)) {
      quarantined.push({ name, shard: node.shardOf(name).id });
    } else faults.push(`${name} is refused: ${look.code}: ${look.message}`);
  }
  faults.push(...await exchange(node, served));
  // A name that is taken stays taken.
  for (const name of expected.keys()) {
    const taken = await ask(node, name, "account.create", { credentials: null });
    if (taken.ok) faults.push(`the name ${name} is free to take`);
  }
  return { faults, quarantined };
}

/** Each of them writes to the two behind it: what they were shown stays, and it arrives once. */
async function exchange(node: OpenNode["node"], served: Looks): Promise<string[]> {
  const names = [...served.keys()];
  const sent = await Promise.all(
    names.flatMap((from, i) =>
      [1, 2].map(async (step): Promise<string | null> => {
        const to = names[(i + step) % names.length]!;
        if (to === from) return null;
        const message = { device: "phone" as never, to, id: `after${step}`, body: from, ext: "" };
        const result = await Promise.race([ask(node, from, "message.send", message), late()]);
        if (!result.ok) return `${from} cannot send to ${to}: ${result.message}`;
        return await arrives(node, from, to, `after${step}`);
      })
    ),
  );
  const faults = sent.filter((fault) => fault !== null);
  for (const [name, { events }] of served) {
    const now = await readAccount(node, name);
    if (!("events" in now)) faults.push(`${name} is refused after all: ${now.message}`);
    else if (JSON.stringify(now.events.slice(0, events.length)) !== JSON.stringify(events)) {
      faults.push(`${name} has other events after all`);
    }
  }
  return faults;
}

/** Waits until the message is in the mailbox of its recipient; returns what is wrong, or null. */
async function arrives(
  node: OpenNode["node"],
  from: AccountName,
  to: AccountName,
  id: string,
): Promise<string | null> {
  for (let waitedMs = 0; waitedMs < ANSWER_MS; waitedMs += 50) {
    const look = await readAccount(node, to);
    if (!("events" in look)) return `${to} is refused: ${look.message}`;
    const found = look.events.filter((e) => {
      return e.kind === "message" && !e.out && e.with === from && e.id === id;
    });
    if (found.length === 1) return null;
    if (found.length > 1) return `${id} of ${from} is ${found.length} times at ${to}`;
    await pause(50);
  }
  return `${id} of ${from} does not arrive at ${to}`;
}

async function tryCase(base: string, seed: number, number: number): Promise<Found> {
  const prng = new Prng(seed).fork(`case ${number}`);
  const from = prng.pick(["killed", "stopped", "merged"]);
  const dir = `${base}/case`;
  const damage = () => {
    copyDir(`${base}/${from}`, dir);
    return inflict(dir, new Prng(seed).fork(`damage ${number}`));
  };
  const inflicted = damage();
  const expected = new Map<AccountName, Look>(
    JSON.parse(Deno.readTextFileSync(`${base}/expected.json`)),
  );
  const about = { ...inflicted, number, base: from };
  try {
    const found = await openAndExamine(dir, expected, NOTHING);
    if (found.refused === null && found.quarantined.length === 0) {
      return { ...about, ...found, repair: null, said: [] };
    }
    // An opened store has been written to; the repair is of the damage alone.
    Deno.removeSync(dir, { recursive: true });
    damage();
    const named = await checkFaults(dir, found.quarantined);
    const { repair, faults, said } = await tryRepair(dir, expected);
    return { ...about, ...found, repair, said, faults: [...found.faults, ...named, ...faults] };
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

async function openAndExamine(dir: string, expected: Looks, given: Statements) {
  let opened: OpenNode;
  try {
    opened = await open(dir);
  } catch (error) {
    const refused = error instanceof Error ? error.message : String(error);
    return { refused, quarantined: [], faults: [] };
  }
  const found = await examine(opened, expected, given);
  await opened.close();
  await new Promise<void>((done) => opened.flushLog(done));
  return { ...found, refused: null };
}

/** `roost check` names every account that is refused, itself or its shard. */
async function checkFaults(dir: string, quarantined: Found["quarantined"]): Promise<string[]> {
  const { faults } = await checkStore(dir, () => {});
  if (faults.length === 0) return ["roost check finds nothing"];
  const text = faults.join("\n");
  return quarantined
    .filter(({ name, shard }) =>
      !text.includes(`account ${name} `) && !text.includes(`shard ${shard}:`)
    )
    .map(({ name }) => `roost check does not name ${name}`);
}

function filesOf(dir: string): string {
  return ["kv.sqlite3", "kv.sqlite3-wal"].map((name) => {
    try {
      return new TextDecoder("latin1").decode(Deno.readFileSync(`${dir}/${name}`));
    } catch {
      return "";
    }
  }).join("\0");
}

/** Repairs it: whatever differs then, the repair must have said of that account. */
async function tryRepair(dir: string, expected: Looks) {
  const before = filesOf(dir);
  const planned = await repairStore(dir, false, () => {});
  const faults = filesOf(dir) === before ? [] : ["a repair without --yes changes the files"];
  const { kept, givenUp, impossible } = await repairStore(dir, true, () => {});
  const said = [...kept, ...givenUp, ...impossible];
  if (
    JSON.stringify([planned.givenUp, planned.impossible]) !== JSON.stringify([givenUp, impossible])
  ) {
    faults.push("the repair does other than it says without --yes");
  }
  if (impossible.length > 0) return { repair: "impossible" as const, faults, said };
  const given = new Statements(givenUp);
  const { faults: left } = await checkStore(dir, () => {});
  const after = await openAndExamine(dir, expected, given);
  faults.push(
    ...given.unknown.map((line) => `the repair gives up: ${line}`),
    ...left.map((fault) => `after the repair: roost check: ${fault}`),
    ...after.faults.map((fault) => `after the repair: ${fault}`),
    ...after.quarantined.map(({ name }) => `after the repair: ${name} is quarantined`),
  );
  if (after.refused !== null) faults.push(`after the repair: refused: ${after.refused}`);
  return { repair: givenUp.length === 0 ? "whole" as const : "given up" as const, faults, said };
}

function print(stream: typeof Deno.stdout | typeof Deno.stderr, line: string): void {
  stream.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main) {
  const [command, base, seed, first, count] = Deno.args;
  if (command === "make") await make(base!, Number(seed));
  else {
    for (let number = Number(first); number < Number(first) + Number(count); number++) {
      const found = await tryCase(base!, Number(seed), number);
      print(Deno.stderr, `case ${number} over`);
      print(Deno.stdout, JSON.stringify(found));
    }
  }
  Deno.exit(0);
}
