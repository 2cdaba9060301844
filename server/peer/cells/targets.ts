/**
 * Which addresses of other cells' nodes are to be connected to, and when: each by itself, by the one
 * retry policy. A link counts as good only once it has lasted, so that one which breaks at once, or
 * gets stuck again and again, is tried less and less often. Pure: times are passed in.
 */
import type { LinkRefusal } from "../handshake.ts";
import type { Retries } from "../../../shard/retry.ts";

/** How long a link must have lasted for the next try to count as the first (ms). */
export const STEADY_MS = 10_000;

/** An address that should be connected to. */
export interface Wanted {
  readonly address: string;
  /** The node that is said to be there; null: any. */
  readonly node: string | null;
}

interface Target {
  readonly address: string;
  /** The node that was there last. */
  node: string | null;
  tries: number;
  nextMs: number;
  dialling: boolean;
  fault: string | null;
}

/** See the head of this file. */
export class Targets {
  readonly #targets = new Map<string, Target>();
  readonly #retries: Retries;

  constructor(retries: Retries) {
    this.#retries = retries;
  }

  /** Replaces what is wanted. */
  want(wanted: readonly Wanted[]): void {
    const addresses = new Set(wanted.map(({ address }) => address));
    for (const address of this.#targets.keys()) {
      if (!addresses.has(address)) this.#targets.delete(address);
    }
    for (const { address, node } of wanted) {
      const known = this.#targets.get(address);
      if (known === undefined) {
        const target = { address, node, tries: 0, nextMs: 0, dialling: false, fault: null };
        this.#targets.set(address, target);
      } else if (node !== null) known.node = node;
    }
  }

  /** Addresses to connect to now; each is dialling until `failed` or `ended`. */
  due(nowMs: number, isLinked: (node: string) => boolean): readonly string[] {
    const due = [...this.#targets.values()].filter(({ dialling, nextMs, node }) =>
      !dialling && nextMs <= nowMs && (node === null || !isLinked(node))
    );
    for (const target of due) target.dialling = true;
    return due.map(({ address }) => address);
  }

  /** A node was reached at an address. */
  reached(address: string, node: string): void {
    const target = this.#targets.get(address);
    if (target === undefined) return;
    target.node = node;
    target.fault = null;
  }

  /** The attempt has failed, or its link has ended after `openMs`. */
  ended(address: string, { cause, why }: LinkRefusal, openMs: number, now: {
    readonly monoMs: number;
    readonly random: number;
  }): void {
    const target = this.#targets.get(address);
    if (target === undefined) return;
    target.dialling = false;
    target.fault = cause === "linked" || cause === "own" ? null : `${cause}: ${why}`;
    target.tries = openMs >= STEADY_MS ? 1 : target.tries + 1;
    target.nextMs = now.monoMs + this.#retries.againMs("cell_link", target.tries, now.random);
  }

  /** Why the last attempt to reach an address, or a node, has failed; null where none has. */
  faultOf(of: { readonly address: string } | { readonly node: string }): string | null {
    if ("address" in of) return this.#targets.get(of.address)?.fault ?? null;
    const targets = [...this.#targets.values()].filter(({ node }) => node === of.node);
    return targets.find(({ fault }) => fault !== null)?.fault ?? null;
  }

  /** Addresses at which no node was ever reached, with why. */
  get unreached(): readonly { readonly address: string; readonly fault: string }[] {
    return [...this.#targets.values()].flatMap(({ address, node, fault }) =>
      node === null && fault !== null ? [{ address, fault }] : []
    );
  }
}
