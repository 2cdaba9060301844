/** A dark launch as one HTML file: the last intervals against the objective. */
import { escapeXml, plotSvg } from "./plot.ts";
import { duration, grouped } from "./report_text.ts";
import type { DarkReport } from "./dark.ts";
import { LATENCY_US_MAX } from "./latency.ts";
import type { Objective } from "./objective.ts";
import { page, table } from "./report_html.ts";

function hoursOf(reports: readonly DarkReport[]): readonly number[] {
  const first = Date.parse(reports[0]!.at);
  return reports.map(({ at }) => (Date.parse(at) - first) / 3_600_000);
}

function plotsOf(reports: readonly DarkReport[], objective: Objective): string {
  const x = hoursOf(reports);
  const plots = [
    plotSvg({
      title: "Latency of deliveries",
      unit: "ms, logarithmic",
      x,
      xUnit: "h",
      logarithmic: true,
      lines: [
        { name: "p99", values: reports.map(({ p99Ms }) => p99Ms) },
        { name: "p50", values: reports.map(({ p50Ms }) => p50Ms) },
        { name: "objective", values: reports.map(() => objective.p99Ms) },
      ],
    }),
    plotSvg({
      title: "Not delivered",
      unit: "% of deliveries",
      x,
      xUnit: "h",
      lines: [
        { name: "lost", values: reports.map(({ share }) => (1 - share) * 100) },
        { name: "allowed", values: reports.map(() => (1 - objective.share) * 100) },
      ],
    }),
    plotSvg({
      title: "Online",
      unit: "synthetic users",
      x,
      xUnit: "h",
      lines: [{ name: "online", values: reports.map(({ online }) => online) }],
    }),
  ];
  return plots.join("");
}

/** The page; `reports` in order of time, at least one. */
export function darkHtml(reports: readonly DarkReport[], objective: Objective): string {
  const last = reports.at(-1)!;
  const { overall } = last;
  const bad = reports.filter((report) => !report.held);
  const percent = (share: number) => `${(Math.floor(share * 1e5) / 1e3).toFixed(3)} %`;
  const p99 = (ms: number | null) =>
    ms === null ? "–" : ms >= LATENCY_US_MAX / 1000 * 0.99 ? "lost" : duration(ms * 1000);
  const verdict = overall.held ? "The objective holds." : "The objective does not hold.";
  const rows = [
    ["p99 of deliveries", p99(overall.p99Ms), `at most ${objective.p99Ms} ms`],
    ["delivered", percent(overall.share), `at least ${percent(objective.share)}`],
    ["deliveries expected", grouped(overall.expected), ""],
    ["connections broken", grouped(last.broken), ""],
  ];
  const badRows = bad.slice(-50).map((report) => [
    report.at,
    percent(report.share),
    p99(report.p99Ms),
    `${report.online} of ${report.users}`,
  ]);
  const faults = last.faults.map((fault) => [fault.what, grouped(fault.count), fault.example]);
  return page(
    "roost load: dark launch",
    `<h1>Dark launch <small>until ${escapeXml(last.at)}</small></h1>` +
      `<p class="${overall.held ? "good" : "bad"}"><strong>${verdict}</strong></p>` +
      table(["", "reached", "objective"], rows) + plotsOf(reports, objective) +
      (bad.length === 0
        ? ""
        : `<h2>Intervals that missed it (${bad.length} of ${reports.length})</h2>` +
          table(["", "delivered", "p99", "online"], badRows)) +
      (faults.length === 0 ? "" : `<h2>Refusals and faults</h2>${table([], faults)}`),
  );
}
