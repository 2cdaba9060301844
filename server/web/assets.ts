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

/** Makes an asset of HTML text; `headers` as for `readAsset`. */
export function htmlAsset(html: string, headers: Readonly<Record<string, string>>): Asset {
  return asset(typeOf(".html"), utf8(html), headers);
}

const readText = (path: string) => new TextDecoder().decode(read(path));

/** As `readAsset`, for a module and all that it imports as one (see bundle.ts). */
export function readBundle(name: string, headers: Readonly<Record<string, string>> = {}): Asset {
  return asset(typeOf(name), utf8(bundle(name, readText)), headers);
}

/** As `readAsset`, for several files of one type as one. */
export function readJoined(
  names: readonly string[],
  headers: Readonly<Record<string, string>> = {},
): Asset {
  const text = names.map((name) => new TextDecoder().decode(read(name))).join("\n");
  return asset(typeOf(names[0]!), utf8(text), headers);
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

/** Where the chat may be loaded from: here; and connect to: here and, to follow its account, `others`. */
function chatPolicy(host: string, others: readonly string[]): string {
  // Not every browser takes 'self' for WebSockets too.
  const sockets = /^[\w.\-[\]:]+$/.test(host) ? ` ws://${host} wss://${host}` : "";
  const elsewhere = others.map((source) => ` ${source}`).join("");
  return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
    `connect-src 'self'${sockets}${elsewhere}; form-action 'self'; base-uri 'none'; ` +
    "frame-ancestors 'none'";
}

/** The chat's languages: each has its texts in `chat/texts/`, and a script of the page with them. */
export const CHAT_LANGUAGES = ["en", "de"] as const;

/** The chat's script, in which `texts.js` leads to the texts of a language. */
function chatScript(language: string): Asset {
  const text = bundle("chat/chat.js", (path) => {
    const source = readText(path);
    return path === "chat/texts.js" ? source.replace("/en.js", `/${language}.js`) : source;
  });
  return asset(typeOf(".js"), utf8(text), {});
}

/** Prefixes of which the page is kept; more than one proxy is rare. */
const PREFIXES_MAX = 8;

/** Returns a function that makes the chat's page below a path prefix. */
function chatPages(): (prefix: string) => Asset {
  const html = new TextDecoder().decode(read("chat/index.html"));
  const pages = new Map<string, Asset>();
  return (prefix) => {
    const known = pages.get(prefix);
    if (known !== undefined) return known;
    const from = prefix === "" ? "" : `${prefix}/`;
    const page = htmlAsset(html.replaceAll(/(?<= (?:href|src)=")(?!#)/g, from), {});
    if (pages.size >= PREFIXES_MAX) pages.clear();
    pages.set(prefix, page);
    return page;
  };
}

/**
 * Serves the chat: its page at `/`, under a policy that lets nothing in from elsewhere, with one
 * script in each language, a short one that loads that of the user's, one style and one icon. Their addresses are relative to the page, or below the path that
 * `prefixOf` returns for a request: there the page's own address may be without a slash at its end.
 * `others`: sources of other servers that the page may connect to.
 */
export function addChat(
  app: Hono,
  prefixOf: (env: unknown) => string = () => "",
  others: () => readonly string[] = () => [],
): void {
  const pageAt = chatPages();
  app.get("/", (c) => {
    const page = pageAt(prefixOf(c.env));
    const policy = chatPolicy(new URL(c.req.url).host, others());
    const headers = { ...page.headers, "content-security-policy": policy };
    return serveAsset({ ...page, headers }, c.req.raw);
  });
  addAssets(app, {
    "/chat/main.js": readBundle("chat/main.js"),
    ...Object.fromEntries(
      CHAT_LANGUAGES.map((language) => [`/chat/chat.${language}.js`, chatScript(language)]),
    ),
    "/chat/chat.css": readJoined([
      "chat/chat.css",
      "chat/list.css",
      "chat/forms.css",
      "chat/talk.css",
    ]),
    "/chat/icon.svg": readAsset("chat/icon.svg"),
  });
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
