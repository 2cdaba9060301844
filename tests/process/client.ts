/** A small client of protocol v1 over a real WebSocket, for process tests and proofs. */

/** A frame as it came. */
export type Frame = Readonly<Record<string, unknown>> & { readonly t: string };

/** An answer to a command that was refused. */
export class Refused extends Error {
  readonly code: string;
  readonly retryAfterMs: number;

  constructor(frame: Frame) {
    super(`${frame["code"]}: ${frame["message"]}`);
    this.code = String(frame["code"]);
    this.retryAfterMs = Number(frame["retryAfterMs"] ?? 0);
  }
}

/** One connection. */
export class Client {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, { ok: (value: unknown) => void; no: (e: Error) => void }>();
  #id = 0;
  welcome: Frame = { t: "" };
  /** Whether the server has sent it away; its connection ends after that. */
  sentAway = false;
  /** Called for every event of every events frame. */
  onEvent: (event: Frame & { k: string }) => void = () => {};
  readonly closed: Promise<void>;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.addEventListener("close", () => {
        const lost = new Error("connection lost");
        for (const w of this.#waiting.values()) w.no(lost);
        this.#waiting.clear();
        resolve();
      });
    });
    // What follows an error is a close.
    socket.addEventListener("error", (e) => e.preventDefault());
  }

  /** Connects and says hello; resolves with the welcome received. */
  static async connect(
    wsUrl: string,
    hello: Readonly<Record<string, unknown>>,
    onEvent?: Client["onEvent"],
  ): Promise<Client> {
    const socket = new WebSocket(wsUrl);
    const client = new Client(socket);
    if (onEvent !== undefined) client.onEvent = onEvent;
    await new Promise<void>((resolve, reject) => {
      client.closed.then(() => reject(new Error("connection refused or lost")));
      socket.addEventListener("open", () => {
        socket.send(JSON.stringify({ t: "hello", v: 1, ...hello }));
      });
      socket.addEventListener("message", (m) => {
        const frame = JSON.parse(m.data) as Frame;
        if (frame.t === "welcome") {
          client.welcome = frame;
          resolve();
        } else if (frame.t === "error" && frame["id"] === undefined) {
          reject(new Refused(frame));
        } else client.#take(frame);
      });
    });
    return client;
  }

  #take(frame: Frame): void {
    if (frame.t === "events") {
      for (const event of frame["ev"] as (Frame & { k: string })[]) this.onEvent(event);
      return;
    }
    if (frame.t === "goaway") this.sentAway = true;
    const waiting = this.#waiting.get(Number(frame["id"]));
    if (waiting === undefined) return;
    this.#waiting.delete(Number(frame["id"]));
    if (frame.t === "ok") waiting.ok(frame["value"]);
    else waiting.no(new Refused(frame));
  }

  /** Sends a command; resolves with its value, rejects with `Refused` or on a lost connection. */
  command<T = Record<string, unknown>>(
    t: string,
    fields: Readonly<Record<string, unknown>> = {},
  ): Promise<T> {
    const id = ++this.#id;
    return new Promise<T>((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) return reject(new Error("connection lost"));
      this.#waiting.set(id, { ok: (v) => resolve(v as T), no: reject });
      this.#socket.send(JSON.stringify({ t, id, ...fields }));
    });
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.closed;
  }
}

/** Calls the REST API; returns the JSON, throws on a refusal. */
export async function rest<T = Record<string, unknown>>(
  url: string,
  method: string,
  path: string,
  options: { token?: string; body?: unknown; key?: string } = {},
): Promise<T> {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(options.body === undefined ? {} : { "content-type": "application/json" }),
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      ...(options.key === undefined ? {} : { "idempotency-key": options.key }),
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  });
  const text = await response.text();
  const value = text === "" ? null : JSON.parse(text);
  if (!response.ok) throw new Refused({ t: "error", ...value });
  return value as T;
}
