/** Markdown to HTML, for the documents that the server publishes. */
import { Marked, type Tokens } from "marked";

/** A heading of a rendered document. */
export interface Heading {
  /** 1 for the title, 2 and more for sections. */
  readonly depth: number;
  /** The anchor, unique in the document; the same as a source host such as GitHub makes. */
  readonly id: string;
  /** HTML of the text, without links. */
  readonly html: string;
}

/** A rendered document. */
export interface Rendered {
  readonly html: string;
  readonly headings: readonly Heading[];
}

/** Inline code of at most so many characters is not broken over lines. */
const SHORT_CODE_MAX = 28;

/** Returns the anchor of a heading: lower case, without punctuation, spaces as hyphens. */
export function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N}\p{M}\p{Pc}\- ]/gu, "").replaceAll(" ", "-");
}

/** Escapes text for HTML content and double-quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** Returns the text of a cell or heading without markup. */
function plain(tokens: readonly { readonly type: string; readonly raw: string }[]): string {
  return tokens.map((token) => {
    const { tokens: inner, text } = token as { tokens?: typeof tokens; text?: string };
    return inner === undefined ? text ?? token.raw : plain(inner);
  }).join("");
}

/**
 * Renders CommonMark with tables. `resolve` maps the target of each link to the `href` to use, or
 * to null for a target that is not published: such a link becomes plain text. HTML in the source is
 * shown as text, and images are left out, so that the output loads nothing and runs nothing.
 *
 * Code blocks and tables scroll inside themselves and can be focused for that. Each cell of a table
 * carries the head of its column in `data-head`, for narrow screens.
 */
export function renderMarkdown(
  source: string,
  resolve: (target: string) => string | null,
): Rendered {
  const headings: Heading[] = [];
  const used = new Map<string, number>();
  const uniqueAnchor = (text: string): string => {
    const anchor = anchorOf(text);
    const count = used.get(anchor) ?? 0;
    used.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  };
  const marked = new Marked({ gfm: true, async: false });
  marked.use({
    renderer: {
      html: ({ text }) => escapeHtml(text),
      image: ({ text }) => escapeHtml(text),
      heading({ tokens, depth }) {
        const id = uniqueAnchor(plain(tokens));
        const html = this.parser.parseInline(tokens);
        headings.push({ depth, id, html: html.replace(/<\/?a\b[^>]*>/g, "") });
        if (depth === 1) return `<h1 id="${id}">${html}</h1>\n`;
        const link = `<a class="anchor" href="#${id}" aria-label="Link to this section">#</a>`;
        return `<h${depth} id="${id}">${html} ${link}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const html = this.parser.parseInline(tokens);
        const to = resolve(href);
        if (to === null) return html;
        const away = /^https?:/.test(to) ? ' rel="noreferrer"' : "";
        return `<a href="${escapeHtml(to)}"${away}>${html}</a>`;
      },
      codespan({ text }) {
        const short = text.length <= SHORT_CODE_MAX ? ' class="short"' : "";
        return `<code${short}>${escapeHtml(text)}</code>`;
      },
      code: ({ text }) => `<pre tabindex="0"><code>${escapeHtml(text)}\n</code></pre>\n`,
      table({ header, rows }) {
        const heads = header.map((cell) => plain(cell.tokens));
        const cells = (row: readonly Tokens.TableCell[]) =>
          row.map((cell, i) =>
            `<td data-head="${escapeHtml(heads[i]!)}">${this.parser.parseInline(cell.tokens)}</td>`
          ).join("");
        const head = header.map((cell) =>
          `<th scope="col">${this.parser.parseInline(cell.tokens)}</th>`
        ).join("");
        const body = rows.map((row) => `<tr>${cells(row)}</tr>\n`).join("");
        const labelled = heads.length > 2 ? ' class="labelled"' : "";
        return `<table${labelled}><thead><tr>${head}</tr></thead>\n<tbody>\n${body}</tbody></table>\n`;
      },
    },
  });
  const html = marked.parse(source, { async: false });
  return { html, headings };
}
