/** Does what a transcript's lines do to a server, and tells what is heard under which label. */
import type { Heard, Line, RequestLine, Step } from "./transcript.ts";
import type { Host, Wire } from "./host.ts";
import { type Bindings, type JsonObject, substitute } from "./placeholders.ts";
import { appCode } from "../unit/totp_code.ts";
import { proveScram } from "./scram_proof.ts";

/** The SCRAM exchange under way under a label. */
interface Exchange {
  readonly mechanism: string;
  readonly first: string;
  challenge: string;
}

/** One run of a transcript. */
export class TranscriptRun {
  readonly bindings: Bindings = new Map();
  readonly #host: Host;
  readonly #heard: (label: string, heard: Heard) => void;
  readonly #wires = new Map<string, Wire>();
  readonly #requests = new Map<string, AbortController>();
  readonly #exchanges = new Map<string, Exchange>();

  constructor(host: Host, heard: (label: string, heard: Heard) => void) {
    this.#host = host;
    this.#heard = heard;
  }

  /** Does a line, unless it says what is heard. */
  async perform(line: Line): Promise<void> {
    if (line.kind === "pause") return await this.#host.pause(line.ms);
    if (line.kind === "do") {
      const made = await this.#host.act(line.words);
      if (made !== null) this.bindings.set(made.name, made.value);
      return;
    }
    this.#step(line.label, line.step);
  }

  #step(label: string, step: Step): void {
    switch (step.kind) {
      case "open":
        this.#wires.set(label, this.#host.open((heard) => this.#take(label, heard)));
        return;
      case "close":
      case "lost":
        this.#wires.get(label)?.end(step.kind);
        this.#requests.get(label)?.abort();
        this.#wires.delete(label);
        return;
      case "say": {
        const text = this.#fill(label, step.text);
        this.#noteScram(label, text);
        return this.#wires.get(label)!.send(text);
      }
      case "ask":
        return this.#ask(label, step.request);
      case "hear":
        return;
    }
  }

  #ask(label: string, request: RequestLine): void {
    const gone = new AbortController();
    this.#requests.set(label, gone);
    const body = request.body === null ? null : this.#fill(label, request.body);
    if (body !== null) this.#noteScram(label, body);
    const filled: RequestLine = {
      ...request,
      path: this.#fill(label, request.path),
      headers: request.headers.map(([name, value]) => [name, this.#fill(label, value)] as const),
      body,
    };
    this.#host.request(filled, gone.signal, (heard) => this.#take(label, heard));
  }

  #take(label: string, heard: Heard): void {
    const value = heard.kind === "frame"
      ? heard.frame
      : heard.kind === "answer"
      ? heard.body
      : null;
    const exchange = this.#exchanges.get(label);
    if (exchange !== undefined && value !== null && typeof value === "object") {
      const { t, exchange: id, message } = value as JsonObject;
      if (t === "challenge" || id !== undefined) exchange.challenge = String(message);
    }
    this.#heard(label, heard);
  }

  /**
   * `<scram:password>` answers the challenge, `<fill:n>` is n letters, `<totp:ann+1>` is what the app
   * with `<secret:ann>` shows one step after `<time:ann>`.
   */
  #fill(label: string, text: string): string {
    const filled = text
      .replace(/<fill:(\d+)>/, (_, count: string) => "x".repeat(Number(count)))
      .replace(/<totp:(\w+)(?:\+(\d))?>/, (_, name: string, steps = "0") => {
        const secret = String(this.bindings.get(`secret:${name}`));
        return appCode(secret, Number(this.bindings.get(`time:${name}`)), Number(steps));
      })
      .replace(/<scram:([^<>]+)>/, (_, password: string) => {
        const { mechanism, first, challenge } = this.#exchanges.get(label)!;
        const proof = proveScram(mechanism, first, challenge, password);
        this.bindings.set(`signature:${label}`, proof.signature);
        return proof.message;
      });
    return substitute(filled, this.bindings);
  }

  #noteScram(label: string, text: string): void {
    const m = /"mechanism":"([^"]+)","message":"([^"]+)"/.exec(text);
    if (m !== null) this.#exchanges.set(label, { mechanism: m[1]!, first: m[2]!, challenge: "" });
  }
}
