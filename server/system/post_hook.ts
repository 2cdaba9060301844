/**
 * Posts webhooks: HTTP/1.1 over a connection of its own to an address that was checked after the
 * name was looked up, so that no answer of a name server can lead it elsewhere. It follows no
 * redirect, and of the answer it reads the head.
 */
import { lookup } from "node:dns/promises";
import type { Cancel } from "../node/ports.ts";
import type { HookAnswer, HookRequest, PostHook } from "../gateway/hook_sender.ts";
import { isPublicIp, parseTarget, type Target } from "../gateway/target.ts";
import { VERSION } from "../config/version.ts";

/** Bytes of an answer's head that are looked at. */
const HEAD_BYTES_MAX = 16_384;
const RETRY_AFTER_SECONDS_MAX = 86_400;

/** Makes the port. `privateToo`: receivers may be in private networks and on this machine. */
export function systemPostHook(privateToo: boolean): PostHook {
  return (request, done) => {
    let open = true;
    const finish = (answer: HookAnswer) => {
      if (!open) return;
      open = false;
      clearTimeout(timer);
      attempt.close();
      done(answer);
    };
    const attempt = new Attempt(request, privateToo);
    const timer = setTimeout(
      () => finish({ kind: "failed", reason: `no answer within ${request.timeoutMs} ms` }),
      request.timeoutMs,
    );
    attempt.run().then(finish, (error) => finish({ kind: "failed", reason: reasonOf(error) }));
    const cancel: Cancel = () => {
      open = false;
      clearTimeout(timer);
      attempt.close();
    };
    return cancel;
  };
}

/** One line, and short: it is kept and shown. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0]!.slice(0, 200);
}

class Attempt {
  readonly #request: HookRequest;
  readonly #privateToo: boolean;
  #conn: Deno.Conn | null = null;
  #closed = false;

  constructor(request: HookRequest, privateToo: boolean) {
    this.#request = request;
    this.#privateToo = privateToo;
  }

  close(): void {
    this.#closed = true;
    const conn = this.#conn;
    this.#conn = null;
    try {
      conn?.close();
    } catch (error) {
      // The other side may have been faster.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  #keep(conn: Deno.Conn): Deno.Conn {
    this.#conn = conn;
    if (this.#closed) {
      this.close();
      throw new Error("given up");
    }
    return conn;
  }

  async run(): Promise<HookAnswer> {
    const target = parseTarget(this.#request.url, this.#privateToo);
    if (!target.ok) return { kind: "failed", reason: target.message };
    const { host, port, tls } = target.value;
    const ip = await this.#resolve(host);
    const tcp = await Deno.connect({ hostname: ip, port });
    this.#keep(tcp);
    const conn = tls ? this.#keep(await Deno.startTls(tcp, { hostname: host })) : tcp;
    await writeAll(conn, requestBytes(target.value, this.#request));
    return parseHead(await readHead(conn));
  }

  /** The first address of the name, which must be public like every other one. */
  async #resolve(host: string): Promise<string> {
    const found = await lookup(host, { all: true });
    const [first] = found;
    if (first === undefined) throw new Error(`${host} has no address`);
    if (!this.#privateToo && found.some(({ address }) => !isPublicIp(address))) {
      throw new Error(`${host} leads to a private address: see gateway.privateTargets`);
    }
    return first.address;
  }
}

const utf8 = new TextEncoder();

function requestBytes(target: Target, { headers, body }: HookRequest): Uint8Array {
  const { host, port, path, tls } = target;
  const name = host.includes(":") ? `[${host}]` : host;
  const bytes = utf8.encode(body);
  const lines = [
    `POST ${path} HTTP/1.1`,
    `host: ${port === (tls ? 443 : 80) ? name : `${name}:${port}`}`,
    `user-agent: roost/${VERSION}`,
    ...Object.entries(headers).map(([key, value]) => `${key}: ${value}`),
    `content-length: ${bytes.length}`,
    "connection: close",
  ];
  const head = utf8.encode(`${lines.join("\r\n")}\r\n\r\n`);
  const all = new Uint8Array(head.length + bytes.length);
  all.set(head);
  all.set(bytes, head.length);
  return all;
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += await conn.write(bytes.subarray(at));
}

/** The answer's head as text; the body is left unread. */
async function readHead(conn: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder("latin1");
  const buffer = new Uint8Array(4096);
  let text = "";
  while (text.length < HEAD_BYTES_MAX) {
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) {
      // Interim answers come before the one that counts, which may have come with them.
      if (!/^HTTP\/1\.[01] 1\d\d/.test(text)) return text.slice(0, end);
      text = text.slice(end + 4);
      continue;
    }
    const count = await conn.read(buffer);
    if (count === null) break;
    text += decoder.decode(buffer.subarray(0, count));
  }
  return text;
}

function parseHead(head: string): HookAnswer {
  const status = /^HTTP\/1\.[01] (\d{3})(?: |\r|$)/.exec(head)?.[1];
  if (status === undefined) return { kind: "failed", reason: "the answer is not HTTP" };
  const seconds = /\r\nretry-after: *(\d{1,9}) *(?:\r\n|$)/i.exec(head)?.[1];
  const retryAfterMs = seconds === undefined
    ? null
    : Math.min(Number(seconds), RETRY_AFTER_SECONDS_MAX) * 1000;
  return { kind: "answered", status: Number(status), retryAfterMs };
}
