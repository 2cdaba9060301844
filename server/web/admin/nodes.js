// @ts-check
/** The nodes of the cell: their load, who owns which shard, moves, and who sees whom. */
import { byId, make, setAttributes, setText, showList } from "../chat/dom.js";
import { Refusal } from "./api.js";
import { draw } from "./chart.js";
import { confirm } from "./confirm.js";
import {
  clockText,
  counted,
  countText,
  durationText,
  nodeName,
  refusalText,
  stateText,
  toneOf,
  valueText,
} from "./text.js";

/**
 * @import { Api } from "./api.js"
 * @import { Cell, CellNode, CellShard, OwnerChange, Seen } from "./store.js"
 */

const SPACE = 2 ** 32;
const HEIGHT = 96;
/** How long a shard that has moved is marked (ms). */
const MOVED_MS = 8000;
const LINKS = /** @type {const} */ ({
  linked: "linked",
  unlinked: "no link",
  dead: "dead",
  this: "",
});

/** @param {Cell} cell @param {string | null} id */
function nameOf(cell, id) {
  return id === null ? "nobody" : nodeName(id, cell.nodes.map((node) => node.id));
}

/** How a node is, in words. @param {CellNode} node */
function wordsOf({ state, gossip, report, drained, leaving, shards }) {
  if (state === "dead") return { text: "Dead", level: "failing" };
  if (drained || leaving) {
    const left = shards > 0 ? `, ${counted(shards, "shard")} left` : "";
    return { text: `${leaving ? "Leaving" : "Drained"}${left}`, level: "busy" };
  }
  if (gossip === "suspect") return { text: "Suspected", level: "busy" };
  if (report === null) return { text: "No reply", level: "lost" };
  return { text: stateText(report.health.state), level: report.health.state };
}

/** Users, those of the load tool too. @param {(name: string) => number} of */
function usersText(of) {
  return countText(of("users") + of("usersSynthetic"));
}

/** @param {CellNode} node @param {number} now @returns {readonly (readonly [string, string])[]} */
function factsOf({ report, shards, version }, now) {
  const sample = report?.sample ?? {};
  /** @param {string} name */
  const value = (name) => sample[name] ?? null;
  const cpu = value("cpuMs");
  return [
    ["Users", report === null ? "–" : usersText((name) => value(name) ?? 0)],
    ["Sessions", valueText(value("sessions"), "count")],
    ["Shards", String(shards)],
    ["Messages", valueText(value("messagesAccepted"), "rate")],
    ["Presence", valueText(value("presenceDeliveries"), "rate")],
    ["Commit, p99", valueText(value("commitP99"), "ms")],
    ["Late, p99", valueText(value("lagP99"), "ms")],
    ["CPU", valueText(cpu === null ? null : cpu / 1000, "cores")],
    ["Memory", valueText(value("rssBytes"), "bytes")],
    ["Up", report === null ? "–" : durationText(now - report.startedAt)],
    ["Version", version ?? report?.version ?? "–"],
  ];
}

/** A sum over the nodes that have replied. @param {Cell} cell @param {string} name */
function sum({ nodes }, name) {
  return nodes.reduce((all, { report }) => all + (report?.sample?.[name] ?? 0), 0);
}

/** What one node sees of another. @param {Seen | undefined} seen */
function seenText(seen) {
  if (seen === undefined) return { text: "–", level: "none" };
  const { state, gossip, rttMs } = seen;
  if (gossip === "suspect") return { text: "suspected", level: "warn" };
  if (state === "dead" || gossip === "dead") return { text: "dead", level: "bad" };
  const rtt = rttMs === null ? "" : ` ${valueText(rttMs, "ms")}`;
  return { text: `${LINKS[state]}${rtt}`, level: state === "linked" ? "ok" : "warn" };
}

/** See the head of this file. */
export class NodeView {
  #line = byId("nodes-line", HTMLElement);
  #missing = byId("nodes-missing", HTMLElement);
  #cards = byId("node-cards", HTMLElement);
  #owners = byId("owner-map", HTMLElement);
  #moves = byId("moves", HTMLElement);
  #seen = byId("seen-table", HTMLTableElement);
  #svg = draw("svg", { class: "map", role: "img" });
  #rebalance = byId("rebalance", HTMLButtonElement);
  #told = byId("nodes-told", HTMLElement);
  #api;
  /** @type {Cell | null} */
  #cell = null;

  /** @param {Api} api */
  constructor(api) {
    this.#api = api;
    this.#owners.append(this.#svg);
    this.#rebalance.onclick = () =>
      this.#order(() => this.#api.rebalance(), "Shards are moved until the load is even.");
  }

  /** Has the cell do something. @param {() => Promise<void>} run @param {string} done */
  async #order(run, done) {
    try {
      await run();
      setText(this.#told, done);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      setText(this.#told, refusalText(error));
    }
  }

  /** Drains a node, or takes that back. @param {string} id */
  async #drain(id) {
    const cell = this.#cell;
    const node = cell?.nodes.find((each) => each.id === id);
    if (cell === null || node === undefined) return;
    const name = nameOf(cell, id);
    if (node.drained) {
      return await this.#order(
        () => this.#api.drain(id, true),
        `${name} is given its share again.`,
      );
    }
    const yes = await confirm({
      title: [`Drain ${name}?`],
      text: "Other nodes take its shards, and its clients are sent to them. It goes on without, " +
        "and can be given its share again.",
      action: "Drain",
    });
    if (yes) await this.#order(() => this.#api.drain(id, false), `${name} is being drained.`);
  }

  /** @param {Cell} cell @param {number} now */
  render(cell, now) {
    const { nodes, shards, missing, changes } = cell;
    this.#cell = cell;
    this.#rebalance.hidden = cell.alone;
    this.#rebalance.disabled = cell.balancing;
    const ofLoad = sum(cell, "usersSynthetic");
    const users = sum(cell, "users") + ofLoad;
    const synthetic = ofLoad > 0 ? ` (${countText(ofLoad)} of the load tool)` : "";
    const messages = valueText(sum(cell, "messagesAccepted"), "rate");
    const presence = valueText(sum(cell, "presenceDeliveries"), "rate");
    const moving = cell.moving > 0 ? ` ${counted(cell.moving, "shard")} on the way.` : "";
    setText(
      this.#line,
      `${counted(nodes.length, "node")}, ${counted(shards.length, "shard")}. In all: ` +
        `${
          counted(users, "user")
        } online${synthetic}, messages ${messages}, presence deliveries ${presence}.${moving}`,
    );
    const lacks = missing.map(({ node, why }) => `${nameOf(cell, node)}: ${why}`);
    setText(this.#missing, lacks.length === 0 ? "" : `Missing here: ${lacks.join(" · ")}`);
    this.#renderCards(cell, now);
    this.#renderOwners(cell, now);
    this.#renderMoves(cell, changes);
    this.#renderSeen(cell);
  }

  /** @param {Cell} cell @param {number} now */
  #renderCards(cell, now) {
    showList(this.#cards, cell.nodes, {
      key: ({ id, incarnation }) => `${id} ${incarnation}`,
      make: ({ id, address }) => {
        const name = make(
          "h3",
          {},
          make("span", { class: `dot fill-${toneOf(cell.nodes, id)}`, "aria-hidden": "true" }),
          nameOf(cell, id),
        );
        const head = make("div", { class: "head" }, name, make("p", { class: "health" }));
        const facts = make("dl", { class: "facts" });
        for (const [title] of factsOf(cell.nodes[0] ?? /** @type {CellNode} */ ({}), now)) {
          facts.append(make("div", {}, make("dt", {}, title), make("dd")));
        }
        const about = make(
          "p",
          { class: "quiet" },
          `${id}${address === "" ? "" : ` · ${address}`}`,
        );
        const drain = make("button", { type: "button", class: "drain for-admin" });
        drain.onclick = () => this.#drain(id);
        const why = make("p", { class: "quiet" });
        return make("li", { class: "panel" }, head, why, facts, about, drain);
      },
      update: (card, node) => {
        const { text, level } = wordsOf(node);
        const health = card.querySelector(".health");
        if (health !== null) {
          setText(health, node.state === "this" ? `${text}, asked here` : text);
          setAttributes(health, { "data-state": level });
        }
        const why = card.children[1];
        const reasons = node.report?.health.reasons ?? [];
        if (why !== undefined) setText(why, node.why ?? reasons.join(" · "));
        const drain = card.querySelector(".drain");
        if (drain instanceof HTMLButtonElement) {
          // Workers are processes of one supervisor, which starts each of them again.
          drain.hidden = cell.workers || node.state === "dead";
          setText(drain, node.drained ? "Undo the drain" : "Drain");
          setAttributes(drain, {
            "aria-label": `${node.drained ? "Undo the drain of" : "Drain"} ${
              nameOf(cell, node.id)
            }`,
          });
        }
        const values = card.querySelectorAll("dd");
        factsOf(node, now).forEach(([, text], i) => {
          const value = values[i];
          if (value !== undefined) setText(value, text);
        });
      },
    });
  }

  /** @param {Cell} cell @param {number} now */
  #renderOwners(cell, now) {
    const width = this.#owners.clientWidth;
    if (width === 0) return;
    setAttributes(this.#svg, { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT });
    const moved = new Map(cell.changes.map(({ shard, at }) => [shard, at]));
    const parts = cell.shards.flatMap(({ id, lo, hi, owner, epoch }) => {
      const x = lo / SPACE * width;
      const size = Math.max(0.5, (hi - lo) / SPACE * width - 1);
      const fill = `fill-${toneOf(cell.nodes, owner)}`;
      const rect = draw("rect", { class: fill, x, width: size, y: 0, height: HEIGHT - 10 });
      const title = draw("title", {});
      title.textContent = `Shard ${id}: ${nameOf(cell, owner)}, epoch ${epoch}`;
      rect.append(title);
      if (now - (moved.get(id) ?? 0) > MOVED_MS) return [rect];
      const mark = draw("rect", { class: "moved", x, width: size, y: HEIGHT - 7, height: 6 });
      return [rect, mark];
    });
    this.#svg.replaceChildren(...parts);
    const told = cell.nodes.map((node) => `${nameOf(cell, node.id)} ${node.shards}`);
    setAttributes(this.#svg, { "aria-label": `Shards by node: ${told.join(", ")}` });
  }

  /** @param {Cell} cell @param {readonly OwnerChange[]} changes */
  #renderMoves(cell, changes) {
    const latest = [...changes].reverse();
    showList(this.#moves, latest.length === 0 ? [null] : latest, {
      key: (move) => move === null ? "none" : `${move.shard} ${move.epoch}`,
      make: (move) =>
        move === null
          ? make("li", { class: "quiet" }, "None since the node that is asked was started.")
          : make(
            "li",
            {},
            make("time", {}, clockText(move.at)),
            ` Shard ${move.shard}: ${nameOf(cell, move.from)} → ${nameOf(cell, move.to)} `,
            make("span", { class: "quiet" }, `epoch ${move.epoch}`),
          ),
      update: () => {},
    });
  }

  /** @param {Cell} cell */
  #renderSeen(cell) {
    const ids = cell.nodes.map(({ id }) => id);
    const key = ids.join();
    if (this.#seen.dataset["key"] !== key) {
      this.#seen.dataset["key"] = key;
      const head = ids.map((id) => make("th", { scope: "col" }, nameOf(cell, id)));
      const corner = make("td", { class: "quiet" }, "sees");
      this.#seen.tHead?.replaceChildren(make("tr", {}, corner, ...head));
    }
    const body = this.#seen.tBodies[0];
    if (body === undefined) return;
    const rows = cell.nodes.map(({ id, report }) => {
      const cells = ids.map((other) => {
        if (other === id) return make("td", { class: "quiet" }, "–");
        const { text, level } = seenText(report?.seen.find((seen) => seen.id === other));
        return make("td", { "data-level": level }, text);
      });
      return make("tr", {}, make("th", { scope: "row" }, nameOf(cell, id)), ...cells);
    });
    body.replaceChildren(...rows);
  }
}
