import assert from "node:assert/strict";
import { type ConfigInput, resolveConfig } from "../../server/config/config.ts";

/** What is wrong with settings of a cell. */
function faults(...assignments: readonly string[]): readonly string[] {
  const flags = assignments.map((assignment) => {
    const [key, text] = assignment.split("=") as [string, string];
    return { flag: "--set", key, text };
  });
  const input: ConfigInput = {
    dataDir: "/data",
    file: null,
    env: {},
    flags,
    filesMax: 20_000,
    cwd: "/cwd",
  };
  const result = resolveConfig(input);
  return result.ok ? [] : result.errors;
}

const CELL = ["cell.secretFile=s", "store.urlFile=u"];

Deno.test("11: settings of links without a cell are refused", () => {
  assert.deepEqual(faults("cell.tls=public"), []);
  assert.deepEqual(faults("cell.tls=always"), [
    "cell settings are set without cell.listen: say where this node listens for the others",
  ]);
});

Deno.test("11: an address that no other node can connect to is refused", () => {
  for (const listen of ["0.0.0.0:8422", "[::]:8422", "[::ffff:0.0.0.0]:8422"]) {
    assert.deepEqual(faults(`cell.listen=${listen}`, ...CELL), [
      `cell.listen is ${listen}, where no other node can connect to: name the address of this node ` +
      "in cell.advertise",
    ]);
    const named = faults(`cell.listen=${listen}`, "cell.advertise=10.0.0.1:8422", ...CELL);
    assert.deepEqual(named, []);
  }
  assert.deepEqual(faults("cell.listen=10.0.0.1:8422", ...CELL), []);
});

Deno.test("a file may have the number of workers without quotes, as it has other numbers", () => {
  const workersOf = (text: string) => {
    const file = { path: "/data/roost.toml", text: `[cell]\nworkers = ${text}\n` };
    const input = { dataDir: "/data", env: {}, flags: [], filesMax: 20_000, cwd: "/cwd", file };
    const result = resolveConfig(input);
    return result.ok ? result.config.cell.workers : result.errors;
  };
  assert.deepEqual(["2", '"2"', '"auto"'].map(workersOf), [2, 2, "auto"]);
  assert.deepEqual(workersOf("65"), [
    "cell.workers is 65 in /data/roost.toml: it must be auto or a whole number from 1 to 64",
  ]);
});
