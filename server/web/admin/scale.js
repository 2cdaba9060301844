// @ts-check
/**
 * The geometry of plots, of the dashboard and of the load tool's report: marks of axes, scales, and
 * lines as paths. It knows neither a page nor a time.
 */

/**
 * The least of 1, 2 or 5 times a power of ten (or of two, for bytes) that is not below a value.
 * @param {number} value over 0
 */
export function niceAbove(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  for (const factor of [1, 2, 5, 10]) {
    // A little tolerance, for 0.3 is 3.0000000000000004 times 0.1.
    if (value <= factor * power * (1 + 1e-9)) return Number((factor * power).toPrecision(12));
  }
  return 10 * power;
}

/**
 * Marks of an axis from 0 to at least `max`, on round numbers; the last is the axis' end.
 * @param {number} max
 * @param {number} least what the axis has at least, over 0, so that noise stays small
 * @param {number} steps how many steps it has at most
 * @returns {readonly number[]}
 */
export function marks(max, least, steps = 4) {
  const top = Math.max(max, least);
  const step = niceAbove(top / steps);
  const count = Math.max(1, Math.ceil(top / step - 1e-9));
  return Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

/**
 * Powers of ten around values over 0: the marks of a logarithmic axis.
 * @param {number} min
 * @param {number} max
 * @returns {readonly number[]}
 */
export function logMarks(min, max) {
  const first = Math.floor(Math.log10(Math.max(min, 1e-3)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(max, 1e-3))));
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
}

/**
 * Places of a plot in the box of its lines, given by its edges. The x axis goes from `from` to `to`,
 * the y axis from its first mark to its last: evenly, or by logarithms.
 * @param {{
 *   box: { left: number, right: number, top: number, bottom: number },
 *   from: number, to: number, levels: readonly number[], logarithmic?: boolean,
 * }} plot
 * @returns {{ x: (at: number) => number, y: (value: number) => number }}
 */
export function scalesOf({ box, from, to, levels, logarithmic = false }) {
  const low = levels[0] ?? 0;
  const high = levels.at(-1) ?? 1;
  const share = logarithmic
    ? (/** @type {number} */ v) => Math.log(Math.max(v, low) / low) / Math.log(high / low)
    : (/** @type {number} */ v) => (v - low) / (high - low);
  return {
    x: (at) => box.left + (at - from) / (to - from) * (box.right - box.left),
    y: (value) => box.bottom - share(value) * (box.bottom - box.top),
  };
}

const TIME_STEPS_S = [10, 15, 30, 60, 120, 300, 600];

/**
 * Moments on round local times between two, at most `count`.
 * @param {number} fromMs
 * @param {number} toMs
 * @param {number} count
 * @returns {readonly number[]}
 */
export function timeMarks(fromMs, toMs, count) {
  const stepMs = 1000 *
    (TIME_STEPS_S.find((s) => (toMs - fromMs) / (s * 1000) <= count) ?? TIME_STEPS_S.at(-1) ?? 600);
  const first = Math.ceil(fromMs / stepMs) * stepMs;
  return Array.from(
    { length: Math.max(0, Math.floor((toMs - first) / stepMs) + 1) },
    (_, i) => first + i * stepMs,
  );
}

/**
 * The path of a line; it is broken where there is no value, or none for longer than `gapMs`.
 * @param {readonly number[]} at ascending
 * @param {readonly (number | null)[]} values
 * @param {{ x: (at: number) => number, y: (value: number) => number, gapMs: number }} scale
 */
export function linePath(at, values, { x, y, gapMs }) {
  let path = "";
  let lastAt = -Infinity;
  /** A value between gaps would not be seen: it is drawn as a dot. */
  let alone = "";
  for (let i = 0; i < at.length; i++) {
    const value = values[i];
    const time = at[i];
    if (value === null || value === undefined || time === undefined) continue;
    const place = `${round(x(time))},${round(y(value))}`;
    const begins = time - lastAt > gapMs;
    if (begins) {
      if (alone !== "") path += "h0.1";
      path += `M${place}`;
    } else path += `L${place}`;
    alone = begins ? place : "";
    lastAt = time;
  }
  return alone === "" ? path : `${path}h0.1`;
}

/** @param {number} pixels */
function round(pixels) {
  return Math.round(pixels * 10) / 10;
}

/**
 * Index of the moment nearest to another; -1 of none.
 * @param {readonly number[]} at ascending
 * @param {number} time
 */
export function nearest(at, time) {
  let lo = 0;
  let hi = at.length - 1;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if ((at[mid] ?? 0) < time) lo = mid + 1;
    else hi = mid;
  }
  const before = at[lo - 1];
  return before !== undefined && time - before < (at[lo] ?? Infinity) - time
    ? lo - 1
    : lo > hi
    ? -1
    : lo;
}
