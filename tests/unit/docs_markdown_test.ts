import assert from "node:assert/strict";
import { anchorOf, renderMarkdown } from "../../server/web/docs/markdown.ts";

const keep = (target: string) => target;

Deno.test("anchorOf: makes the anchors that source hosts make", () => {
  assert.equal(anchorOf("Two users talk"), "two-users-talk");
  assert.equal(anchorOf("What `roost load` does, in short"), "what-roost-load-does-in-short");
  assert.equal(anchorOf("0.1.0"), "010");
  assert.equal(anchorOf("Über e_mail - now"), "über-e_mail---now");
});

Deno.test("renderMarkdown: collects headings; equal ones get different anchors", () => {
  const { html, headings } = renderMarkdown("# A `b` & c\n\n## [D](x) e\n\n## D e\n", keep);
  assert.deepEqual(headings, [
    { depth: 1, id: "a-b--c", html: 'A <code class="short">b</code> &amp; c' },
    { depth: 2, id: "d-e", html: "D e" },
    { depth: 2, id: "d-e-1", html: "D e" },
  ]);
  assert.match(html, /<h2 id="d-e-1">D e <a class="anchor" href="#d-e-1"/);
});

Deno.test("renderMarkdown: shows HTML of the source as text and loads nothing", () => {
  const source = [
    '<script>alert(1)</script><img src=x onerror="alert(1)">',
    'a <b onclick="x">b</b> ![an image](http://x.test/i.png) `<i>`',
    "```html\n<style>p {}</style>\n```",
  ].join("\n\n");
  const { html } = renderMarkdown(source, keep);
  assert.doesNotMatch(html, /<(script|img|b|i|style)\b/);
  assert.match(html, /&lt;script&gt;alert\(1\)&lt;\/script&gt;/);
  assert.match(html, /an image/);
});

Deno.test("renderMarkdown: uses the addresses of resolve, and drops links that it refuses", () => {
  const { html } = renderMarkdown(
    '[a](one) [b](javascript:alert%281%29) [c](https://x.test/?a="&b)',
    (target) => target.startsWith("javascript:") ? null : target,
  );
  assert.equal(
    html,
    '<p><a href="one">a</a> b <a href="https://x.test/?a=&quot;&amp;b" rel="noreferrer">c</a></p>\n',
  );
});

Deno.test("renderMarkdown: names the column of each cell; tables of three columns are labelled", () => {
  const { html } = renderMarkdown(
    '| `k` | is "it" | c |\n| - | - | - |\n| 1 | `a\\|b` | |\n',
    keep,
  );
  assert.match(html, /^<table class="labelled">/);
  assert.match(
    html,
    /<td data-head="k">1<\/td><td data-head="is &quot;it&quot;"><code class="short">a\|b<\/code><\/td>/,
  );
});
