/** What orders certificates at an authority, and why that fails. */
import type { AcmeAccount, AcmeGoal, Challenge } from "./state.ts";

/** What is wrong, in order of who can mend it. */
export type AcmeFault =
  | "unreachable"
  | "rate_limited"
  | "connection"
  | "dns"
  | "wrong_answer"
  | "caa"
  | "refused";

/** What an operator can do about each. */
const ADVICE: Readonly<Record<AcmeFault, string>> = {
  unreachable: "the authority cannot be reached from here: look at acme.directory and the network",
  rate_limited: "the authority takes no more orders for now",
  connection: "the authority cannot connect to this server at that name: let port 80 through to it",
  dns: "the authority finds no address for that name: set its A or AAAA record to this server",
  wrong_answer:
    "another server replies at that name: set its A and AAAA records to this one, and " +
    "let a proxy in front pass /.well-known/acme-challenge/ on",
  caa: "a CAA record of the domain does not allow this authority",
  refused: "the authority refuses the order",
};

/** An order that failed. The message says what to do. */
export class AcmeError extends Error {
  override readonly name = "AcmeError";
  readonly fault: AcmeFault;
  /** How long the authority wants to be left alone (ms); 0: it did not say. */
  readonly retryAfterMs: number;

  constructor(fault: AcmeFault, detail: string, retryAfterMs = 0) {
    super(`${ADVICE[fault]} (${detail})`);
    this.fault = fault;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The fault of an error type of RFC 8555 section 6.7. */
export function faultOf(type: string): AcmeFault {
  switch (type.replace("urn:ietf:params:acme:error:", "")) {
    case "rateLimited":
      return "rate_limited";
    case "connection":
    case "tls":
      return "connection";
    case "dns":
      return "dns";
    case "unauthorized":
    case "incorrectResponse":
      return "wrong_answer";
    case "caa":
      return "caa";
    default:
      return "refused";
  }
}

/** An order. */
export interface AcmeOrder {
  readonly goal: AcmeGoal;
  /** The account at this authority; null: one is to be made. */
  readonly account: AcmeAccount | null;
  /** Stores the account; before the authority knows it, and once it does. */
  keep(account: AcmeAccount): Promise<void>;
  /** Has all nodes reply to these challenges. */
  publish(challenges: readonly Challenge[]): Promise<void>;
  /** Logs what is agreed to. */
  agreed(terms: string): void;
}

/** Orders a certificate; rejects with `AcmeError`. One at a time. */
export type AcmeIssuer = (
  order: AcmeOrder,
) => Promise<{ readonly cert: string; readonly key: string }>;
