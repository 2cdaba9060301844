/**
 * What messages cost a program that does nothing but read and write their frames and commit their
 * bytes: it shows how much of a figure of the server is the platform's. Run as a child:
 * `bare_messages.ts serve SOCKETS` prints its port; `bare_messages.ts send PORT SOCKETS RATE SECONDS`
 * sends, and prints messages a second, then p50 and p99 of their acks in ms.
 */
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { WebSocketServer } from "ws";

/** As `deno task prove costs` sees them: bytes of frames, bytes of log for a message, rows. */
const SENT = 170;
/** The ack with the sender's own event; the recipient's event. */
const REPLY = 300;
const EVENT = 210;
const LOG = 600;
const ROWS = 16;
/** Least time between commits (ms), as under load. */
const GAP_MS = 30;
/** Rows are deleted so many commits later. */
const KEPT = 64;
const HEAD = 4;

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** A text frame whose first character tells what it is. */
function frame(kind: string, bytes: number): string {
  const payload = kind.repeat(bytes);
  return `\x81\x7e${String.fromCharCode(bytes >> 8, bytes & 255)}${payload}`;
}

class Server {
  readonly #kv: Deno.Kv;
  readonly #open: Socket[] = [];
  readonly #reply = frame("r", REPLY);
  readonly #event = frame("e", EVENT);
  #batches = new Map<Socket, string>();
  #waiting: number[] = [];
  #committing = false;
  #commits = 0;
  #notBeforeMs = 0;
  #sent = 0;

  constructor(kv: Deno.Kv) {
    this.#kv = kv;
  }

  listen(sockets: number): void {
    const server = createServer();
    const wss = new WebSocketServer({ noServer: true, perMessageDeflate: false });
    server.on("upgrade", (request, socket, head) => {
      wss.handleUpgrade(request, socket, head, (ws) => {
        const index = this.#open.push(socket as Socket) - 1;
        ws.on("message", () => this.#take(index));
        // The client exits when it has measured enough.
        ws.on("error", () => {});
      });
    });
    server.listen(
      { port: 0, host: "127.0.0.1", backlog: sockets },
      () => print(String((server.address() as { port: number }).port)),
    );
  }

  #take(index: number): void {
    this.#waiting.push(index);
    if (!this.#committing) this.#schedule();
  }

  #schedule(): void {
    this.#committing = true;
    setTimeout(() => void this.#commit(), Math.max(0, this.#notBeforeMs - performance.now()));
  }

  async #commit(): Promise<void> {
    const senders = this.#waiting;
    this.#waiting = [];
    this.#notBeforeMs = performance.now() + GAP_MS;
    const commit = ++this.#commits;
    const atomic = this.#kv.atomic();
    const value = new Uint8Array(Math.ceil(senders.length * LOG / ROWS)).fill(commit);
    for (let row = 0; row < ROWS; row++) {
      atomic.set(["l", row, commit], value);
      if (commit > KEPT) atomic.delete(["l", row, commit - KEPT]);
    }
    await atomic.commit();
    for (const sender of senders) {
      const recipient = (sender * 7 + ++this.#sent) % this.#open.length;
      this.#write(this.#open[sender]!, this.#reply);
      this.#write(this.#open[recipient]!, this.#event);
    }
    for (const [socket, batch] of this.#batches) socket.write(batch, "latin1");
    this.#batches = new Map();
    this.#committing = false;
    if (this.#waiting.length > 0) this.#schedule();
  }

  /** All that a socket is sent in one turn is one write. */
  #write(socket: Socket, text: string): void {
    this.#batches.set(socket, (this.#batches.get(socket) ?? "") + text);
  }
}

/** One client: finds the replies in what it reads, which are in the order of its messages. */
class Client {
  readonly #socket: Socket;
  readonly #acked: (tookMs: number) => void;
  readonly #message = new Uint8Array(HEAD + 4 + SENT).fill(0x6d);
  #sentMs: number[] = [];
  #rest = new Uint8Array();
  #left = 0;

  constructor(port: number, opened: () => void, acked: (tookMs: number) => void) {
    this.#acked = acked;
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.write(
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    // A text with a mask of zeros.
    this.#message.set([0x81, 0x80 | 126, 0, SENT, 0, 0, 0, 0]);
    this.#socket.once("data", () => {
      this.#socket.on("data", (bytes) => this.#read(bytes as Uint8Array));
      opened();
    });
  }

  send(): void {
    this.#sentMs.push(performance.now());
    this.#socket.write(this.#message);
  }

  #read(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + chunk.length);
      bytes.set(this.#rest);
      bytes.set(chunk, this.#rest.length);
      this.#rest = new Uint8Array();
    }
    for (let at = 0; at < bytes.length;) {
      const skipped = Math.min(this.#left, bytes.length - at);
      this.#left -= skipped;
      at += skipped;
      if (at === bytes.length) return;
      if (bytes.length - at <= HEAD) return void (this.#rest = bytes.slice(at));
      const isReply = bytes[at + HEAD] === 0x72;
      if (isReply) this.#acked(performance.now() - this.#sentMs.shift()!);
      this.#left = HEAD + (isReply ? REPLY : EVENT);
    }
  }
}

async function send(port: number, sockets: number, rate: number, seconds: number): Promise<void> {
  const took: number[] = [];
  const clients: Client[] = [];
  for (let i = 0; i < sockets; i++) {
    await new Promise<void>((opened) => {
      clients.push(new Client(port, opened, (ms) => took.push(ms)));
    });
  }
  const beganMs = performance.now();
  print("begin");
  let sent = 0;
  const turn = () => {
    const elapsed = (performance.now() - beganMs) / 1000;
    const due = Math.min(elapsed, seconds) * rate;
    // Neighbours in time are far apart.
    while (sent < due) clients[sent++ * 37 % sockets]!.send();
    if (elapsed < seconds) return void setTimeout(turn, 1);
    took.sort((a, b) => a - b);
    const at = (share: number) => took[Math.floor(took.length * share)] ?? NaN;
    print(`${took.length / elapsed} ${at(0.5)} ${at(0.99)}`);
    Deno.exit(0);
  };
  turn();
}

const [mode, ...words] = Deno.args;
const [a = 0, b = 0, c = 0, d = 0] = words.map(Number);
if (mode === "serve") {
  const kv = await Deno.openKv(words[1]!);
  new Server(kv).listen(a);
} else await send(a, b, c, d);
