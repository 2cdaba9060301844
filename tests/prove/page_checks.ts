/** What can be seen of a page by looking at it: names, sizes, widths, contrast; and pictures. */
import type { Page } from "playwright-core";
import { DESKTOP, type Person, PHONE } from "./browser.ts";

/**
 * What is wrong with what is shown: controls that have no name or are too small to touch, pictures
 * without a text, ids that exist twice, a page that is wider than its window, landmarks that
 * are missing, text of too little contrast.
 */
export function faultsOfPage(page: Page): Promise<readonly string[]> {
  return page.evaluate(LOOK) as Promise<readonly string[]>;
}

/** Runs in the page. */
const LOOK = `(() => {
  const faults = [];
  const shown = (e) => e.checkVisibility({ visibilityProperty: true }) && e.closest(".sr") === null;
  const nameOf = (e) =>
    (e.getAttribute("aria-label") ?? [...e.labels ?? []].map((l) => l.textContent).join(" ") ?? "")
      .trim() || (e.tagName === "BUTTON" || e.tagName === "A" ? e.textContent.trim() : "");
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of ids.filter((id, i) => ids.indexOf(id) !== i)) faults.push("id twice: " + id);
  for (const attribute of ["aria-labelledby", "aria-describedby"]) {
    for (const e of document.querySelectorAll("[" + attribute + "]")) {
      if (!ids.includes(e.getAttribute(attribute))) faults.push(attribute + " leads nowhere: #" + e.id);
    }
  }
  for (const e of document.querySelectorAll("button, input, textarea, a[href]")) {
    if (nameOf(e) === "" && e.id !== "password-user") faults.push("no name: " + e.outerHTML.slice(0, 90));
    if (!shown(e) || e.tagName === "A") continue;
    const target = e.closest("label") ?? e;
    const { width, height } = target.getBoundingClientRect();
    if (width < 43.5 || height < 43.5) {
      faults.push("too small (" + width + "x" + height + "): " + e.outerHTML.slice(0, 90));
    }
  }
  for (const e of document.querySelectorAll("img:not([alt])")) faults.push("no alt: " + e.src);
  if (document.documentElement.lang === "") faults.push("no language");
  if ([...document.querySelectorAll("main")].filter(shown).length > 1) faults.push("two mains");
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) faults.push("wider than the window: " + wide);
  const numbers = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e !== null; e = e.parentElement) {
      const c = numbers(getComputedStyle(e).backgroundColor);
      if (c.length >= 3 && (c[3] ?? 1) === 1) return c;
    }
    return [255, 255, 255];
  };
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim() !== "");
    if (!own || !shown(e) || e.closest("noscript, svg, :disabled")) continue;
    const [a, b] = [light(numbers(getComputedStyle(e).color)), light(ground(e))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) {
      faults.push("contrast " + contrast.toFixed(1) + ": " + e.textContent.trim().slice(0, 40));
    }
  }
  return faults;
})()`;

/**
 * Pictures of people's pages at the sizes of a desktop and a phone, light and dark, in a directory;
 * their paths. Throws where something is wrong with one (see `faultsOfPage`).
 */
export async function takeShots(
  people: readonly (readonly [string, Person])[],
  dir: string,
): Promise<readonly string[]> {
  const paths: string[] = [];
  for (const [name, { page }] of people) {
    const before = page.viewportSize();
    for (const [size, viewport] of [["desktop", DESKTOP], ["phone", PHONE]] as const) {
      for (const colorScheme of ["light", "dark"] as const) {
        await page.setViewportSize(viewport);
        // Without motion: a colour on its way to another is none to judge.
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        const path = `${dir}/${name}-${size}-${colorScheme}.png`;
        await page.screenshot({ path });
        paths.push(path);
        const faults = await faultsOfPage(page);
        if (faults.length > 0) throw new Error(`${path}: ${faults.join("; ")}`);
      }
    }
    await page.emulateMedia({ colorScheme: "light", reducedMotion: null });
    if (before !== null) await page.setViewportSize(before);
  }
  return paths;
}
