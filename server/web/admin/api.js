// @ts-check
/** The admin API. The token goes into a header, and is kept by this tab alone. */

/**
 * @import { Cell, Live } from "./store.js"
 * @import { Entry } from "./audit_text.js"
 * @import { Copies, World, WorldHistory } from "./world.js"
 * @typedef {{ name: string, state: string, createdAt: number, devices: number, sessions: number, contacts: number, events: number }} User
 * @typedef {{ device: string, label: string, createdAt: number, expiresAt: number, online: boolean }} Device
 * @typedef {{ id: string, createdAt: number, expiresAt: number, state: string, usedBy: string | null }} Invite
 * @typedef {{ accounts: User[], next: string | null, total: number | null, missing: readonly { node:
 * string, why: string }[] }} UserPage
 * @typedef {{ actor: string, role: string, may: readonly string[] }} Me
 * @typedef {{ entries: Entry[], next: string | null }} AuditPage
 * @typedef {{ lo: number, hi: number, at: readonly number[] }} Step
 */

const KEY = "roost.admin.token";
/** How long an answer may take: making a password's keys takes tenths of a second. */
const TIMEOUT_MS = 15_000;
/** The same where one comes every second. */
const LIVE_TIMEOUT_MS = 5000;

/** The server refused, or did not answer (`unreachable`). */
export class Refusal extends Error {
  /** @param {{ code: string, message?: string, retryAfterMs?: number }} what */
  constructor({ code, message, retryAfterMs }) {
    super(message ?? code);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Its requests; all reject with `Refusal`. */
export class Api {
  /** Called when a token that was right is not any more. */
  onUnauthorized = () => {};
  /** Whose samples are asked for; null: those of the node that replies. @type {string | null} */
  node = null;

  get token() {
    return sessionStorage.getItem(KEY);
  }

  /** null: forgets it. @param {string | null} token */
  set token(token) {
    if (token === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{ body?: unknown, timeoutMs?: number, token?: string | null }} options
   * @returns {Promise<unknown>}
   */
  async #ask(method, path, { body, timeoutMs = TIMEOUT_MS, token = this.token } = {}) {
    /** @type {Record<string, string>} */
    const headers = token === null ? {} : { authorization: `Bearer ${token}` };
    if (body !== undefined) headers["content-type"] = "application/json";
    /** @type {Response | null} */
    let response = null;
    try {
      response = await fetch(path, {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        signal: AbortSignal.timeout(timeoutMs),
      });
      const answer = await response.json();
      if (response.ok) return answer;
      const refusal = new Refusal(answer);
      if (refusal.code === "unauthorized" && token === this.token) this.onUnauthorized();
      throw refusal;
    } catch (error) {
      if (error instanceof Refusal) throw error;
      const { status = 0 } = response ?? {};
      if (status < 500) throw new Refusal({ code: "unreachable" });
      throw new Refusal({ code: "failed", message: `The server has failed (status ${status})` });
    }
  }

  /** Whether a token is right; it is kept where it is. @param {string} token @returns {Promise<Live>} */
  async open(token) {
    const live = await this.#ask("GET", "admin/live", { token, timeoutMs: LIVE_TIMEOUT_MS });
    this.token = token;
    return /** @type {Live} */ (live);
  }

  /** @param {number} after @returns {Promise<Live>} */
  async live(after) {
    const options = { timeoutMs: LIVE_TIMEOUT_MS };
    const of = this.node === null ? "" : `&node=${encodeURIComponent(this.node)}`;
    return /** @type {Live} */ (await this.#ask("GET", `admin/live?after=${after}${of}`, options));
  }

  /** Who the token is of, and which operations it may call. @returns {Promise<Me>} */
  async me() {
    return /** @type {Me} */ (await this.#ask("GET", "admin/me", { timeoutMs: LIVE_TIMEOUT_MS }));
  }

  /** A page of the audit log. @param {Readonly<Record<string, string>>} query @returns {Promise<AuditPage>} */
  async audit(query) {
    const page = await this.#ask("GET", `admin/audit?${new URLSearchParams(query)}`);
    return /** @type {AuditPage} */ (page);
  }

  /** All nodes. @returns {Promise<Cell>} */
  async cell() {
    const options = { timeoutMs: LIVE_TIMEOUT_MS };
    return /** @type {Cell} */ (await this.#ask("GET", "admin/cell", options));
  }

  /** The other cells, with the samples of their links. */
  async world() {
    const options = { timeoutMs: LIVE_TIMEOUT_MS };
    const world = /** @type {World} */ (await this.#ask("GET", "admin/cells", options));
    const history = await this.#ask("GET", "admin/cells/history", options);
    const copies = /** @type {Copies} */ (await this.#ask("GET", "admin/standby", options));
    return { world, copies, history: /** @type {WorldHistory} */ (history) };
  }

  /** Has other nodes take the shards of a node, or lets it have some again. @param {string} node @param {boolean} undo */
  async drain(node, undo) {
    await this.#ask("POST", "admin/cluster/drain", { body: { node, undo } });
  }

  /** Evens out the shares of the nodes by what their shards have to do. */
  async rebalance() {
    await this.#ask("POST", "admin/cluster/rebalance");
  }

  /**
   * @param {{ match: string, state: string, synthetic: boolean, after: string | null, limit: number }} page
   * @returns {Promise<UserPage>}
   */
  async users({ match, state, synthetic, after, limit }) {
    const query = new URLSearchParams({
      match,
      state,
      limit: String(limit),
      synthetic: synthetic ? "yes" : "no",
    });
    if (after !== null) query.set("after", after);
    const page = await this.#ask("GET", `admin/users?${query}`);
    return /** @type {UserPage} */ (page);
  }

  /** @param {string} user */
  #path(user) {
    return `admin/users/${encodeURIComponent(user)}`;
  }

  /** @param {string} user @returns {Promise<User>} */
  async user(user) {
    return /** @type {User} */ (await this.#ask("GET", this.#path(user)));
  }

  /** @param {string} user @returns {Promise<Device[]>} */
  async devices(user) {
    const answer = await this.#ask("GET", `${this.#path(user)}/devices`);
    return /** @type {{ devices: Device[] }} */ (answer).devices;
  }

  /** @param {string} user @param {string} device */
  async endDevice(user, device) {
    await this.#ask("DELETE", `${this.#path(user)}/devices/${encodeURIComponent(device)}`);
  }

  /** @param {string} user @param {string} password */
  async addUser(user, password) {
    await this.#ask("POST", "admin/users", { body: { user, password } });
  }

  /** @param {string} user @param {"disable" | "enable" | "sign-out" | "release"} verb */
  async change(user, verb) {
    await this.#ask("POST", `${this.#path(user)}/${verb}`);
  }

  /** @param {string} user */
  async removeUser(user) {
    await this.#ask("DELETE", this.#path(user));
  }

  /** @returns {Promise<{ code: string, expiresAt: number, link?: string }>} */
  async createInvite() {
    const made = await this.#ask("POST", "admin/invites");
    return /** @type {{ code: string, expiresAt: number, link?: string }} */ (made);
  }

  /** @returns {Promise<Invite[]>} */
  async invites() {
    const answer = await this.#ask("GET", "admin/invites");
    return /** @type {{ invites: Invite[] }} */ (answer).invites;
  }

  /** @param {string} id */
  async revokeInvite(id) {
    await this.#ask("DELETE", `admin/invites/${encodeURIComponent(id)}`);
  }

  /** What it takes to have so many shards. @param {number} count @returns {Promise<Step[]>} */
  async planShards(count) {
    const plan = await this.#ask("POST", "admin/shards/plan", { body: { count } });
    return /** @type {{ steps: Step[] }} */ (plan).steps;
  }

  /** Makes one step. @param {Step} step @returns {Promise<{ pauseMs: number }>} */
  async stepShards(step) {
    const made = await this.#ask("POST", "admin/shards/step", { body: step });
    return /** @type {{ pauseMs: number }} */ (made);
  }
}
