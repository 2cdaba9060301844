// @ts-check
/**
 * The page without a network: a cache with the page and its files, all of one version, which it is
 * filled with when the worker is installed. Nothing else gets into it: no answer of the API, no token.
 *
 * The page comes from the network, or from the cache if that fails, or takes too long. It names its
 * files with its version, so that it never gets those of another one.
 */

/**
 * @import { ShellFiles } from "./shell_files.js"
 */

/** After so long without an answer the page comes from the cache (ms). */
const PAGE_MS = 5000;

/**
 * `root` is the address of the page, with a slash at its end. `after` calls back after a time.
 * @typedef {{
 *   readonly root: URL,
 *   readonly shell: ShellFiles,
 *   readonly caches: Pick<CacheStorage, "open" | "keys" | "delete">,
 *   readonly fetch: (request: Request | string, init?: RequestInit) => Promise<Response>,
 *   readonly after: (ms: number, run: () => void) => void
 * }} ShellOptions
 */

/** @param {ArrayBuffer} bytes */
async function hashOf(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** See the head of this file. */
export class Shell {
  #options;
  /** Of the names of all caches of this page. Other pages of this origin have theirs. */
  #prefix;
  #name;
  /** The paths of the files, without their versions. */
  #paths;

  /** @param {ShellOptions} options */
  constructor(options) {
    const { root, shell } = options;
    this.#options = options;
    this.#prefix = `roost chat ${root.pathname} `;
    const language = shell.files.map(({ path }) => path).join();
    this.#name = `${this.#prefix}${shell.version} ${/chat\.(\w+)\.js/.exec(language)?.[1] ?? ""}`;
    this.#paths = new Set(shell.files.map(({ path }) => new URL(path, root).pathname));
  }

  /** Fills the cache: with all files of this version, or it rejects and there is none. */
  async install() {
    const { root, shell, caches } = this.#options;
    const files = await Promise.all([
      this.#load(
        root.href,
        (bytes) => new TextDecoder().decode(bytes).includes(`?v=${shell.version}"`),
      ),
      ...shell.files.map(({ path, hash }) =>
        this.#load(new URL(path, root).href, async (bytes) => await hashOf(bytes) === hash)
      ),
    ]);
    const cache = await caches.open(this.#name);
    try {
      for (const { url, response } of files) await cache.put(url, response);
    } catch (error) {
      await caches.delete(this.#name);
      throw error;
    }
  }

  /**
   * @param {string} url
   * @param {(bytes: ArrayBuffer) => boolean | Promise<boolean>} isRight
   */
  async #load(url, isRight) {
    const response = await this.#options.fetch(url, { cache: "no-cache", redirect: "error" });
    const right = response.ok && await isRight(await response.clone().arrayBuffer());
    // Of several nodes some may have another version while they are upgraded.
    if (!right) throw new Error(`${url} is not of this version: ${response.status}`);
    return { url, response };
  }

  /** Forgets the versions before, but for the last one: a page that is being loaded may be of it. */
  async activate() {
    const { caches } = this.#options;
    const others = (await caches.keys())
      .filter((name) => name.startsWith(this.#prefix) && name !== this.#name);
    for (const name of others.slice(0, -1)) await caches.delete(name);
  }

  /**
   * Answers a request of the page; null: the browser does it as it is used to.
   * @param {Pick<Request, "url" | "method" | "mode">} request
   * @returns {Promise<Response> | null}
   */
  answer(request) {
    const { root } = this.#options;
    const url = new URL(request.url);
    if (request.method !== "GET" || url.origin !== root.origin) return null;
    if (url.pathname === root.pathname) {
      return request.mode === "navigate" ? this.#page(/** @type {Request} */ (request)) : null;
    }
    return this.#paths.has(url.pathname) ? this.#file(/** @type {Request} */ (request)) : null;
  }

  /** @param {Request} request */
  async #page(request) {
    const { root, fetch, after } = this.#options;
    const network = fetch(request);
    /** @type {Promise<null>} */
    const late = new Promise((resolve) => after(PAGE_MS, () => resolve(null)));
    const fresh = network.then((response) => response.status >= 500 ? null : response, () => null);
    return await Promise.race([fresh, late]) ?? await this.#kept(root.href, [this.#name]) ??
      await network;
  }

  /** @param {Request} request */
  async #file(request) {
    const { caches, fetch } = this.#options;
    const names = (await caches.keys()).filter((name) => name.startsWith(this.#prefix));
    const kept = await this.#kept(request.url, [this.#name, ...names]);
    return kept ?? await fetch(request);
  }

  /**
   * The response that one of these caches has, the first first; null: none has it.
   * @param {string} url
   * @param {readonly string[]} names
   */
  async #kept(url, names) {
    const { caches } = this.#options;
    for (const name of names) {
      const kept = await (await caches.open(name)).match(url, { ignoreVary: true });
      if (kept !== undefined) return kept;
    }
    return null;
  }
}
