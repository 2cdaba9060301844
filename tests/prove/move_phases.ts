/** What each move of a shard took, phase by phase, as its two nodes have logged it. */
import type { Figures } from "./figures.ts";
import type { ServerProcess } from "../process/server.ts";

/** The phases of a move, in their order (ms). */
export interface MovePhases {
  /** The shard and the epoch at which it was given away: no two moves have the same. */
  readonly move: string;
  /** Its owner holds what comes for it, and commits what is open. */
  readonly heldMs: number;
  /** Its new owner claims it. */
  readonly claimMs: number;
  /** Its new owner reads its log, and the accounts that the log changes. */
  readonly readMs: number;
  /** Both hops, and what their frames have waited at either end. */
  readonly hopsMs: number;
  /** From the hold until its former owner knows that it is served: no less than the pause. */
  readonly totalMs: number;
}

const PHASES = ["heldMs", "claimMs", "readMs", "hopsMs"] as const;

function fieldsOf(line: string): ReadonlyMap<string, string> {
  return new Map([...line.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name!, value!]));
}

/** The lines of an event, by what names the move in both of them. */
function linesOf(
  lines: readonly string[],
  event: string,
): Map<string, ReadonlyMap<string, string>> {
  return new Map(
    lines.filter((line) => line.includes(event)).map((line) => {
      const fields = fieldsOf(line);
      return [`${fields.get("shard")} ${fields.get("epoch")}`, fields];
    }),
  );
}

/** The moves that these nodes have made so far. */
export function movesOf(nodes: readonly ServerProcess[]): readonly MovePhases[] {
  const lines = nodes.flatMap(({ log }) => log.split("\n"));
  const taken = linesOf(lines, "shard taken");
  return [...linesOf(lines, "shard moved")].map(([move, owner]) => {
    const ms = (fields: ReadonlyMap<string, string> | undefined, name: string) =>
      Number(fields?.get(name) ?? NaN);
    const target = taken.get(move);
    const [heldMs, totalMs] = [ms(owner, "heldMs"), ms(owner, "knownMs")];
    const [claimMs, readMs] = [ms(target, "claimMs"), ms(target, "readMs")];
    const hopsMs = totalMs - heldMs - claimMs - readMs;
    return { move, heldMs, claimMs, readMs, hopsMs, totalMs };
  });
}

/** The value below which this part of them is. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? NaN;
}

function inMs(ms: number): string {
  return ms.toFixed(1);
}

/** Notes the phases of all moves, and says those of the longest. */
export function notePhases(
  say: (line: string) => void,
  figures: Figures,
  name: string,
  moves: readonly MovePhases[],
): void {
  for (const phase of PHASES) {
    const values = moves.map((move) => move[phase]);
    const text = [0.5, 0.99, 1].map((part) => inMs(quantile(values, part))).join(" / ");
    figures.note(`${name}: ${phase}, median / p99 / longest`, text);
  }
  for (const move of moves.toSorted((a, b) => b.totalMs - a.totalMs).slice(0, 6)) {
    const phases = PHASES.map((phase) => `${phase} ${inMs(move[phase])}`).join(", ");
    say(`shard and epoch ${move.move}: ${inMs(move.totalMs)} ms: ${phases}`);
  }
}
