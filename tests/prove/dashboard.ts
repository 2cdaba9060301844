/**
 * The operator's dashboard in Chromium, over a server with real traffic: what it shows is what the
 * metrics say, what is done in it is done, and it survives a restart of the server.
 */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { DESKTOP, findChromium, PHONE, startBrowser } from "./browser.ts";
import { beginTraffic, type Traffic } from "./dashboard_traffic.ts";
import { faultsOfPage } from "./page_checks.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { rest } from "../process/client.ts";
import { freePort } from "../process/pinned.ts";
import { roost } from "../process/cli.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { untilIs } from "../process/until.ts";

const TRAFFIC_SECONDS = 150;
/** How long the plots fill before they are looked at. */
const FILL_MS = 45_000;
const TIMEOUT_MS = 20_000;
const LOOKS = [
  ["desktop-light", DESKTOP, "light"],
  ["desktop-dark", DESKTOP, "dark"],
  ["phone-light", PHONE, "light"],
  ["phone-dark", PHONE, "dark"],
] as const;

/** What every part of the proof has. */
interface Fixture {
  server: ServerProcess;
  readonly page: Page;
  readonly admin: string;
  readonly token: string;
  readonly traffic: Traffic;
  readonly shots: string;
  readonly faults: string[];
  /** Share of the time that plots are given to fill. */
  readonly scale: number;
  readonly say: (line: string) => void;
}

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

function watch(page: Page): string[] {
  const faults: string[] = [];
  page.setDefaultTimeout(TIMEOUT_MS);
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    const text = message.text();
    // What a stopped server and a wrong token leave behind is no fault of the page.
    const expected = /net::ERR_|status of 4/.test(text);
    if (message.type() === "error" && !expected) faults.push(text);
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.hostname !== "127.0.0.1") faults.push(`it asked ${url}`);
    if (/ra1_/.test(request.url())) faults.push("the token is in an address");
  });
  return faults;
}

/** The samples of a metric, by their labels. */
async function metric(
  { admin, token }: Fixture,
  name: string,
): Promise<ReadonlyMap<string, number>> {
  const headers = { authorization: `Bearer ${token}` };
  const text = await (await fetch(`${admin}/metrics`, { headers })).text();
  const lines = [...text.matchAll(new RegExp(`^${name}(\\{.*\\})? (\\S+)$`, "gm"))];
  return new Map(lines.map((line) => [line[1] ?? "", Number(line[2])]));
}

const sum = (samples: ReadonlyMap<string, number>) =>
  [...samples.values()].reduce((a, b) => a + b, 0);

/** The big number of a tile. */
async function tile({ page }: Fixture, title: string): Promise<number> {
  const text = await page.locator(`.tile:has(h3:text-is("${title}")) .value`).innerText();
  return Number(text.replaceAll(/[^\d.]/g, ""));
}

/** A wrong token is reported, the right one opens, and it stays in this tab. */
async function signIn(fixture: Fixture): Promise<void> {
  const { page, admin, token } = fixture;
  await page.goto(admin);
  assert.equal(page.url(), `${admin}/admin`);
  await page.screenshot({ path: `${fixture.shots}/sign-in.png` });
  assert.deepEqual(await faultsOfPage(page), []);
  await page.getByLabel("Admin token").fill("ra1_wrong");
  await page.keyboard.press("Enter");
  await page.getByText("not the server's admin token").waitFor();
  await page.getByLabel("Admin token").fill(token);
  await page.keyboard.press("Enter");
  await page.getByRole("slider", { name: "Presence latency, plotted" }).waitFor();
  assert.equal(await page.evaluate("localStorage.length + document.cookie.length"), 0);
  await page.reload();
  await page.getByRole("slider", { name: "Presence latency, plotted" }).waitFor();
}

/** Tiles and plots say what the metrics do, and change. */
async function agrees(fixture: Fixture): Promise<string> {
  const { page, admin, token } = fixture;
  const both = async () => [
    await tile(fixture, "Sessions"),
    sum(await metric(fixture, "roost_sessions")),
  ];
  await untilIs("the sessions that metrics have", both, ([a, b]) => Math.abs(a! - b!) <= 3);
  const online = (await metric(fixture, "roost_users_online")).get('{synthetic="false"}');
  assert.equal(await tile(fixture, "Users online"), online);
  const rate = () => page.locator("#plot-presence ~ table td").first().innerText();
  const before = await rate();
  await untilIs("a new rate", rate, (now) => now !== before);
  const headers = { authorization: `Bearer ${token}` };
  const live = await (await fetch(`${admin}/admin/live`, { headers })).json();
  const counted = sum(await metric(fixture, "roost_presence_deliveries_total"));
  let plotted = 0;
  for (let i = 1; i < live.at.length; i++) {
    plotted += live.series.presenceDeliveries[i] * (live.at[i] - live.at[i - 1]) / 1000;
  }
  assert.ok(Math.abs(plotted - counted) < 0.05 * counted + 500, `${plotted} of ${counted}`);
  return `${Math.round(plotted)} plotted, ${counted} counted`;
}

/** By keyboard, a moment is read in all plots. */
async function readsMoments({ page, shots }: Fixture): Promise<void> {
  const plot = page.getByRole("slider", { name: "Presence, plotted" });
  await plot.focus();
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowLeft");
  const told = () => plot.getAttribute("aria-valuetext");
  await untilIs("the moment", told, (text) => /^\d\d:\d\d:\d\d: Deliveries/.test(text ?? ""));
  const heads = await page.locator(".legend thead th:nth-child(2)").allInnerTexts();
  assert.ok(heads.every((text) => text === heads[0] && /^\d/.test(text)), String(heads));
  await page.screenshot({ path: `${shots}/moment.png` });
  await page.keyboard.press("Escape");
}

/** The number of shards is changed in the page, under traffic. */
async function divides(fixture: Fixture): Promise<string> {
  const { page } = fixture;
  await page.getByRole("link", { name: "Shards" }).click();
  await page.getByLabel("Divide users among").fill("24");
  await page.getByRole("button", { name: "Change …" }).click();
  await page.getByRole("button", { name: "Divide", exact: true }).click();
  await page.locator("#reshaping", { hasText: "being changed: 16 →" }).waitFor();
  await page.screenshot({ path: `${fixture.shots}/reshard.png`, fullPage: true });
  await page.locator("#divide-told", { hasText: "Done: 24 shards" }).waitFor();
  await untilIs("24 rows", () => page.locator("#shard-table tbody tr").count(), (n) => n === 24);
  assert.equal(await page.locator("#shard-map .base").count(), 24);
  return await page.locator("#divide-told").innerText();
}

/** Makes an invite that lets somebody in, and revokes another. */
async function invites(fixture: Fixture): Promise<void> {
  const { page, server } = fixture;
  await page.getByRole("link", { name: "Users" }).click();
  for (const state of ["Used by ina", "Revoked"]) {
    await page.getByRole("button", { name: "Make an invite" }).click();
    const dialog = page.getByRole("dialog", { name: "A new invite" });
    const invite = await dialog.locator("#invite-code").innerText();
    assert.match(invite, /^ri1_/);
    assert.deepEqual(await faultsOfPage(page), []);
    await page.screenshot({ path: `${fixture.shots}/invite.png` });
    await dialog.getByRole("button", { name: "Close" }).click();
    if (state === "Revoked") {
      await page.getByRole("button", { name: /^Revoke invite/ }).first().click();
      await page.getByRole("button", { name: "Revoke", exact: true }).click();
    }
    const body = { user: state === "Revoked" ? "tom" : "ina", password: "correct horse", invite };
    if (state === "Revoked") {
      await page.locator("#invite-table", { hasText: state }).waitFor();
      await assert.rejects(rest(server.url, "POST", "/v1/register", { body }), /not valid/);
    } else {
      await rest(server.url, "POST", "/v1/register", { body });
      await page.reload();
    }
    await page.locator("#invite-table", { hasText: state }).waitFor();
  }
}

/** Finds a user, signs out and disables; what was there is gone at once. */
async function users(fixture: Fixture): Promise<void> {
  const { page, traffic } = fixture;
  await page.getByLabel("Part of a name").fill("an");
  await page.getByRole("button", { name: "Find" }).click();
  const names = page.locator("#user-table tbody th");
  await untilIs("who was found", () => names.allInnerTexts(), (n) => n.join() === "ann,dan,hana");
  assert.ok(traffic.connected("ann"));
  await page.getByRole("button", { name: "Manage ann" }).click();
  const dialog = page.getByRole("dialog", { name: "ann" });
  await dialog.getByText("Laptop of ann").waitFor();
  assert.deepEqual(await faultsOfPage(page), []);
  await page.screenshot({ path: `${fixture.shots}/user.png` });
  await dialog.getByRole("button", { name: "Disable …" }).click();
  const question = page.getByRole("alertdialog");
  await page.screenshot({ path: `${fixture.shots}/confirm.png` });
  await question.getByRole("button", { name: "Cancel" }).click();
  await dialog.getByRole("button", { name: "Disable …" }).click();
  await question.getByRole("button", { name: "Disable" }).click();
  await dialog.getByRole("button", { name: "Enable …" }).waitFor();
  await untilIs("ann's end", () => Promise.resolve(traffic.connected("ann")), (there) => !there);
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.locator("#user-table tr", { hasText: "ann" }).getByText("Disabled").waitFor();
  await page.getByLabel("Part of a name").fill("");
  await page.getByRole("button", { name: "Find" }).click();
  await page.getByText("9 users.").waitFor();
}

/** Pictures of every view at every size; nothing is wrong with them. */
async function pictures({ page, shots }: Fixture): Promise<number> {
  let count = 0;
  for (const view of ["Overview", "Shards", "Users", "Audit"]) {
    await page.setViewportSize(DESKTOP);
    await page.getByRole("link", { name: view }).click();
    await page.locator(`#view-${view.toLowerCase()}`).waitFor();
    if (view === "Audit") {
      await page.locator("#audit-table tr", { hasText: "disableUser" }).waitFor();
    }
    for (const [name, viewport, colorScheme] of LOOKS) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await pause(1500);
      await page.screenshot({ path: `${shots}/${view.toLowerCase()}-${name}.png`, fullPage: true });
      assert.deepEqual(await faultsOfPage(page), [], `${view} ${name}`);
      count++;
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(DESKTOP);
  return count;
}

/** Nobody is asked while nobody looks; a server that stops and starts again is reported. */
async function comesBack(fixture: Fixture, start: () => Promise<ServerProcess>): Promise<void> {
  const { page } = fixture;
  await page.getByRole("link", { name: "Overview" }).click();
  let asked = 0;
  page.on("request", () => asked++);
  const hide = (hidden: boolean) =>
    page.evaluate(
      `Object.defineProperty(document, "hidden", { value: ${hidden}, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"))`,
    );
  await hide(true);
  await pause(500);
  asked = 0;
  await pause(3000);
  assert.equal(asked, 0, "a hidden tab asks nothing");
  await hide(false);
  await untilIs("questions", () => Promise.resolve(asked), (n) => n > 1);
  await fixture.server.stop();
  await page.locator("#connection", { hasText: "does not answer since" }).waitFor();
  await page.screenshot({ path: `${fixture.shots}/lost.png` });
  fixture.server = await start();
  await page.locator("#connection:empty").waitFor({ state: "attached" });
  await page.locator("#health", { hasText: "Healthy" }).waitFor();
}

/** With another token the page says so, and signing out forgets it. */
async function leaves({ page, server, token }: Fixture): Promise<void> {
  const renewed = (await roost(["admin", "token", "--new", "--data", server.dataDir])).out.trim();
  assert.notEqual(renewed, token);
  await page.getByText("not valid any more").waitFor();
  await page.getByLabel("Admin token").fill(renewed);
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Admin token").waitFor();
  assert.equal(await page.evaluate("sessionStorage.length"), 0);
}

/** What an operator sees is what its role allows, until it is removed. */
async function roles({ admin, faults, page, server, shots }: Fixture): Promise<void> {
  const data = ["--data", server.dataDir];
  const browser = page.context().browser()!;
  for (const [role, shown] of [["viewer", 0], ["operator", 2], ["admin", 3]] as const) {
    const added = await roost(["operator", "add", `an-${role}`, "--role", role, ...data]);
    const own = await (await browser.newContext({ viewport: DESKTOP })).newPage();
    faults.push(...watch(own));
    await own.goto(`${admin}/admin#users`);
    await own.getByLabel("Admin token").fill(added.out.trim());
    await own.keyboard.press("Enter");
    await own.getByText(`an-${role} (${role})`).waitFor();
    const users = [own.locator("#add-user"), own.locator("#add-invite")];
    const seen = [...await Promise.all(users.map((each) => each.isVisible()))];
    await own.screenshot({ path: `${shots}/role-${role}.png` });
    await own.goto(`${admin}/admin#shards`);
    seen.push(await own.locator("#divide").isVisible());
    assert.equal(seen.filter(Boolean).length, shown, role);
    await roost(["operator", "remove", `an-${role}`, "--yes", ...data]);
    await own.getByText("not valid any more").waitFor();
    await own.context().close();
  }
}

async function play(
  fixture: Fixture,
  start: () => Promise<ServerProcess>,
): Promise<Verdict["figures"]> {
  const figures: Record<string, string> = {};
  await signIn(fixture);
  fixture.say("a wrong token is reported, the right one opens");
  await pause(FILL_MS * fixture.scale);
  figures["presence deliveries"] = await agrees(fixture);
  await readsMoments(fixture);
  figures["shards"] = await divides(fixture);
  await invites(fixture);
  await users(fixture);
  fixture.say("an invite was made, used, another revoked; a user was found and disabled");
  await roles(fixture);
  fixture.say("viewers, operators and admins see what they may do, and are out once removed");
  figures["screenshots"] = `${await pictures(fixture)} and more in ${fixture.shots}`;
  await fixture.traffic.stop();
  await comesBack(fixture, start);
  await leaves(fixture);
  assert.deepEqual([...fixture.faults, ...fixture.traffic.faults], []);
  figures["faults of the page"] = "none: exceptions, policy, labels, sizes of targets, widths";
  return figures;
}

async function prove(
  executable: string,
  { say, scale, shots: wanted }: ProofOptions,
): Promise<Verdict> {
  using dir = tempDir();
  const shots = wanted ?? Deno.makeTempDirSync({ prefix: "roost-dashboard-" });
  Deno.mkdirSync(shots, { recursive: true });
  const flags = [
    ...["--bind", `127.0.0.1:${freePort()}`],
    ...["--set", `admin.listen=127.0.0.1:${freePort()}`],
    ...["--set", "registration.mode=invite", "--set", "limits.subscriptionRequestsBurst=1000"],
  ];
  const start = () => ServerProcess.start({ dataDir: dir.path, flags });
  const server = await start();
  const admin = `http://${flags[3]!.split("=")[1]}`;
  const token = (await roost(["admin", "token", "--data", dir.path])).out.trim();
  const browser = await startBrowser(executable);
  const page = await (await browser.newContext({ viewport: DESKTOP })).newPage();
  const faults = watch(page);
  const traffic = await beginTraffic(server, { url: admin, token }, TRAFFIC_SECONDS);
  const fixture: Fixture = { server, page, admin, token, traffic, shots, faults, scale, say };
  try {
    return { pass: true, figures: await play(fixture, start) };
  } catch (error) {
    say(`FAULT ${error instanceof Error ? error.stack : error}`);
    for (const fault of faults) say(`FAULT ${fault}`);
    await page.screenshot({ path: `${shots}/failed.png`, fullPage: true }).catch(() => {});
    return { pass: false, figures: { screenshots: shots } };
  } finally {
    await browser.close();
    await traffic.stop();
    await fixture.server.stop();
  }
}

/** The dashboard in Chromium. */
export const dashboardProof: Proof = {
  name: "dashboard",
  claim: "the operator's dashboard in Chromium: what it shows agrees with the metrics under " +
    "traffic and a change of shards, and what is done in it is done",
  seconds: 120,
  async run(options): Promise<Verdict> {
    const executable = findChromium();
    if (executable !== null) return await prove(executable, options);
    options.say("NOT RUN: there is no Chromium here (ROOST_CHROMIUM can name it)");
    return { pass: false, figures: { "not run": "no Chromium" } };
  },
};
