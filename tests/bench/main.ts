/** `deno task bench [NAME…] [--json FILE] [--short]`: runs benchmarks and prints their figures. */
import { bareBench } from "./bare_bench.ts";
import type { Bench } from "./bench.ts";
import { houseBench } from "./house.ts";
import { messagesBench } from "./messages.ts";
import { microBench } from "./micro.ts";
import { scalingBench } from "./scaling.ts";
import { serverBench } from "./server_bench.ts";
import { sizesBench } from "./sizes.ts";
import { startCheckBench } from "./start_check.ts";

const BENCHES: readonly Bench[] = [
  houseBench,
  sizesBench,
  microBench,
  messagesBench,
  bareBench,
  serverBench,
  scalingBench,
  startCheckBench,
];

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

function shown(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en");
  return Number(value.toPrecision(3)).toString();
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    print("deno task bench [NAME…] [--json FILE] [--short]: runs benchmarks, prints their figures");
    for (const b of BENCHES) print(`  ${b.name.padEnd(10)} ${b.what} (about ${b.seconds} s)`);
    return 0;
  }
  const json = args.indexOf("--json");
  const names = args.filter((a, i) => !a.startsWith("--") && (json < 0 || i !== json + 1));
  const chosen = names.length === 0 ? BENCHES : BENCHES.filter((b) => names.includes(b.name));
  const odd = args.find((a) => a.startsWith("--") && a !== "--json" && a !== "--short");
  if (odd !== undefined || (json >= 0 && args[json + 1] === undefined)) {
    print(`There is no option ${odd ?? "--json without a file"}: see --help`);
    return 2;
  }
  const unknown = names.filter((n) => !BENCHES.some((b) => b.name === n));
  if (unknown.length > 0) {
    print(`There is no benchmark ${unknown.join(", ")}: choose of ${BENCHES.map((b) => b.name)}`);
    return 2;
  }
  const results: Record<string, unknown> = {};
  for (const bench of chosen) {
    print(`${bench.name}: ${bench.what}`);
    const figures = await bench.run((line) => print(`  ${line}`), {
      short: args.includes("--short"),
    });
    for (const [name, value, unit] of figures) {
      print(`  ${name.padEnd(64)} ${shown(value).padStart(12)} ${unit}`);
    }
    results[bench.name] = figures;
  }
  if (json >= 0) Deno.writeTextFileSync(args[json + 1]!, JSON.stringify(results, null, 2));
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
