import assert from "node:assert/strict";
import { bundle } from "../../server/web/bundle.ts";
import { clientLibrary } from "../../server/web/assets.ts";

type Files = Readonly<Record<string, string>>;

const run = (files: Files) => bundle("main.js", (path) => files[path]!);

/** The exports of the bundle of `main.js`. */
function load(files: Files): Promise<Readonly<Record<string, unknown>>> {
  return import(`data:text/javascript,${encodeURIComponent(run(files))}`);
}

Deno.test("bundle: modules see what they import, once, and keep their own names apart", async () => {
  const files = {
    "main.js": 'import { a } from "./lib/a.js";\nimport {\n  b,\n  C,\n} from "./lib/b.js";\n' +
      'export { C } from "./lib/b.js";\nconst own = 1;\nexport const sum = [a(), b, own];\n' +
      "export async function later() {\n  return await own;\n}\n",
    "lib/a.js": 'import { next } from "../count.js";\nconst own = 2;\n' +
      "export function a() {\n  return own * next;\n}\n",
    "lib/b.js": "/** What {@link a} is not.\n * import x */\n// import nothing\n" +
      'import { next } from "../count.js";\nconst own = "/* kept */";\n' +
      "export const b = `${own} // ${next}`;\nexport class C {}\n",
    "count.js": "export const next = globalThis.bundled = (globalThis.bundled ?? 9) + 1;\n",
  };
  const { sum, C, later } = await load(files);
  assert.deepEqual(sum, [20, "/* kept */ // 10", 1]);
  assert.equal(typeof C, "function");
  assert.equal(await (later as () => Promise<number>)(), 1);
  assert.equal(run(files), run(files));
  assert.doesNotMatch(run(files), /What|nothing|import /);
});

Deno.test("bundle: refuses what is not in the strict form, and says where", () => {
  const lib = { "lib.js": "export const a = 1;\n" };
  const refused: Readonly<Record<string, RegExp>> = {
    'import a from "./lib.js";\n': /main\.js: not in the form.*import a from/,
    'import * as a from "./lib.js";\n': /not in the form/,
    'import { a as b } from "./lib.js";\n': /not in the form/,
    'import "./lib.js";\n': /not in the form/,
    'import { a } from "npm:lib";\n': /not in the form/,
    'const a = await import("./lib.js");\n': /not in the form/,
    "export default 1;\n": /not in the form/,
    "export let a = 1;\n": /not in the form/,
    "const a = 1;\nexport { a };\n": /not in the form/,
    'export * from "./lib.js";\n': /not in the form/,
    "const a = `\n// not a comment\n`;\n": /not in the form/,
    'import { c } from "./lib.js";\n': /lib\.js does not export c/,
    'import { a } from "./main.js";\n': /main\.js: it imports itself in a circle/,
  };
  for (const [text, why] of Object.entries(refused)) {
    assert.throws(() => run({ ...lib, "main.js": text }), why, text);
  }
});

Deno.test("the client library is one module that imports nothing", async () => {
  const text = new TextDecoder().decode(clientLibrary()["/client.js"]!.bytes);
  assert.doesNotMatch(text, /^\s*(import\s*[{*"'\w]|export\b.*\bfrom\b)|\bimport\(/m);
  const library = await import(`data:text/javascript,${encodeURIComponent(text)}`);
  assert.deepEqual(Object.keys(library).sort(), [
    "RoostError",
    "beginSignIn",
    "createClient",
  ]);
});
