/** A service that passes push messages on to phones, for tests; it keeps what it takes. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

/** What it takes. */
export interface Passed {
  readonly topic: string;
  readonly message: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

/** See the head of this file. */
export class PhoneService {
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => this.#take(request),
  );
  readonly secret = randomBytes(16).toString("hex");
  /** In order, those included that were refused. */
  readonly taken: Passed[] = [];
  path = "";
  status = 201;

  get origin(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async stop(): Promise<void> {
    await this.#server.shutdown();
  }

  async #take(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    this.path = pathname;
    const { headers, method } = request;
    const known = headers.get("authorization") === `Bearer ${this.secret}`;
    if (!known || method !== "POST" || headers.get("content-type") !== "application/json") {
      return new Response(null, { status: 401 });
    }
    this.taken.push(await request.json());
    return new Response(null, { status: this.status });
  }

  /** Waits until so many were taken; at most 30 s. */
  async until(count: number): Promise<Passed> {
    for (let tries = 0; this.taken.length < count; tries++) {
      assert.ok(tries < 600, `${this.taken.length} taken`);
      await new Promise((done) => setTimeout(done, 50));
    }
    return this.taken[count - 1]!;
  }
}
