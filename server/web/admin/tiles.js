// @ts-check
/** The numbers that tell at a glance how the server is. */
import { byId, make, setAttributes, setText } from "../chat/dom.js";
import { bytesText, counted, countText, msText, valueText } from "./text.js";

/**
 * @import { Store } from "./store.js"
 * @typedef {{ value: string, note: string, level: "ok" | "warn" | "bad" }} Told
 * @typedef {{ title: string, tell: (store: Store) => Told }} Tile
 */

/**
 * @param {string} value
 * @param {string} note
 * @param {Told["level"]} level
 * @returns {Told}
 */
function told(value, note = "", level = "ok") {
  return { value, note, level };
}

/**
 * A duration that is judged.
 * @param {number | null} ms
 * @param {string} note
 * @param {{ warn: number, bad: number }} limits
 */
function judged(ms, note, { warn, bad }) {
  if (ms === null) return told("–", "nothing to measure now");
  const level = ms >= bad ? "bad" : ms >= warn ? "warn" : "ok";
  const mark = level === "ok"
    ? ""
    : `over ${msText(ms >= bad ? bad : warn).replace(".0 ms", " ms")} · `;
  return told(msText(ms), mark + note, level);
}

/** The largest of the last seconds: what was bad is not to be overlooked. @param {Store} store @param {string} name */
function recent(store, name) {
  const values = store.series(name).slice(-5).filter((v) => v !== null);
  return values.length === 0 ? null : Math.max(...values);
}

/** @type {readonly Tile[]} */
const TILES = [
  {
    title: "Users online",
    tell(store) {
      const synthetic = store.value("usersSynthetic") ?? 0;
      const note = synthetic > 0 ? `and ${countText(synthetic)} of the load tool` : "";
      return told(valueText(store.value("users"), "count"), note);
    },
  },
  {
    title: "Sessions",
    tell(store) {
      const parts = /** @type {const} */ ([
        ["websocket", "WebSocket"],
        ["sse", "SSE"],
        ["poll", "poll"],
        ["lost", "in grace"],
      ]).flatMap(([name, label]) => {
        const count = store.value(name) ?? 0;
        return count > 0 ? [`${countText(count)} ${label}`] : [];
      });
      return told(valueText(store.value("sessions"), "count"), parts.join(" · "));
    },
  },
  {
    title: "Presence deliveries",
    tell(store) {
      const [sent, changes] = [store.mean("presenceDeliveries"), store.mean("presenceChanges")];
      return told(valueText(sent, "rate"), `of ${valueText(changes, "rate")} changes`);
    },
  },
  {
    title: "Messages",
    tell(store) {
      const over = valueText(store.mean("messagesDelivered"), "rate");
      return told(valueText(store.mean("messagesAccepted"), "rate"), `${over} handed to sessions`);
    },
  },
  {
    title: "Sign-ins",
    tell(store) {
      const opened = store.mean("sessionsOpened");
      const all = opened === null ? null : opened + (store.mean("sessionsResumed") ?? 0);
      const waiting = store.value("waiting") ?? 0;
      const refused = store.mean("queueRefused") ?? 0;
      const note = waiting > 0 ? `${countText(waiting)} wait in line` : "nobody waits";
      return told(
        valueText(all, "rate"),
        note,
        refused > 0 ? "bad" : waiting >= 64 ? "warn" : "ok",
      );
    },
  },
  {
    title: "Presence latency, p99",
    tell: (store) => {
      const note = `message ack ${valueText(recent(store, "ackP99"), "ms")}`;
      return judged(recent(store, "presenceP99"), note, { warn: 100, bad: 500 });
    },
  },
  {
    title: "Commit latency, p99",
    tell(store) {
      const waiting = store.value("commitQueue") ?? 0;
      const note = waiting > 0 ? `${counted(waiting, "request")} in line` : "nothing in line";
      return judged(recent(store, "commitP99"), note, { warn: 100, bad: 1000 });
    },
  },
  {
    title: "Event loop lag, p99",
    tell: (store) => {
      const note = `half under ${valueText(store.value("lagP50"), "ms")}`;
      return judged(recent(store, "lagP99"), note, { warn: 50, bad: 400 });
    },
  },
  {
    title: "Slow clients",
    tell(store) {
      const behind = store.value("behind") ?? 0;
      const unsent = store.value("outboxBytes") ?? 0;
      const cut = sum(store, "cutOff", 60);
      const note = [
        `${bytesText(unsent)} unsent`,
        ...cut > 0 ? [`${countText(cut)} cut off in 1 min`] : [],
      ];
      return told(countText(behind), note.join(" · "), behind > 0 ? "warn" : "ok");
    },
  },
  {
    title: "Told to come later",
    tell(store) {
      const names = [
        "queueRefused",
        "busyOverload",
        "busyFull",
        "busyDraining",
        "storeFailing",
        "rateLimited",
      ];
      const rate = names.reduce((all, name) => all + (store.mean(name) ?? 0), 0);
      const minute = names.reduce((all, name) => all + sum(store, name, 60), 0);
      return told(
        valueText(rate, "rate"),
        `${countText(minute)} in 1 min`,
        rate > 0 ? "warn" : "ok",
      );
    },
  },
  {
    title: "CPU",
    tell(store) {
      const cpu = store.mean("cpuMs");
      const level = cpu !== null && cpu >= 950 ? "warn" : "ok";
      return told(valueText(cpu === null ? null : cpu / 1000, "cores"), "of one core", level);
    },
  },
  {
    title: "Memory",
    tell: (store) =>
      told(
        valueText(store.value("rssBytes"), "bytes"),
        counted(store.value("connections") ?? 0, "connection"),
      ),
  },
];

/** How many there were in the last seconds. @param {Store} store @param {string} name @param {number} seconds */
function sum(store, name, seconds) {
  return store.series(name).slice(-seconds).reduce(
    (/** @type {number} */ all, v) => all + (v ?? 0),
    0,
  );
}

/** Makes the tiles; the answer shows what a store has. @returns {(store: Store) => void} */
export function makeTiles() {
  const list = byId("tiles", HTMLElement);
  const shown = TILES.map((tile) => {
    const [value, note] = [make("p", { class: "value" }), make("p", { class: "note" })];
    const item = make("li", { class: "tile" }, make("h3", {}, tile.title), value, note);
    list.append(item);
    return { tile, item, value, note };
  });
  return (store) => {
    for (const { tile, item, value, note } of shown) {
      const told = tile.tell(store);
      setText(value, told.value);
      setText(note, told.note);
      setAttributes(item, { "data-level": told.level });
    }
  };
}
