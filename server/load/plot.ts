/** Line charts as SVG text, with the geometry of the dashboard's plots. */
import { linePath, logMarks, marks, scalesOf } from "../web/admin/scale.js";

/** One line of a chart; `null` leaves a gap. */
export interface PlotLine {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

/** A chart. */
export interface Plot {
  readonly title: string;
  /** What the y axis counts, for example `ms`. */
  readonly unit: string;
  /** The x value of each place in the lines; ascending, from 0 on. */
  readonly x: readonly number[];
  readonly xUnit: string;
  readonly lines: readonly PlotLine[];
  /** Spans of x to be shaded. */
  readonly shaded?: readonly { readonly from: number; readonly to: number }[];
  readonly logarithmic?: boolean;
  /** Words under the x axis in place of numbers, evenly spaced places. */
  readonly xLabels?: readonly string[];
}

const WIDTH = 860;
const HEIGHT = 240;
const LEFT = 64;
const RIGHT = 12;
const TOP = 12;
const BOTTOM = 30;
const COLOURS = ["#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2"];
/** Places that a line keeps; a week of seconds would be more than anybody sees. */
const PLACES_MAX = 1200;

/** Escapes text for XML and HTML. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** Round numbers from 0 to at least `max`, about five of them. */
export function ticks(max: number): readonly number[] {
  return max > 0 ? marks(max, max, 5) : [0, 1];
}

function label(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}

interface Scale extends ReturnType<typeof scalesOf> {
  readonly levels: readonly number[];
}

const BOX = { left: LEFT, right: WIDTH - RIGHT, top: TOP, bottom: HEIGHT - BOTTOM };

function scaleOf(plot: Plot): Scale {
  const values = plot.lines.flatMap((line) => line.values).filter((v): v is number => v !== null);
  const max = values.reduce((a, b) => Math.max(a, b), 0);
  const positive = values.filter((v) => v > 0);
  const min = positive.reduce((a, b) => Math.min(a, b), Infinity);
  const logarithmic = plot.logarithmic === true && positive.length > 0;
  const levels = logarithmic ? logMarks(min, max) : ticks(max);
  const to = Math.max(plot.x.at(-1) ?? 1, 1e-9);
  return { levels, ...scalesOf({ box: BOX, from: 0, to, levels, logarithmic }) };
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** The path of a line with at most `PLACES_MAX` places; a place without a value breaks it. */
function pathOf(x: readonly number[], values: PlotLine["values"], scale: Scale): string {
  const step = Math.max(1, Math.ceil(x.length / PLACES_MAX));
  const at = x.filter((_, i) => i % step === 0);
  // The highest of the values that share a place: a reader looks for spikes.
  const highest = at.map((_, i) =>
    values.slice(i * step, (i + 1) * step).reduce(
      (a, b) => a === null || (b ?? a) > a ? b : a,
      null,
    )
  );
  const gapMs = 1.5 * ((at.at(-1) ?? 0) - (at[0] ?? 0)) / Math.max(1, at.length - 1);
  return linePath(at, highest, { ...scale, gapMs });
}

function xAxis(plot: Plot, scale: Scale): string {
  const base = HEIGHT - BOTTOM + 16;
  const text = (at: number, words: string) =>
    `<text x="${round(scale.x(at))}" y="${base}" text-anchor="middle">${escapeXml(words)}</text>`;
  if (plot.xLabels !== undefined) {
    return plot.xLabels.map((words, i) => text(plot.x[i] ?? 0, words)).join("");
  }
  const to = plot.x.at(-1) ?? 1;
  return ticks(to).filter((t) => t <= to)
    .map((t) => text(t, `${label(t)} ${plot.xUnit}`)).join("");
}

/** The chart as one `<svg>` element with a legend; needs no style sheet but takes one's colours. */
export function plotSvg(plot: Plot): string {
  const scale = scaleOf(plot);
  const shaded = (plot.shaded ?? []).map(({ from, to }) => {
    const x = scale.x(from);
    const width = Math.max(0, scale.x(Math.min(to, plot.x.at(-1) ?? to)) - x);
    return `<rect class="shade" x="${round(x)}" y="${TOP}" width="${round(width)}" ` +
      `height="${HEIGHT - TOP - BOTTOM}"/>`;
  }).join("");
  const grid = scale.levels.map((t) => {
    const y = round(scale.y(t));
    return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/>` +
      `<text x="${LEFT - 6}" y="${y}" dy="4" text-anchor="end">${label(t)}</text>`;
  }).join("");
  const lines = plot.lines.map((line, i) =>
    `<path d="${pathOf(plot.x, line.values, scale)}" stroke="${COLOURS[i % COLOURS.length]}"/>`
  ).join("");
  const legend = plot.lines.map((line, i) =>
    `<span><i style="background:${COLOURS[i % COLOURS.length]}"></i>${escapeXml(line.name)}</span>`
  ).join("");
  const heading = `${escapeXml(plot.title)} <small>${escapeXml(plot.unit)}</small>`;
  return `<figure><figcaption>${heading}<span class="legend">${legend}</span></figcaption>` +
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeXml(plot.title)}">` +
    `${shaded}${grid}${xAxis(plot, scale)}${lines}</svg></figure>`;
}
