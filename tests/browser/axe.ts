/** Pages under axe-core. */
import assert from "node:assert/strict";
import axe from "axe-core";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { DESKTOP, PHONE } from "../prove/browser.ts";

const BAD = ["moderate", "serious", "critical"];

/** What axe-core finds on the page as it is shown, moderate or worse, on desktop and phone, light and dark. */
export async function violations(page: Page, screen: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [size, viewport] of [["desktop", DESKTOP], ["phone", PHONE]] as const) {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      // Evaluated by the debugger: the page's policy does not let it in otherwise.
      await page.evaluate(axe.source);
      const results = await page.evaluate("axe.run(document)") as AxeResults;
      assert.ok(results.passes.length > 5, "axe-core has looked");
      for (const { id, impact, nodes } of results.violations) {
        if (!BAD.includes(impact ?? "")) continue;
        const where = nodes.slice(0, 3).map(({ html }) => html.slice(0, 120)).join(" | ");
        found.push(`${screen}, ${size}, ${colorScheme}: ${impact} ${id}: ${where}`);
      }
    }
  }
  return found;
}
