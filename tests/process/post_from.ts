/** Requests with JSON bodies from addresses that the caller chooses. */
import { RawConnection } from "./hostile_client.ts";

/** A response. */
export interface Posted {
  /** 0 where the connection ended before the response. */
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The bytes of a POST. `last`: the server closes the connection after it. */
export function postBytes(path: string, body: unknown, last: boolean): string {
  const text = JSON.stringify(body);
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: ${
    last ? "close" : "keep-alive"
  }` +
    `\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
}

/** One POST on a connection of its own from the address `from`; `body` in ASCII. */
export async function postFrom(
  url: string,
  from: string,
  path: string,
  body: unknown,
): Promise<Posted> {
  const connection = await RawConnection.open(url, from);
  connection.write(postBytes(path, body, true));
  await connection.closed;
  const [head = "", ...rest] = connection.text.split("\r\n\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
  const text = rest.join("\r\n\r\n");
  return { status, body: text.startsWith("{") ? JSON.parse(text) : {} };
}
