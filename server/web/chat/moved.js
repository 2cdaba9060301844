// @ts-check
/** The way to the server where an account is at home, which this page cannot connect to. */
import { make } from "./dom.js";

/** Addresses that are offered: a server may name one for each of its nodes. */
const LINKS_MAX = 3;

/**
 * Links to the chats of the servers that a refusal names; empty for other refusals.
 * @param {unknown} error
 */
export function homeLinks(error) {
  const { code, servers = [] } = /** @type {{ code?: string, servers?: readonly string[] }} */ (
    error ?? {}
  );
  if (code !== "moved") return [];
  return servers.filter((address) => /^https?:\/\//.test(address)).slice(0, LINKS_MAX)
    .map((address) => make("a", { href: `${address.replace(/\/$/, "")}/` }, address));
}
