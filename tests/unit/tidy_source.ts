/** The project's sources as the tidy test reads them. They are formatted, which this relies on. */

/** The project's root, with a slash at its end. */
export const ROOT = new URL("../..", import.meta.url).pathname;

/** A source file. */
export interface Source {
  /** From the root. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  /** The lines with comments, texts and regular expressions blanked. */
  readonly code: readonly string[];
}

function* walk(root: string, path: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${root}${path}`)) {
    if (isDirectory) yield* walk(root, `${path}/${name}`);
    else if (/\.[jt]s$/.test(name)) yield `${path}/${name}`;
  }
}

/** All sources of a checkout, by path; `root` has a slash at its end. */
export function readSources(root = ROOT): readonly Source[] {
  const dirs = ["server", "shard", "tests"];
  const paths = ["main.ts", ...dirs.flatMap((dir) => [...walk(root, dir)])];
  return paths.sort().map((path) => {
    const text = Deno.readTextFileSync(`${root}${path}`);
    return { path, text, lines: text.trimEnd().split("\n"), code: blank(text).split("\n") };
  });
}

/** What can stand before a regular expression, where a slash is no division. */
const BEFORE_REGEX = /(^|[(,=:[!&|?{};>]|\b(return|typeof|case|in|of|await|yield))\s*$/;

/** The text with comments, strings, templates' texts and regular expressions as spaces. */
export function blank(text: string): string {
  let out = "";
  /** Depths of braces at which templates go on. */
  const templates: number[] = [];
  let depth = 0;
  const skip = (from: number, to: number) => {
    out += text.slice(from, to).replaceAll(/[^\n]/g, " ");
    return to;
  };
  for (let i = 0; i < text.length;) {
    const two = text.slice(i, i + 2);
    const c = text[i]!;
    if (two === "//") i = skip(i, endOf(text, "\n", i));
    else if (two === "/*") i = skip(i, text.indexOf("*/", i) + 2);
    else if (c === '"' || c === "'") i = skip(i, stringEnd(text, i + 1, c));
    else if (c === "/" && BEFORE_REGEX.test(out.slice(-40))) i = skip(i, regexEnd(text, i + 1));
    else if (c === "`" || (c === "}" && templates.at(-1) === depth)) {
      if (c === "}") templates.pop();
      const end = templateEnd(text, i + 1);
      i = skip(i, end);
      if (text[end - 1] === "{") templates.push(depth);
    } else {
      if (c === "{") depth++;
      if (c === "}") depth--;
      out += c;
      i++;
    }
  }
  return out;
}

function endOf(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at < 0 ? text.length : at;
}

function stringEnd(text: string, from: number, quote: string): number {
  let i = from;
  while (i < text.length && text[i] !== quote) i += text[i] === "\\" ? 2 : 1;
  return i + 1;
}

function regexEnd(text: string, from: number): number {
  let inClass = false;
  let i = from;
  for (; i < text.length && (inClass || text[i] !== "/"); i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "[") inClass = true;
    else if (text[i] === "]") inClass = false;
  }
  return i + 1;
}

/** After a template's end, or after the `${` of its next expression. */
function templateEnd(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "`") return i + 1;
    else if (text[i] === "$" && text[i + 1] === "{") return i + 2;
  }
  return text.length;
}

/** A function and its lines. */
export interface FunctionLines {
  readonly path: string;
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

const NOT_METHODS = /^(if|for|while|switch|catch|return|await|throw|new|super|else|do|with)\b/;
const NAMED = /^(?:export )?(?:async )?function\*? ?(\w+)/;
const MEMBER =
  /^(?:static |async |override |readonly |get |set |private |\*)*(#?[a-zA-Z]\w*)(?:<.*>)?\(/;
const ARROW = /^(?:export )?(?:const |let |readonly )?(#?[\w.]+)(?:: .*)? = .*=> \{$/;

/** Functions, methods and arrow functions with a body of several lines. */
export function functionsOf({ path, code, lines }: Source): readonly FunctionLines[] {
  const found: FunctionLines[] = [];
  code.forEach((line, i) => {
    const indent = /^ */.exec(line)![0];
    const head = line.slice(indent.length).trimEnd();
    const name = nameOf(head, lines[i]!);
    if (name === null) return;
    const body = head.endsWith("{") ? i : headEnd(code, i, indent);
    if (body === null) return;
    const end = code.findIndex((l, at) => at > body && l.startsWith(`${indent}}`));
    if (end > i) found.push({ path, name, line: i + 1, lines: end - i + 1 });
  });
  return found;
}

function nameOf(head: string, line: string): string | null {
  const named = NAMED.exec(head);
  if (named !== null) return named[1]!;
  const test = /^Deno\.test\(["`]([^"`]*)/.exec(line);
  if (test !== null && head.endsWith("=> {")) return test[1]!;
  if (head.endsWith("=> {")) return ARROW.exec(head)?.[1] ?? "=>";
  if (NOT_METHODS.test(head) || !/[({]$/.test(head)) return null;
  return MEMBER.exec(head)?.[1] ?? null;
}

/** The line on which a head of several lines ends with the body's brace; null where none does. */
function headEnd(code: readonly string[], from: number, indent: string): number | null {
  for (let i = from + 1; i < code.length; i++) {
    const line = code[i]!.trimEnd();
    if (line.startsWith(`${indent} `) || line === "") continue;
    return line.startsWith(`${indent})`) && line.endsWith("{") ? i : null;
  }
  return null;
}

/** An import of a module. */
export interface Import {
  readonly path: string;
  readonly spec: string;
  readonly type: boolean;
  /** It is loaded when it is needed, by `import()`. */
  readonly late: boolean;
}

const IMPORT =
  /^(?:import|export)\s+(type\s+)?[^;"]*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm;

/** The imports of a file. */
export function importsOf({ path, text }: Source): readonly Import[] {
  return [...text.matchAll(IMPORT)]
    .map((m) => ({
      path,
      spec: (m[2] ?? m[3] ?? m[4])!,
      type: m[1] !== undefined,
      late: m[4] !== undefined,
    }));
}

/** Where an import leads, from the root; null for packages. */
export function target({ path, spec }: Import): string | null {
  return spec.startsWith(".") ? new URL(spec, `file:///${path}`).pathname.slice(1) : null;
}

/** Whether a file is in a folder. */
export const inDir = (dir: string) => ({ path }: { readonly path: string }) =>
  path.startsWith(`${dir}/`);

/** What is over a limit and not exempt, and what is exempt and not over it. */
export function unexpected(over: readonly string[], exempt: Readonly<Record<string, string>>) {
  return {
    over: over.filter((name) => !Object.hasOwn(exempt, name)),
    exemptForNothing: Object.keys(exempt).filter((name) => !over.includes(name)),
  };
}

/** Nothing unexpected. */
export const NOTHING = { over: [], exemptForNothing: [] };

/** Imports between folders, as `folder -> folder`, that are part of a circle of folders. */
export function circularImports(imports: readonly Import[]): readonly string[] {
  const folder = (path: string) => path.slice(0, path.lastIndexOf("/"));
  const edges = new Map<string, Set<string>>();
  for (const i of imports) {
    const to = target(i);
    if (to === null || folder(to) === folder(i.path)) continue;
    edges.set(folder(i.path), (edges.get(folder(i.path)) ?? new Set()).add(folder(to)));
  }
  const reaches = (from: string, wanted: string, seen = new Set<string>()): boolean =>
    from === wanted || (!seen.has(from) && seen.add(from) &&
      [...edges.get(from) ?? []].some((next) => reaches(next, wanted, seen)));
  return [...edges].flatMap(([from, tos]) =>
    [...tos].filter((to) => reaches(to, from)).map((to) => `${from} -> ${to}`)
  ).sort();
}
