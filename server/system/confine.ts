/** What a process may do: what it does not need any more it gives up, so that no fault can use it. */

/** Permissions of Deno that a server needs at its start alone, or not at all. */
export type Needless = "run" | "ffi" | "import";

/**
 * Gives permissions up, for good: other programs, native libraries other than those that are loaded,
 * modules from other hosts. With any of them Deno also takes back the reading of /proc.
 */
export function giveUp(...names: readonly Needless[]): void {
  for (const name of names) Deno.permissions.revokeSync({ name });
}
