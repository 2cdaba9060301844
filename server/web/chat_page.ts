/**
 * The chat as it is served: its page below each path prefix, its scripts in each language, and what
 * makes it an app: manifest, icons, and the service worker, which knows the hash of every file.
 */
import type { Hono } from "hono";
import { encodeHex } from "byte-encodings/hex";
import {
  addAssets,
  type Asset,
  readAsset,
  readBundle,
  readJoined,
  readText,
  serveAsset,
  textAsset,
} from "./assets.ts";
import { sha256 } from "../auth/hash.ts";
import { bundle } from "./bundle.ts";

/** Where the chat may be loaded from: here; and connect to: here and, to follow its account, `others`. */
function chatPolicy(host: string, others: readonly string[]): string {
  // Not every browser takes 'self' for WebSockets too.
  const sockets = /^[\w.\-[\]:]+$/.test(host) ? ` ws://${host} wss://${host}` : "";
  const elsewhere = others.map((source) => ` ${source}`).join("");
  return "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; " +
    "img-src 'self' data:; manifest-src 'self'; " +
    `connect-src 'self'${sockets}${elsewhere}; form-action 'self'; base-uri 'none'; ` +
    "frame-ancestors 'none'";
}

/** The service worker asks its own server for the files of the page, and loads nothing else. */
const WORKER_POLICY = "default-src 'none'; connect-src 'self'; frame-ancestors 'none'";

/** The chat's languages: each has its texts in `chat/texts/`, and a script of the page with them. */
export const CHAT_LANGUAGES = ["en", "de"] as const;

/** A language of the chat. */
type ChatLanguage = typeof CHAT_LANGUAGES[number];

/** Joins a script of the chat, in which `texts.js` leads to the texts of a language. */
function inLanguage(
  entry: string,
  language: ChatLanguage,
  other: (path: string) => string = readText,
): string {
  return bundle(entry, (path) => {
    const source = other(path);
    return path === "chat/texts.js" ? source.replace("/en.js", `/${language}.js`) : source;
  });
}

/** Prefixes of which the page is kept; more than one proxy is rare. */
const PREFIXES_MAX = 8;

/** Returns a function that makes the chat's page below a path prefix. */
function chatPages(html: () => string): (prefix: string) => Asset {
  const pages = new Map<string, Asset>();
  return (prefix) => {
    const known = pages.get(prefix);
    if (known !== undefined) return known;
    const from = prefix === "" ? "" : `${prefix}/`;
    const text = html().replaceAll(/(?<= (?:href|src)=")(?!#)/g, from);
    const page = textAsset("chat/index.html", text);
    if (pages.size >= PREFIXES_MAX) pages.clear();
    pages.set(prefix, page);
    return page;
  };
}

/** Files of the page that each language shares. Their addresses name the version, but for the icon's. */
const SHARED_FILES = ["chat/main.js", "chat/chat.css", "chat/icon.svg"] as const;

/** What the browser asks for itself, of the app. */
const APP_FILES: readonly string[] = [
  "chat/badge-96.png",
  "chat/icon-192.png",
  "chat/icon-512.png",
  "chat/icon-apple-180.png",
  "chat/icon-maskable-512.png",
];

const scriptOf = (language: ChatLanguage) => `chat/chat.${language}.js`;

/** What the page loads, by path. */
function pageFiles(): ReadonlyMap<string, Asset> {
  return new Map([
    ["chat/main.js", readBundle("chat/main.js")],
    ...CHAT_LANGUAGES.map((language) =>
      [scriptOf(language), textAsset(".js", inLanguage("chat/chat.js", language))] as const
    ),
    [
      "chat/chat.css",
      readJoined(["chat/chat.css", "chat/list.css", "chat/forms.css", "chat/talk.css"]),
    ],
    ["chat/icon.svg", readAsset("chat/icon.svg")],
  ]);
}

/** The files of a version, made when they are first asked for: a start does not wait for hashes. */
class ChatVersion {
  readonly files = pageFiles();
  readonly #html = readText("chat/index.html");
  #version: string | null = null;
  readonly #workers = new Map<ChatLanguage, Asset>();

  #hashOf(path: string): string {
    return encodeHex(sha256(this.files.get(path)!.bytes));
  }

  /** Names the contents of all files: other contents have another one. */
  get version(): string {
    const hashes = () => [...this.files.keys()].map((path) => this.#hashOf(path)).join();
    const all = () => new TextEncoder().encode(`${this.#html}${hashes()}`);
    return this.#version ??= encodeHex(sha256(all())).slice(0, 16);
  }

  /** The page's text; the addresses of what it loads name the version. */
  html(): string {
    return this.#html.replaceAll(
      /(?<= (?:href|src)="chat\/\w+\.(?:js|css))(?=")/g,
      `?v=${this.version}`,
    );
  }

  /** The service worker: it keeps the page in one language. */
  worker(language: ChatLanguage): Asset {
    const known = this.#workers.get(language);
    if (known !== undefined) return known;
    const paths = [...SHARED_FILES, scriptOf(language)];
    const files = paths.map((path) => ({
      path: path.endsWith(".svg") ? path : `${path}?v=${this.version}`,
      hash: this.#hashOf(path),
    }));
    const shell = JSON.stringify({ version: this.version, files });
    const script = inLanguage(
      "chat/worker.js",
      language,
      (path) =>
        path === "chat/shell_files.js" ? `export const SHELL = ${shell};\n` : readText(path),
    );
    const worker = textAsset(".js", script, { "content-security-policy": WORKER_POLICY });
    this.#workers.set(language, worker);
    return worker;
  }
}

/**
 * Serves the chat: its page at `/`, under a policy that lets nothing in from elsewhere, with one
 * script in each language, a short one that loads that of the user's, one style and one icon; its
 * manifest and icons as an app; and a service worker for each language, beside the page, so that its
 * scope is the page's own directory without a header that widens it. Addresses are relative to the
 * page, or below the path that `prefixOf` returns for a request: there the page's own address may be
 * without a slash at its end. `others`: sources of other servers that the page may connect to.
 */
export function addChat(
  app: Hono,
  prefixOf: (env: unknown) => string = () => "",
  others: () => readonly string[] = () => [],
): void {
  const version = new ChatVersion();
  const pageAt = chatPages(() => version.html());
  app.get("/", (c) => {
    const page = pageAt(prefixOf(c.env));
    const policy = chatPolicy(new URL(c.req.url).host, others());
    const headers = { ...page.headers, "content-security-policy": policy };
    return serveAsset({ ...page, headers }, c.req.raw);
  });
  addAssets(app, {
    ...Object.fromEntries([...version.files].map(([path, asset]) => [`/${path}`, asset])),
    ...Object.fromEntries(APP_FILES.map((path) => [`/${path}`, readAsset(path)])),
    "/chat.webmanifest": readAsset("chat/chat.webmanifest"),
  });
  for (const language of CHAT_LANGUAGES) {
    app.get(`/worker.${language}.js`, (c) => serveAsset(version.worker(language), c.req.raw));
  }
}
