/**
 * Compressed answers: which content coding a client wants (RFC 9110 section 12.5.3), and texts in it.
 *
 * A compressed answer's length depends on what repeats in it. Only files that are the same for
 * everybody, and answers marked for it (see `Route.compressed`), are compressed: none of them has a
 * token, and none is sent for a page's request without the client's own token (there are no cookies).
 */
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

/** Content codings that are offered, in order of preference. */
const CODINGS = ["br", "gzip"] as const;
/** A content coding. */
export type Coding = typeof CODINGS[number];

/** Texts of fewer bytes are not compressed: the saving is less than one packet. */
export const COMPRESSED_BYTES_MIN = 1400;

const WEIGHT = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i;

/** The weight of each name in an `Accept-Encoding` header; a malformed weight counts as 0. */
function weights(accept: string): ReadonlyMap<string, number> {
  return new Map(
    accept.split(",").map((part) => {
      const [name = "", ...parameters] = part.split(";").map((text) => text.trim());
      const [first] = parameters;
      const weight = first === undefined ? 1 : Number(WEIGHT.exec(first)?.[1] ?? 0);
      return [name.toLowerCase(), weight] as const;
    }),
  );
}

/** Returns the coding that an `Accept-Encoding` header prefers; null for none, or without it. */
export function contentCoding(accept: string | null): Coding | null {
  if (accept === null) return null;
  const weightOf = weights(accept);
  const wanted = (coding: Coding) => weightOf.get(coding) ?? weightOf.get("*") ?? 0;
  const most = Math.max(...CODINGS.map(wanted));
  if (most === 0 || most < (weightOf.get("identity") ?? 0)) return null;
  return CODINGS.find((coding) => wanted(coding) === most)!;
}

const brotli = promisify(brotliCompress);
const zip = promisify(gzip);

/**
 * How much work a compression is: `once` for what is kept (2 ms a KB with brotli), `each` for
 * answers that are made for one request (0.05 ms a KB). Either way other threads do it.
 */
export type Effort = "once" | "each";
const BROTLI_QUALITY: Readonly<Record<Effort, number>> = { once: 11, each: 4 };
const GZIP_LEVEL: Readonly<Record<Effort, number>> = { once: 9, each: 6 };

/** Compresses bytes on another thread. */
export async function compress(
  bytes: Uint8Array,
  coding: Coding,
  effort: Effort,
): Promise<Uint8Array<ArrayBuffer>> {
  const made = coding === "gzip"
    ? await zip(bytes, { level: GZIP_LEVEL[effort] })
    : await brotli(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY[effort],
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    });
  return new Uint8Array(made);
}

/** Returns a function that compresses bytes once for each coding, at the first call. */
export function codedOnce(
  bytes: Uint8Array,
): (coding: Coding) => Promise<Uint8Array<ArrayBuffer>> {
  const made = new Map<Coding, Promise<Uint8Array<ArrayBuffer>>>();
  return (coding) => {
    const known = made.get(coding) ?? compress(bytes, coding, "once");
    made.set(coding, known);
    return known;
  };
}

/**
 * Serves one JSON document to everybody: it is compressed once for each coding, for to compress it
 * costs more than all else of a request that needs no sign-in.
 */
export function jsonDocument(text: string): (request: Request) => Promise<Response> {
  // A copy has an `ArrayBuffer` for certain, which the types of Deno 2.4 do not say of the original.
  const bytes = new Uint8Array(new TextEncoder().encode(text));
  const coded = codedOnce(bytes);
  const headers = { "content-type": "application/json", "vary": "Accept-Encoding" };
  return async (request) => {
    const coding = contentCoding(request.headers.get("accept-encoding"));
    if (coding === null) return new Response(bytes, { headers });
    return new Response(await coded(coding), {
      headers: { ...headers, "content-encoding": coding },
    });
  };
}

/**
 * Compresses the body of a response where the request asks for it; the body must be whole text of
 * bounded size, never a stream of events; `may` is asked whether it is worth its cost. The response says that it depends on `Accept-Encoding`
 * in any case.
 */
export async function compressResponse(
  request: Request,
  response: Response,
  may: (bytes: number) => boolean,
): Promise<Response> {
  const headers = new Headers(response.headers);
  headers.append("vary", "Accept-Encoding");
  const { status } = response;
  const bytes = await response.bytes();
  const coding = contentCoding(request.headers.get("accept-encoding"));
  if (coding === null || bytes.length < COMPRESSED_BYTES_MIN || !may(bytes.length)) {
    return new Response(bytes, { status, headers });
  }
  headers.set("content-encoding", coding);
  return new Response(await compress(bytes, coding, "each"), { status, headers });
}
