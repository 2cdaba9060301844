/**
 * Posts webhooks and push messages: HTTP/1.1 over a connection of its own to an address that was checked after the
 * name was looked up, so that no response of a name server can lead it elsewhere. It tries each
 * allowed address of the name within the timeout, also where a connection ends without a response:
 * a receiver that gets a batch twice knows it by its id. It follows no redirect, and reads only the
 * head of the response.
 */
import { lookup } from "node:dns/promises";
import type {
  Cancel,
  HookAnswer,
  HookRequest,
  PostHook,
  PostPush,
  PushRequest,
} from "../node/ports.ts";
import { dialFirst, dialOrder, type Resolved } from "./dial.ts";
import { isPublicIp, parseTarget, type Target, type TargetRules } from "../config/target.ts";
import { VERSION } from "../config/version.ts";

/** Bytes of a response's head that are read. */
const HEAD_BYTES_MAX = 16_384;
const RETRY_AFTER_SECONDS_MAX = 86_400;

/** Looks up all addresses of a name. Rejects where there are none, or no name server responds. */
export type Resolve = (host: string) => Promise<readonly Resolved[]>;

const systemResolve: Resolve = (host) => lookup(host, { all: true });

/** Makes the port; `rules` says where receivers may be. */
export function systemPostHook(
  rules: TargetRules,
  resolve: Resolve = systemResolve,
): PostHook & PostPush {
  return (request: HookRequest | PushRequest, done: (answer: HookAnswer) => void) => {
    const given = new AbortController();
    let open = true;
    const cancel: Cancel = () => {
      open = false;
      clearTimeout(timer);
      given.abort(new Error("given up"));
    };
    const finish = (answer: HookAnswer) => {
      if (!open) return;
      cancel();
      done(answer);
    };
    const timer = setTimeout(
      () => finish({ kind: "failed", reason: `no answer within ${request.timeoutMs} ms` }),
      request.timeoutMs,
    );
    run(request, rules, resolve, given.signal)
      .then(finish, (error) => finish({ kind: "failed", reason: reasonOf(error) }));
    return cancel;
  };
}

/** One line, and short: it is kept and shown. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0]!.slice(0, 200);
}

/**
 * Returns the addresses of `host` to try, in order: public ones only, unless private ones may be
 * used too. Throws where there is none.
 */
export function allowedAddresses(
  host: string,
  found: readonly Resolved[],
  privateToo: boolean,
  of?: TargetRules["of"],
): readonly string[] {
  if (found.length === 0) throw new Error(`${host} has no address`);
  const allowed = privateToo ? found : found.filter(({ address }) => isPublicIp(address));
  if (allowed.length > 0) return dialOrder(allowed);
  throw new Error(`${host} leads to a private address: see ${of ?? "gateway"}.privateTargets`);
}

async function run(
  request: HookRequest | PushRequest,
  rules: TargetRules,
  resolve: Resolve,
  signal: AbortSignal,
): Promise<HookAnswer> {
  const target = parseTarget(request.url, rules);
  if (!target.ok) return { kind: "failed", reason: target.message };
  const { host } = target.value;
  let left = allowedAddresses(host, await resolve(host), rules.privateToo, rules.of);
  const bytes = requestBytes(target.value, request);
  const failures: unknown[] = [];
  while (left.length > 0 && !signal.aborted) {
    const connections = new Connections(target.value, signal);
    try {
      const { address, conn } = await dialFirst(left, connections.open, closeQuietly, signal);
      connections.keepOnly(conn);
      left = left.filter((each) => each !== address);
      await writeAll(conn, bytes);
      const head = await readHead(conn);
      if (head !== "") return parseHead(head);
      failures.push(new Error("the connection ended without a response"));
    } catch (error) {
      failures.push(error);
      if (!connections.connected) break;
    } finally {
      connections.close();
    }
  }
  throw failures[0] ?? signal.reason;
}

function closeQuietly(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch (error) {
    // The other side may have been faster.
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** The connections of one attempt, of which one remains. */
class Connections {
  readonly #target: Target;
  readonly #signal: AbortSignal;
  readonly #open = new Set<Deno.Conn>();
  /** Whether one remains. */
  connected = false;

  constructor(target: Target, signal: AbortSignal) {
    this.#target = target;
    this.#signal = signal;
    signal.addEventListener("abort", this.close);
  }

  readonly open = async (address: string): Promise<Deno.Conn> => {
    const { host, port, tls } = this.#target;
    const tcp = this.#keep(await Deno.connect({ hostname: address, port }));
    if (!tls) return tcp;
    this.#open.delete(tcp);
    const conn = this.#keep(await Deno.startTls(tcp, { hostname: host }));
    await conn.handshake();
    return conn;
  };

  #keep<T extends Deno.Conn>(conn: T): T {
    if (this.connected || this.#signal.aborted) {
      closeQuietly(conn);
      throw new Error("given up");
    }
    this.#open.add(conn);
    return conn;
  }

  /** Closes all others, and those that are still being opened. */
  keepOnly(conn: Deno.Conn): void {
    this.connected = true;
    this.#open.delete(conn);
    for (const other of this.#open) closeQuietly(other);
    this.#open.clear();
    this.#open.add(conn);
  }

  readonly close = (): void => {
    this.#signal.removeEventListener("abort", this.close);
    for (const conn of this.#open) closeQuietly(conn);
    this.#open.clear();
  };
}

const utf8 = new TextEncoder();

function requestBytes(
  target: Target,
  { headers, body }: HookRequest | PushRequest,
): Uint8Array {
  const { host, port, path, tls } = target;
  const name = host.includes(":") ? `[${host}]` : host;
  const bytes = typeof body === "string" ? utf8.encode(body) : body;
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

/** Returns the head of the response, "" where there is none; the body is left unread. */
async function readHead(conn: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder("latin1");
  const buffer = new Uint8Array(4096);
  let text = "";
  while (text.length < HEAD_BYTES_MAX) {
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) {
      // Interim responses precede the final one, which may be in the same packet.
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
