/** Checks the documents: links, anchors, contents, and that what they name exists. */
import assert from "node:assert/strict";
import type { Command } from "commander";
import { buildProgram } from "../../server/cli/cli.ts";
import type { CliHost } from "../../server/cli/host.ts";
import { addLoadCommand } from "../../server/load/command.ts";
import { KNOB_TABLE } from "../../server/config/config.ts";
import { SCOPE_NAMES } from "../../server/gateway/service.ts";
import { docs, DOCUMENTS, renderPages } from "../../server/web/docs/docs.ts";
import { type Heading, renderMarkdown } from "../../server/web/docs/markdown.ts";
import { readSources, ROOT } from "./tidy_source.ts";

interface Markdown {
  /** From the root. */
  readonly path: string;
  readonly text: string;
  readonly headings: readonly Heading[];
  readonly links: readonly string[];
  /** Inline code, as it is shown. */
  readonly inline: readonly string[];
  /** Fenced blocks with their language. */
  readonly blocks: readonly { readonly language: string; readonly text: string }[];
}

function* markdownPaths(dir: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${ROOT}${dir}`)) {
    if (isDirectory) yield* markdownPaths(`${dir}${name}/`);
    else if (name.endsWith(".md")) yield `${dir}${name}`;
  }
}

function readMarkdown(path: string): Markdown {
  const text = Deno.readTextFileSync(`${ROOT}${path}`);
  const links: string[] = [];
  const { headings } = renderMarkdown(text, (target) => {
    links.push(target);
    return target;
  });
  const blocks = [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)]
    .map(([, language, block]) => ({ language: language!, text: block! }));
  const prose = text.replace(/^```\w*\n.*?^```$/gms, "");
  const inline = [...prose.matchAll(/`([^`]+)`/g)]
    .map(([, code]) => code!.replaceAll("\\|", "|").replace(/\s+/g, " "));
  return { path, text, headings, links, inline, blocks };
}

const FILES: readonly Markdown[] = [
  "README.md",
  ...["server/", "shard/", "tests/"].flatMap((dir) => [...markdownPaths(dir)]),
].sort().map(readMarkdown);
const PUBLISHED = FILES.filter(({ path }) => DOCUMENTS.some((document) => document.path === path));

function exists(path: string): boolean {
  try {
    Deno.statSync(`${ROOT}${path}`);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What is wrong with a relative link; null where its file and its anchor exist. */
function linkFault({ path }: Markdown, target: string): string | null {
  if (/^https?:\/\//.test(target)) return null;
  const { pathname, hash } = new URL(target, `file:///${path}`);
  const file = decodeURIComponent(pathname).slice(1);
  if (!exists(file)) return `${path}: ${target} does not exist`;
  if (hash === "") return null;
  const to = FILES.find((one) => one.path === file);
  const found = to?.headings.some(({ id }) => `#${id}` === decodeURIComponent(hash)) ?? false;
  return found ? null : `${path}: ${target} is not an anchor`;
}

Deno.test("documents: every relative link leads to a file and a heading", () => {
  const links = FILES.flatMap((file) => file.links.map((link) => [file, link] as const));
  assert.ok(links.length > 40, `${links.length} links`);
  const faults = links.map(([file, link]) => linkFault(file, link));
  assert.deepEqual(faults.filter((fault) => fault !== null), []);
});

Deno.test("documents: linkFault notices a missing file and a missing anchor", () => {
  const file = FILES.find(({ path }) => path === "shard/README.md")!;
  assert.match(linkFault(file, "missing.md")!, /does not exist/);
  assert.match(linkFault(file, "../README.md#missing")!, /is not an anchor/);
  assert.equal(linkFault(file, "../README.md#run-it"), null);
});

Deno.test("documents: each has a list of its sections, in order", () => {
  for (const { path, text, headings } of PUBLISHED) {
    const [, after] = text.split("\n## Contents\n");
    assert.ok(after !== undefined, `${path} has no contents`);
    const listed = [...after.split("\n## ")[0]!.matchAll(/\]\(#([^)]+)\)/g)].map((m) => m[1]!);
    const sections = headings.filter(({ depth, id }) => depth === 2 && id !== "contents");
    const subsections = headings.filter(({ depth }) => depth === 3).map(({ id }) => id);
    assert.deepEqual(
      listed.filter((id) => !subsections.includes(id)),
      sections.map(({ id }) => id),
      path,
    );
  }
});

/** Alternatives of a command: `roost invite create|list` as its two commands. */
function alternatives(words: readonly string[]): readonly (readonly string[])[] {
  return words.reduce<readonly (readonly string[])[]>(
    (all, word) => all.flatMap((so) => word.split("|").map((one) => [...so, one])),
    [[]],
  );
}

/** What does not exist of a command line that begins with `roost`; null where all of it does. */
function commandFault(program: Command, words: readonly string[]): string | null {
  let command = program;
  const known = new Set(["--help", "--version", ...longs(program), ...longs(startOf(program))]);
  let named = true;
  for (const word of words.slice(1)) {
    const option = /^--?[a-zA-Z][\w-]*/.exec(word)?.[0];
    if (option !== undefined) {
      named = false;
      if (!known.has(option)) return `${words.join(" ")}: there is no ${option}`;
    } else if (named && command.commands.length > 0) {
      const next = command.commands.find((one) => one.name() === word);
      // What the default command takes no more of.
      if (next === undefined) return `${words.join(" ")}: there is no command ${word}`;
      command = next;
      for (const long of longs(next)) known.add(long);
    } else named = false;
  }
  return null;
}

function longs(command: Command): readonly string[] {
  return command.options.flatMap(({ long, short }) => [long ?? "", short ?? ""]);
}

function startOf(program: Command): Command {
  return program.commands.find((one) => one.name() === "start")!;
}

/** The command lines of `roost` in a text of code: comments and what follows a pipe are left out. */
function roostLines(code: string): readonly string[] {
  return code.replaceAll("\\\n", " ").split("\n")
    .map((line) => /(?:^|[$(] *|\/)(roost(?: [^)#]*)?)/.exec(line.replace(/\s#.*$/, ""))?.[1])
    .filter((line) => line !== undefined)
    .map((line) => line.split(/ [<>|&] ?/)[0]!.trim())
    .filter((line) => line === "roost" || line.startsWith("roost "));
}

Deno.test("documents: every command of roost that they name exists, with its options", () => {
  // Nothing of the host is used before a command runs.
  const program = buildProgram({} as CliHost, () => {}, [addLoadCommand]);
  const codes = PUBLISHED.flatMap(({ inline, blocks }) => [
    ...inline.filter((code) => /^roost( |$)/.test(code)),
    ...blocks.filter(({ language }) => language === "sh").map(({ text }) => text),
  ]);
  const lines = codes.flatMap(roostLines).flatMap((line) => alternatives(line.split(/\s+/)));
  assert.ok(lines.length > 60, `${lines.length} commands`);
  const faults = lines.map((words) => commandFault(program, words));
  assert.deepEqual(faults.filter((fault) => fault !== null), []);
  for (const wrong of ["roost user ad", "roost backup --outt X", "roost lost"]) {
    assert.notEqual(commandFault(program, wrong.split(" ")), null, wrong);
  }
});

Deno.test("documents: every setting that they name exists", () => {
  const groups = new Set([...KNOB_TABLE.keys()].map((key) => key.split(".")[0]!));
  const named = PUBLISHED.flatMap(({ path, inline, blocks }) =>
    [...inline, ...blocks.map(({ text }) => text)].flatMap((code) =>
      [...code.matchAll(/(?<![\w./-])([a-z]+)\.([a-z]\w*)(?![\w(/.])/g)]
        .filter(([, group]) => groups.has(group!))
        .map(([key]) => ({ path, key }))
    )
  ).filter(({ key }) => !/\.(ts|js|json|md|toml|sock|token|html)$/.test(key));
  assert.ok(named.length > 25, `${named.length} settings`);
  const known = new Set<string>([...KNOB_TABLE.keys(), ...SCOPE_NAMES]);
  assert.deepEqual(named.filter(({ key }) => !known.has(key)), []);
});

Deno.test("documents: every task, proof and benchmark that they name exists", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  const sources = readSources();
  const namesIn = (dir: string) =>
    new Set(
      sources.filter(({ path }) => new RegExp(`^tests/${dir}/\\w+\\.ts$`).test(path))
        .flatMap(({ text }) => [...text.matchAll(/^ {2}name: "(\w+)"/gm)].map((m) => m[1]!)),
    );
  const known: Readonly<Record<string, ReadonlySet<string>>> = {
    prove: namesIn("prove"),
    bench: namesIn("bench"),
  };
  const named = PUBLISHED.flatMap((
    { text },
  ) => [...text.matchAll(/\bdeno(?:@[\d.]+)? task (\w+)(?: ([a-z]\w*))?/g)]);
  assert.ok(named.length > 20, `${named.length} tasks`);
  const faults = named.filter(([, task, name]) =>
    !(task! in tasks) || (name !== undefined && known[task!]?.has(name) === false)
  );
  assert.deepEqual(faults.map(([line]) => line), []);
});

Deno.test("documents: every file and every metric that they name exists", () => {
  const sources = readSources().filter(({ path }) => path.startsWith("server/"))
    .map(({ text }) => text).join("\n");
  const codes = PUBLISHED.flatMap(({ path, inline }) => inline.map((code) => ({ path, code })));
  const files = codes.filter(({ code }) => /^(server|shard|tests)\/[\w./-]*$/.test(code));
  const metrics = codes.flatMap(({ path, code }) =>
    [...code.matchAll(/\broost_[a-z_]+/g)].map(([metric]) => ({ path, metric }))
  );
  assert.ok(files.length > 20 && metrics.length > 3, `${files.length}, ${metrics.length}`);
  assert.deepEqual(files.filter(({ code }) => !exists(code)), []);
  assert.deepEqual(metrics.filter(({ metric }) => !sources.includes(`"${metric}"`)), []);
});

/** The identifiers of a page, and what it refers to. */
function partsOf(
  html: string,
): { readonly ids: ReadonlySet<string>; readonly to: readonly string[] } {
  return {
    ids: new Set([...html.matchAll(/\sid="([^"]+)"/g)].map((m) => m[1]!)),
    to: [...html.matchAll(/\s(?:href|src)="([^"]+)"/g)].map((m) => m[1]!),
  };
}

Deno.test("docs: every page that is served refers only to pages, anchors and files that are", () => {
  const served = docs();
  const pages = renderPages((path) => Deno.readTextFileSync(`${ROOT}${path}`));
  const parts = new Map([...pages].map(([slug, html]) => [`/docs/${slug}`, partsOf(html)]));
  for (const [path, { to }] of parts) {
    for (const reference of to) {
      if (/^https?:/.test(reference)) continue;
      const { pathname, hash } = new URL(reference, `http://localhost${path}`);
      assert.ok(served.has(pathname), `${path} refers to ${reference}`);
      const id = decodeURIComponent(hash.slice(1));
      assert.ok(id === "" || parts.get(pathname)!.ids.has(id), `${path} refers to ${reference}`);
    }
  }
});

Deno.test("docs: pages have no script and no inline style, and their policy allows neither", async () => {
  for (const [path, serve] of docs()) {
    const response = await serve(new Request(`http://localhost${path}`));
    if (path === "/docs") {
      assert.deepEqual([response.status, response.headers.get("location")], [302, "docs/"]);
      continue;
    }
    const policy = response.headers.get("content-security-policy")!;
    assert.match(policy, /^default-src 'none'; style-src 'self'; img-src 'self';/);
    assert.doesNotMatch(policy, /unsafe|script-src/);
    if (!response.headers.get("content-type")!.startsWith("text/html")) continue;
    const html = await response.text();
    assert.equal(html.match(/<h1\b/g)?.length, 1, path);
    assert.doesNotMatch(html, /<(script|style|iframe|form)\b|<[^<>]*\s(style|on[a-z]+)=/i, path);
  }
});

Deno.test("docs: the sign-in page and the dashboard link to them, relative to their own address", () => {
  for (const page of ["chat", "admin"]) {
    const html = Deno.readTextFileSync(`${ROOT}server/web/${page}/index.html`);
    assert.match(html, /<a href="docs\/"/);
  }
});

Deno.test("docs: a compiled binary includes every document", () => {
  const compile: string = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`)).tasks.compile;
  for (const text of [compile, Deno.readTextFileSync(`${ROOT}.ci/run`)]) {
    const included = [...text.matchAll(/--include ([\w./]+)/g)].map((m) => m[1]!);
    const missing = DOCUMENTS.filter(({ path }) =>
      !included.some((one) => path === one || path.startsWith(`${one}/`))
    );
    assert.deepEqual(missing.map(({ path }) => path), []);
  }
});
