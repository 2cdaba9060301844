/**
 * The documents of the program, published at `/docs/`: the Markdown files that lie beside the code,
 * each as a page. A compiled binary includes the files.
 */
import {
  type Asset,
  type AssetHandler,
  readAsset,
  readSource,
  redirect,
  serveAsset,
  textAsset,
} from "../assets.ts";
import { type Heading, type Rendered, renderMarkdown } from "./markdown.ts";
import { type Entry, renderList, renderPage } from "./page.ts";

/** A published document. */
export interface Document extends Entry {
  /** The file, relative to the root of the sources. */
  readonly path: string;
}

/** Every published document, in reading order. */
export const DOCUMENTS: readonly Document[] = [
  {
    slug: "overview",
    name: "Overview",
    about: "What Roost is, what it guarantees, how to run it, and two users who talk.",
    path: "README.md",
  },
  {
    slug: "operating",
    name: "Operating",
    about: "Commands, settings, limits, backup, services, experiments, the load tool.",
    path: "server/ops/README.md",
  },
  {
    slug: "cell",
    name: "Several nodes",
    about:
      "A cell of several nodes over PostgreSQL: how to run it, who owns what, what is missing.",
    path: "server/peer/README.md",
  },
  {
    slug: "web",
    name: "Web",
    about: "The client library, the web chat and the dashboard.",
    path: "server/web/README.md",
  },
  {
    slug: "protocol",
    name: "Protocol",
    about: "WebSocket, REST, long-poll, server-sent events, errors, the gateway API.",
    path: "server/v1/README.md",
  },
  {
    slug: "core",
    name: "Core",
    about: "How the shards work, and the guarantees in full.",
    path: "shard/README.md",
  },
  {
    slug: "server",
    name: "Server",
    about: "Map of the code, and why each dependency is used.",
    path: "server/README.md",
  },
  {
    slug: "tests",
    name: "Tests",
    about: "Tests, proofs and measured numbers.",
    path: "tests/README.md",
  },
  {
    slug: "changelog",
    name: "Changelog",
    about: "What changed in each version.",
    path: "server/CHANGELOG.md",
  },
];

/** Where the documents are. */
export const DOCS_PATH = "/docs/";

/** Only the style and the icon are loaded, from the same server; there are no scripts. */
const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
};

/** A list of contents, which the page replaces by its own. */
const CONTENTS = /^## Contents\n+(?:[-*] .*\n|[ ]+.*\n)+\n*/m;

/**
 * Returns the `href` for a link of a document: a page and its anchor for a published document, the
 * target itself for an anchor or a web address, null for anything else.
 */
export function resolveLink(from: string, target: string): string | null {
  if (target.startsWith("#") || /^https?:\/\//.test(target)) return target;
  const { pathname, hash } = new URL(target, `file:///${from}`);
  const document = DOCUMENTS.find(({ path }) => `/${path}` === pathname);
  return document === undefined ? null : document.slug + hash;
}

/** Renders a document without its list of contents. */
export function renderDocument(path: string, source: string): Rendered {
  return renderMarkdown(source.replace(CONTENTS, ""), (target) => resolveLink(path, target));
}

/** Renders every page; the slug of each (empty for the list) with its HTML. */
export function renderPages(read: (path: string) => string): ReadonlyMap<string, string> {
  const rendered = new Map(
    DOCUMENTS.map(({ slug, path }) => [slug, renderDocument(path, read(path))] as const),
  );
  const sectionsOf = (slug: string): readonly Heading[] => rendered.get(slug)!.headings;
  const list = { html: renderList(DOCUMENTS, sectionsOf), headings: [] };
  const page = (slug: string, title: string, body: Rendered) =>
    [slug, renderPage({ slug, title, rendered: body, entries: DOCUMENTS })] as const;
  return new Map([
    page("", "Documentation", list),
    ...DOCUMENTS.map(({ slug, name }) => page(slug, name, rendered.get(slug)!)),
  ]);
}

/** Returns a function that renders all pages at the first call and keeps them. */
function pagesOnDemand(): (slug: string) => Asset {
  const sources = new Map(DOCUMENTS.map(({ path }) => [path, readSource(path)]));
  let pages: ReadonlyMap<string, Asset> | null = null;
  return (slug) => {
    pages ??= new Map(
      [...renderPages((path) => sources.get(path)!)].map(([name, html]) =>
        [name, textAsset(".html", html, HEADERS)] as const
      ),
    );
    return pages.get(slug)!;
  };
}

/**
 * Reads the documents; returns a handler for each exact path. Pages are rendered at the first
 * request. Throws where a file is missing.
 */
export function docs(): ReadonlyMap<string, AssetHandler> {
  const page = pagesOnDemand();
  const style = readAsset("docs/docs.css", HEADERS);
  const icon = readAsset("chat/icon.svg", HEADERS);
  return new Map<string, AssetHandler>([
    [DOCS_PATH.slice(0, -1), redirect("docs/")],
    [`${DOCS_PATH}assets/docs.css`, (request: Request) => serveAsset(style, request)],
    [`${DOCS_PATH}icon.svg`, (request: Request) => serveAsset(icon, request)],
    ...["", ...DOCUMENTS.map(({ slug }) => slug)].map((slug) =>
      [DOCS_PATH + slug, (request: Request) => serveAsset(page(slug), request)] as const
    ),
  ]);
}
