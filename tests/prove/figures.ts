/** Figures against what they must be. */
import type { ProofOptions, Verdict } from "./proof.ts";
import type { LatencyResult, RunResult } from "../../server/load/result.ts";

/** Collects figures, and whether each is as it must be. */
export class Figures {
  readonly #options: ProofOptions;
  readonly #figures: Record<string, string> = {};
  #pass = true;

  constructor(options: ProofOptions) {
    this.#options = options;
  }

  /** All figures, and whether none was missed. */
  get verdict(): Verdict {
    return { pass: this.#pass, figures: this.#figures };
  }

  /** A figure that may be anything. */
  note(name: string, value: number | string, unit = ""): void {
    const text = typeof value === "number" ? rounded(value) : value;
    this.#figures[name] = unit === "" ? text : `${text} ${unit}`;
  }

  /** A figure that may not be less. */
  atLeast(name: string, value: number, least: number, unit: string): void {
    this.note(name, value, `${unit} (at least ${rounded(least)})`);
    if (!(value >= least)) this.fault(`${name} is ${rounded(value)}, less than ${rounded(least)}`);
  }

  /** A figure that may not be more. */
  atMost(name: string, value: number, most: number, unit: string): void {
    this.note(name, value, `${unit} (at most ${rounded(most)})`);
    if (!(value <= most)) this.fault(`${name} is ${rounded(value)}, more than ${rounded(most)}`);
  }

  /** Something that must not be. */
  fault(text: string): void {
    this.#pass = false;
    this.#options.say(`FAULT ${text}`);
  }

  /** Every promise that a load run found broken, and what makes its figures doubtful. */
  run(name: string, { violations, hints, faults }: RunResult): void {
    for (const violation of violations) this.fault(`${name}: ${violation}`);
    for (const hint of hints) this.#options.say(`${name}: ${hint}`);
    for (const { what, count, example } of faults.slice(0, 5)) {
      this.#options.say(`${name}: ${count} × ${what} (${example})`);
    }
  }
}

/** Percentiles of a latency for people. */
export function percentiles(latency: LatencyResult | undefined): string {
  if (latency === undefined) return "none";
  const { p50Us, p99Us, p999Us, maxUs } = latency;
  const [p50, p99, p999, max] = [p50Us, p99Us, p999Us, maxUs].map((us) => rounded(us / 1000));
  return `p50 ${p50}, p99 ${p99}, p99.9 ${p999}, max ${max} ms`;
}

/** The 99th percentile in ms; NaN, which fulfils no claim, where nothing was timed. */
export function p99Ms(latency: LatencyResult | undefined): number {
  return (latency?.p99Us ?? NaN) / 1000;
}

function rounded(value: number): string {
  return Math.abs(value) >= 100
    ? Math.round(value).toLocaleString("en-US")
    : String(Number(value.toPrecision(3)));
}
