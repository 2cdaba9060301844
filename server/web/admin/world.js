// @ts-check
/** The other cells of the federation: their links with this one, plotted, and what is known of them. */
import { byId, make, setAttributes, setText, showList } from "../chat/dom.js";
import { Chart } from "./chart.js";
import { counted, countText, valueText } from "./text.js";

/**
 * @import { ChartSpec } from "./charts.js"
 * @typedef {{ id: string, address: string, publicUrls: readonly string[], version: string, state:
 * "linked" | "unlinked" | "left", rttMs: number | null, queueBytes: number, lagMs: number, users:
 * number | null, busy: boolean, fault: string | null }} WorldNode
 * @typedef {{ cell: string, state: WorldNode["state"], member: boolean, nodes: readonly WorldNode[],
 * shards: number | null, sent: { dropped: number } }} WorldCell
 * @typedef {{ self: { cell: string, publicUrls: readonly string[], version: string }, members: {
 * version: number, cells: readonly string[], joined: boolean }, cells: readonly WorldCell[], unreached:
 * readonly { address: string, fault: string }[], others: readonly { self: { node: string }, cells:
 * readonly WorldCell[] }[], missing: readonly { node: string, why: string }[] }} World
 * @typedef {Readonly<Record<"rttMs" | "lagMs" | "queueBytes" | "users", readonly (number |
 * null)[]>>} WorldColumns
 * @typedef {{ cell: string, role: string, inSync: boolean, serves?: boolean, standbys: readonly { peer:
 * string | null, state: string, lagMs: number }[] }} Copy
 * @typedef {{ own: Copy | null, copies: readonly Copy[] }} Copies
 * @typedef {{ at: readonly number[], cells: Readonly<Record<string, WorldColumns>> }} WorldHistory
 */

const STATES = /** @type {const} */ ({
  linked: { text: "Linked", level: "healthy" },
  unlinked: { text: "Not linked", level: "failing" },
  left: { text: "Stopped", level: "lost" },
});
/** Colours of lines; a federation of more cells uses them again. */
const TONES = 6;

/** @type {readonly (Omit<ChartSpec, "lines"> & { field: keyof WorldColumns })[]} */
const CHARTS = [
  {
    id: "world-rtt",
    field: "rttMs",
    title: "Round trip",
    about: "From a ping to its reply over the best link with each cell.",
    unit: "ms",
    least: 10,
  },
  {
    id: "world-lag",
    field: "lagMs",
    title: "Lag",
    about: "How long the oldest frame has waited that is still to be sent to each cell.",
    unit: "ms",
    least: 10,
    none: "Nothing waited",
  },
  {
    id: "world-queue",
    field: "queueBytes",
    title: "Queue",
    about: "Bytes that wait for each cell.",
    unit: "bytes",
    least: 1024,
    none: "Nothing waited",
  },
  {
    id: "world-users",
    field: "users",
    title: "Users online",
    about: "In each other cell, as its nodes say.",
    unit: "count",
    least: 4,
  },
];

/** Samples as plots read them; see `Store`. */
class Samples {
  /** @type {WorldHistory} */
  #history = { at: [], cells: {} };

  /** @param {WorldHistory} history */
  take(history) {
    this.#history = history;
  }
  get at() {
    return this.#history.at;
  }
  get now() {
    return this.at.at(-1) ?? 0;
  }
  /** @param {number} ms */
  since(ms) {
    const i = this.at.findIndex((at) => at >= this.now - ms);
    return i < 0 ? this.at.length : i;
  }
  /** @param {string} name a field and a cell @returns {readonly (number | null)[]} */
  series(name) {
    const [field = "", cell = ""] = name.split(" ");
    return this.#history.cells[cell]?.[/** @type {keyof WorldColumns} */ (field)] ?? [];
  }
}

/** A sum over nodes, of what is known. @param {readonly WorldNode[]} nodes @param {"queueBytes" | "users"} name */
const sum = (nodes, name) => nodes.reduce((all, node) => all + (node[name] ?? 0), 0);

/** What is copied between this cell and another one. @param {string} cell @param {Copies} copies */
function copyText(cell, { own, copies }) {
  const here = copies.find((copy) => copy.cell === cell);
  const there = own?.standbys.find(({ peer }) => peer === cell);
  return [
    here === undefined ? "" : here.serves === true ? "served here" : `${here.role} here`,
    there === undefined ? "" : `has ours: ${there.state}`,
  ].filter((text) => text !== "").join(", ") || "–";
}

/** @param {WorldCell} cell @param {Copies} copies @returns {readonly (readonly [string, string])[]} */
function factsOf({ cell, nodes, member, shards, sent }, copies) {
  const known = nodes.filter(({ state }) => state !== "left");
  const linked = nodes.filter(({ state }) => state === "linked");
  const rtts = linked.flatMap(({ rttMs }) => rttMs === null ? [] : [rttMs]);
  const versions = [...new Set(known.map(({ version }) => version))];
  return [
    ["Users", linked.length === 0 ? "–" : countText(sum(linked, "users"))],
    ["Nodes linked", `${linked.length} of ${known.length}`],
    ["Round trip", rtts.length === 0 ? "–" : valueText(Math.min(...rtts), "ms")],
    ["Lag", valueText(Math.max(0, ...nodes.map(({ lagMs }) => lagMs)), "ms")],
    ["Queue", valueText(sum(nodes, "queueBytes"), "bytes")],
    ["Dropped", countText(sent.dropped)],
    ["Votes", member ? "yes" : "no"],
    ["Shards", shards === null ? "–" : String(shards)],
    ["Version", versions.join(", ") || "–"],
    ["Standby", copyText(cell, copies)],
  ];
}

/** Why nodes are not linked. @param {WorldCell} cell */
const faultsOf = ({ nodes }) =>
  nodes.flatMap(({ id, address, state, fault }) =>
    state === "unlinked" ? [`${id} at ${address}: ${fault ?? "no link"}`] : []
  );

/** See the head of this file. */
export class WorldView {
  #line = byId("world-line", HTMLElement);
  #missing = byId("world-missing", HTMLElement);
  #cards = byId("world-cards", HTMLElement);
  #plots = byId("world-plots", HTMLElement);
  #samples = new Samples();
  /** @type {Chart[]} */
  #charts = [];
  #key = "";
  #onCursor;

  /** @param {(at: number | null) => void} onCursor */
  constructor(onCursor) {
    this.#onCursor = onCursor;
  }

  /** @param {World} world @param {Copies} copies @param {WorldHistory} history @param {{ windowMs: number, cursor: number | null }} look */
  render(world, copies, history, look) {
    const { cells, members, missing, self, unreached } = world;
    const joined = members.joined ? "" : " It is no member: it gives no names.";
    const linked = cells.filter(({ state }) => state === "linked").length;
    setText(
      this.#line,
      `This is the cell ${self.cell}, linked with ${linked} of ${
        counted(cells.length, "other")
      }. ` +
        `Members, version ${members.version}: ${
          members.cells.join(", ") || "none known"
        }.${joined}`,
    );
    const faults = [
      ...cells.flatMap(faultsOf),
      ...unreached.map(({ address, fault }) => `${address}: ${fault}`),
      ...missing.map(({ node, why }) => `${node}: ${why}`),
    ];
    setText(this.#missing, faults.join(" · "));
    this.#renderCards(cells, copies);
    this.#samples.take(history);
    this.#makeCharts(Object.keys(history.cells).sort());
    const { at, now } = this.#samples;
    const windowMs = Math.min(look.windowMs, Math.max(60_000, now - (at[0] ?? 0)));
    for (const chart of this.#charts) {
      chart.render(/** @type {never} */ (this.#samples), { ...look, windowMs });
    }
  }

  /** @param {readonly string[]} cells */
  #makeCharts(cells) {
    const key = cells.join();
    if (key === this.#key) return;
    this.#key = key;
    this.#charts = CHARTS.map(({ field, ...spec }) => {
      const lines = cells.map((cell, i) => {
        const dashed = Math.floor(i / TONES) % 2 === 1;
        return { name: `${field} ${cell}`, label: cell, tone: i % TONES + 1, dashed };
      });
      return new Chart({ ...spec, lines }, this.#onCursor);
    });
    this.#plots.replaceChildren(...this.#charts.map(({ element }) => element));
  }

  /** @param {readonly WorldCell[]} cells @param {Copies} copies */
  #renderCards(cells, copies) {
    showList(this.#cards, cells, {
      key: ({ cell }) => cell,
      make: (cell) => {
        const head = make("div", { class: "head" }, make("h3", {}, cell.cell));
        head.append(make("p", { class: "health" }));
        const facts = make("dl", { class: "facts" });
        for (const [title] of factsOf(cell, copies)) {
          facts.append(make("div", {}, make("dt", {}, title), make("dd")));
        }
        return make("li", { class: "panel" }, head, facts, make("p", { class: "quiet urls" }));
      },
      update: (card, cell) => {
        const { text, level } = STATES[cell.state];
        const health = card.querySelector(".health");
        if (health !== null) {
          setText(health, text);
          setAttributes(health, { "data-state": level });
        }
        const values = card.querySelectorAll("dd");
        factsOf(cell, copies).forEach(([, value], i) => {
          const element = values[i];
          if (element !== undefined) setText(element, value);
        });
        const urls = card.querySelector(".urls");
        const known = [...new Set(cell.nodes.flatMap(({ publicUrls }) => publicUrls))];
        if (urls !== null) setText(urls, known.join(" "));
      },
    });
  }
}
