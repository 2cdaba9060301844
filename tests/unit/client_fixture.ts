/** A fixture for the client library without time and network: only what a test does happens. */
import { createClient } from "../../server/web/client.js";
import type {
  Client,
  ClientOptions,
  Events,
  Platform,
  Socket,
  Storage,
} from "../../server/web/client.d.ts";

/** A frame either way. */
export type Frame = Readonly<Record<string, unknown>>;

/** A WebSocket that the test is the other end of. */
export class FakeSocket implements Socket {
  readonly url: string;
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  /** What the client has sent. */
  readonly sent: Frame[] = [];
  closed = false;

  constructor(url: string) {
    this.url = url;
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.closed = true;
  }

  /** It opens; returns the hello. */
  open(): Frame {
    this.onopen?.(new Event("open"));
    return this.sent[0]!;
  }
  says(frame: Frame): void {
    this.onmessage?.(new MessageEvent("message", { data: JSON.stringify(frame) }));
  }
  breaks(): void {
    this.onclose?.(new CloseEvent("close"));
  }
  /** Opens and welcomes; `fields` win. */
  welcome(fields: Frame = {}): void {
    this.open();
    this.says({ t: "welcome", ...WELCOME, ...fields });
  }
  events(...ev: readonly Frame[]): void {
    this.says({ t: "events", soft: 0, ev });
  }
  /** The commands of a kind that were sent. */
  commands(t: string): readonly Frame[] {
    return this.sent.filter((frame) => frame["t"] === t);
  }
}

/** The id of the mailbox of everybody here. */
export const MAILBOX = "AAAAAAAAAAAAAAAA";

/** A snapshot of somebody without contacts. */
export const SNAPSHOT: Frame = {
  roster: [],
  requests: [],
  blocked: [],
  conversations: [],
  messagesFrom: "contacts",
};

const WELCOME: Frame = {
  v: 1,
  domain: "example.org",
  user: "ann",
  device: "desk",
  session: "SSSSSSSSSSSSSSSS",
  resumed: false,
  mode: "snapshot",
  cursor: `${MAILBOX}:10`,
  expiresAt: 9e15,
  limits: { frameBytesMax: 65_536 },
  snapshot: SNAPSHOT,
};

/** A welcome for a client that goes on where it was. */
export const RESUMED: Frame = { resumed: true, mode: "resume", snapshot: undefined };

/** A request that waits for its answer. */
export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: Frame;
  readonly aborted: () => boolean;
  answer(value: unknown, status?: number): void;
  fail(): void;
}

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** See the head of this file. */
export class ClientFixture {
  now = 0;
  /** What the next random numbers are. */
  random = 1;
  readonly sockets: FakeSocket[] = [];
  readonly requests: FakeRequest[] = [];
  readonly items = new Map<string, string>();
  readonly #timers = new Set<Timer>();
  online: () => void = () => {};
  offline: () => void = () => {};
  #acted: () => void = () => {};

  /** What the client library sees of this fixture. */
  platform(socket = true): Partial<Platform> {
    return {
      now: () => this.now,
      random: () => this.random,
      after: (ms, run) => this.#after(ms, run),
      socket: socket ? (url) => this.#socket(url) : null,
      fetch: (url, init) => this.#fetch(url, init),
      onOffline: (run) => {
        this.offline = run;
        return () => {};
      },
      onOnline: (run) => {
        this.online = run;
        return () => {};
      },
    };
  }

  get storage(): Storage {
    return {
      getItem: (key) => this.items.get(key) ?? null,
      setItem: (key, value) => void this.items.set(key, value),
      removeItem: (key) => void this.items.delete(key),
    };
  }

  client(options: ClientOptions = {}, socket = true): Client {
    const { storage } = this;
    const platform = this.platform(socket);
    return createClient({ url: "http://server.test", storage, platform, ...options });
  }

  /** A client that is signed in by token, on a WebSocket that has welcomed it. */
  async connected(options: ClientOptions = {}): Promise<Client> {
    const client = this.client(options);
    const signedIn = client.signIn({ token: "rt1_token" });
    await this.settle();
    this.socket.welcome();
    await signedIn;
    return client;
  }

  get socket(): FakeSocket {
    return this.sockets.at(-1)!;
  }
  get request(): FakeRequest {
    return this.requests.at(-1)!;
  }
  /** When the next timers run, in ms from now, in order. */
  get due(): readonly number[] {
    return [...this.#timers].map(({ at }) => at - this.now).sort((a, b) => a - b);
  }

  #after(ms: number, run: () => void): () => void {
    const timer = { at: this.now + ms, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  #socket(url: string): Socket {
    const socket = new FakeSocket(url);
    this.sockets.push(socket);
    this.#acted();
    return socket;
  }

  #fetch(url: string, init: RequestInit): Promise<Response> {
    return new Promise((resolve, reject) => {
      const fail = () => reject(new TypeError("network"));
      init.signal?.addEventListener("abort", fail);
      this.requests.push({
        method: String(init.method),
        path: url.replace("http://server.test", ""),
        headers: new Headers(init.headers),
        body: init.body === undefined ? {} : JSON.parse(String(init.body)),
        aborted: () => init.signal?.aborted === true,
        answer: (value, status = 200) => {
          const text = value === undefined ? "" : JSON.stringify(value);
          const ok = status < 400;
          resolve({ ok, status, text: () => Promise.resolve(text) } as Response);
        },
        fail,
      });
      this.#acted();
    });
  }

  /** Lets everything happen that waits for nothing. */
  async settle(): Promise<void> {
    for (let i = 0; i < 30; i++) await Promise.resolve();
  }

  /** Waits for the next request or socket: for what WebCrypto does elsewhere. */
  acts(): Promise<void> {
    return new Promise((resolve) => this.#acted = resolve);
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    await this.settle();
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#timers.delete(next);
      this.now = Math.max(this.now, next.at);
      next.run();
      await this.settle();
    }
    this.now = end;
    await this.settle();
  }
}

/** Everything a client says of one kind, as it says it. */
export function heard<K extends keyof Events>(client: Client, event: K): Events[K][] {
  const all: Events[K][] = [];
  client.on(event, (detail) => all.push(detail));
  return all;
}

/** A message from bob. */
export function message(seq: number, fields: Frame = {}): Frame {
  const id = `key${seq}`;
  return { k: "message", seq, at: seq, with: "bob", num: seq, id, body: `body ${seq}`, ...fields };
}
