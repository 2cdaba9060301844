/** What a node says of itself to nodes of other cells, and passes on of what they have said. */
import { type Directory, isLater } from "./directory.ts";
import type { CellLink } from "./cell_link.ts";
import type { CellName } from "../../../shard/name/ids.ts";
import type { CellNode } from "./hello.ts";
import type { LinkFrame, NodeSaying } from "./frames.ts";
import type { Runtime } from "../../node/ports.ts";
import type { Wire } from "./wires.ts";

/** How often a node says what it is although nothing has changed (ms). */
const SAY_MS = 60_000;
/** Sayings in one frame. */
const SAYINGS_MAX = 64;

/** A link that is in use. */
export interface Linked {
  readonly link: CellLink;
  readonly node: CellNode;
  /** Sayings that the other side has: its own, those it has sent, those it was sent. */
  readonly known: Map<string, NodeSaying>;
}

/** Names a node of any cell, whatever its process. */
export function nodeKey({ cell, node }: Pick<CellNode, "cell" | "node">): string {
  return `${cell}/${node.id}`;
}

/** Whether the process that has said it is the linked one, and not an earlier one of its node. */
export function isSaidBy(linked: Linked | undefined, { node }: NodeSaying): boolean {
  return linked?.node.node.incarnation === node.incarnation;
}

/** Of two links between two nodes, that one stays which the node with the smaller key has dialled. */
export function isPreferred(own: Pick<CellNode, "cell" | "node">, wire: Wire): boolean {
  return (nodeKey(own) < nodeKey(wire.hello)) === (wire.role === "dialler");
}

/** See the head of this file. */
export class Sayings {
  readonly #runtime: Pick<Runtime, "clock" | "log">;
  readonly #directory: Directory;
  readonly #about: () => Omit<NodeSaying, "stamp" | "left">;
  readonly #usedTwice = new Set<CellName>();
  #own: NodeSaying | null = null;
  #saidMs = 0;

  /** `about`: this node, once it has started. */
  constructor(
    runtime: Pick<Runtime, "clock" | "log">,
    directory: Directory,
    about: () => Omit<NodeSaying, "stamp" | "left">,
  ) {
    this.#runtime = runtime;
    this.#directory = directory;
    this.#about = about;
  }

  /** What this node has said last; null: nothing yet. */
  get own(): NodeSaying | null {
    return this.#own;
  }

  /** Says what this node is; `left`: that it stops. */
  say(left: boolean): void {
    this.#saidMs = this.#runtime.clock.monoMs();
    this.#own = { ...this.#about(), stamp: (this.#own?.stamp ?? 0) + 1, left };
  }

  /** Says it again where it is time for that. */
  refresh(): void {
    if (this.#runtime.clock.monoMs() - this.#saidMs >= SAY_MS) this.say(false);
  }

  /** Takes what a node says and passes on. */
  learn(from: Linked, sayings: (LinkFrame & { readonly kind: "sayings" })["sayings"]): void {
    const { clock, log } = this.#runtime;
    for (const { ageMs, saying } of sayings) {
      const key = nodeKey(saying);
      const known = from.known.get(key);
      if (known === undefined || isLater(saying, known)) from.known.set(key, saying);
      const learned = this.#directory.learn(saying, clock.monoMs() - ageMs);
      if (learned !== "used_twice" || this.#usedTwice.has(saying.cell)) continue;
      this.#usedTwice.add(saying.cell);
      const fields = { cell: saying.cell, node: saying.node.id, by: from.node.cell };
      log.warn("cell name used twice", fields);
    }
  }

  /** Tells linked nodes what they do not know. */
  tell(links: Iterable<Linked>): void {
    if (this.#own === null) return;
    const nowMs = this.#runtime.clock.monoMs();
    const all = [{ saying: this.#own, saidMs: this.#saidMs }, ...this.#directory.sayings];
    for (const { link, known, node } of links) {
      const news = all.filter(({ saying }) => {
        const before = known.get(nodeKey(saying));
        return saying.cell !== node.cell && (before === undefined || isLater(saying, before));
      }).slice(0, SAYINGS_MAX);
      if (news.length === 0) continue;
      const sayings = news.map(({ saying, saidMs }) => {
        return { saying, ageMs: Math.round(nowMs - saidMs) };
      });
      if (!link.send({ kind: "sayings", sayings })) continue;
      for (const { saying } of news) known.set(nodeKey(saying), saying);
    }
  }
}
