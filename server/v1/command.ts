/** A command of protocol v1, and what those of all files need. */
import type { z } from "zod";
import type { AccountId, AccountName, DeviceId } from "../../shard/name/ids.ts";
import { parseAddress } from "../../shard/name/name.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { Clock } from "../node/ports.ts";
import type { Counting } from "./counting.ts";
import type { Router } from "../node/router.ts";
import type { Session } from "../edge/types.ts";
import type { SignIn } from "../auth/types.ts";
import type { ProtocolLimits } from "./limits.ts";
import type { CommandName, ProtocolSchemas } from "./schemas.ts";
import { validate } from "../text/validate.ts";
import type { RateClass } from "./rates.ts";

/**
 * The router for what a client asks of the account that it has proved to be. Without the account's
 * id, a request that is repeated inside a cell may reach a later account of the name.
 */
export function routerOf(router: Router, account: AccountId | undefined): Router {
  return account === undefined ? router : router.forAccount?.(account) ?? router;
}

/** The caller, and what there is to answer with. One for each connection or REST request. */
export interface CommandContext {
  readonly router: Router;
  readonly signIn: SignIn;
  readonly clock: Clock;
  readonly domain: string;
  readonly limits: ProtocolLimits;
  readonly user: AccountName;
  readonly device: DeviceId;
  /** null where a REST request names no session. */
  readonly session: Pick<Session, "present"> | null;
  /** The client's IP address, for the rate limits of password checks. */
  readonly address: string;
  /** Counts that a shard's rate has held the request back. */
  readonly limited: Counting["limited"];
  /** Takes more of the caller's rate of commands, for a command that cost more than `cost`. */
  charge(cost: number): void;
}

/** The JSON text of a command's value; null where it has none. */
export type JsonText = string | null;
/** Called exactly once, possibly before the call that takes it returns. */
export type Done = (result: Result<JsonText>) => void;

/** A row of the table. */
export interface Command {
  readonly name: CommandName;
  /** What it does, in half a sentence; for the documents. */
  readonly summary: string;
  /** What it takes of the caller's rate of commands. */
  readonly cost: number;
  /** The rate that limits it besides the one of all commands. */
  readonly rate: RateClass;
  /** Changes something that is stored: asks admission first. */
  readonly write: boolean;
  /** Its answers may be pages of events: not made for a client that does not read. */
  readonly bulky: boolean;
  /** Ends the connection or session that asked, after the answer. */
  readonly ends: boolean;
  /** Checks the input (a frame, or a REST request's fields in one object) and runs it. */
  run(ctx: CommandContext, input: unknown, done: Done): void;
}

/** Every command. */
export type CommandTable = Readonly<Record<CommandName, Command>>;

/** What a command takes. */
export type Input<K extends CommandName> = z.output<ProtocolSchemas["commands"][K]>;

/** What a command costs and does besides. */
export interface Traits {
  readonly cost?: number;
  readonly rate?: RateClass;
  readonly write?: boolean;
  readonly bulky?: boolean;
  readonly ends?: boolean;
}

/** Makes a row that checks its own input. */
export type Define = <K extends CommandName>(
  name: K,
  summary: string,
  traits: Traits,
  run: (ctx: CommandContext, input: Input<K>, done: Done) => void,
) => Command;

/** Makes the function that turns typed rows into rows that check their own input. */
export function definer(schemas: ProtocolSchemas): Define {
  return (name, summary, traits, run) => ({
    name,
    summary,
    cost: traits.cost ?? 1,
    rate: traits.rate ?? "frames",
    write: traits.write ?? false,
    bulky: traits.bulky ?? false,
    ends: traits.ends ?? false,
    run(ctx, raw, done) {
      const input = validate<z.ZodType>(schemas.commands[name], raw);
      if (!input.ok) return done(input);
      run(ctx, input.value as Input<typeof name>, done);
    },
  });
}

/** Of commands that change something stored. */
export const WRITE: Traits = { write: true };

/** Goes on with the account name that `text` stands for, or answers why it stands for none. */
export function withName(
  ctx: CommandContext,
  text: string,
  done: Done,
  then: (name: AccountName) => void,
): void {
  const address = parseAddress(text, ctx.domain);
  if (address.ok) return then(address.name);
  const code = address.kind === "foreign" ? "not_found" : "bad_request";
  done(fail(code, `This is not an account here: ${address.reason}`));
}

/** Answers with a value that is JSON as it stands. */
export function asJson(done: Done): (result: Result<unknown>) => void {
  return (result) => {
    if (!result.ok) return done(result);
    done(ok(result.value === null ? null : JSON.stringify(result.value)));
  };
}
