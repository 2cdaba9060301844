/** A WebSocket client that keeps every frame, and tells how its connection ended. */
import { type ClientOptions, WebSocket } from "ws";
import type { Frame } from "./client.ts";

/** How long anything may take, ms. */
const WAIT_MS = 15_000;

/** How a connection ended. */
export interface Ended {
  readonly code: number;
  readonly reason: string;
  /** `performance.now()` then. */
  readonly atMs: number;
}

/** One connection. */
export class Probe {
  readonly frames: Frame[] = [];
  readonly ended: Promise<Ended>;
  readonly #socket: WebSocket;
  #waiting: (() => void)[] = [];
  #isEnded = false;
  #id = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data) => {
      this.frames.push(JSON.parse(String(data)));
      this.#changed();
    });
    // What follows an error is a close.
    socket.on("error", () => {});
    this.ended = new Promise((resolve) => {
      socket.on("close", (code, reason) => {
        this.#isEnded = true;
        this.#changed();
        resolve({ code, reason: String(reason), atMs: performance.now() });
      });
    });
  }

  /** Connects and greets; resolves with the welcome received, rejects where there is none. */
  static async connect(
    wsUrl: string,
    hello: Readonly<Record<string, unknown>>,
    options: ClientOptions = {},
  ): Promise<Probe> {
    const socket = new WebSocket(wsUrl, options);
    const probe = new Probe(socket);
    socket.on("open", () => socket.send(JSON.stringify({ t: "hello", v: 1, ...hello })));
    await probe.frame("welcome");
    return probe;
  }

  #changed(): void {
    for (const look of this.#waiting.splice(0)) look();
  }

  /** The first frame of this name, when it has come; rejects where it never will. */
  frame(t: string, fits: (frame: Frame) => boolean = () => true): Promise<Frame> {
    return this.#first((frame) => frame.t === t && fits(frame), t);
  }

  async #first(fits: (frame: Frame) => boolean, what: string): Promise<Frame> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let late = false;
    const over = new Promise<void>((resolve) => timer = setTimeout(resolve, WAIT_MS));
    void over.then(() => late = true);
    try {
      for (;;) {
        const found = this.frames.find(fits);
        if (found !== undefined) return found;
        if (this.#isEnded || late) {
          throw new Error(`no frame ${what} came, but ${JSON.stringify(this.frames)}`);
        }
        await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), over]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends a command and does not wait; returns its id. */
  send(t: string, fields: Readonly<Record<string, unknown>> = {}): number {
    const id = ++this.#id;
    this.#socket.send(JSON.stringify({ t, id, ...fields }));
    return id;
  }

  /** Sends a command; resolves with its answer, whatever it is. */
  async command(t: string, fields: Readonly<Record<string, unknown>> = {}): Promise<Frame> {
    const id = this.send(t, fields);
    return await this.#first((frame) => frame["id"] === id, `with id ${id}`);
  }

  /** The first event that fits, when it has come. */
  async event(fits: (event: Frame & { readonly k: string }) => boolean) {
    type Event = Frame & { readonly k: string };
    const of = (frame: Frame) => (frame["ev"] as Event[]).find(fits);
    return of(await this.frame("events", (frame) => of(frame) !== undefined))!;
  }

  /** Sends a text as it is. */
  sendRaw(text: string): void {
    this.#socket.send(text);
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.ended;
  }
}
