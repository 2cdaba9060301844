/** `deno task prove`: lists the slow proofs; `deno task prove NAME…|all [--seed N]` runs them. */
import type { Proof } from "./proof.ts";
import { crashProof } from "./crash.ts";
import { hostileProof } from "./hostile.ts";

const PROOFS: readonly Proof[] = [crashProof, hostileProof];

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function run(proof: Proof, seed: number): Promise<boolean> {
  print(`${proof.name}: ${proof.claim}`);
  const began = performance.now();
  const verdict = await proof.run({ seed, say: (line) => print(`  ${line}`) });
  for (const [name, value] of Object.entries(verdict.figures)) print(`  ${name}: ${value}`);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  print(`${verdict.pass ? "PASS" : "FAIL"} ${proof.name} (${seconds} s, seed ${seed})`);
  return verdict.pass;
}

async function main(args: readonly string[]): Promise<number> {
  const names = args.filter((a, i) => !a.startsWith("--") && args[i - 1] !== "--seed");
  const at = args.indexOf("--seed");
  const seed = at < 0 ? Math.floor(Math.random() * 1e9) : Number(args[at + 1]);
  if (names.length === 0) {
    print("Proofs (deno task prove NAME, or all):");
    for (const p of PROOFS) print(`  ${p.name.padEnd(14)} ~${p.seconds} s  ${p.claim}`);
    return 0;
  }
  const chosen = names.includes("all") ? PROOFS : PROOFS.filter((p) => names.includes(p.name));
  const unknown = names.filter((n) => n !== "all" && !PROOFS.some((p) => p.name === n));
  if (unknown.length > 0) {
    print(`There is no proof ${unknown.join(", ")}; run without a name for the list`);
    return 2;
  }
  let failed = 0;
  for (const proof of chosen) if (!await run(proof, seed)) failed++;
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
