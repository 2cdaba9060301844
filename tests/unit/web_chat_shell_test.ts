/** The chat without a network: what its service worker keeps, and when it gives that out. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Hono } from "hono";
import { Shell } from "../../server/web/chat/shell.js";
import { addChat, CHAT_LANGUAGES } from "../../server/web/chat_page.ts";

const ROOT: string = "https://a.test/roost/";

/** What `CacheStorage` does, in memory. */
class Caches {
  readonly all = new Map<string, Map<string, Response>>();

  open(name: string) {
    const kept = this.all.get(name) ?? new Map<string, Response>();
    this.all.set(name, kept);
    const put = (url: string, response: Response) => Promise.resolve(void kept.set(url, response));
    const match = (url: string) => Promise.resolve(kept.get(url)?.clone());
    return Promise.resolve({ put, match } as unknown as Cache);
  }
  keys = () => Promise.resolve([...this.all.keys()]);
  delete = (name: string) => Promise.resolve(this.all.delete(name));
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** A version of the page: a file is named by its path and version, and says so. */
function versionOf(version: string) {
  const paths = [`chat/main.js?v=${version}`, `chat/chat.en.js?v=${version}`, "chat/icon.svg"];
  const page = `<script src="chat/main.js?v=${version}"></script>`;
  const served = new Map<string, string>([
    [ROOT, page],
    ...paths.map((path) => [ROOT + path, `${path} ${version}`] as const),
  ]);
  const files = paths.map((path) => ({ path, hash: sha256(served.get(ROOT + path)!) }));
  return { page, served, shell: { version, files } };
}

/** A worker of a version at a server that can be changed, with time that passes at once where it may. */
function workerOf(version: string, caches: Caches) {
  const { served, shell, page } = versionOf(version);
  const asked: string[] = [];
  const state = {
    served: served as ReadonlyMap<string, string>,
    online: true,
    status: 200,
    late: false,
  };
  const worker = new Shell({
    root: new URL(ROOT),
    shell,
    caches: caches as unknown as CacheStorage,
    fetch(request) {
      const url = typeof request === "string" ? request : request.url;
      asked.push(url);
      if (!state.online) return Promise.reject(new TypeError("no network"));
      if (state.late) return new Promise(() => {});
      const text = state.served.get(url);
      return Promise.resolve(new Response(text ?? "none", { status: text ? state.status : 404 }));
    },
    after: (ms, run) => {
      assert.equal(ms, 5000);
      if (state.late) run();
    },
  });
  const get = async (path: string, mode: RequestMode = "no-cors") => {
    const answer = worker.answer({ url: new URL(path, ROOT).href, method: "GET", mode });
    return answer === null ? null : await (await answer).text();
  };
  return { worker, state, asked, page, get };
}

Deno.test("Shell: keeps the page with its files, and gives them out without a network", async () => {
  const caches = new Caches();
  const { worker, state, page, get } = workerOf("1", caches);
  await worker.install();
  assert.deepEqual([...caches.all.keys()], ["roost chat /roost/ 1 en"]);
  assert.equal(caches.all.get("roost chat /roost/ 1 en")!.size, 4);
  state.online = false;
  for (const path of ["", "?invite=abc", "#/bob"]) assert.equal(await get(path, "navigate"), page);
  assert.equal(await get("chat/main.js?v=1"), "chat/main.js?v=1 1");
  assert.equal(await get("chat/icon.svg"), "chat/icon.svg 1");
});

Deno.test("Shell: the page is the server's while that answers: not late, and with no fault of its own", async () => {
  const { worker, state, page, get } = workerOf("1", new Caches());
  await worker.install();
  state.served = new Map([[ROOT, "newer"]]);
  assert.equal(await get("", "navigate"), "newer");
  state.status = 503;
  assert.equal(await get("", "navigate"), page);
  state.late = true;
  assert.equal(await get("", "navigate"), page);
  [state.late, state.status, state.served] = [false, 200, new Map()];
  assert.equal(await get("", "navigate"), "none", "a 404 is an answer");
});

Deno.test("Shell: without a copy the network's failure is the answer", async () => {
  const { worker, state } = workerOf("1", new Caches());
  state.online = false;
  const answer = worker.answer({ url: ROOT, method: "GET", mode: "navigate" });
  await assert.rejects(answer!, /no network/);
});

Deno.test("Shell: leaves all else to the browser, and keeps none of it", async () => {
  const caches = new Caches();
  const { worker, asked } = workerOf("1", caches);
  await worker.install();
  const before = asked.length;
  const requests = [
    ["GET", `${ROOT}v1/info`, "cors"],
    ["GET", `${ROOT}v1/events?wait=30`, "cors"],
    ["POST", `${ROOT}v1/auth/password`, "cors"],
    ["POST", ROOT, "navigate"],
    ["GET", ROOT, "cors"],
    ["GET", `${ROOT}docs/`, "navigate"],
    ["GET", `${ROOT}v1/auth/oidc/callback?code=1`, "navigate"],
    ["GET", "https://a.test/", "navigate"],
    ["GET", "https://b.test/roost/", "navigate"],
    ["GET", "https://b.test/roost/chat/main.js?v=1", "no-cors"],
  ] as const;
  for (const [method, url, mode] of requests) {
    assert.equal(worker.answer({ method, url, mode }), null, url);
  }
  assert.equal(asked.length, before);
  assert.equal([...caches.all.values()][0]!.size, 4);
});

Deno.test("Shell: a page gets no files of another version, and its own as long as it may be loading", async () => {
  const caches = new Caches();
  const one = workerOf("1", caches);
  await one.worker.install();
  await one.worker.activate();
  assert.equal(await one.get("chat/main.js?v=2"), "none", "asked of the server");
  caches.all.set("roost chat / 9 en", new Map());
  caches.all.set("other", new Map());
  for (const version of ["2", "3"]) {
    const next = workerOf(version, caches);
    await next.worker.install();
    await next.worker.activate();
    const before = String(Number(version) - 1);
    next.state.online = false;
    assert.equal(
      await next.get(`chat/main.js?v=${version}`),
      `chat/main.js?v=${version} ${version}`,
    );
    assert.equal(await next.get(`chat/main.js?v=${before}`), `chat/main.js?v=${before} ${before}`);
    assert.equal(await next.get("chat/icon.svg"), `chat/icon.svg ${version}`);
    assert.equal(await next.get("", "navigate"), next.page);
  }
  assert.deepEqual([...caches.all.keys()].sort(), [
    "other",
    "roost chat / 9 en",
    "roost chat /roost/ 2 en",
    "roost chat /roost/ 3 en",
  ]);
});

Deno.test("Shell: is not installed with a file of another version, or without one", async () => {
  const two = versionOf("2").served;
  const main = `${ROOT}chat/main.js?v=1`;
  const faults: readonly (readonly [string, string | null])[] = [
    [ROOT, two.get(ROOT)!],
    [main, "changed"],
    [main, null],
    [`${ROOT}chat/icon.svg`, two.get(`${ROOT}chat/icon.svg`)!],
  ];
  for (const [url, text] of faults) {
    const caches = new Caches();
    const { worker, state } = workerOf("1", caches);
    const served = new Map(state.served);
    if (text === null) served.delete(url);
    else served.set(url, text);
    state.served = served;
    await assert.rejects(worker.install(), /is not of this version/, url);
    assert.equal(caches.all.size, 0);
  }
});

const app = new Hono();
addChat(app);
const load = (path: string) => app.request(new URL(path, "http://chat.example/"));

Deno.test("addChat: each worker knows the hash of what its page loads, and may load nothing else", async () => {
  for (const language of CHAT_LANGUAGES) {
    const response = await load(`worker.${language}.js`);
    assert.equal(response.headers.get("service-worker-allowed"), null, "its own directory");
    assert.equal(response.headers.get("cache-control"), "no-cache");
    assert.equal(
      response.headers.get("content-security-policy"),
      "default-src 'none'; connect-src 'self'; frame-ancestors 'none'",
    );
    const script = await response.text();
    assert.doesNotMatch(script, /^\s*(?:import|export)\b|import\.meta/m, "no module");
    const shell = JSON.parse(/SHELL = (\{.*\});/.exec(script)![1]!) as {
      version: string;
      files: { path: string; hash: string }[];
    };
    assert.ok((await (await load("")).text()).includes(`"chat/main.js?v=${shell.version}"`));
    assert.deepEqual(shell.files.map(({ path }) => path), [
      `chat/main.js?v=${shell.version}`,
      `chat/chat.css?v=${shell.version}`,
      "chat/icon.svg",
      `chat/chat.${language}.js?v=${shell.version}`,
    ]);
    for (const { path, hash } of shell.files) {
      assert.equal(sha256(await (await load(path)).text()), hash, path);
    }
  }
});

Deno.test("addChat: the app's manifest names icons that there are, in their sizes, relative to itself", async () => {
  const response = await load("chat.webmanifest");
  assert.equal(response.headers.get("content-type"), "application/manifest+json");
  const manifest = await response.json();
  assert.deepEqual([manifest.name, manifest.start_url, manifest.scope, manifest.display], [
    ...["Roost", "./", "./", "standalone"],
  ]);
  const purposes = new Set<string>();
  for (const { src, sizes, type, purpose = "any" } of manifest.icons) {
    const icon = await load(src);
    assert.equal(icon.headers.get("content-type"), type, src);
    purposes.add(`${purpose} ${type}`);
    const bytes = await icon.bytes();
    if (type !== "image/png") continue;
    const view = new DataView(bytes.buffer);
    assert.equal(`${view.getUint32(16)}x${view.getUint32(20)}`, sizes, src);
  }
  assert.deepEqual([...purposes].sort(), [
    ...["any image/png", "any image/svg+xml", "maskable image/png"],
  ]);
});
