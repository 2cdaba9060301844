/** What the binary serves to browsers: pages with all that they load, and their content policy. */
import assert from "node:assert/strict";
import { Hono } from "hono";
import { type AssetHandler, dashboard } from "../../../server/web/assets.ts";
import { addChat, CHAT_LANGUAGES } from "../../../server/web/chat_page.ts";
import { docs } from "../../../server/web/docs/docs.ts";
import { DESKTOP, findChromium, Person, startBrowser } from "../browser.ts";
import { adminUrl } from "./look.ts";
import { type BinaryFixture, type Check, PASSWORD } from "./binary_fixture.ts";

/** A page for people. */
interface PageRow {
  readonly name: string;
  readonly path: string;
  /** Who serves it. */
  readonly at: "door" | "admin";
  /** Returns what the sources serve at a path. */
  serve(path: string): Promise<Response>;
  /** How many files it loads at least, itself included. */
  readonly filesMin: number;
}

/** Serves paths from the sources. */
function fromSources(handlers: ReadonlyMap<string, AssetHandler>): PageRow["serve"] {
  return async (path) => {
    const handler = handlers.get(path);
    if (handler === undefined) throw new Error(`The sources serve nothing at ${path}`);
    return await handler(new Request(`http://localhost${path}`));
  };
}

function chat(): PageRow["serve"] {
  const app = new Hono();
  addChat(app);
  return async (path) => await app.request(path);
}

/** Every page for people that there is: a new one is a row here. */
const PAGES: readonly PageRow[] = [
  { name: "the chat", path: "/", at: "door", serve: chat(), filesMin: 13 },
  {
    name: "the dashboard",
    path: "/admin",
    at: "admin",
    serve: fromSources(dashboard()),
    filesMin: 4,
  },
  { name: "the documents", path: "/docs/", at: "door", serve: fromSources(docs()), filesMin: 3 },
];

const TYPES: readonly (readonly [RegExp, RegExp])[] = [
  [/\.js$/, /^text\/javascript/],
  [/\.css$/, /^text\/css/],
  [/\.svg$/, /^image\/svg\+xml/],
  [/\.png$/, /^image\/png/],
  [/\.webmanifest$/, /^application\/manifest\+json/],
  [/\/$|^\/admin$/, /^text\/html/],
];

/** What is wrong with a content policy: nothing, where only the page's own files get in. */
function policyFaults(policy: string, host: string): readonly string[] {
  const directives = new Map(
    policy.split(";").map((text) => text.trim().split(/\s+/)).map(([name, ...rest]) =>
      [name!, rest] as const
    ),
  );
  const allowed = new Set(["'none'", "'self'", `ws://${host}`, `wss://${host}`]);
  const faults = [...directives].flatMap(([name, sources]) =>
    sources.filter((source) => !allowed.has(source) && !(name === "img-src" && source === "data:"))
      .map((source) => `${name} has ${source}`)
  );
  for (const name of ["default-src", "base-uri", "frame-ancestors"]) {
    if (directives.get(name)?.join() !== "'none'") faults.push(`${name} is not 'none'`);
  }
  return faults;
}

/** What a file refers to, as it is written. */
function references(path: string, text: string): readonly string[] {
  const patterns = path.endsWith(".js")
    ? [/\bfrom\s+"(\.[^"]+)"/g, /^import\s+"([^"]+)"/gm, /\bimport\("(\.[^"]+)"\)/g]
    : path.endsWith(".webmanifest")
    ? [/"src":\s*"([^"]+)"/g]
    : path.endsWith(".css")
    ? [/url\(["']?([^"')]+)/g, /@import\s+"([^"]+)"/g]
    : /\/$|^\/admin$/.test(path)
    ? [/<(?:script|img)\b[^>]*?\ssrc="([^"]+)"/g, /<link\b[^>]*?\shref="([^"]+)"/g]
    : [];
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map((m) => m[1]!))
    // Types that a comment names are for editors.
    .filter((reference) => !reference.endsWith(".d.ts"))
    .filter((reference) => !reference.startsWith("data:") && !reference.startsWith("#"));
}

/** Fetches a page and all that it loads; paths and their sizes. */
async function crawl(base: string, first: string): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  const waiting = [first];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (sizes.has(path)) continue;
    const url = new URL(path, base);
    assert.equal(url.origin, new URL(base).origin, `${path} is loaded from elsewhere`);
    const response = await fetch(url);
    const text = await response.text();
    assert.equal(response.status, 200, `${path}: ${text}`);
    const type = TYPES.find(([ending]) => ending.test(path))?.[1];
    assert.match(response.headers.get("content-type") ?? "", type ?? /^$/, path);
    assert.equal(response.headers.get("x-content-type-options"), "nosniff", path);
    sizes.set(path, text.length);
    waiting.push(...references(path, text).map((to) => new URL(to, url).pathname));
    if (path === "/chat/main.js") {
      waiting.push(...CHAT_LANGUAGES.flatMap((language) => [
        `/chat/chat.${language}.js`,
        `/worker.${language}.js`,
      ]));
    }
  }
  return sizes;
}

/** Returns the paths whose files are not those of the sources. */
async function differing(base: string, { serve }: PageRow, paths: Iterable<string>) {
  const names: string[] = [];
  for (const path of paths) {
    const source = await (await serve(path)).text();
    if (await (await fetch(base + path)).text() !== source) names.push(path);
  }
  return names;
}

async function pageCheck(fixture: BinaryFixture, row: PageRow): Promise<string> {
  const base = row.at === "door" ? fixture.server.url : await adminUrl(fixture);
  const response = await fetch(base + row.path);
  const html = await response.text();
  const policy = response.headers.get("content-security-policy") ?? "";
  assert.deepEqual(policyFaults(policy, new URL(base).host), []);
  assert.doesNotMatch(html, /<style|<script(?![^>]*\ssrc=)|\s(?:style|on[a-z]+)=/i);
  const sizes = await crawl(base, row.path);
  assert.ok(sizes.size >= row.filesMin, [...sizes.keys()].join());
  assert.deepEqual(await differing(base, row, sizes.keys()), []);
  const bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  return `${row.name} at ${row.path}: ${sizes.size} files, ${Math.round(bytes / 1024)} KiB`;
}

const pages: Check = {
  name: "pages with their modules and styles, under a policy that lets nothing else in",
  async run(fixture) {
    const told: string[] = [];
    for (const row of PAGES) told.push(await pageCheck(fixture, row));
    return told.join("; ");
  },
};

const browser: Check = {
  name: "the chat in Chromium: two sign up and write, and the policy is not violated",
  async run({ server }) {
    const executable = findChromium();
    if (executable === null) return "NOT RUN: there is no Chromium here";
    const chromium = await startBrowser(executable);
    try {
      const window = { viewport: DESKTOP };
      const ada = await Person.open(chromium, "ada", server.url, window);
      const bea = await Person.open(chromium, "bea", server.url, window);
      for (const person of [ada, bea]) await person.signUp(PASSWORD);
      await ada.add("bea");
      await bea.accept("ada");
      await bea.talkTo("ada");
      await bea.say("Hello from the binary");
      await ada.talkTo("bea");
      await ada.page.locator(".message", { hasText: "Hello from the binary" }).waitFor();
      assert.deepEqual([...ada.faults, ...bea.faults], []);
      return "1 message, no faults";
    } finally {
      await chromium.close();
    }
  },
};

const openapi: Check = {
  name: "openapi.json of the protocol and of the gateways, asyncapi.json of the WebSocket",
  async run({ server }) {
    const told: string[] = [];
    for (const path of ["/openapi.json", "/gateway/v1/openapi.json", "/v1/asyncapi.json"]) {
      const response = await fetch(server.url + path);
      const text = await response.text();
      const document = JSON.parse(text);
      assert.match(document.openapi ?? document.asyncapi, /^3\.1/);
      const refs = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map((m) => m[1]!);
      for (const ref of refs) {
        let at = document;
        for (const key of ref.split("/")) at = at?.[key];
        assert.ok(at !== undefined, `${path}: #/${ref} leads nowhere`);
      }
      const paths = Object.keys(document.paths ?? document.operations).length;
      assert.ok(paths >= 7, `${path} has ${paths} paths`);
      told.push(`${path}: ${paths} paths, ${refs.length} references`);
    }
    return told.join("; ");
  },
};

/** All of it. */
export const PAGE_CHECKS: readonly Check[] = [pages, browser, openapi];
