// @ts-check
/** The dashboard: signing in, asking the server every second, and showing what it tells. */
import { byId, make, onSubmit, setAttributes, setText } from "../chat/dom.js";
import { Api, Refusal } from "./api.js";
import { AuditView } from "./audit.js";
import { Chart } from "./chart.js";
import { CHARTS } from "./charts.js";
import { InviteView } from "./invites.js";
import { NodeView } from "./nodes.js";
import { retryWaitMs } from "../client/backoff.js";
import { ShardView } from "./shards.js";
import { Store } from "./store.js";
import { clockText, durationText, nodeName, refusalText, stateText } from "./text.js";
import { makeTiles } from "./tiles.js";
import { UserView } from "./users.js";
import { WorldView } from "./world.js";

/**
 * @import { Me } from "./api.js"
 * @import { Cell } from "./store.js"
 * @import { Copies, World, WorldHistory } from "./world.js"
 */

const VIEWS = /** @type {const} */ (["overview", "nodes", "world", "shards", "users", "audit"]);
/** Time between questions. */
const POLL_MS = 1000;
/** The same about all nodes, in views that show little of them (ms). */
const CELL_MS = 5000;
/** Waits between tries to reach a server that does not reply (ms): 1 to 5 s. */
const RETRY = { leastMs: POLL_MS, baseMs: POLL_MS, capMs: 4000, askedMaxMs: 5000 };

class Dashboard {
  #api = new Api();
  #store = new Store();
  #gate = byId("gate", HTMLElement);
  #app = byId("app", HTMLElement);
  #connection = byId("connection", HTMLElement);
  #health = byId("health", HTMLElement);
  #pause = byId("pause", HTMLButtonElement);
  #tiles = makeTiles();
  #nodes = new NodeView(this.#api);
  #chosen = byId("of-node", HTMLSelectElement);
  #shards = new ShardView(this.#api);
  /** When all nodes were asked for last (ms of the page's clock). */
  #cellAt = -Infinity;
  #users = new UserView(this.#api);
  #invites = new InviteView(this.#api);
  #audit = new AuditView(this.#api);
  /** The operations that the token may call; those that are not known it may not. @type {readonly string[]} */
  #may = [];
  #world = new WorldView((at) => this.#read(at));
  /** The other cells; null where they are not known, or the cell is alone. @type {{ world: World, copies: Copies, history: WorldHistory } | null} */
  #seen = null;
  /** When they were asked for last (ms of the page's clock). */
  #worldAt = -Infinity;
  /** @type {Chart[]} */
  #charts = [];
  /** @type {(typeof VIEWS)[number]} */
  #view = "overview";
  #windowMs = 300_000;
  /** The moment that is read in all plots. @type {number | null} */
  #cursor = null;
  #paused = false;
  /** Answers that did not come in a row. */
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** Number of the sign-in: answers for an older one come too late. */
  #signedIn = 0;
  #drawing = false;

  start() {
    this.#makeCharts();
    this.#listen();
    this.#api.onUnauthorized = () => this.#leave("The token is not valid any more.");
    if (this.#api.token === null) this.#leave("");
    else this.#enter();
  }

  #makeCharts() {
    const place = byId("plots", HTMLElement);
    for (const { title, charts } of CHARTS) {
      const made = charts.map((spec) => new Chart(spec, (at) => this.#read(at)));
      this.#charts.push(...made);
      const group = make(
        "div",
        { class: "group", "data-count": charts.length },
        ...made.map(({ element }) => element),
      );
      place.append(make("section", { "aria-label": title }, make("h3", {}, title), group));
    }
  }

  #listen() {
    onSubmit(byId("sign-in", HTMLFormElement), () => this.#signIn());
    byId("sign-out", HTMLElement).addEventListener("click", () => {
      this.#api.token = null;
      this.#leave("");
    });
    this.#pause.addEventListener("click", () => this.#setPaused(!this.#paused));
    byId("window", HTMLElement).addEventListener("change", ({ target }) => {
      if (target instanceof HTMLInputElement) this.#windowMs = Number(target.value) * 1000;
      this.#render();
    });
    this.#chosen.addEventListener("change", () => {
      this.#api.node = this.#chosen.value === "" ? null : this.#chosen.value;
      this.#clear();
      this.#poll();
    });
    addEventListener("hashchange", () => this.#showView());
    addEventListener("resize", () => this.#render());
    document.addEventListener("visibilitychange", () => this.#poll());
  }

  // ---- signing in and out

  async #signIn() {
    const field = byId("token", HTMLInputElement);
    const told = byId("sign-in-error", HTMLElement);
    try {
      const token = field.value.trim();
      // A header has no other characters.
      if (!/^[\x21-\x7e]+$/.test(token)) throw new Refusal({ code: "unauthorized" });
      await this.#api.open(token);
      field.value = "";
      setText(told, "");
      this.#enter();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      setText(told, refusalText(error));
      field.select();
    }
  }

  #enter() {
    this.#signedIn++;
    this.#failures = 0;
    this.#gate.hidden = true;
    this.#app.hidden = false;
    this.#showRole(null);
    this.#setPaused(false);
    this.#showView();
    this.#askRole();
  }

  /** Asks what the token may do, until the server says it. */
  async #askRole() {
    const mine = this.#signedIn;
    try {
      const me = await this.#api.me();
      if (mine !== this.#signedIn) return;
      this.#showRole(me);
      if (location.hash === "#audit") this.#showView();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (mine === this.#signedIn) setTimeout(() => this.#askRole(), RETRY.baseMs);
    }
  }

  /** Shows what a token may do, and nothing else. @param {Me | null} me */
  #showRole(me) {
    this.#may = me?.may ?? [];
    byId("audit-link", HTMLElement).hidden = !this.#may.includes("auditEntries");
    document.documentElement.dataset.role = me?.role ?? "viewer";
    const name = me?.actor.startsWith("operator:") ? me.actor.slice("operator:".length) : "";
    setText(byId("who", HTMLElement), name === "" ? "" : `${name} (${me?.role})`);
  }

  /** @param {string} why */
  #leave(why) {
    this.#signedIn++;
    clearTimeout(this.#timer);
    this.#api.token = null;
    this.#api.node = null;
    this.#clear();
    this.#store.cell = null;
    this.#audit.clear();
    for (const dialog of document.querySelectorAll("dialog[open]")) {
      if (dialog instanceof HTMLDialogElement) dialog.close();
    }
    this.#app.hidden = true;
    this.#gate.hidden = false;
    setText(byId("sign-in-error", HTMLElement), why);
    byId("token", HTMLElement).focus();
  }

  /** Forgets the samples of the node that was looked at. */
  #clear() {
    this.#signedIn++;
    this.#store.clear();
    this.#cellAt = -Infinity;
    this.#worldAt = -Infinity;
    this.#seen = null;
  }

  // ---- asking

  /** @param {boolean} paused */
  #setPaused(paused) {
    this.#paused = paused;
    setAttributes(this.#pause, { "aria-pressed": String(paused) });
    this.#poll();
  }

  /** Asks now, and again every second while somebody can see it. */
  async #poll() {
    clearTimeout(this.#timer);
    this.#renderConnection();
    if (this.#app.hidden || this.#paused || document.hidden) return;
    const mine = this.#signedIn;
    let waitMs = POLL_MS;
    try {
      const live = await this.#api.live(this.#store.last);
      if (mine !== this.#signedIn) return;
      this.#failures = 0;
      // A server that was started anew has a history of its own.
      const again = this.#store.live !== null &&
        this.#store.live.node.startedAt !== live.node.startedAt;
      this.#store.take(again && live.first > 1 ? await this.#api.live(0) : live);
      await this.#askCell();
      await this.#askCells();
      if (mine !== this.#signedIn) return;
      this.#shards.note(this.#store);
      this.#render();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (mine !== this.#signedIn) return;
      this.#failures++;
      waitMs = retryWaitMs(RETRY, this.#failures, Math.random(), error.retryAfterMs ?? 0);
    }
    this.#renderConnection();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#poll(), waitMs);
  }

  /** Asks for all nodes where it is time to. */
  async #askCell() {
    const often = this.#view === "nodes" || this.#view === "shards";
    const alone = this.#store.cell === null && this.#cellAt > -Infinity;
    const everyMs = often && !alone ? POLL_MS - 100 : CELL_MS;
    if (performance.now() - this.#cellAt < everyMs) return;
    this.#cellAt = performance.now();
    const cell = await this.#api.cell();
    this.#store.cell = cell.alone ? null : cell;
    this.#showNodes(cell);
  }

  /** Asks for the other cells where it is time to; a lone cell refuses that. */
  async #askCells() {
    const alone = this.#seen === null && this.#worldAt > -Infinity;
    const everyMs = this.#view === "world" ? 2 * POLL_MS - 100 : alone ? 60_000 : CELL_MS;
    if (performance.now() - this.#worldAt < everyMs) return;
    this.#worldAt = performance.now();
    try {
      this.#seen = await this.#api.world();
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== "conflict") throw error;
      this.#seen = null;
    }
    byId("world-link", HTMLElement).hidden = this.#seen === null;
  }

  /** Offers the nodes of a cell of several. @param {Cell} cell */
  #showNodes({ alone, nodes }) {
    byId("nodes-link", HTMLElement).hidden = alone;
    byId("choose-node", HTMLElement).hidden = alone;
    const ids = nodes.map(({ id }) => id).sort();
    const key = ids.join();
    if (alone || this.#chosen.dataset["key"] === key) return;
    this.#chosen.dataset["key"] = key;
    const options = ids.map((id) => make("option", { value: id }, nodeName(id, ids)));
    this.#chosen.replaceChildren(
      make("option", { value: "" }, "The node that is asked"),
      ...options,
    );
    this.#chosen.value = this.#api.node ?? "";
  }

  // ---- showing

  #showView() {
    const named = VIEWS.find((view) => location.hash === `#${view}`) ?? "overview";
    const denied = named === "audit" && !this.#may.includes("auditEntries");
    const wanted = denied ? "overview" : named;
    const changed = wanted !== this.#view;
    this.#view = wanted;
    for (const view of VIEWS) byId(`view-${view}`, HTMLElement).hidden = view !== wanted;
    for (const link of document.querySelectorAll("nav a")) {
      const here = link.getAttribute("href") === `#${wanted}`;
      setAttributes(link, { "aria-current": here ? "page" : null });
    }
    if (changed) scrollTo(0, 0);
    // What is paused are the plots.
    if (wanted !== "overview" && this.#paused) this.#setPaused(false);
    if (wanted === "users" && !this.#app.hidden) {
      this.#users.load();
      this.#invites.load();
    }
    if (wanted === "audit" && !this.#app.hidden) this.#audit.load();
    this.#render();
  }

  /** A moment is read in all plots. @param {number | null} at */
  #read(at) {
    if (at === this.#cursor) return;
    this.#cursor = at;
    this.#render();
  }

  /** Draws once before the next picture, however often it is called. */
  #render() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  #draw() {
    const { live } = this.#store;
    if (live === null || this.#app.hidden) return;
    const { domain, version, startedAt } = live.node;
    setText(byId("domain", HTMLElement), domain);
    setText(
      byId("about", HTMLElement),
      `Roost ${version} · up ${durationText(this.#store.now - startedAt)}`,
    );
    this.#renderHealth();
    if (this.#view === "overview") {
      this.#tiles(this.#store);
      // A server that was just started has no more to show.
      const known = Math.max(60_000, this.#store.now - (this.#store.at[0] ?? 0));
      const look = { windowMs: Math.min(this.#windowMs, known), cursor: this.#cursor };
      for (const chart of this.#charts) chart.render(this.#store, look);
    } else if (this.#view === "shards") this.#shards.render(this.#store);
    else if (this.#view === "nodes" && this.#store.cell !== null) {
      this.#nodes.render(this.#store.cell, this.#store.now);
    } else if (this.#view === "world" && this.#seen !== null) {
      const { world, copies, history } = this.#seen;
      this.#world.render(world, copies, history, { windowMs: 900_000, cursor: this.#cursor });
    }
  }

  #renderHealth() {
    const { state, reasons } = this.#store.live?.health ?? { state: "", reasons: [] };
    const lost = this.#failures > 1;
    const text = lost ? "Not reached" : stateText(state);
    setAttributes(this.#health, { "data-state": lost ? "lost" : state });
    const key = [text, ...lost ? [] : reasons].join(" ");
    if (this.#health.dataset["key"] === key) return;
    this.#health.dataset["key"] = key;
    const why = lost || reasons.length === 0
      ? []
      : [make("span", { class: "why" }, reasons.join(" · "))];
    this.#health.replaceChildren(make("strong", {}, text), ...why);
  }

  #renderConnection() {
    const since = this.#store.now === 0 ? "" : ` since ${clockText(this.#store.now)}`;
    const lost = this.#failures > 1;
    setText(
      this.#connection,
      lost
        ? `The server does not answer${since}. What is shown is old. Trying again …`
        : this.#paused
        ? `Paused${since}. The server goes on, and its last 15 minutes are kept.`
        : "",
    );
    setAttributes(this.#app, { "data-stale": lost });
    if (lost) this.#renderHealth();
  }
}

new Dashboard().start();
