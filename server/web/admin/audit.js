// @ts-check
/** The audit log: its entries, newest first, what they are narrowed to, and all of them as a file. */
import { bdi, byId, make, onSubmit, setAttributes, setText, showList } from "../chat/dom.js";
import { aboutText, lineOf, queryOf, timeText, visible } from "./audit_text.js";
import { Refusal } from "./api.js";
import { counted, countText, refusalText } from "./text.js";

/**
 * @import { Api, AuditPage } from "./api.js"
 * @import { Entry, Query } from "./audit_text.js"
 */

/** Entries of a page that is shown, and of one that is written to a file. */
const PAGE = 100;
const FILE_PAGE = 1000;
/** Entries that are shown at once: a page with more is slow, and a file is better. */
const SHOWN_MAX = 5000;

const EXPORT = "Export as JSON lines";

/** See the head of this file. */
export class AuditView {
  #api;
  #form = byId("audit-find", HTMLFormElement);
  #fields = {
    log: byId("audit-log", HTMLSelectElement),
    actor: byId("audit-actor", HTMLInputElement),
    user: byId("audit-user", HTMLInputElement),
    action: byId("audit-action", HTMLInputElement),
    from: byId("audit-from", HTMLInputElement),
    to: byId("audit-to", HTMLInputElement),
  };
  #actions = byId("audit-actions", HTMLDataListElement);
  #table = byId("audit-table", HTMLTableElement);
  #told = byId("audit-told", HTMLElement);
  #error = byId("audit-error", HTMLElement);
  #more = byId("audit-more", HTMLButtonElement);
  #toFile = byId("audit-export", HTMLButtonElement);
  #exported = byId("audit-exported", HTMLElement);
  /** Newest first. @type {Entry[]} */
  #entries = [];
  /** What they were asked by. @type {Query} */
  #query = {};
  /** @type {string | null} */
  #next = null;
  /** Number of the newest question: answers to older ones come too late. */
  #asked = 0;
  /** The export that runs; each has an object of its own. @type {object | null} */
  #running = null;

  /** @param {Api} api */
  constructor(api) {
    this.#api = api;
    onSubmit(this.#form, () => this.load());
    byId("audit-clear", HTMLElement).addEventListener("click", () => {
      this.#form.reset();
      this.load();
    });
    this.#fields.log.addEventListener("change", () => this.load());
    this.#more.addEventListener("click", () => this.#older());
    this.#toFile.addEventListener("click", () => {
      if (this.#running === null) return this.#write();
      this.#ends();
      setText(this.#exported, "The export was stopped.");
    });
  }

  /** Forgets what was shown: the next who signs in here may not be allowed to see it. */
  clear() {
    this.#asked++;
    this.#ends();
    this.#entries = [];
    this.#next = null;
    this.#actions.replaceChildren();
    this.#query = {};
    this.#form.reset();
    this.#mark(null);
    this.#render();
    for (const text of [this.#told, this.#error, this.#exported]) setText(text, "");
  }

  /** What the form asks for; null where it says what is wrong with it. @returns {Query | null} */
  #read() {
    const { action, actor, from, log, to, user } = this.#fields;
    const asked = queryOf({
      log: log.value,
      actor: actor.value,
      user: user.value,
      action: action.value,
      from: from.value,
      to: to.value,
    }, Date.now());
    this.#mark(asked.ok ? null : asked.field);
    setText(this.#error, asked.ok ? "" : asked.why);
    if (asked.ok) return asked.query;
    this.#fields[asked.field].focus();
    return null;
  }

  /** Marks the field that is wrong. @param {"from" | "to" | null} wrong */
  #mark(wrong) {
    for (const name of /** @type {const} */ (["from", "to"])) {
      setAttributes(this.#fields[name], {
        "aria-invalid": name === wrong ? "true" : null,
        "aria-describedby": name === wrong ? "audit-error" : null,
      });
    }
  }

  /** Shows the newest page of what the form asks for. */
  async load() {
    const query = this.#read();
    if (query === null) return;
    this.#query = query;
    await this.#page(null);
  }

  /** Shows the page before what is shown; the focus goes to its first entry. */
  async #older() {
    const { length } = this.#entries;
    await this.#page(this.#next);
    const row = this.#table.tBodies[0]?.rows[length];
    if (document.activeElement === document.body || document.activeElement === this.#more) {
      row?.focus();
    }
  }

  /** @param {string | null} after */
  async #page(after) {
    const asked = ++this.#asked;
    try {
      const { entries, next } = await this.#api.audit({
        ...this.#query,
        newest: "yes",
        limit: String(PAGE),
        ...after === null ? {} : { after },
      });
      if (asked !== this.#asked) return;
      const known = new Set(after === null ? [] : this.#entries.map(({ id }) => id));
      const older = entries.filter(({ id }) => !known.has(id)).reverse();
      this.#entries = after === null ? older : [...this.#entries, ...older];
      this.#next = next;
      setText(this.#error, "");
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (asked === this.#asked) setText(this.#error, refusalText(error));
      return;
    }
    this.#render();
  }

  #render() {
    const { length } = this.#entries;
    const full = this.#next !== null && length >= SHOWN_MAX;
    this.#more.hidden = this.#next === null || full;
    this.#table.hidden = length === 0;
    setText(this.#told, this.#summary(length, full));
    const body = this.#table.tBodies[0];
    if (body === undefined) return;
    showList(body, this.#entries, {
      key: ({ id }) => id,
      make: (entry) => makeRow(entry),
      update: () => {},
    });
    const actions = [...new Set(this.#entries.map(({ action }) => action))].sort();
    this.#actions.replaceChildren(...actions.map((value) => make("option", { value })));
  }

  /** @param {number} length @param {boolean} full */
  #summary(length, full) {
    const narrowed = Object.keys(this.#query).length > 0;
    if (full) return `The newest ${countText(length)} entries. Narrow them, or export all.`;
    if (length > 0) {
      const all = this.#next === null ? "All" : "The newest";
      return `${all} ${counted(length, "entry", "entries")}${narrowed ? " that fit" : ""}.`;
    }
    if (this.#next !== null) return "None of the newest entries fit: look at older ones.";
    return narrowed ? "No entry fits." : "There are no entries.";
  }

  // ---- a file

  /** Reads all that fit in the order of time, and offers the file; a second click stops it. */
  async #write() {
    const query = this.#read();
    if (query === null) return;
    const mine = this.#running = {};
    setText(this.#toFile, "Stop the export");
    let file = new Blob([]);
    let count = 0;
    try {
      /** @type {{ after?: string } | null} */
      let more = {};
      while (more !== null) {
        /** @type {AuditPage} */
        const page = await this.#api.audit({ ...query, limit: String(FILE_PAGE), ...more });
        if (mine !== this.#running) return;
        // A blob of blobs: the browser may keep it on the disk.
        file = new Blob([file, page.entries.map(lineOf).join("")]);
        count += page.entries.length;
        setText(this.#exported, `Exporting: ${counted(count, "entry", "entries")} …`);
        more = page.next === null ? null : { after: page.next };
      }
      save(file);
      setText(this.#exported, `Exported ${counted(count, "entry", "entries")}.`);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (mine !== this.#running) return;
      setText(this.#exported, `Nothing was exported. ${refusalText(error)}`);
    }
    this.#ends();
  }

  /** No export runs. */
  #ends() {
    this.#running = null;
    setText(this.#toFile, EXPORT);
  }
}

/** Has the browser save a file. @param {Blob} file */
function save(file) {
  const href = URL.createObjectURL(file);
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(":", "");
  make("a", { href, download: `roost-audit-${stamp}Z.jsonl` }).click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

/** @param {Entry} entry */
function makeRow(entry) {
  const { action, actor, address = "", at, node, outcome } = entry;
  const cell = (/** @type {string} */ name, /** @type {(Node | string)[]} */ ...content) =>
    make("td", { role: "cell", class: name }, ...content);
  // A table that is laid out otherwise on a phone keeps its roles by these.
  return make(
    "tr",
    { role: "row", tabindex: -1 },
    cell("at", make("time", { datetime: at, title: `${at}, node ${node}` }, timeText(at))),
    cell("actor", bdi(visible(actor))),
    cell("action", make("code", {}, visible(action))),
    cell(
      "outcome",
      make(
        "span",
        { class: "badge", "data-state": outcome === "ok" ? "active" : "deleted" },
        visible(outcome),
      ),
    ),
    cell("about", bdi(aboutText(entry))),
    cell("address", bdi(visible(address))),
  );
}
