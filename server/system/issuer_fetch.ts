/** Requests to issuers: within a time, of a bounded size, and without following redirects. */
import type { OidcPorts } from "../auth/oidc_issuer.ts";

/** Longest time until the whole response has come (ms), and its most bytes. */
const TIMEOUT_MS = 10_000;
const BODY_BYTES_MAX = 1_048_576;

/** The port; rejects where nobody responds in time, or with too much. */
export const issuerFetch: OidcPorts["fetch"] = async (url, { method, headers, body }) => {
  const response = await fetch(url, {
    method,
    headers: { ...headers },
    redirect: "manual",
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(body == null ? {} : { body }),
  });
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) {
      throw new Error(`${url} responds with over ${BODY_BYTES_MAX} bytes`);
    }
    chunks.push(new Uint8Array(chunk));
  }
  const { status } = response;
  const empty = status === 204 || status === 304;
  return new Response(empty ? null : new Blob(chunks), { status, headers: response.headers });
};
