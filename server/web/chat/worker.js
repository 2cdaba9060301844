// @ts-check
/** The service worker. It is beside the page, whose directory is its scope. */
import { Shell } from "./shell.js";
import { SHELL } from "./shell_files.js";

/**
 * @import { WorkerScope } from "./worker_scope.d.ts"
 */

const scope = /** @type {WorkerScope} */ (/** @type {unknown} */ (globalThis));

const shell = new Shell({
  root: new URL("./", scope.location.href),
  shell: SHELL,
  caches,
  fetch: (request, init) => fetch(request, init),
  after: (ms, run) => void setTimeout(run, ms),
});

scope.addEventListener("install", (event) => {
  // A page that is open goes on with its own version: it names that in what it loads.
  event.waitUntil(shell.install().then(() => scope.skipWaiting()));
});
scope.addEventListener("activate", (event) => {
  event.waitUntil(shell.activate().then(() => scope.clients.claim()));
});
scope.addEventListener("fetch", (event) => {
  const answer = shell.answer(event.request);
  if (answer !== null) event.respondWith(answer);
});
