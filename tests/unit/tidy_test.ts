/** Holds what the project has decided about its own sources. Exemptions are here, with reasons. */
import assert from "node:assert/strict";
import {
  blank,
  functionsOf,
  importsOf,
  inDir,
  NOTHING,
  readSources,
  ROOT,
  type Source,
  target,
  unexpected,
} from "./tidy_source.ts";
import { ERROR_CODES } from "../../shard/errors.ts";
import { KNOB_TABLE } from "../../server/config/config.ts";
import { STATUS_OF } from "../../server/http/response.ts";
import { AVOIDED_NAMES, AVOIDED_WORDS } from "./language.ts";

const SOURCES = readSources();
const DENO: {
  readonly imports: Readonly<Record<string, string>>;
  readonly tasks: Readonly<Record<string, string>>;
} = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 60;

/** Files of server/ outside system/ that do I/O themselves. */
const IO_FILES: Readonly<Record<string, string>> = {
  "server/ops/socket.ts": "the admin API's transport: HTTP over a Unix socket",
  "server/http/http_server.ts": "the listener for clients",
  "server/http/node_server.ts": "the platform's server below it",
  "server/acme/authority.ts": "orders at authorities",
  "server/acme/http_port.ts": "the listener for them",
  "server/http/listener.ts": "opens the listener for clients",
  "server/http/listener_watch.ts": "connects to the own listener",
  "server/http/refusal.ts": "bytes on sockets where no HTTP server answers",
  "server/peer/endpoint.ts": "connections between nodes",
  "server/peer/channel.ts": "TLS on these connections",
  "server/peer/place.ts": "where these connections lead",
  "server/store/kv_store.ts": "the store on embedded Deno KV",
  "server/ops/backup.ts": "the directory in which a backup is made",
  "server/ops/store_copy.ts": "looks what a place of a store is",
  "server/ops/package/main.ts": "builds releases: no part of the server",
  "server/ops/repair.ts": "puts the repaired files of a store in place",
  "server/store/store_file.ts": "that store's file, without Deno KV",
  "server/store/wal_file.ts": "the write-ahead file of that store",
  "server/store/write_mark.ts": "the file that notes the last durable write of that store",
  "server/load/sockets.ts": "the load tool's sockets",
  "server/load/machine.ts": "the load tool's files, processes and clocks",
  "server/load/worker_main.ts": "the entry of the load tool's processes",
  "server/web/assets.ts": "reads what is served to browsers, at the start",
};

/** The files that may see the durable state of accounts other than readonly. */
const STATE_FILES: Readonly<Record<string, string>> = {
  "server/ops/survey.ts": "reads what is stored into it, to look for damage",
  "server/ops/repair_plan.ts": "reads what is stored into it, to keep what can be kept",
  "shard/account/salvage.ts": "writes it anew in the place of what cannot be read",
  "shard/account/account.ts": "defines it, and the readonly view of it",
  "shard/account/apply.ts": "changes it as the log says",
  "shard/account/append_event.ts": "the part of apply that is about new events",
  "shard/account/apply_change.ts": "the part of apply that is about changed messages",
  "shard/account/apply_import.ts": "the part of apply that is about imports",
  "shard/account/apply_sign_in.ts": "the part of apply that is about devices and known places",
  "shard/account/push_targets.ts":
    "the part of apply that is about push messages, and reads it back",
  "shard/step/account_cache.ts": "makes it empty and reads what is stored into it",
  "shard/account/checkpoint.ts": "takes out the rows that go to the store",
  "shard/account/head.ts": "reads it back",
  "shard/account/head_items.ts": "the part of checkpoint that is about contacts and conversations",
  "shard/account/head_paged.ts": "reads back that of a large account",
  "shard/account/head_version.ts": "reads back the register of the name, and what moves",
  "shard/account/away.ts": "reads back the head of an account that has moved",
  "shard/account/clear_account.ts": "the part of apply that forgets an account",
  "shard/account/moving.ts": "the part of apply that is about moves to other cells",
  "shard/account/head_pages.ts": "takes out the pages that go to the store, and reads them back",
  "shard/account/head_rows.ts": "reads it back from all of its rows",
  "shard/account/head_sections.ts": "reads what a head has behind all else",
  "shard/account/head_tail.ts": "reads a part of it back",
  "shard/account/page_items.ts": "the part of checkpoint that is about the items of pages",
  "shard/account/outbox.ts": "the part of apply that is about packets owed",
};

/** Lists of texts: all of a language are one file, however many there are. */
const TEXTS = /^server\/web\/chat\/texts\//;

/** Files over the limit. */
const LONG_FILES: Readonly<Record<string, string>> = {
  "server/web/client.d.ts": "one module's declarations, which clients load as one file",
};

/** Functions over the limit, as `path name`. */
const LONG_FUNCTIONS: Readonly<Record<string, string>> = {
  "tests/process/push_test.ts push messages are encrypted and signed, one for a burst, none for who is there (13)":
    "one story, told in order",
  "tests/process/push_test.ts a service that passes push messages on gets them, and ends subscriptions (13)":
    "one story, told in order",
  "tests/unit/store_rows_contract.ts rowsContract": "a list of tests, one after another",
  "tests/unit/store_fences_contract.ts fencesContract": "a list of tests, one after another",
};

const IMPORTS = SOURCES.flatMap(importsOf);

/** Places where the code matches, as `path:line text`. */
function places(sources: readonly Source[], pattern: RegExp): readonly string[] {
  return sources.flatMap(({ path, code, lines }) =>
    code.flatMap((line, i) => pattern.test(line) ? [`${path}:${i + 1} ${lines[i]!.trim()}`] : [])
  );
}

Deno.test("tidy: the clock, chance, timers and Deno are only behind ports", () => {
  // JavaScript is what runs at clients.
  const pure = SOURCES.filter((source) =>
    (inDir("shard")(source) || inDir("server")(source)) && !inDir("server/system")(source) &&
    source.path.endsWith(".ts")
  );
  const touches =
    /\b(Date\.now|new Date\(\)|Math\.random|crypto\.(?:getRandomValues|randomUUID)|setTimeout|setInterval|setImmediate|performance\.(?:now|timeOrigin)|Deno\.\w)/;
  const network = /^node:(net|tls|https?|fs|dgram|dns|child_process|worker_threads|process)\b/;
  const importing = IMPORTS.filter(({ path, spec, type }) =>
    !type && network.test(spec) && pure.some((source) => source.path === path)
  );
  const touching = places(pure, touches).map((place) => place.split(":")[0]!);
  const files = [...new Set([...touching, ...importing.map(({ path }) => path)])].sort();
  assert.deepEqual(unexpected(files, IO_FILES), NOTHING);
});

Deno.test("tidy: only where the log is applied can the durable state of accounts be changed", () => {
  const sources = SOURCES.filter(({ path }) => /^(shard|server)\//.test(path));
  const users = sources.filter(({ text }) => /\bAccountState\b/.test(text));
  assert.deepEqual(users.map(({ path }) => path).sort(), Object.keys(STATE_FILES).sort());
});

Deno.test("tidy: there is no any, no enum, no default export, and nothing is left to be done", () => {
  assert.deepEqual(places(SOURCES, /(?::|<|\||&|,|=>|\bas)\s*any\b(?!\s*\?)/), []);
  assert.deepEqual(places(SOURCES, /^\s*(?:export |declare |const )*enum\s/), []);
  assert.deepEqual(places(SOURCES, /\bexport\s+default\b|\bexport\s*=/), []);
  const marks = new RegExp(["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|"));
  const left = SOURCES.filter(({ text }) => marks.test(text)).map(({ path }) => path);
  assert.deepEqual(left, []);
});

Deno.test("tidy: files and functions are short, but for those with a reason", () => {
  const files = SOURCES.filter(({ path, lines }) =>
    lines.length > FILE_LINES_MAX && !TEXTS.test(path)
  ).map((s) => s.path);
  assert.deepEqual(unexpected(files, LONG_FILES), NOTHING);
  const functions = SOURCES.flatMap(functionsOf).filter(({ lines }) => lines > FUNCTION_LINES_MAX)
    .map(({ path, name }) => `${path} ${name}`);
  assert.deepEqual(unexpected(functions, LONG_FUNCTIONS), NOTHING);
});

Deno.test("tidy: functionsOf measures functions, methods and arrow functions", () => {
  const text = `export function one(
  a: string,
): { b: string } {
  return { b: a };
}
class C {
  static async two(): Promise<void> {
    await call(
      () => {
        x();
      },
    );
  }
  #three = (a: number) => {
    return /}"/.test(\`\${a}}\`) ? "}" : '{';
  };
}
Deno.test("four", () => {
  // }
});
`;
  const lines = text.split("\n");
  const source: Source = { path: "x.ts", text, lines, code: blank(text).split("\n") };
  const found = functionsOf(source).map(({ name, line, lines }) => [name, line, lines]);
  assert.deepEqual(found, [
    ["one", 1, 5],
    ["two", 7, 7],
    ["=>", 9, 3],
    ["#three", 14, 3],
    ["four", 18, 3],
  ]);
});

Deno.test("tidy: files are named in snake_case, and the top level is what was agreed", () => {
  const named = SOURCES.filter(({ path }) =>
    !/^([a-z0-9_]+\/)*[a-z0-9_]+(\.d)?\.[jt]s$/.test(path)
  );
  assert.deepEqual(named.map(({ path }) => path), []);
  const ignored = Deno.readTextFileSync(`${ROOT}.gitignore`).split("\n")
    .map((line) => line.replaceAll("/", ""));
  const top = [...Deno.readDirSync(ROOT)].map(({ name }) => name)
    .filter((name) => !name.startsWith(".") && !ignored.includes(name)).sort();
  const wanted = ["LICENSE", "README.md", "deno.json", "deno.lock", "main.ts", "server", "shard"];
  assert.deepEqual(top, [...wanted, "tests"]);
});

Deno.test("tidy: every setting is read by what it is about", () => {
  const readers = SOURCES.filter((s) => inDir("server")(s) && !inDir("server/config")(s));
  const code = readers.map((s) => s.code.join("\n")).join("\n");
  const taken = new Set(
    [...code.matchAll(/\bconst \{([^{}]*)\} = [\w.#]*?(\w+);/g)].flatMap(([, names, group]) =>
      names!.split(",").map((name) => `${group}.${name.split(":")[0]!.trim()}`)
    ),
  );
  const unread = [...KNOB_TABLE.keys()].filter((key) =>
    !taken.has(key) && !new RegExp(`\\b${key.replace(".", "\\.")}\\b`).test(code)
  );
  assert.deepEqual(unread, []);
});

/** The rows of the table in a section of a document, without the head. */
function rowsOf(path: string, section: string): readonly (readonly string[])[] {
  const text = Deno.readTextFileSync(`${ROOT}${path}`);
  const [, after] = text.split(new RegExp(`^#+ ${section}$`, "m"));
  assert.ok(after !== undefined, `${path} has no section ${section}`);
  const rows = after.split(/^#+ /m)[0]!.split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) => row.split("|").slice(1).map((cell) => cell.trim()));
}

Deno.test("tidy: the documents explain every dependency, no other, and each is used", () => {
  const told = rowsOf("server/README.md", "Dependencies").flatMap(([cell]) =>
    [...cell!.matchAll(/`([^`]+)`/g)].map((m) => m[1]!)
  ).sort();
  const packageOf = (spec: string) => /^(@[^/]+\/)?[^/]+/.exec(spec)![0];
  const had = [...new Set(Object.keys(DENO.imports).map((name) => name.replace(/\/$/, "")))].sort();
  assert.deepEqual(told, had);
  const used = new Set(
    IMPORTS.filter((i) => target(i) === null).map(({ spec }) => packageOf(spec)),
  );
  const types = had.filter((name) => name.startsWith("@types/"));
  assert.deepEqual(had.filter((name) => !used.has(name) && !types.includes(name)), []);
});

Deno.test("tidy: the protocol's document lists every error code with its status", () => {
  const rows = new Map(
    rowsOf("server/v1/README.md", "Errors").map(([code, statuses]) =>
      [code!.replaceAll("`", ""), statuses!.split(", ").map(Number)] as const
    ),
  );
  assert.deepEqual([...rows.keys()].sort(), Object.keys(ERROR_CODES).sort());
  for (const [code, status] of Object.entries(STATUS_OF)) {
    assert.ok(rows.get(code)!.includes(status), `${code} is ${status}`);
  }
});

Deno.test("tidy: the documents name every task of deno.json", () => {
  const text = ["README.md", "tests/README.md"]
    .map((path) => Deno.readTextFileSync(`${ROOT}${path}`)).join("\n");
  const unnamed = Object.keys(DENO.tasks).filter((task) =>
    !new RegExp(`deno(@[\\d.]+)? task ${task}\\b`).test(text)
  );
  assert.deepEqual(unnamed, []);
});

Deno.test("tidy: the documents have a row for every proof", () => {
  const text = Deno.readTextFileSync(`${ROOT}tests/README.md`);
  const names = [...Deno.readDirSync(`${ROOT}tests/prove`)].flatMap(({ name, isFile }) => {
    if (!isFile) return [];
    const source = Deno.readTextFileSync(`${ROOT}tests/prove/${name}`);
    const proof = /: Proof = \{\s+name: "([^"]+)"/.exec(source);
    return proof === null ? [] : proof[1]!;
  });
  assert.ok(names.length > 20, names.join());
  assert.deepEqual(names.filter((name) => !text.includes(`\n| \`${name}\` `)), []);
});

Deno.test("tidy: README.md has at most 6 KB", () => {
  const { size } = Deno.statSync(`${ROOT}README.md`);
  assert.ok(size <= 6_144, `README.md has ${size} bytes`);
});

/** The documents beside the code, by path. */
function documents(): readonly (readonly [path: string, text: string])[] {
  const paths = [
    "README.md",
    ...["server", "server/v1", "server/ops", "server/web", "shard", "tests"]
      .map((dir) => `${dir}/README.md`),
  ];
  return paths.map((path) => [path, Deno.readTextFileSync(`${ROOT}${path}`)]);
}

/** Comments, strings and regular expressions of a source; lines of one comment are joined. */
function proseOf({ lines, code }: Source): string {
  return lines.map((line, i) =>
    [...line].map((c, at) => code[i]![at] === " " ? c : " ").join("")
      .replace(/^\s*(?:\*|\/\/)? ?/, "").trimEnd()
  ).join(" ");
}

Deno.test("tidy: comments, docstrings, texts and documents are plain technical English (9 B9)", () => {
  const prose = [
    // The table itself names the words.
    ...SOURCES.filter(({ path }) => path !== "tests/unit/language.ts")
      .map((source) => [source.path, proseOf(source)] as const),
    ...documents().map(([path, text]) => [path, text.replaceAll(/\s+/g, " ")] as const),
  ];
  const found = prose.flatMap(([path, text]) =>
    AVOIDED_WORDS.flatMap(({ pattern, instead }) =>
      [...text.matchAll(new RegExp(pattern, "gi"))].map(({ index }) =>
        `${path}: …${text.slice(Math.max(0, index - 30), index + 40)}…: write ${instead}`
      )
    )
  );
  assert.deepEqual(found, []);
  assert.deepEqual(places(SOURCES, AVOIDED_NAMES), []);
});
