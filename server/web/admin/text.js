// @ts-check
/** Numbers, times and refusals as people read them. */

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** @typedef {"count" | "rate" | "ms" | "bytes" | "cores"} Unit */

/** @param {number} value @param {number} digits */
function digits(value, digits) {
  return String(Number(value.toPrecision(digits)));
}

/** 12,345; fractions only below ten. @param {number} value */
export function countText(value) {
  if (value >= 10 || Number.isInteger(value)) return NUMBER.format(value);
  return value < 0.05 ? "0" : value.toFixed(1);
}

/** @param {number} ms */
export function msText(ms) {
  if (ms >= 10_000) return `${digits(ms / 1000, 3)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

/** @param {number} bytes */
export function bytesText(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let i = 0;
  let value = bytes;
  while (value >= 999.5 && i < units.length - 1) {
    value /= 1000;
    i++;
  }
  return `${i === 0 || value >= 100 ? Math.round(value) : digits(value, 2)} ${units[i]}`;
}

/**
 * A value with its unit; a dash for none.
 * @param {number | null | undefined} value
 * @param {Unit} unit
 */
export function valueText(value, unit) {
  if (value === null || value === undefined) return "–";
  switch (unit) {
    case "count":
      return countText(value);
    case "rate":
      return `${countText(value)}/s`;
    case "ms":
      return msText(value);
    case "bytes":
      return bytesText(value);
    case "cores":
      return `${Math.round(value * 100)} %`;
  }
}

/** The time of day, to the second. @param {number} at */
export function clockText(at) {
  return new Date(at).toTimeString().slice(0, 8);
}

/** The time of day for an axis: seconds only where they are not 0. @param {number} at */
export function axisTimeText(at) {
  const text = clockText(at);
  return text.endsWith(":00") ? text.slice(0, 5) : text;
}

/** Day and time, as in a log. @param {number} at */
export function dateText(at) {
  const date = new Date(at);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** How long, in its two largest units. @param {number} ms */
export function durationText(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts = /** @type {const} */ ([["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]]);
  const first = parts.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2)
    .map(([unit, size], i) => {
      const [, above] = parts[first + i - 1] ?? ["", Infinity];
      return [Math.floor((i === 0 ? seconds : seconds % above) / size), unit];
    })
    .filter(([count], i) => i === 0 || count !== 0)
    .map(([count, unit]) => `${count} ${unit}`).join(" ");
}

/** "1 device", "2 devices". @param {number} count @param {string} one @param {string} many */
export function counted(count, one, many = `${one}s`) {
  return `${countText(count)} ${count === 1 ? one : many}`;
}

const STATES = /** @type {const} */ ({
  healthy: "Healthy",
  busy: "Busy",
  degraded: "Refusing work",
  failing: "Store failing",
  starting: "Starting",
  draining: "Stopping",
});

/** A state of the node in a word or two. @param {string} state */
export function stateText(state) {
  return Object.entries(STATES).find(([key]) => key === state)?.[1] ?? state;
}

/**
 * The text of a change of the shard table. @param {{ of: readonly number[], shards: readonly
 * number[] }} change
 */
export function changeText({ of, shards }) {
  const list = (/** @type {readonly number[]} */ ids) =>
    ids.length > 4 ? `${ids.slice(0, 3).join(", ")} … ${ids.at(-1)}` : ids.join(", ");
  const verb = of.length === 1 ? "cut into" : shards.length === 1 ? "merged into" : "became";
  return `${of.length === 1 ? "Shard" : "Shards"} ${list(of)} ${verb} ${list(shards)}`;
}

/**
 * The text of a refusal.
 * @param {{ code: string, message?: string, retryAfterMs?: number | undefined }} refusal
 */
export function refusalText({ code, message, retryAfterMs }) {
  const wait = retryAfterMs === undefined ? "" : ` Wait ${Math.ceil(retryAfterMs / 1000)} s.`;
  switch (code) {
    case "unauthorized":
      return "This is not the server's admin token.";
    case "rate_limited":
      return `Too many wrong tokens came from this address.${wait}`;
    case "unreachable":
      return "The server does not answer.";
    default:
      return `${message ?? code}${/[.!?]$/.test(message ?? code) ? "" : "."}${wait}`;
  }
}

/** A node's id as people tell nodes apart. @param {string} id @param {readonly string[]} all */
export function nodeName(id, all) {
  const worker = /^(.*)-(\d+)$/.exec(id);
  const one = worker !== null && all.every((other) => other.startsWith(`${worker[1]}-`));
  return one
    ? `Worker ${worker[2]}`
    : `Node ${id.slice(0, 6)}${worker === null ? "" : `-${worker[2]}`}`;
}

/** Colours of nodes; those of charts. */
const TONES = 6;

/** The number of a node's colour. @param {readonly { readonly id: string }[]} nodes @param {string | null} id */
export function toneOf(nodes, id) {
  const at = nodes.map((node) => node.id).sort().indexOf(id ?? "");
  return at < 0 ? 0 : at % TONES + 1;
}
