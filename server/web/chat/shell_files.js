// @ts-check
/** The page's files with their hashes: the server makes this file when it makes the worker. */

/**
 * `version` names the contents of all files, `path` is relative to the page, `hash` is the SHA-256 of
 * a file in hexadecimal.
 * @typedef {{
 *   readonly version: string,
 *   readonly files: readonly { readonly path: string, readonly hash: string }[]
 * }} ShellFiles
 */

/** @type {ShellFiles} */
export const SHELL = { version: "", files: [] };
