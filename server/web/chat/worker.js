// @ts-check
/** The service worker. It is beside the page, whose directory is its scope. */
import { PushWorker } from "./push_worker.js";
import { Shell } from "./shell.js";
import { SHELL } from "./shell_files.js";

/**
 * @import { WorkerScope } from "./worker_scope.d.ts"
 */

const scope = /** @type {WorkerScope} */ (/** @type {unknown} */ (globalThis));
const root = new URL("./", scope.location.href);

const shell = new Shell({
  root,
  shell: SHELL,
  caches,
  fetch: (request, init) => fetch(request, init),
  after: (ms, run) => void setTimeout(run, ms),
});
const pushes = new PushWorker(scope, root);

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
scope.addEventListener("push", (event) => {
  event.waitUntil(pushes.push(event.data?.text() ?? ""));
});
scope.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(pushes.open(event.notification.data));
});
