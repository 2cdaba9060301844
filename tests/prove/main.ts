/** `deno task prove`: lists the slow proofs; `deno task prove NAME…|all` runs them. */
import { backupProof } from "./backup.ts";
import { binaryProof } from "./binary.ts";
import { cellProof } from "./cell.ts";
import { certificatesProof } from "./certificates.ts";
import { chatProof } from "./chat.ts";
import { clientProof } from "./client.ts";
import { coldProof } from "./cold.ts";
import { costsProof } from "./costs.ts";
import { crashProof } from "./crash.ts";
import { curvesProof } from "./curves.ts";
import { cutsProof } from "./cuts.ts";
import { damageProof } from "./damage.ts";
import { endingAll } from "./descendants.ts";
import { dashboardProof } from "./dashboard.ts";
import { evacuateProof } from "./evacuate.ts";
import { historyProof } from "./history.ts";
import { floodProof } from "./flood.ts";
import { hostileProof } from "./hostile.ts";
import { idleProof } from "./idle.ts";
import { loginProof } from "./login.ts";
import { mailboxProof } from "./mailbox.ts";
import { movesProof } from "./moves.ts";
import { npmProof } from "./npm.ts";
import { partitionProof } from "./partition.ts";
import { prefixProof } from "./prefix.ts";
import { presenceProof } from "./presence.ts";
import type { Proof, ProofOptions } from "./proof.ts";
import { reconnectProof } from "./reconnect.ts";
import { releaseProof } from "./release.ts";
import { reloadProof } from "./reload.ts";
import { reshardProof } from "./reshard.ts";
import { restartProof } from "./restart.ts";
import { takeoverProof } from "./takeover.ts";
import { takeoverAsyncProof } from "./takeover_async.ts";
import { workersProof } from "./workers.ts";
import { patroniProof } from "./patroni.ts";
import { shiftProof } from "./shift.ts";
import { signinProof } from "./signin.ts";
import { standbyProof } from "./standby.ts";
import { standbyCostProof } from "./standby_cost.ts";
import { wanProof } from "./wan.ts";
import { witnessProof } from "./witness.ts";
import { webhookProof } from "./webhook.ts";
import { webProof } from "./web.ts";
import { worldProof } from "./world.ts";

const PROOFS: readonly Proof[] = [
  crashProof,
  cellProof,
  standbyProof,
  patroniProof,
  takeoverProof,
  takeoverAsyncProof,
  standbyCostProof,
  witnessProof,
  restartProof,
  workersProof,
  movesProof,
  cutsProof,
  wanProof,
  partitionProof,
  shiftProof,
  evacuateProof,
  backupProof,
  damageProof,
  hostileProof,
  floodProof,
  mailboxProof,
  presenceProof,
  loginProof,
  chatProof,
  costsProof,
  idleProof,
  reconnectProof,
  reloadProof,
  certificatesProof,
  reshardProof,
  curvesProof,
  historyProof,
  coldProof,
  clientProof,
  webhookProof,
  webProof,
  signinProof,
  prefixProof,
  binaryProof,
  releaseProof,
  npmProof,
  dashboardProof,
  worldProof,
];

/** Options, each with a value. */
const HELP: Readonly<Record<string, string>> = {
  "--seed": "N: repeats a run's random choices",
  "--count": "N: how many cases damage tries (1000)",
  "--case":
    "N: the only case that damage tries, on the stores of an earlier run that has failed; " +
    "the only evacuation (1 to 3)",
  "--keep": "DIR: where data directories with many users are kept (roost-prove beside other temps)",
  "--binary": "PATH: the compiled binary to prove, instead of compiling one",
  "--shots": "DIR: where dashboard and world write screenshots, in place of a temporary directory",
  "--workers":
    "N: workers of the cell whose machine is lost (takeover, async), in place of one process",
  "--before": "DIR: a checkout of an earlier version, measured beside this one (costs)",
  "--scale": "SHARE: that share of the users and rates, to try a proof; the figures mean nothing",
};

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function run(proof: Proof, options: ProofOptions): Promise<boolean> {
  print(`${proof.name}: ${proof.claim}`);
  const began = performance.now();
  const verdict = await proof.run(options);
  for (const [name, value] of Object.entries(verdict.figures)) print(`  ${name}: ${value}`);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const scale = options.scale === 1 ? "" : `, scale ${options.scale}: no proof`;
  print(
    `${verdict.pass ? "PASS" : "FAIL"} ${proof.name} (${seconds} s, seed ${options.seed}${scale})`,
  );
  return verdict.pass;
}

function list(): void {
  print("Proofs (deno task prove NAME…, or all):");
  for (const p of PROOFS) print(`  ${p.name.padEnd(14)} ~${p.seconds} s  ${p.claim}`);
  for (const [flag, text] of Object.entries(HELP)) print(`  ${flag} ${text}`);
}

async function main(args: readonly string[]): Promise<number> {
  const given = new Map<string, string>();
  const names: string[] = [];
  for (let i = 0; i < args.length; i++) {
    if (args[i]! in HELP) given.set(args[i]!, args[++i] ?? "");
    else names.push(args[i]!);
  }
  if (names.length === 0) {
    list();
    return 0;
  }
  const unknown = names.filter((n) => n !== "all" && !PROOFS.some((p) => p.name === n));
  if (unknown.length > 0) {
    print(`There is no proof ${unknown.join(", ")}; run without a name for the list`);
    return 2;
  }
  const temp = Deno.env.get("TMPDIR") ?? "/tmp";
  const options: ProofOptions = {
    seed: Number(given.get("--seed") ?? Math.floor(Math.random() * 1e9)),
    keep: given.get("--keep") ?? `${temp}/roost-prove`,
    binary: given.get("--binary") ?? null,
    count: given.has("--count") ? Number(given.get("--count")) : null,
    only: given.has("--case") ? Number(given.get("--case")) : null,
    scale: Number(given.get("--scale") ?? 1),
    shots: given.get("--shots") ?? null,
    workers: given.has("--workers") ? Number(given.get("--workers")) : null,
    before: given.get("--before") ?? null,
    say: (line) => print(`  ${line}`),
  };
  const chosen = names.includes("all") ? PROOFS : PROOFS.filter((p) => names.includes(p.name));
  let failed = 0;
  for (const proof of chosen) if (!await endingAll(() => run(proof, options))) failed++;
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
