/**
 * Joins the ES modules of a page or library into one, which imports nothing. It is done when the
 * server starts, so that browsers load one file and developers need no build step; the result
 * depends on the sources alone. Each module becomes a function's scope, so that names of different
 * modules cannot collide, and comments that fill their lines are left out.
 *
 * Modules have a strict form; whatever differs is refused with its place:
 * - named imports of other modules by relative path, one statement a line or formatted over lines,
 *   without renaming: `import { a, b } from "./x.js";`. No circles, no dynamic import.
 * - exports in front of what they declare, `export function a`, `export class A`,
 *   `export const a = …`, or passed on: `export { a } from "./x.js";`. No default, no `let`.
 * - no template literal whose text goes over several lines (it could contain what looks like a
 *   comment); the expressions in it may.
 * - `await` at the top level only in the entry.
 */

/** A module in the strict form, taken apart. */
interface Module {
  readonly path: string;
  readonly imports: readonly Import[];
  readonly exports: readonly string[];
  readonly code: string;
}

interface Import {
  readonly path: string;
  readonly names: readonly string[];
}

const COMMENTS = /^[ \t]*(?:\/\/.*\n|\/\*(?:[^*]|\*(?!\/))*\*\/[ \t]*\n)/gm;
const IMPORT =
  /^(import|export) \{\s*((?:[\w$]+,\s*)*[\w$]+,?\s*)\} from "(\.{1,2}\/[\w./-]+)";\n/gm;
/** Where the formatter breaks an expression of a template literal over lines. */
const EXPRESSION_BEGINS = /\$\{$/;
const EXPRESSION_ENDS = /^\s*\}/;
const EXPORT = /^export (?=(?:(?:async )?function\*?|class|const) ([\w$]+))/gm;

/** Splits `a, b`, which may stand on several lines. */
function namesIn(list: string): readonly string[] {
  return list.split(",").map((name) => name.trim()).filter((name) => name !== "");
}

/** Reads a module; throws for what is not in the strict form. */
function parse(path: string, text: string): Module {
  const imports: Import[] = [];
  const exports: string[] = [];
  const code = text.replace(COMMENTS, "")
    .replace(IMPORT, (_, kind: string, list: string, spec: string) => {
      const names = namesIn(list);
      imports.push({ path: new URL(spec, `file:///${path}`).pathname.slice(1), names });
      if (kind === "export") exports.push(...names);
      return "";
    })
    .replace(EXPORT, (_, name: string) => {
      exports.push(name);
      return "";
    });
  let open = false;
  for (const line of code.split("\n")) {
    const odd = line.replaceAll(/\\./g, "").split("`").length % 2 === 0;
    const refused = /^\s*(?:import|export)\b|\bimport\(/.test(line) ||
      (odd && !(open ? EXPRESSION_ENDS : EXPRESSION_BEGINS).test(line));
    if (odd) open = !open;
    if (refused) throw new Error(`Cannot bundle ${path}: not in the form of bundle.ts: ${line}`);
  }
  return { path, imports, exports, code: code.trim() };
}

/** The modules that `entry` needs, each after those that it imports. */
function inOrder(entry: string, read: (path: string) => string): readonly Module[] {
  const ordered = new Map<string, Module>();
  const open = new Set<string>();
  const visit = (path: string) => {
    if (ordered.has(path)) return;
    if (open.has(path)) throw new Error(`Cannot bundle ${path}: it imports itself in a circle`);
    open.add(path);
    const module = parse(path, read(path));
    for (const each of module.imports) {
      visit(each.path);
      const { exports } = ordered.get(each.path)!;
      const missing = each.names.find((name) => !exports.includes(name));
      if (missing !== undefined) {
        throw new Error(`Cannot bundle ${path}: ${each.path} does not export ${missing}`);
      }
    }
    ordered.set(path, module);
  };
  visit(entry);
  return [...ordered.values()];
}

/** The variable with the exports of a module. */
const scopeOf = (path: string): string => `$${path.replaceAll(/\W/g, "_")}`;

function importLines({ imports }: Module): string {
  const paths = new Set(imports.map(({ path }) => path));
  return [...paths].map((path) => {
    const names = new Set(imports.flatMap((each) => each.path === path ? each.names : []));
    return `const { ${[...names].join(", ")} } = ${scopeOf(path)};\n`;
  }).join("");
}

/**
 * Returns the module `entry` and all that it imports as one module with the same exports. `read`
 * returns the text of a module by its path; paths are relative to one root and have no `..`.
 * Throws where a module is not in the strict form (see the head of this file).
 */
export function bundle(entry: string, read: (path: string) => string): string {
  const modules = inOrder(entry, read);
  const parts = modules.map((module) => {
    const { path, exports, code } = module;
    const text = `${importLines(module)}${code}\n`;
    if (path === entry) {
      const names = exports.length === 0 ? "" : `export { ${exports.join(", ")} };\n`;
      return `// ${path}\n${text}${names}`;
    }
    return `// ${path}\nconst ${scopeOf(path)} = (() => {\n${text}` +
      `return { ${exports.join(", ")} };\n})();\n`;
  });
  return parts.join("\n");
}
