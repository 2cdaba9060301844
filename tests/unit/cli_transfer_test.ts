import assert from "node:assert/strict";
import type { CliHost } from "../../server/cli/host.ts";
import { runCli } from "../../server/cli/cli.ts";
import { VERSION } from "../../server/config/version.ts";

Deno.test("roost export --all leaves out who is removed after they were listed", async () => {
  let written = "";
  let err = "";
  const answers: Record<string, unknown> = {
    "/admin/status": { version: VERSION, domain: "localhost" },
    "/admin/export?credentials=false": { line: '{"t":"roost"}' },
    "/admin/users?limit=500": {
      accounts: ["ann", "gone", "eve"].map((name) => ({ name, state: "active" })),
      next: null,
      total: 3,
    },
  };
  for (const name of ["ann", "eve"]) {
    const lines = [JSON.stringify({ t: "account", name })];
    answers[`/admin/export/${name}?credentials=false`] = { lines, after: 0, upTo: 0, first: 1 };
  }
  // What an export needs of the machine.
  const host: Partial<CliHost> = {
    env: {},
    filesMax: null,
    cwd: "/cwd",
    readTextFile: () => Promise.resolve(null),
    err: (text) => void (err += text),
    adminSocket: () => ({ path }) => {
      const body = answers[path];
      if (body !== undefined) return Promise.resolve({ status: 200, body });
      return Promise.resolve({ status: 404, body: { code: "not_found", message: `no ${path}` } });
    },
    createFile: () =>
      Promise.resolve({
        write: (text) => Promise.resolve(void (written += text)),
        close: () => Promise.resolve(),
        discard: () => assert.fail("it is of use"),
      }),
  };
  assert.equal(await runCli(["export", "--all", "--out", "x"], host as CliHost, []), 0, err);
  const lines = written.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ t, name }) => [t, name ?? null]),
    [["roost", null], ["account", "ann"], ["end", "ann"], ["account", "eve"], ["end", "eve"], [
      "done",
      null,
    ]],
  );
  assert.equal(lines.at(-1).accounts, 2);
});
