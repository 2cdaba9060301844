/** The binary as its own load tool: scenarios, several processes of it, dark launch. */
import assert from "node:assert/strict";
import type { RunResult } from "../../../server/load/result.ts";
import { type BinaryFixture, type Check, pause } from "./binary_fixture.ts";

const SHAPE = ["--users", "40", "--contacts", "6"];

function target({ server, data }: BinaryFixture): readonly string[] {
  return ["--url", server.url, ...data];
}

async function synthetic(fixture: BinaryFixture): Promise<number> {
  const list = await fixture.must(["user", "list", "--synthetic", "--json", ...fixture.data]);
  return JSON.parse(list).filter((a: { state: string }) => a.state !== "deleted").length;
}

interface Ran {
  readonly result: RunResult;
  /** How many processes of the binary there were at once, beside those of before. */
  readonly processes: number | null;
}

/** Runs a scenario with all its reports; it has to end well. */
async function run(
  fixture: BinaryFixture,
  scenario: string,
  words: readonly string[],
): Promise<Ran> {
  const [json, html] = [`${scenario}.json`, `${scenario}.html`];
  const before = fixture.processes()?.length ?? 0;
  let most = 0;
  let running = true;
  const looking = (async () => {
    while (running) {
      most = Math.max(most, (fixture.processes()?.length ?? 0) - before);
      await pause(100);
    }
  })();
  const reports = ["--json", json, "--html", html];
  const args = ["load", scenario, ...words, ...SHAPE, ...target(fixture), ...reports];
  const { code, out, err } = await fixture.roost(args);
  running = false;
  await looking;
  assert.equal(code, 0, `${args.join(" ")}: ${err}${out}`);
  assert.match(out, /Everything that was sent arrived as promised\.\n$/);
  assert.match(err, new RegExp(`Report: ${html}\n$`));
  const page = Deno.readTextFileSync(fixture.path(html));
  assert.match(page, /<svg[^]*<\/html>/);
  assert.doesNotMatch(page, /(?:src|href)="(?!#|data:)/, "a report needs nothing beside it");
  const result: RunResult = JSON.parse(Deno.readTextFileSync(fixture.path(json)));
  assert.deepEqual([result.scenario, result.violations], [scenario, []]);
  return { result, processes: fixture.processes() === null ? null : most };
}

/** A scenario, its options, and what it has to have done. */
const SCENARIOS: readonly (readonly [string, string, (result: RunResult) => string])[] = [
  ["login", "--rate 50 --auth scram", (r) => {
    assert.equal(r.latencies.login?.count, 40);
    return "40 sign-ins by SCRAM";
  }],
  ["presence", "--rate 40 --seconds 2", (r) => {
    assert.equal(r.counts.changes, 80);
    assert.equal(r.presence.compared, 240);
    return `${r.presence.delivered} presence deliveries`;
  }],
  ["mixed", "--rate 20 --seconds 3", (r) => {
    assert.ok(r.counts.signOuts > 0 && r.messages.received > 0);
    return `${r.messages.received} messages of a day`;
  }],
  ["poll", "--rate 20 --seconds 2", (r) => {
    assert.ok(r.messages.received > 0);
    return `${r.messages.received} messages by long-poll`;
  }],
];

const scenarios: Check = {
  name: "load: login, presence, a mixed day and long-poll, as text, JSON and HTML",
  async run(fixture) {
    const told: string[] = [];
    for (const [name, words, figures] of SCENARIOS) {
      const { result } = await run(fixture, name, words.split(" "));
      told.push(figures(result));
    }
    return told.join(", ");
  },
};

const processes: Check = {
  name: "load: chat from two further processes, which the binary starts of itself",
  async run(fixture) {
    const words = ["--rate", "40", "--seconds", "3", "--processes", "2"];
    const { result, processes } = await run(fixture, "chat", words);
    assert.deepEqual([result.options.processes, result.messages.received], [2, 120]);
    if (processes !== null) assert.equal(processes, 3);
    const removed = await fixture.roost(["load", "--remove", ...SHAPE, ...target(fixture)]);
    assert.match(removed.err, /40 accounts of roost\.40x6 are removed/);
    assert.equal(await synthetic(fixture), 0);
    return `${result.messages.received} messages; ` +
      (processes === null ? "processes are not seen here" : `${processes} processes of the binary`);
  },
};

const dark: Check = {
  name: "dark launch beside the others, which leaves nothing behind",
  async run(fixture) {
    const short = ["--dark", "--rate", "20", "--seconds", "4", "--report", "2s"];
    const objective = ["--objective-ms", "10000", "--html", "dark.html"];
    const { code, out, err } = await fixture.roost([
      "load",
      ...short,
      ...objective,
      ...target(fixture),
    ]);
    assert.equal(code, 0, err + out);
    const [told = ""] = /The objective held: .*/.exec(out) ?? [];
    assert.match(told, /100\.000 % of \d+ delivered, 0 lost/);
    assert.match(Deno.readTextFileSync(fixture.path("dark.html")), /The objective holds/);
    assert.equal(await synthetic(fixture), 0);
    return told;
  },
};

/** All of it. */
export const LOAD_CHECKS: readonly Check[] = [scenarios, processes, dark];
