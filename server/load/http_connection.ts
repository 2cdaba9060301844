/** HTTP/1.1 requests over connections that are kept open: one request at a time on each. */
import type { Dial, Wire } from "./dial.ts";
import { type HttpResponse, ResponseParser } from "./http_response.ts";
import type { Target } from "./target.ts";

/** One request; `body` is JSON text. */
export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/** A response, or why there is none: then it is not known whether the request was done. */
export type HttpResult =
  | { readonly ok: true; readonly response: HttpResponse }
  | { readonly ok: false; readonly why: string };

interface Asked {
  readonly request: HttpRequest;
  readonly done: (result: HttpResult) => void;
}

/** A connection to one server, made when it is needed and again when it is gone. */
export class HttpConnection {
  readonly #target: Target;
  readonly #dial: Dial;
  readonly #from: string | null;
  readonly #queue: Asked[] = [];
  #wire: Wire | null = null;
  #ready = false;
  #asked: Asked | null = null;

  constructor(options: {
    readonly target: Target;
    readonly dial: Dial;
    readonly from: string | null;
  }) {
    this.#target = options.target;
    this.#dial = options.dial;
    this.#from = options.from;
  }

  /** Requests that are not answered. */
  get pending(): number {
    return this.#queue.length + (this.#asked === null ? 0 : 1);
  }

  /** Sends a request after those before it; `done` is called once. */
  ask(request: HttpRequest, done: (result: HttpResult) => void): void {
    this.#queue.push({ request, done });
    this.#next();
  }

  /** Drops the connection and what is asked on it, without calling back. */
  drop(): void {
    this.#queue.length = 0;
    this.#asked = null;
    this.#wire?.destroy();
    this.#wire = null;
  }

  #next(): void {
    if (this.#asked !== null || this.#queue.length === 0) return;
    if (this.#wire === null) return this.#connect();
    if (!this.#ready) return;
    this.#asked = this.#queue.shift()!;
    this.#wire.send(requestText(this.#target, this.#asked.request));
  }

  #connect(): void {
    const parser = new ResponseParser();
    this.#ready = false;
    const wire = this.#dial(this.#target, this.#from, {
      opened: () => {
        this.#ready = true;
        this.#next();
      },
      data: (chunk) => {
        const fault = parser.feed(chunk, (response) => this.#answered(response));
        if (fault !== null && this.#wire === wire) {
          wire.destroy();
          this.#lost(fault);
        }
      },
      closed: (why) => {
        if (this.#wire === wire) this.#lost(why);
      },
    });
    this.#wire = wire;
  }

  #answered(response: HttpResponse): void {
    const asked = this.#asked;
    this.#asked = null;
    if (response.last) {
      this.#wire?.destroy();
      this.#wire = null;
    }
    asked?.done({ ok: true, response });
    this.#next();
  }

  /** What was asked gets no answer; what only waits fails too where there was no connection. */
  #lost(why: string): void {
    this.#wire = null;
    const asked = this.#asked;
    this.#asked = null;
    const failed = asked !== null ? [asked] : this.#ready ? [] : this.#queue.splice(0);
    for (const { done } of failed) done({ ok: false, why });
    this.#next();
  }
}

const NOT_ASCII = /[\u0080-\uffff]/g;

function requestText(target: Target, { method, path, headers, body }: HttpRequest): string {
  const { host } = new URL(target.url);
  let head = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n`;
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`;
  if (body === null) return `${head}\r\n`;
  const text = body.replace(
    NOT_ASCII,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `${head}Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
}
