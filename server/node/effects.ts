/** Does what the steps of shards ask for: replies, packets, reads of the store, lines in the log. */
import type { Effect } from "../../shard/effects.ts";
import { isRepeated } from "../../shard/message/packets.ts";
import type { NodeParts } from "./parts.ts";
import type { Shard } from "../../shard/step/shard.ts";

/** See the head of this file. */
export class Effects {
  readonly #parts: NodeParts;

  constructor(parts: NodeParts) {
    this.#parts = parts;
  }

  /** Does one effect of the shard. May throw what the edge throws. */
  execute(shard: Shard, effect: Effect): void {
    const parts = this.#parts;
    switch (effect.kind) {
      case "reply":
        return parts.callers.reply(effect.request, effect.result);
      case "interest_answer":
        if (parts.abroad?.answer(effect, parts.dispatch.elsewhere?.mayServe !== false) === true) {
          return;
        }
        return parts.callers.answer(effect.request, effect.answers);
      case "edge":
        if (effect.packet.kind === "events") {
          parts.traces.events(effect.packet, "delivered", effect.node);
        }
        if (parts.dispatch.elsewhere?.withhold(shard, effect) === true) return;
        if (parts.abroad?.edge(effect) === true) return;
        if (effect.node === parts.options.id) return parts.options.deliver(effect.packet);
        return parts.dispatch.elsewhere?.deliver(effect.node, shard.row, effect.packet);
      case "packet":
        return this.#carry(effect);
      case "abroad": {
        // A former owner of the shard says nothing that its successor would have to take back.
        const said = !isRepeated(effect.packet);
        if (said && parts.dispatch.elsewhere?.withhold(shard, effect) === true) return;
        return parts.abroad?.send(effect);
      }
      case "load":
        return parts.loader.load(shard, effect);
      case "load_block":
        return parts.loader.block(shard, effect);
      case "load_dedupe":
        return parts.loader.dedupe(shard, effect);
      case "load_rows":
        return parts.loader.rows(shard, effect);
      case "push":
        if (parts.dispatch.elsewhere?.withhold(shard, effect) === true) return;
        return parts.options.push?.(effect);
      case "refused_silently":
        return parts.options.observeRefused?.(effect.cause, effect.count);
      case "moved":
        return parts.options.observeMoved?.(effect.outcome);
      case "corrupt": {
        const { name, error } = effect;
        return parts.ports.log.error("account_corrupt", { user: name, shard: shard.id, error });
      }
      case "log_damaged": {
        const { log, lsn, error } = effect;
        return parts.ports.log.error("shard_damaged", { shard: shard.id, log, lsn, error });
      }
      case "recover":
        parts.loader.log(shard, effect.reading);
        return parts.loader.owing([shard]);
      case "bug": {
        const { input, error } = effect;
        return parts.bugs.caught("shard", error, { shard: shard.id, input });
      }
    }
  }

  /** The effect of one shard is the input of another, as it is. */
  #carry(effect: Effect & { readonly kind: "packet" }): void {
    const { packet } = effect;
    this.#parts.traces.packet(packet, null);
    if (packet.kind !== "resolved") return this.#leave(effect);
    this.#parts.resolves.answered(packet, () => {
      if (!this.#parts.stopped()) this.#leave(effect);
    });
  }

  #leave(effect: Effect & { readonly kind: "packet" }): void {
    const { dispatch, options: { carry } } = this.#parts;
    // Without a closure where there is no way to carry: packets are most of a message's work.
    if (carry === undefined) dispatch.route(effect);
    else carry(effect.packet, () => dispatch.route(effect));
  }
}
