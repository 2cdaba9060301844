/**
 * Files that are served as they are: what browsers load. They are read once, when the server
 * starts, from where this module is; a compiled binary has them inside (`deno compile --include`).
 */
import type { Hono } from "hono";
import { encodeBase64Url } from "byte-encodings/base64url";
import { bundle } from "./bundle.ts";
import { DASHBOARD_PATH } from "./dashboard_path.ts";
import { sha256 } from "../auth/hash.ts";

/** A file in memory, as it is served. */
export interface Asset {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Everything that its answers carry: type, entity tag, how it may be cached and used. */
  readonly headers: Readonly<Record<string, string>>;
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

function asset(
  type: string,
  bytes: Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>>,
): Asset {
  return {
    bytes,
    headers: {
      "content-type": type,
      "cache-control": "no-cache",
      "etag": `"${encodeBase64Url(sha256(bytes)).slice(0, 22)}"`,
      "x-content-type-options": "nosniff",
      ...headers,
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

/** As `readAsset`, for a module and all that it imports as one (see bundle.ts). */
export function readBundle(name: string, headers: Readonly<Record<string, string>> = {}): Asset {
  const text = bundle(name, (path) => new TextDecoder().decode(read(path)));
  return asset(typeOf(name), utf8(text), headers);
}

/**
 * Answers a GET (or HEAD, whose body the server leaves out) with a file: 304 without it where
 * `If-None-Match` has its entity tag.
 */
export function serveAsset(asset: Asset, request: Request): Response {
  const { bytes, headers } = asset;
  const known = (request.headers.get("if-none-match") ?? "").split(",")
    .map((tag) => tag.trim().replace(/^W\//, ""));
  if (known.includes(headers["etag"]!)) return new Response(null, { status: 304, headers });
  return new Response(bytes, { headers });
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

/** Where the chat may be loaded from and connect to: here, and nowhere else. */
function chatPolicy(host: string): string {
  // Not every browser takes 'self' for WebSockets too.
  const sockets = /^[\w.\-[\]:]+$/.test(host) ? ` ws://${host} wss://${host}` : "";
  return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
    `connect-src 'self'${sockets}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`;
}

/** The chat's files in `chat/`, besides its page. */
const CHAT_FILES = [
  "app.js",
  "chat.css",
  "connection.js",
  "contact.js",
  "dom.js",
  "forms.css",
  "icon.svg",
  "main.js",
  "message.js",
  "people.js",
  "people_list.js",
  "settings.js",
  "sign_in.js",
  "status.js",
  "talk.css",
  "talk.js",
  "text.js",
  "timeline.js",
  "typing.js",
] as const;

/** Serves the chat: its page at `/`, under a policy that lets nothing in from elsewhere. */
export function addChat(app: Hono): void {
  const page = readAsset("chat/index.html");
  app.get("/", (c) => {
    const policy = chatPolicy(new URL(c.req.url).host);
    const headers = { ...page.headers, "content-security-policy": policy };
    return serveAsset({ ...page, headers }, c.req.raw);
  });
  addAssets(
    app,
    Object.fromEntries(CHAT_FILES.map((name) => [`/chat/${name}`, readAsset(`chat/${name}`)])),
  );
}

/** It loads its own files and asks its own server. */
const DASHBOARD_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; " +
  "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";

/** What it has in common with the chat. */
const SHARED_FILES = ["dom.js", "icon.svg"] as const;
/** The dashboard's files in `admin/`, besides its page. */
const DASHBOARD_FILES = [
  "api.js",
  "chart.js",
  "charts.js",
  "confirm.js",
  "dashboard.css",
  "invites.js",
  "main.js",
  "plots.css",
  "scale.js",
  "shards.js",
  "store.js",
  "text.js",
  "tiles.js",
  "users.js",
] as const;

/** The dashboard: what answers at which path. Nothing of it is secret. */
export function dashboard(): ReadonlyMap<string, (request: Request) => Response> {
  const secure = {
    "content-security-policy": DASHBOARD_POLICY,
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
  };
  const page = readAsset("admin/index.html", secure);
  const away = () => new Response(null, { status: 302, headers: { location: DASHBOARD_PATH } });
  const paths = [
    ...DASHBOARD_FILES.map((name) => [`assets/${name}`, `admin/${name}`]),
    ...SHARED_FILES.map((name) => [`chat/${name}`, `chat/${name}`]),
  ];
  const files = paths.map(([path, name]) => {
    const asset = readAsset(name!, secure);
    return [`${DASHBOARD_PATH}/${path}`, (r: Request) => serveAsset(asset, r)] as const;
  });
  return new Map([
    ["/", away],
    [`${DASHBOARD_PATH}/`, away],
    [DASHBOARD_PATH, (request: Request) => serveAsset(page, request)],
    ...files,
  ]);
}
