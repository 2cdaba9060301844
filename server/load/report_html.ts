/** A run as one HTML file that needs nothing else: no scripts, no fonts, no network. */
import { CURVE, TIMED, TIMED_NAMES } from "./latency.ts";
import { duration, figures, grouped } from "./report_text.ts";
import { escapeXml, type Plot, plotSvg } from "./plot.ts";
import type { Point, RunResult } from "./result.ts";

const STYLE = `
:root{color-scheme:light dark;--ink:#1f2937;--soft:#6b7280;--line:#e5e7eb;--page:#fff;--shade:#eff6ff}
@media(prefers-color-scheme:dark){:root{--ink:#e5e7eb;--soft:#9ca3af;--line:#374151;--page:#111827;
--shade:#1e293b}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:900px;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0}
.soft,small{color:var(--soft)}.good{color:#059669}.bad{color:#dc2626}
table{border-collapse:collapse;width:100%}td,th{padding:.25rem .5rem;text-align:right;
border-bottom:1px solid var(--line)}td:first-child,th:first-child{text-align:left}
th{font-weight:600}figure{margin:1.2rem 0}figcaption{font-weight:600}
.legend{font-weight:400;float:right}.legend span{margin-left:1rem}
.legend i{display:inline-block;width:.7rem;height:.7rem;margin-right:.3rem;border-radius:2px}
svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--soft)}
svg .grid{stroke:var(--line)}svg .shade{fill:var(--shade)}svg path{fill:none;stroke-width:1.6}
code{font-size:13px;word-break:break-all}`;

/** A table; cells are text. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeXml(cell)}</${tag}>`).join("")}</tr>`;
  const top = head.length === 0 ? "" : `<thead>${line(head, "th")}</thead>`;
  return `<table>${top}<tbody>${rows.map((row) => line(row, "td")).join("")}</tbody></table>`;
}

function list(title: string, lines: readonly string[], mark = ""): string {
  if (lines.length === 0) return "";
  const items = lines.map((text) => `<li>${escapeXml(text)}</li>`).join("");
  return `<h2 class="${mark}">${title}</h2><ul>${items}</ul>`;
}

function latencyRows(r: RunResult): readonly (readonly string[])[] {
  return TIMED_NAMES.flatMap((name) => {
    const l = r.latencies[name];
    if (l === undefined) return [];
    const times = [l.meanUs, l.p50Us, l.p90Us, l.p99Us, l.p999Us, l.maxUs].map(duration);
    return [[TIMED[name], grouped(l.count), ...times]];
  });
}

function plotsOf(r: RunResult): readonly Plot[] {
  const { points } = r;
  const x = points.map((point) => point.at);
  const shaded = r.phases.filter((phase) => phase.measured);
  const base = { x, xUnit: "s", shaded };
  const line = (name: string, value: (point: Point) => number | null) => ({
    name,
    values: points.map(value),
  });
  const rates = [
    line("presence", (p) => p.presence),
    line("messages", (p) => p.messages),
    line("sign-ins", (p) => p.signIns),
  ].filter(({ values }) => values.some((value) => value !== null && value > 0));
  const latencies = (["presence", "message", "login", "resumed", "sent"] as const)
    .filter((name) => points.some((point) => point.latencies[name] !== undefined))
    .flatMap((name) => [
      line(`${name} p99`, (p) => ms(p.latencies[name]?.p99Us)),
      line(`${name} p50`, (p) => ms(p.latencies[name]?.p50Us)),
    ]);
  return [
    { ...base, title: "Throughput", unit: "deliveries a second", lines: rates },
    {
      ...base,
      title: "Latency from when it was due",
      unit: "ms, logarithmic",
      lines: latencies,
      logarithmic: true,
    },
    {
      ...base,
      title: "CPU",
      unit: "cores",
      lines: [line("server", (p) => p.serverCpu), line("this tool", (p) => p.toolCpu)],
    },
    {
      ...base,
      title: "Memory",
      unit: "MB resident",
      lines: [
        line("server", (p) => p.serverRssBytes === null ? null : p.serverRssBytes / 1e6),
        line("this tool", (p) => p.toolRssBytes / 1e6),
      ],
    },
    { ...base, title: "Online", unit: "sessions", lines: [line("online", (p) => p.online)] },
  ];
}

function ms(us: number | undefined): number | null {
  return us === undefined ? null : us / 1000;
}

/** Latency by percentile, the tail stretched as it deserves. */
function curvePlot(r: RunResult): Plot | null {
  const timed = TIMED_NAMES.filter((name) =>
    name !== "lateness" && r.latencies[name] !== undefined
  );
  if (timed.length === 0) return null;
  return {
    title: "Latency by percentile",
    unit: "ms, logarithmic",
    x: CURVE.map((_, i) => i),
    xUnit: "",
    xLabels: CURVE.map((percentile) => percentile === 100 ? "max" : String(percentile)),
    lines: timed.map((name) => ({
      name: TIMED[name],
      values: r.latencies[name]!.curveUs.map((us) => us / 1000),
    })),
    logarithmic: true,
  };
}

function checkRows(r: RunResult): readonly (readonly string[])[] {
  const { presence: p, messages: m } = r;
  return [
    ["presence delivered", grouped(p.delivered + p.initial)],
    ["presence overtaken by a newer change", grouped(p.coalesced)],
    ["final presence compared / wrong", `${grouped(p.compared)} / ${grouped(p.stale)}`],
    ["messages accepted / arrived", `${grouped(m.accepted)} / ${grouped(m.received)}`],
    ["messages out of turn / reordered", `${grouped(m.outOfTurn)} / ${grouped(m.reordered)}`],
    ["connections lost / resumed", `${grouped(r.counts.lost)} / ${grouped(r.counts.resumes)}`],
    ["false offline within the grace", grouped(r.falseOffline)],
  ];
}

function head(r: RunResult): string {
  const good = r.violations.length === 0;
  const verdict = good ? "Everything that was sent arrived as promised." : "Something is wrong.";
  const { users, contacts, processes } = r.options;
  return `<h1>${escapeXml(r.scenario)} <small>${escapeXml(r.summary)}</small></h1>` +
    `<p>${grouped(users)} users with ${contacts} contacts each against ` +
    `<code>${escapeXml(r.target)}</code>, played by ${processes} ` +
    `${processes === 1 ? "process" : "processes"}, ${escapeXml(r.startedAt)}.</p>` +
    `<p class="soft">${escapeXml(r.program)} · ${escapeXml(r.machine.cpu)}, ` +
    `${r.machine.cores} cores · <code>${escapeXml(r.command)}</code></p>` +
    `<p class="${good ? "good" : "bad"}"><strong>${verdict}</strong></p>`;
}

/** A page around a body, with the style of all reports. */
export function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8">` +
    `<meta name="viewport" content="width=device-width,initial-scale=1">` +
    `<title>${escapeXml(title)}</title><style>${STYLE}</style><body>${body}</body></html>\n`;
}

/** The whole page. */
export function reportHtml(r: RunResult): string {
  const curve = curvePlot(r);
  const plots = [...plotsOf(r), ...(curve === null ? [] : [curve])];
  const faults = r.faults.map((f) => [f.what, grouped(f.count), f.example]);
  const metrics = Object.entries(r.server?.metrics ?? {})
    .map(([name, value]) => [name, String(Math.round(value * 1000) / 1000)]);
  const options = Object.entries(r.options).map(([name, value]) => [name, String(value)]);
  return page(
    `roost load: ${r.scenario}`,
    head(r) + list("Wrong", r.violations, "bad") + list("Mind", r.hints) +
      `<h2>Figures</h2>${table([], figures(r).map(({ label, value }) => [label, value]))}` +
      `<h2>Latency from when it was due</h2>` +
      table(["", "count", "mean", "p50", "p90", "p99", "p99.9", "max"], latencyRows(r)) +
      `<p class="soft">The shaded part of the plots is what was measured.</p>` +
      plots.filter((plot) => plot.lines.length > 0).map(plotSvg).join("") +
      `<h2>Checked at the clients</h2>${table([], checkRows(r))}` +
      (faults.length === 0 ? "" : `<h2>Refusals and faults</h2>${table([], faults)}`) +
      `<h2>Options</h2>${table([], options)}` +
      (metrics.length === 0
        ? ""
        : `<h2>The server's metrics</h2><p class="soft">Counters: what the run has added.</p>` +
          table([], metrics)),
  );
}
