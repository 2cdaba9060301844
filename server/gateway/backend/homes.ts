/**
 * Does a step where its account is at home: here, or by a question to the cell that has it. Members of
 * a federation are one operator's, and their links are proved: what one cell has admitted a service
 * to do, the others do for it.
 */
import type { CellName } from "../../../shard/name/ids.ts";
import { fail, type Result } from "../../../shard/errors.ts";
import type { Log } from "../../node/ports.ts";
import type { BackendAccounts } from "./accounts.ts";
import { recordService, type ServiceAudit } from "./records.ts";
import { readReply, readStep, type Step, type StepName, type StepOutput } from "./steps.ts";

/** The question to another cell. */
export const STEP_QUESTION = "users.manage";
/** Characters of the question: a message of the largest size, with every character escaped. */
export const STEP_CHARS_MAX = 1_000_000;
/** How long another cell may take (ms): a little longer than a shard. */
export const STEP_MS = 12_000;
/** Characters of a reply: all contacts of an account. */
export const REPLY_CHARS_MAX = 4_000_000;
/** How often a step follows an account that moves. */
const HOPS_MAX = 3;
const RETRY_MS = 1000;

/** How other cells are asked; see `CellQueries`. */
export interface OtherCells {
  /** Asks a cell; null where it has not replied in time. */
  one(
    cell: CellName,
    question: { readonly what: string; readonly input: string; readonly replyMs: number },
    done: (reply: string | null) => void,
  ): void;
  /** Registers how this cell replies to members of its federation. */
  on(
    what: string,
    charsMax: number,
    reply: (input: string, from: CellName, done: (reply: string) => void) => void,
  ): void;
}

/** See the head of this file. */
export class BackendHomes {
  readonly #accounts: Pick<BackendAccounts, "run">;
  readonly #cells: OtherCells | null;

  constructor(
    accounts: Pick<BackendAccounts, "run">,
    to: { readonly audit?: ServiceAudit; readonly cells?: OtherCells; readonly log: Log },
  ) {
    this.#accounts = accounts;
    const { cells = null, log } = to;
    this.#cells = cells;
    cells?.on(STEP_QUESTION, STEP_CHARS_MAX, (input, cell, done) => {
      const step = readStep(input);
      if (step === null) return done(JSON.stringify(UNKNOWN_STEP));
      accounts.run(step).catch((error) => {
        log.error("backend.bug", { error: String(error), stack: (error as Error).stack });
        return FAILED;
      }).then((result) => {
        const { service, user, step: action } = step;
        const outcome = result.ok ? "ok" : result.code;
        recordService(to, { service, action, user, outcome, cell });
        done(bounded(JSON.stringify(result)));
      });
    });
  }

  /** Does a step. */
  async run<K extends StepName>(step: Step<K>): Promise<Result<StepOutput[K]>> {
    let result = await this.#accounts.run(step);
    for (let hops = 0; hops < HOPS_MAX; hops++) {
      if (result.ok || result.code !== "moved" || result.cell === undefined) return result;
      result = await this.#ask(result.cell as CellName, step);
    }
    if (result.ok || result.code !== "moved") return result;
    return fail("unavailable", `The account of ${step.user} moves: try again`, RETRY_MS);
  }

  async #ask<K extends StepName>(cell: CellName, step: Step<K>): Promise<Result<StepOutput[K]>> {
    const away = fail(
      "unavailable",
      `Cell ${cell}, the home of ${step.user}, has not replied: look, or repeat it`,
      RETRY_MS,
    );
    if (this.#cells === null) return away;
    const question = {
      what: STEP_QUESTION,
      input: JSON.stringify(step),
      replyMs: STEP_MS,
    };
    const reply = await new Promise<string | null>((done) =>
      this.#cells!.one(cell, question, done)
    );
    return reply === null ? away : readReply<K>(reply) ?? away;
  }
}

const FAILED = fail("unavailable", "The request failed at the account's home", RETRY_MS);
const UNKNOWN_STEP = fail("unsupported", "The account's home cell does not know this request yet");

function bounded(reply: string): string {
  if (reply.length <= REPLY_CHARS_MAX) return reply;
  return JSON.stringify(fail("limit_reached", "The account has too many contacts for a request"));
}
