/** Sizes of the sources: files and functions by folder, types that wire parts, circles, documents. */
import type { Bench, Figure } from "./bench.ts";
import {
  circularImports,
  functionsOf,
  importsOf,
  inDir,
  readSources,
  ROOT,
  type Source,
} from "../unit/tidy_source.ts";

/** Types that say what a part needs: many of them show that parts are cut wrong. */
const WIRING_TYPE = /^export (?:interface|type) \w*(Deps|Options|Host)\b/gm;

function median(sizes: readonly number[]): number {
  return [...sizes].sort((a, b) => a - b)[Math.floor(sizes.length / 2)] ?? 0;
}

/** `server/node/x.ts` is of `server/node`, `server/web/docs/x.ts` of `server/web`. */
function folderOf({ path }: Source): string {
  return path.split("/").slice(0, -1).slice(0, 2).join("/") || ".";
}

function sizesOf(sources: readonly Source[]) {
  const files = sources.map(({ lines }) => lines.length);
  const functions = sources.flatMap(functionsOf).map(({ lines }) => lines);
  return { files, functions };
}

function line(name: string, sources: readonly Source[]): string {
  const { files, functions } = sizesOf(sources);
  const columns = [median(files), Math.max(...files), median(functions), Math.max(0, ...functions)];
  const cells = [files.length, ...columns].map((value) => String(value).padStart(6));
  return `${name.padEnd(24)}${cells.join("")}`;
}

/** Prints a line for each folder of a checkout; returns the figures of all of it. */
export function houseFigures(root: string, say: (line: string) => void): readonly Figure[] {
  const sources = readSources(root);
  const program = sources.filter((source) => !inDir("tests")(source));
  const byFolder = Map.groupBy(sources, folderOf);
  say(`${"folder".padEnd(24)} files  file: median, longest  function: median, longest`);
  for (const [folder, of] of [...byFolder].sort()) say(line(folder, of));
  const { files, functions } = sizesOf(program);
  const wiring = program.flatMap(({ text }) => [...text.matchAll(WIRING_TYPE)]);
  const count = (kind: string) => wiring.filter((found) => found[1] === kind).length;
  return [
    ["files of the program", files.length, ""],
    ["median file", median(files), "lines"],
    ["longest file", Math.max(...files), "lines"],
    ["median function", median(functions), "lines"],
    ["longest function", Math.max(...functions), "lines"],
    ...["Deps", "Options", "Host"].map((
      kind,
    ): Figure => [`exported ${kind} types`, count(kind), ""]),
    ["imports in circles of folders", circularImports(program.flatMap(importsOf)).length, ""],
    ["README.md", Deno.statSync(`${root}README.md`).size, "bytes"],
  ];
}

/** See the head of this file. */
export const houseBench: Bench = {
  name: "house",
  what: "sizes of files and functions by folder, types that wire parts, circles of imports",
  seconds: 1,
  run: (say) => Promise.resolve(houseFigures(ROOT, say)),
};
