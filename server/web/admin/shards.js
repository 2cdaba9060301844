// @ts-check
/** The shards: a map of their load, what became of them, a table, and dividing them anew. */
import { byId, make, onSubmit, setAttributes, setText, showList } from "../chat/dom.js";
import { Refusal } from "./api.js";
import { draw } from "./chart.js";
import { confirm } from "./confirm.js";
import { niceAbove } from "./scale.js";
import {
  bytesText,
  changeText,
  clockText,
  counted,
  countText,
  msText,
  nodeName,
  refusalText,
} from "./text.js";

/**
 * @import { Api, Step } from "./api.js"
 * @import { Change, Store } from "./store.js"
 * @typedef {{ id: number, lo: number, hi: number, state: number, accounts: number, presences:
 * number, logRows: number, openBytes: number, inherits: number, perSecond: number }} Shard
 */

/** The rows of all nodes of the cell, or of the one that there is. @param {Store} store */
function mapOf({ cell, live }) {
  const none = { version: 0, fields: [], rows: [], changes: [] };
  if (cell === null) return live?.shards ?? none;
  const maps = cell.nodes.flatMap(({ report }) => report === null ? [] : [report.shards]);
  const rows = maps.flatMap(({ rows }) => rows);
  const changes = maps.flatMap(({ changes }) => changes).sort((a, b) => a.at - b.at);
  return { version: cell.version, fields: maps[0]?.fields ?? [], rows, changes };
}

/** The name of the node that has a shard. @param {Store} store @param {number} id */
function ownerText({ cell }, id) {
  const owner = cell?.shards.find((shard) => shard.id === id)?.owner ?? null;
  if (cell === null || owner === null) return "–";
  return nodeName(owner, cell.nodes.map((node) => node.id));
}

const SPACE = 2 ** 32;
const HEIGHT = 150;
const [LEFT, TOP, BOTTOM] = [46, 10, 24];
const PLOT = HEIGHT - TOP - BOTTOM;
/** How long a shard counts as new (ms). */
const NEW_MS = 8000;
/** How long after its last change a table counts as changing (ms). */
const CHANGING_MS = 4000;
/** Rows of the table that are shown; the map has all. */
const ROWS_MAX = 256;
/**
 * How often a step that found no rest is tried again, and after what pause (ms): a fixed one, for
 * one operator repeats one step, and what it waits for is over within a commit or two.
 */
const TRIES = 20;
const PAUSE_MS = 300;
const STATES = ["starting", "serves", "held up"];

/** The shards of the newest answer. @param {Store} store @returns {readonly Shard[]} */
export function shardsOf(store) {
  const { fields, rows } = mapOf(store);
  const shards = rows.map((row) => {
    const shard = {
      id: 0,
      lo: 0,
      hi: 0,
      state: 0,
      accounts: 0,
      presences: 0,
      logRows: 0,
      openBytes: 0,
      inherits: 0,
      perSecond: 0,
    };
    return Object.assign(shard, Object.fromEntries(fields.map((name, i) => [name, row[i] ?? 0])));
  });
  return shards.sort((a, b) => a.lo - b.lo);
}

/** Part of all hashes. @param {Shard} shard */
function percent({ lo, hi }) {
  const part = (/** @type {number} */ point) => Number((point / SPACE * 100).toFixed(2));
  return `${part(lo)}–${part(hi)} %`;
}

/** What it has to do; of a new one that is not known yet. @param {Shard} shard */
function rateText({ perSecond }) {
  return perSecond < 0 ? "–" : `${countText(perSecond)}/s`;
}

/** Where a point of the hash space is. @param {number} point @param {number} width */
function place(point, width) {
  return LEFT + point / SPACE * (width - LEFT);
}

/**
 * The lines and numbers around the map. @param {number} width @param {number} top @returns
 * {SVGElement[]}
 */
function mapAxes(width, top) {
  const parts = [0, 0.5, 1].flatMap((part) => {
    const y = TOP + (1 - part) * PLOT;
    const text = draw("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" });
    text.textContent = countText(top * part);
    return [draw("line", { class: "rule", x1: LEFT, x2: width, y1: y, y2: y }), text];
  });
  const shares = [0, 25, 50, 75, 100].map((share) => {
    const anchor = share === 0 ? "start" : share === 100 ? "end" : "middle";
    const x = place(SPACE * share / 100, width);
    const text = draw("text", { x, y: HEIGHT - 2, "text-anchor": anchor });
    text.textContent = `${share} %`;
    return text;
  });
  return [...parts, ...shares];
}

/**
 * A shard's column, and what shows its state below it.
 * @param {Shard} shard
 * @param {{ width: number, top: number, fresh: boolean }} look
 */
function mapColumn(shard, { width, top, fresh }) {
  const [from, to] = [place(shard.lo, width), place(shard.hi, width)];
  const gap = to - from > 4 ? 1 : 0;
  const share = Math.min(1, Math.max(0, shard.perSecond) / top);
  const x = { x: from, width: Math.max(0.5, to - from - gap) };
  const y = { y: TOP + (1 - share) * PLOT, height: share * PLOT };
  const column = draw("rect", { class: `load-${Math.ceil(share * 5)}`, ...x, ...y });
  const state = `base state-${shard.state}${fresh ? " new" : ""}`;
  const base = draw("rect", { class: state, ...x, y: HEIGHT - BOTTOM + 3, height: 6 });
  const title = draw("title", {});
  title.textContent = `Shard ${shard.id}, ${percent(shard)}: ${rateText(shard)}`;
  column.append(title);
  return [column, base];
}

/** See the head of this file. */
export class ShardView {
  #api;
  #map = byId("shard-map", HTMLElement);
  #svg = draw("svg", { class: "map", role: "img" });
  #line = byId("shards-line", HTMLElement);
  #reshaping = byId("reshaping", HTMLElement);
  #changes = byId("shard-changes", HTMLElement);
  #table = byId("shard-table", HTMLTableElement);
  #count = byId("divide-count", HTMLInputElement);
  #told = byId("divide-told", HTMLElement);
  /** When each was first seen. @type {Map<number, number>} */
  #seen = new Map();
  #began = 0;
  /** Whether the shards of all nodes are known. */
  #whole = false;
  /** Number of shards and version before the changes that go on. */
  #before = { count: 0, version: 0, at: 0 };
  /** Top of the map; it comes down late, so that it does not jump. */
  #top = 10;

  /** @param {Api} api */
  constructor(api) {
    this.#api = api;
    this.#map.append(this.#svg);
    onSubmit(byId("divide", HTMLFormElement), () => this.#divide());
  }

  /**
   * Notes which are new; for every answer, whether they are looked at or not. @param {Store} store
   */
  note(store) {
    const { live } = store;
    if (live === null) return;
    const { version, rows, changes } = mapOf(store);
    const whole = store.cell !== null;
    if (this.#began !== live.node.startedAt || this.#whole !== whole) {
      this.#began = live.node.startedAt;
      this.#whole = whole;
      this.#seen.clear();
      for (const [id] of rows) this.#seen.set(id ?? 0, -Infinity);
      this.#before = { count: rows.length, version, at: 0 };
    }
    for (const [id] of rows) if (!this.#seen.has(id ?? 0)) this.#seen.set(id ?? 0, store.now);
    const latest = changes.at(-1)?.at ?? 0;
    if (store.now - latest > CHANGING_MS) {
      this.#before = { count: rows.length, version, at: latest };
    }
  }

  /** @param {Store} store */
  render(store) {
    const { live } = store;
    if (live === null) return;
    const shards = shardsOf(store);
    const all = shards.reduce((sum, { perSecond }) => sum + Math.max(0, perSecond), 0);
    const users = shards.reduce((sum, { accounts }) => sum + accounts, 0);
    setText(
      this.#line,
      `${counted(shards.length, "shard")} · ${countText(all)} inputs/s · ${
        counted(users, "user")
      } in memory`,
    );
    this.#renderReshaping(store, shards.length);
    this.#renderMap(shards, store.now);
    this.#renderChanges(mapOf(store).changes);
    this.#renderTable(store, shards, store.now);
    if (this.#count.value === "" && document.activeElement !== this.#count) {
      this.#count.value = String(store.cell?.shards.length ?? shards.length);
    }
  }

  /** @param {Store} store @param {number} count */
  #renderReshaping(store, count) {
    const { version, changes } = mapOf(store);
    const made = version - this.#before.version;
    const latest = changes.at(-1)?.at ?? 0;
    if (made <= 0 || store.now - latest > CHANGING_MS) return setText(this.#reshaping, "");
    const longest = Math.max(
      ...changes.filter(({ at }) => at > this.#before.at).map((c) => c.pauseMs),
    );
    setText(
      this.#reshaping,
      `The shards are being changed: ${this.#before.count} → ${count} so far. ` +
        `A shard was held up for ${msText(longest)} at most.`,
    );
  }

  /** @param {readonly Shard[]} shards @param {number} now */
  #renderMap(shards, now) {
    const width = this.#map.clientWidth;
    if (width === 0) return;
    setAttributes(this.#svg, { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT });
    const most = shards.reduce((max, s) => Math.max(max, s.perSecond), 0);
    const wanted = niceAbove(Math.max(most, 10));
    if (wanted > this.#top || most < this.#top / 5) this.#top = wanted;
    const parts = mapAxes(width, this.#top);
    for (const shard of shards) {
      const fresh = now - (this.#seen.get(shard.id) ?? 0) < NEW_MS;
      parts.push(...mapColumn(shard, { width, top: this.#top, fresh }));
    }
    this.#svg.replaceChildren(...parts);
    const hottest = [...shards].sort((a, b) => b.perSecond - a.perSecond)[0];
    const told = hottest === undefined || hottest.perSecond < 0
      ? ""
      : `, most in shard ${hottest.id}: ${countText(hottest.perSecond)}/s`;
    setAttributes(this.#svg, {
      "aria-label": `Load of ${
        counted(shards.length, "shard")
      }${told}. The table below has all of them.`,
    });
  }

  /** @param {readonly Change[]} changes */
  #renderChanges(changes) {
    const latest = [...changes].reverse();
    showList(this.#changes, latest.length === 0 ? [null] : latest, {
      key: (change) => change === null ? "none" : `${change.at} ${change.shards[0]}`,
      make: (change) =>
        change === null
          ? make("li", { class: "quiet" }, "None since the server was started.")
          : make(
            "li",
            {},
            make("time", {}, clockText(change.at)),
            ` ${changeText(change)} `,
            make("span", { class: "quiet" }, `held up ${msText(change.pauseMs)}`),
          ),
      update: () => {},
    });
  }

  /** @param {Store} store @param {readonly Shard[]} shards @param {number} now */
  #renderTable(store, shards, now) {
    setAttributes(this.#table, { "data-nodes": store.cell !== null });
    const body = this.#table.tBodies[0];
    if (body === undefined) return;
    const shown = shards.length > ROWS_MAX
      ? [...shards].sort((a, b) => b.perSecond - a.perSecond).slice(0, ROWS_MAX)
      : shards;
    showList(body, shown, {
      key: ({ id }) => String(id),
      make: ({ id }) => {
        const row = make(
          "tr",
          {},
          make("th", { scope: "row" }, String(id)),
          make("td"),
          make("td"),
        );
        for (let i = 0; i < 5; i++) row.append(make("td", { class: "number" }));
        row.append(make("td", { class: "of-node" }));
        return row;
      },
      update: (row, shard) => {
        const fresh = now - (this.#seen.get(shard.id) ?? 0) < NEW_MS;
        const logs = shard.inherits > 0 ? ` + ${counted(shard.inherits, "older log")}` : "";
        const texts = [
          percent(shard),
          `${STATES[shard.state] ?? ""}${fresh ? ", new" : ""}`,
          rateText(shard),
          countText(shard.accounts),
          countText(shard.presences),
          countText(shard.logRows) + logs,
          bytesText(shard.openBytes),
          ownerText(store, shard.id),
        ];
        texts.forEach((text, i) => {
          const cell = row.children[i + 1];
          if (cell !== undefined) setText(cell, text);
        });
        setAttributes(row, { class: fresh ? "new" : null });
      },
    });
  }

  // ---- dividing them anew

  async #divide() {
    const count = Number(this.#count.value);
    try {
      const steps = await this.#api.planShards(count);
      if (steps.length === 0) {
        return setText(this.#told, `There are ${counted(count, "shard")} already.`);
      }
      const yes = await confirm({
        title: [`Divide the users among ${counted(count, "shard")}?`],
        text:
          `This takes ${counted(steps.length, "change")} under traffic. Each holds the shards ` +
          "that it is about up for some milliseconds; clients see no error.",
        action: "Divide",
      });
      if (!yes) return;
      let longest = 0;
      for (const [i, step] of steps.entries()) {
        setText(this.#told, `Change ${i + 1} of ${steps.length} …`);
        longest = Math.max(longest, (await this.#step(step)).pauseMs);
      }
      setText(
        this.#told,
        `Done: ${counted(count, "shard")}. A shard was held up for ${msText(longest)} at most.`,
      );
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      setText(this.#told, refusalText(error));
    }
  }

  /** Makes one step, again where the shards did not quiesce at once. @param {Step} step */
  async #step(step) {
    for (let i = 1;; i++) {
      try {
        return await this.#api.stepShards(step);
      } catch (error) {
        const later = error instanceof Refusal && ["busy", "unavailable"].includes(error.code);
        if (!later || i === TRIES) throw error;
        await new Promise((done) => setTimeout(done, PAUSE_MS));
      }
    }
  }
}
