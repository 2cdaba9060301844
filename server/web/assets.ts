/**
 * Files that are served as they are: what browsers load. They are read once, when the server
 * starts, from where this module is; a compiled binary has them inside (`deno compile --include`).
 */
import type { Hono } from "hono";
import { encodeBase64Url } from "byte-encodings/base64url";
import { bundle } from "./bundle.ts";
import {
  codedOnce,
  type Coding,
  COMPRESSED_BYTES_MIN,
  contentCoding,
} from "../text/content_coding.ts";
import { DASHBOARD_PATH } from "./dashboard_path.ts";
import { sha256 } from "../auth/hash.ts";

/** A file in memory, as it is served. */
export interface Asset {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Everything that its answers carry: type, entity tag, how it may be cached and used. */
  readonly headers: Readonly<Record<string, string>>;
  /** Returns the bytes in a content coding, made at the first call and kept; null: not a text. */
  readonly coded: ((coding: Coding) => Promise<Uint8Array<ArrayBuffer>>) | null;
}

/** Content types, by the ending of a file's name. */
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".ts": "application/typescript; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".webmanifest": "application/manifest+json",
};

/** For what pages of other origins may import as well: `Access-Control-Allow-Origin: *`. */
export const FOR_EVERY_ORIGIN: Readonly<Record<string, string>> = {
  "access-control-allow-origin": "*",
  "cross-origin-resource-policy": "cross-origin",
};

const read = (name: string) => Deno.readFileSync(new URL(`./${name}`, import.meta.url));

/** A copy has an `ArrayBuffer` for certain, which the types of Deno 2.4 do not say of the original. */
const utf8 = (text: string) => new Uint8Array(new TextEncoder().encode(text));

function typeOf(name: string): string {
  const type = TYPES[/\.\w+$/.exec(name)?.[0] ?? ""];
  if (type === undefined) throw new Error(`Cannot serve ${name}: its type is not known`);
  return type;
}

/** Whether a type is worth compressing. */
const isText = (type: string) => !/^image\/(?!svg)/.test(type);

function asset(
  type: string,
  bytes: Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>>,
): Asset {
  const codes = isText(type) && bytes.length >= COMPRESSED_BYTES_MIN;
  let made: Asset["headers"] | null = null;
  return {
    bytes,
    coded: codes ? codedOnce(bytes) : null,
    // Made at the first request: a start does not wait for the hashes.
    get headers() {
      return made ??= {
        ...(codes ? { "vary": "Accept-Encoding" } : {}),
        "content-type": type,
        "cache-control": "no-cache",
        "etag": `"${encodeBase64Url(sha256(bytes)).slice(0, 22)}"`,
        "x-content-type-options": "nosniff",
        ...headers,
      };
    },
  };
}

/**
 * Reads a file of this directory; `name` is relative to it (`chat/chat.css`) and its ending decides
 * the type. `headers` are added to every response, and win. Caches may keep it, but have to ask
 * each time whether its entity tag still holds. Throws where the file or its type is not known.
 */
export function readAsset(
  name: string,
  headers: Readonly<Record<string, string>> = {},
): Asset {
  return asset(typeOf(name), read(name), headers);
}

/** Returns the text of a file of the sources; `path` is relative to their root. */
export function readSource(path: string): string {
  return Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));
}

/** Returns the text of a file of this directory. */
export const readText = (path: string): string => new TextDecoder().decode(read(path));

/** Makes an asset of a text; the ending of `name` decides its type, `headers` as for `readAsset`. */
export function textAsset(
  name: string,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Asset {
  return asset(typeOf(name), utf8(text), headers);
}

/** As `readAsset`, for a module and all that it imports as one (see bundle.ts). */
export function readBundle(name: string, headers: Readonly<Record<string, string>> = {}): Asset {
  return textAsset(name, bundle(name, readText), headers);
}

/** As `readAsset`, for several files of one type as one. */
export function readJoined(
  names: readonly string[],
  headers: Readonly<Record<string, string>> = {},
): Asset {
  return textAsset(names[0]!, names.map(readText).join("\n"), headers);
}

/**
 * Serves a file to a GET (or HEAD, whose body the server leaves out), compressed where the client
 * takes that: 304 without a body where `If-None-Match` has the entity tag, which each coding has
 * for its own.
 */
export async function serveAsset(asset: Asset, request: Request): Promise<Response> {
  const { bytes, coded } = asset;
  const coding = coded === null ? null : contentCoding(request.headers.get("accept-encoding"));
  const headers = coding === null ? asset.headers : {
    ...asset.headers,
    "content-encoding": coding,
    "etag": asset.headers["etag"]!.replace(/"$/, `-${coding}"`),
  };
  const known = (request.headers.get("if-none-match") ?? "").split(",")
    .map((tag) => tag.trim().replace(/^W\//, ""));
  if (known.includes(headers["etag"]!)) return new Response(null, { status: 304, headers });
  return new Response(coding === null ? bytes : await coded!(coding), { headers });
}

/** Serves one path. */
export type AssetHandler = (request: Request) => Response | Promise<Response>;

/** Redirects to an address that is relative to the request's, so that it holds below a prefix. */
export function redirect(location: string): AssetHandler {
  return () => new Response(null, { status: 302, headers: { location } });
}

/** Serves files at their paths. */
export function addAssets(app: Hono, assets: Readonly<Record<string, Asset>>): void {
  for (const [path, asset] of Object.entries(assets)) {
    app.get(path, (c) => serveAsset(asset, c.req.raw));
  }
}

/** The client library: what is served where. */
export function clientLibrary(): Readonly<Record<string, Asset>> {
  return {
    "/client.js": readBundle("client.js", {
      ...FOR_EVERY_ORIGIN,
      // Deno and editors find the types by it.
      "x-typescript-types": "./client.d.ts",
    }),
    "/client.d.ts": readAsset("client.d.ts", FOR_EVERY_ORIGIN),
  };
}

/** It loads its own files and asks its own server. */
const DASHBOARD_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; " +
  "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";

/** The dashboard: what is served at which path, relative to each other. Nothing of it is secret. */
export function dashboard(): ReadonlyMap<string, AssetHandler> {
  const secure = {
    "content-security-policy": DASHBOARD_POLICY,
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
  };
  const files = {
    [DASHBOARD_PATH]: readAsset("admin/index.html", secure),
    [`${DASHBOARD_PATH}/assets/main.js`]: readBundle("admin/main.js", secure),
    [`${DASHBOARD_PATH}/assets/dashboard.css`]: readJoined(
      ["admin/dashboard.css", "admin/plots.css"],
      secure,
    ),
    [`${DASHBOARD_PATH}/chat/icon.svg`]: readAsset("chat/icon.svg", secure),
  };
  const name = DASHBOARD_PATH.slice(1);
  return new Map<string, AssetHandler>([
    ["/", redirect(name)],
    [`${DASHBOARD_PATH}/`, redirect(`../${name}`)],
    ...Object.entries(files).map(([path, asset]) =>
      [path, (request: Request) => serveAsset(asset, request)] as const
    ),
  ]);
}
