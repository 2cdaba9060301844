// @ts-check
/** One plot: an SVG, and a table below it that is its legend and says the same in numbers. */
import { make, setAttributes, setText } from "../chat/dom.js";
import { linePath, marks, nearest, scalesOf, timeMarks } from "./scale.js";
import { axisTimeText, clockText, valueText } from "./text.js";

/**
 * @import { ChartSpec, Line } from "./charts.js"
 * @import { Store } from "./store.js"
 * @typedef {{ windowMs: number, cursor: number | null }} Look what part of time, and the moment that is read
 * @typedef {{ line: Line, path: SVGPathElement, cells: readonly HTMLElement[] }} Drawn
 */

const HEIGHT = 132;
const TOP = 8;
const BOTTOM = 18;
const LEFT = 46;
const RIGHT = 6;
/** Least distance of two times on the axis. */
const TIME_GAP = 60;
/** A line is broken where no sample came for so long. */
const GAP_MS = 3500;
/** Percentiles are missing in seconds in which nothing happened: their lines go on over short rests. */
const REST_MS = 10_000;

/**
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Readonly<Record<string, string | number>>} attributes
 * @returns {SVGElementTagNameMap[K]}
 */
export function draw(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(element, attributes);
  return element;
}

/** See the head of this file. */
export class Chart {
  #spec;
  #width = 0;
  #svg = draw("svg", {
    class: "plot",
    tabindex: 0,
    role: "slider",
    "aria-orientation": "horizontal",
  });
  #grid = draw("g", { class: "grid" });
  #goal = draw("line", { class: "goal" });
  #cursor = draw("line", { class: "cursor" });
  #none = draw("text", { class: "none", "text-anchor": "middle" });
  #time = make("th", { scope: "col", class: "number" }, "Now");
  /** @type {Drawn[]} */
  #lines = [];
  #onCursor;
  /** What is in sight, for the pointer. @type {{ at: readonly number[], x: (at: number) => number }} */
  #shown = { at: [], x: () => 0 };
  /** @type {number | null} */
  #read = null;
  element;

  /**
   * @param {ChartSpec} spec
   * @param {(at: number | null) => void} onCursor somebody reads a moment, or no longer does
   */
  constructor(spec, onCursor) {
    this.#spec = spec;
    this.#onCursor = onCursor;
    const title = make("h4", { id: `plot-${spec.id}` }, spec.title);
    const body = make("tbody");
    const head = make(
      "tr",
      {},
      make("th", { scope: "col" }, make("span", { class: "sr" }, "Line")),
    );
    head.append(
      this.#time,
      ...["Mean", "Max"].map((t) => make("th", { scope: "col", class: "number" }, t)),
    );
    const table = make("table", { class: "legend" }, make("thead", {}, head), body);
    this.element = make("article", {
      class: "panel plot-panel",
      "aria-labelledby": `plot-${spec.id}`,
    });
    this.element.append(title, make("p", { class: "quiet" }, spec.about), this.#svg, table);
    this.#svg.append(this.#grid, this.#goal);
    for (const line of spec.lines) body.append(this.#addLine(line));
    this.#svg.append(this.#none, this.#cursor);
    this.#listen();
  }

  /** @param {Line} line */
  #addLine(line) {
    const tone = `tone-${line.tone}${line.dashed === true ? " dashed" : ""}`;
    const path = draw("path", { class: `line ${tone}` });
    this.#svg.append(path);
    const swatch = draw("svg", { class: "swatch", "aria-hidden": "true", viewBox: "0 0 18 6" });
    swatch.append(draw("path", { class: `line ${tone}`, d: "M0,3H18" }));
    const cells = [0, 1, 2].map(() => make("td", { class: "number" }));
    this.#lines.push({ line, path, cells });
    return make("tr", {}, make("th", { scope: "row" }, swatch, line.label), ...cells);
  }

  #listen() {
    const svg = this.#svg;
    svg.addEventListener("pointermove", (event) => {
      const { at, x } = this.#shown;
      const place = event.clientX - svg.getBoundingClientRect().left;
      // The moment nearest to the pointer, by places.
      const i = nearest(at.map(x), place);
      this.#onCursor(i < 0 ? null : at[i] ?? null);
    });
    svg.addEventListener("pointerleave", () => this.#onCursor(null));
    svg.addEventListener("blur", () => this.#onCursor(null));
    svg.addEventListener("keydown", (event) => {
      const { at } = this.#shown;
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30 }[event.key];
      const now = this.#read === null ? at.length - 1 : nearest(at, this.#read);
      if (event.key === "Escape") this.#onCursor(null);
      else if (event.key === "Home") this.#onCursor(at[0] ?? null);
      else if (event.key === "End") this.#onCursor(at.at(-1) ?? null);
      else if (step !== undefined) {
        this.#onCursor(at[Math.min(Math.max(now + step, 0), at.length - 1)] ?? null);
      } else return;
      event.preventDefault();
    });
  }

  /**
   * Draws what the store has.
   * @param {Store} store
   * @param {Look} look
   */
  render(store, { windowMs, cursor }) {
    const width = this.#svg.clientWidth;
    if (width === 0) return;
    if (width !== this.#width) {
      this.#width = width;
      setAttributes(this.#svg, { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT });
    }
    const from = store.since(windowMs);
    const at = store.at.slice(from);
    const start = store.now - windowMs;
    const columns = this.#lines.map(({ line }) => {
      const { scale = 1 } = line;
      return store.series(line.name).slice(from).map((v) => v === null ? null : v * scale);
    });
    const max = columns.flat().reduce((/** @type {number} */ top, v) => Math.max(top, v ?? 0), 0);
    const levels = marks(max, this.#spec.least);
    const box = { left: LEFT, right: width - RIGHT, top: TOP, bottom: HEIGHT - BOTTOM };
    const { x, y } = scalesOf({ box, from: start, to: start + windowMs, levels });
    this.#shown = { at, x };
    this.#read = cursor;
    this.#drawAxes(levels, start, store.now, { x, y });
    const gapMs = this.#spec.unit === "ms" ? REST_MS : GAP_MS;
    const { none } = this.#spec;
    const nothing = none !== undefined && max === 0 && at.length > 0;
    columns.forEach((values, i) => {
      const path = nothing ? "" : linePath(at, values, { x, y, gapMs });
      this.#lines[i]?.path.setAttribute("d", path);
    });
    this.#none.textContent = nothing ? none : "";
    setAttributes(this.#none, {
      x: LEFT + (width - LEFT - RIGHT) / 2,
      y: TOP + (HEIGHT - TOP - BOTTOM) / 2,
    });
    this.#drawNumbers(at, columns, cursor);
    const here = cursor === null || cursor < start ? -10 : x(cursor);
    setAttributes(this.#cursor, { x1: here, x2: here, y1: TOP, y2: HEIGHT - BOTTOM });
  }

  /**
   * @param {readonly number[]} levels
   * @param {number} start
   * @param {number} end
   * @param {ReturnType<typeof scalesOf>} scales
   */
  #drawAxes(levels, start, end, { x, y }) {
    const { unit, goal } = this.#spec;
    const right = this.#width - RIGHT;
    /** @type {SVGElement[]} */
    const parts = [];
    for (const level of levels) {
      parts.push(draw("line", { x1: LEFT, x2: right, y1: y(level), y2: y(level) }));
      const text = draw("text", { x: LEFT - 6, y: y(level) + 4, "text-anchor": "end" });
      text.textContent = valueText(level, unit === "rate" ? "count" : unit).replace(".0 ms", " ms");
      parts.push(text);
    }
    const times = end === 0 ? [] : timeMarks(start, end, Math.max(2, Math.floor(this.#width / 90)));
    let lastPlace = -Infinity;
    for (const time of times) {
      const place = x(time);
      if (place - lastPlace < TIME_GAP) continue;
      lastPlace = place < LEFT + 14 ? place + 26 : place;
      // At the ends there is no room on both sides.
      const anchor = place < LEFT + 14 ? "start" : place > right - 24 ? "end" : "middle";
      const text = draw("text", { x: place, y: HEIGHT - 4, "text-anchor": anchor });
      text.textContent = axisTimeText(time);
      parts.push(
        draw("line", { class: "tick", x1: place, x2: place, y1: y(0), y2: y(0) + 3 }),
        text,
      );
    }
    this.#grid.replaceChildren(...parts);
    const shown = goal !== undefined && goal <= (levels.at(-1) ?? 1) ? y(goal) : -10;
    setAttributes(this.#goal, { x1: LEFT, x2: right, y1: shown, y2: shown });
  }

  /**
   * @param {readonly number[]} at
   * @param {readonly (readonly (number | null)[])[]} columns
   * @param {number | null} cursor
   */
  #drawNumbers(at, columns, cursor) {
    const { unit, title } = this.#spec;
    const reads = cursor === null ? -1 : nearest(at, cursor);
    setText(this.#time, reads < 0 ? "Now" : clockText(at[reads] ?? 0));
    const told = columns.map((values, i) => {
      const known = values.filter((v) => v !== null);
      const mean = known.length === 0 ? null : known.reduce((sum, v) => sum + v, 0) / known.length;
      const max = known.length === 0 ? null : Math.max(...known);
      const now = reads < 0 ? known.length > 0 ? lastOf(values, at) : null : values[reads];
      const texts = [now, mean, max].map((v) => valueText(v, unit));
      this.#lines[i]?.cells.forEach((cell, j) => setText(cell, texts[j] ?? ""));
      return `${this.#lines[i]?.line.label} ${texts[0]}`;
    });
    const moment = reads < 0 ? "now" : clockText(at[reads] ?? 0);
    const focused = document.activeElement === this.#svg;
    setAttributes(this.#svg, {
      "aria-label": `${title}, plotted`,
      "aria-valuemin": 0,
      "aria-valuemax": Math.max(0, at.length - 1),
      "aria-valuenow": reads < 0 ? Math.max(0, at.length - 1) : reads,
      // While it moves by itself under the focus nothing is announced.
      "aria-valuetext": focused && reads < 0
        ? this.#svg.getAttribute("aria-valuetext")
        : `${moment}: ${told.join(", ")}`,
    });
  }
}

/**
 * The newest value, where it is not old.
 * @param {readonly (number | null)[]} values
 * @param {readonly number[]} at
 */
function lastOf(values, at) {
  const i = values.findLastIndex((v) => v !== null);
  return (at.at(-1) ?? 0) - (at[i] ?? 0) > REST_MS ? null : values[i];
}
