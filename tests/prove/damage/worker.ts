/**
 * A process that makes a store, or opens damaged copies of it one after another and says of each what
 * became of it. Its standard error is the log, divided by a line after each case.
 */
import type { AccountName } from "../../../shard/name/ids.ts";
import type { Failure } from "../../../shard/errors.ts";
import type { Inflicted } from "./inflict.ts";
import { ask, lookAt, must, namesOf, send } from "./accounts.ts";
import { configOf } from "../../../server/config/config.ts";
import { DatabaseSync } from "node:sqlite";
import { inflict } from "./inflict.ts";
import { type OpenNode, openNode } from "../../../server/open.ts";
import { repairStore } from "../../../server/ops/repair.ts";
import { Prng } from "../../sim/prng.ts";

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

/** Accounts that write to each other; the last messages are in the log only. */
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
    if (round % 10 === 9) await pause(6000);
  }
  for (let round = 0; round < 4; round++) {
    await Promise.all(names.map((from, i) => {
      return send(node, from, names[(i + 1) % ACCOUNTS]!, `last${round}`, 2500);
    }));
  }
}

async function looks(node: OpenNode["node"]): Promise<Map<AccountName, string>> {
  const seen = new Map<AccountName, string>();
  for (const name of namesOf(ACCOUNTS)) {
    const look = await lookAt(node, name);
    if (typeof look !== "string") throw new Error(`${name}: ${look.message}`);
    seen.set(name, look);
  }
  return seen;
}

/** Waits until nothing changes any more. */
async function settled(node: OpenNode["node"]): Promise<Map<AccountName, string>> {
  let before = "";
  for (;;) {
    const now = await looks(node);
    const text = [...now.values()].join();
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

/** Looks at every account, and lets two that are served write to each other. */
async function examine(
  { node }: OpenNode,
  expected: ReadonlyMap<AccountName, string>,
  lostIn: ReadonlySet<number>,
) {
  const faults: string[] = [];
  const quarantined: { name: string; shard: number }[] = [];
  const served: AccountName[] = [];
  for (const [name, wanted] of expected) {
    const look = await Promise.race([lookAt(node, name), late()]);
    if (look === wanted) served.push(name);
    else if (typeof look === "string") {
      if (lostIn.has(node.shardOf(name).id)) continue;
      faults.push(`${name} is served altered data`);
    } else if (/damaged: an administrator must repair it/.test(look.message)) {
      quarantined.push({ name, shard: node.shardOf(name).id });
    } else faults.push(`${name} is refused: ${look.code}: ${look.message}`);
  }
  const [from, to] = served;
  if (from !== undefined && to !== undefined) {
    const device = "phone" as never;
    const message = { device, to, id: "after", body: "after the damage", ext: "" };
    const sent = await Promise.race([ask(node, from, "message.send", message), late()]);
    if (!sent.ok) faults.push(`${from} cannot send to ${to}: ${sent.message}`);
  }
  // A name that is taken stays taken.
  for (const name of expected.keys()) {
    const taken = await ask(node, name, "account.create", { credentials: null });
    if (taken.ok) faults.push(`the name ${name} is free to take`);
  }
  return { faults, quarantined };
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
  const expected = new Map<AccountName, string>(
    JSON.parse(Deno.readTextFileSync(`${base}/expected.json`)),
  );
  const about = { ...inflicted, number, base: from };
  try {
    const found = await openAndExamine(dir, expected);
    if (found.refused === null && found.quarantined.length === 0) {
      return { ...about, ...found, repair: null };
    }
    // An opened store has been written to; the repair is of the damage alone.
    Deno.removeSync(dir, { recursive: true });
    damage();
    const { repair, faults } = await tryRepair(dir, expected);
    return { ...about, ...found, repair, faults: [...found.faults, ...faults] };
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

/** `lostIn`: shards of which a repair has given up a record: whose changes it had is not known. */
async function openAndExamine(
  dir: string,
  expected: ReadonlyMap<AccountName, string>,
  lostIn: ReadonlySet<number> = new Set(),
) {
  try {
    const opened = await open(dir);
    const found = await examine(opened, expected, lostIn);
    await opened.close();
    await new Promise<void>((done) => opened.flushLog(done));
    return { ...found, refused: null };
  } catch (error) {
    const refused = error instanceof Error ? error.message : String(error);
    return { refused, quarantined: [], faults: [] };
  }
}

/** Repairs it: accounts that no given-up part is named of must have everything. */
async function tryRepair(dir: string, expected: ReadonlyMap<AccountName, string>) {
  const { givenUp, impossible } = await repairStore(dir, true, () => {});
  if (impossible.length > 0) return { repair: "impossible" as const, faults: [] };
  const lost = givenUp.join("\n");
  const spared = new Map([...expected].filter(([name]) => !lost.includes(`account ${name}`)));
  const all = /what was written last/.test(lost);
  const lostIn = new Set([...lost.matchAll(/shard (\d+): record/g)].map(([, id]) => Number(id)));
  const after = await openAndExamine(dir, all ? new Map() : spared, lostIn);
  const faults = after.faults.map((fault) => `after the repair: ${fault}`);
  if (after.refused !== null) faults.push(`after the repair: refused: ${after.refused}`);
  for (const { name } of after.quarantined) faults.push(`after the repair: ${name} is quarantined`);
  return { repair: lost === "" ? "whole" as const : "given up" as const, faults };
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
