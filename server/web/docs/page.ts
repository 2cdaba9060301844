/** The HTML page around a document. */
import { escapeHtml, type Heading, type Rendered } from "./markdown.ts";

/** An entry of the navigation: a document and its address below `/docs/`. */
export interface Entry {
  /** Last part of the address; empty for the list of documents. */
  readonly slug: string;
  /** Short name, plain text. */
  readonly name: string;
  /** One line about the content, plain text. */
  readonly about: string;
}

/** Relative, so that the pages work below a path prefix too. */
const hrefOf = (slug: string) => slug === "" ? "./" : slug;

function pageLinks(entries: readonly Entry[], current: string): string {
  const links = [{ slug: "", name: "Contents" }, ...entries].map(({ slug, name }) => {
    const here = slug === current ? ' aria-current="page"' : "";
    return `<li><a href="${hrefOf(slug)}"${here}>${escapeHtml(name)}</a></li>`;
  });
  return `<nav class="pages" aria-label="Documents"><ul>${links.join("")}</ul></nav>`;
}

/** The sections of a document, as list items. */
function sectionItems(headings: readonly Heading[]): string {
  return headings.filter(({ depth }) => depth === 2 || depth === 3)
    .map(({ depth, id, html }) => `<li class="depth-${depth}"><a href="#${id}">${html}</a></li>`)
    .join("");
}

/** The sections twice: beside the text on wide screens, folded above it on narrow ones. */
function contents(
  headings: readonly Heading[],
): { readonly wide: string; readonly folded: string } {
  const items = sectionItems(headings);
  if (items === "") return { wide: "", folded: "" };
  return {
    wide: `<nav class="sections" aria-label="On this page"><h2>On this page</h2>` +
      `<ul>${items}</ul></nav>`,
    folded: `<details class="sections-folded"><summary>On this page</summary>` +
      `<nav aria-label="On this page"><ul>${items}</ul></nav></details>`,
  };
}

/** Links to the documents before and after one, in the order of the navigation. */
function neighbours(entries: readonly Entry[], slug: string): string {
  const at = entries.findIndex((entry) => entry.slug === slug);
  if (at < 0) return "";
  const link = (entry: Entry | undefined, rel: string, word: string) =>
    entry === undefined ? "" : `<a rel="${rel}" href="${hrefOf(entry.slug)}">` +
      `<span>${word}</span> ${escapeHtml(entry.name)}</a>`;
  return `<nav class="neighbours" aria-label="Previous and next">` +
    `${link(entries[at - 1], "prev", "Previous")}${link(entries[at + 1], "next", "Next")}</nav>`;
}

/** What a page is made of. */
export interface PageParts {
  readonly slug: string;
  /** Plain text. */
  readonly title: string;
  readonly rendered: Rendered;
  readonly entries: readonly Entry[];
}

/** Returns a whole HTML page. It has no script and no inline style. */
export function renderPage({ slug, title, rendered, entries }: PageParts): string {
  const { wide, folded } = contents(rendered.headings);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${escapeHtml(title)} · Roost</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="theme-color" content="#f4f1ea" media="(prefers-color-scheme: light)">
<meta name="theme-color" content="#14181a" media="(prefers-color-scheme: dark)">
<link rel="icon" href="icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="assets/docs.css">
</head>
<body>
<a class="skip" href="#text">Skip to the text</a>
<header>
<a class="home" href="./"><img src="icon.svg" alt="" width="28" height="28"> Roost documentation</a>
${pageLinks(entries, slug)}
</header>
<div class="columns${wide === "" ? " whole" : ""}">
${wide}
<main id="text" tabindex="-1">
${folded}
${rendered.html}
${neighbours(entries, slug)}
</main>
</div>
</body>
</html>
`;
}

/** Returns the body of the page that lists all documents with their sections. */
export function renderList(
  entries: readonly Entry[],
  sectionsOf: (slug: string) => readonly Heading[],
): string {
  const items = entries.map(({ slug, name, about }) => {
    const sections = sectionsOf(slug).filter(({ depth }) => depth === 2)
      .map(({ id, html }) => `<li><a href="${hrefOf(slug)}#${id}">${html}</a></li>`).join("");
    return `<li><h2><a href="${hrefOf(slug)}">${escapeHtml(name)}</a></h2>` +
      `<p>${escapeHtml(about)}</p><ul>${sections}</ul></li>`;
  });
  return `<h1>Documentation</h1>\n<ul class="documents">${items.join("\n")}</ul>`;
}
