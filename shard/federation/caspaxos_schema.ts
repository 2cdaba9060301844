/** The questions and votes of CASPaxos as they are sent, for registers of any value. */
import { optional, type Schema } from "../record/schema.ts";
import { struct, union, variant } from "../record/struct.ts";
import type { Ask, Vote } from "./caspaxos.ts";
import { ballot } from "./name_register.ts";

/** The schema of a proposer's question about a register whose value is a `value`. */
export function askSchema<T>(value: Schema<T>): Schema<Ask<T>> {
  return union("question", {
    prepare: variant(0, { ballot }),
    accept: variant(1, { ballot, value }),
  });
}

/** The schema of an acceptor's reply to it; `what` names the accepted value in errors. */
export function voteSchema<T>(what: string, value: Schema<T>): Schema<Vote<T>> {
  const accepted = optional(what, struct({ ballot, value }));
  return union("vote", {
    promise: variant(0, { ballot, accepted }),
    accepted: variant(1, { ballot }),
    refused: variant(2, { ballot, promised: ballot }),
  });
}
