/** Line charts as SVG text, without any library: readable, not clever. */

import { marks } from "../web/admin/scale.js";

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

/** Powers of ten around the values. */
function logTicks(min: number, max: number): readonly number[] {
  const first = Math.floor(Math.log10(Math.max(min, 1e-3)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(max, 1e-3))));
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
}

function label(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}

interface Scale {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly yTicks: readonly number[];
}

function scaleOf(plot: Plot): Scale {
  const values = plot.lines.flatMap((line) => line.values).filter((v): v is number => v !== null);
  const max = values.reduce((a, b) => Math.max(a, b), 0);
  const positive = values.filter((v) => v > 0);
  const min = positive.reduce((a, b) => Math.min(a, b), Infinity);
  const log = plot.logarithmic === true && positive.length > 0;
  const yTicks = log ? logTicks(min, max) : ticks(max);
  const top = yTicks.at(-1)!;
  const bottom = yTicks[0]!;
  const xFrom = 0;
  const xTo = Math.max(plot.x.at(-1) ?? 1, 1e-9);
  const share = log
    ? (v: number) => Math.log(Math.max(v, bottom) / bottom) / Math.log(top / bottom)
    : (v: number) => v / top;
  return {
    x: (value) => LEFT + (value - xFrom) / (xTo - xFrom) * (WIDTH - LEFT - RIGHT),
    y: (value) => HEIGHT - BOTTOM - share(value) * (HEIGHT - TOP - BOTTOM),
    yTicks,
  };
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function pathOf(x: readonly number[], values: PlotLine["values"], { x: sx, y: sy }: Scale): string {
  const step = Math.max(1, Math.ceil(x.length / PLACES_MAX));
  let path = "";
  let drawing = false;
  for (let i = 0; i < x.length; i += step) {
    // The highest of what is drawn as one: spikes are what one looks for.
    const some = values.slice(i, i + step).filter((v): v is number => v !== null);
    if (some.length === 0) {
      drawing = false;
      continue;
    }
    const value = some.reduce((a, b) => Math.max(a, b));
    path += `${drawing ? "L" : "M"}${round(sx(x[i]!))} ${round(sy(value))}`;
    drawing = true;
  }
  return path;
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
  const grid = scale.yTicks.map((t) => {
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
