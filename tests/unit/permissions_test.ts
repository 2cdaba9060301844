/** What the tasks may do, and that they keep the lock file. */
import { deepEqual, ok } from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url);
const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT))) as {
  readonly tasks: Readonly<Record<string, string>>;
};

/** Commands that run code of the project, with the name of their task. */
const COMMANDS = Object.entries(tasks).flatMap(([name, task]) =>
  task.split("&&").filter((part) => /deno (run|test|compile) /.test(part))
    .map((command) => ({ name, words: command.trim().split(" ") }))
);

/**
 * Tasks that run the program or look at its processes: Deno lets nothing but `--allow-all` read
 * /proc, where the limit of open files, the open files and the memory of processes are.
 */
const READ_PROC = [
  "start",
  "test",
  "browser",
  "bench",
  "timing",
  "postgres",
  "prove",
  "compile",
  "load",
];

Deno.test("10.12: every task names its permissions but for those that read /proc", () => {
  const all = COMMANDS.filter(({ words }) => words.includes("-A")).map(({ name }) => name);
  deepEqual(all, READ_PROC);
});

Deno.test("10.12: no task waits for somebody to grant a permission, or names native libraries", () => {
  for (const { name, words } of COMMANDS) {
    ok(words.includes("--no-prompt"), name);
    ok(!words.some((word) => word.startsWith("--allow-ffi")), name);
  }
});

Deno.test("10.12: no task changes the lock file", () => {
  for (const { name, words } of COMMANDS) ok(words.includes("--frozen"), name);
  ok(tasks["test"]!.startsWith("deno check --frozen"));
});

Deno.test("the server has the same flags of V8 wherever it is started or compiled", () => {
  const flagsIn = (text: string) => text.match(/--v8-flags=--no-allocation[^\s"]*/g) ?? [];
  const texts = ["server/system/worker_process.ts", ".ci/run"]
    .map((path) => Deno.readTextFileSync(new URL(path, ROOT)));
  const flags = [tasks["start"]!, tasks["compile"]!, ...texts].map(flagsIn);
  deepEqual(flags.map(({ length }) => length), [1, 1, 1, 2]);
  deepEqual(new Set(flags.flat()).size, 1, flags.flat().join(" "));
});
