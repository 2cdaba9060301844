/** Chromium with the web chat, for proofs: its people, and how they are looked at. */
import type { Browser, BrowserContext, Page } from "playwright-core";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Where Chromium is on this machine (`ROOST_CHROMIUM` says so where it is elsewhere), or null. */
export function findChromium(): string | null {
  const named = Deno.env.get("ROOST_CHROMIUM");
  const paths = named === undefined ? PATHS : [named];
  return paths.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  }) ?? null;
}

/** Starts Chromium. Its own sandbox is left out where it runs as root, which does not take it. */
export async function startBrowser(executablePath: string): Promise<Browser> {
  const { chromium } = await import("playwright-core");
  const args = Deno.uid() === 0 ? ["--no-sandbox"] : [];
  return await chromium.launch({ executablePath, args });
}

/** Gives a page an authenticator of passkeys that verifies its user; returns it with its session. */
export async function addAuthenticator(page: Page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { cdp, authenticatorId };
}

/** Sizes of windows that are looked at. */
export const DESKTOP = { width: 1280, height: 800 } as const;
/** See `DESKTOP`. */
export const PHONE = { width: 390, height: 844 } as const;

/** How a person's window is. */
export interface WindowOptions {
  readonly viewport: { readonly width: number; readonly height: number };
  readonly colorScheme?: "light" | "dark";
  readonly touch?: boolean;
  /** How long anything may take on the page (ms). */
  readonly timeoutMs?: number;
}

/** A message as it is on the page. */
export interface Shown {
  readonly body: string;
  readonly out: boolean;
  /** How far it has got; null for those of the other side. */
  readonly mark: string | null;
}

/** One who uses the web chat in a browser's profile of their own. */
export class Person {
  readonly name: string;
  readonly context: BrowserContext;
  readonly page: Page;
  /** What went wrong in the page: exceptions, refused requests, violations of the policy. */
  readonly faults: string[] = [];

  private constructor(name: string, context: BrowserContext, page: Page) {
    this.name = name;
    this.context = context;
    this.page = page;
    page.on("pageerror", (error) => this.faults.push(`${name}: ${error}`));
    page.on("console", (message) => {
      const text = message.text();
      // What a cut connection and a refused request leave behind is no fault of the page.
      const expected = /net::ERR_|WebSocket connection to|status of 4/.test(text);
      if (message.type() === "error" && !expected) this.faults.push(`${name}: ${text}`);
    });
    page.on("dialog", (dialog) => {
      this.faults.push(`${name}: a dialog says ${dialog.message()}`);
      dialog.dismiss().catch(() => {});
    });
  }

  /** Opens the chat in a new profile. */
  static async open(
    browser: Browser,
    name: string,
    url: string,
    { viewport, colorScheme = "light", touch = false, timeoutMs = 20_000 }: WindowOptions,
  ): Promise<Person> {
    const context = await browser.newContext({ viewport, colorScheme, hasTouch: touch });
    const person = new Person(name, context, await context.newPage());
    person.page.setDefaultTimeout(timeoutMs);
    await person.page.goto(url);
    return person;
  }

  /** Makes an account by the form. */
  async signUp(password: string): Promise<void> {
    const { page } = this;
    await page.getByRole("button", { name: "Make an account" }).click();
    await page.getByRole("textbox", { name: "Name" }).fill(this.name);
    await page.locator("#sign-in").getByLabel("Password", { exact: true }).fill(password);
    await page.getByRole("button", { name: "Make the account" }).click();
    await page.getByRole("button", { name: "Add a contact" }).waitFor();
  }

  /** Signs in by the form. */
  async signIn(password: string): Promise<void> {
    const { page } = this;
    await page.getByRole("textbox", { name: "Name" }).fill(this.name);
    await page.locator("#sign-in").getByLabel("Password", { exact: true }).fill(password);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("button", { name: "Add a contact" }).waitFor();
  }

  /** Asks somebody to be a contact. */
  async add(name: string): Promise<void> {
    const { page } = this;
    await page.getByRole("button", { name: "Add a contact" }).click();
    const dialog = page.getByRole("dialog", { name: "Add a contact" });
    await dialog.getByLabel("Name").fill(name);
    await dialog.getByRole("button", { name: "Ask" }).click();
    await dialog.waitFor({ state: "hidden" });
  }

  /** Accepts somebody's request. */
  async accept(name: string): Promise<void> {
    const open = this.page.locator("#requests-open");
    await open.waitFor();
    if (await open.getAttribute("aria-expanded") === "false") await open.click();
    await this.page.getByRole("button", { name: `Accept ${name}` }).click();
  }

  /** Opens a conversation from the list. */
  async talkTo(name: string): Promise<void> {
    const named = this.page.locator(".name", { hasText: name });
    await this.page.locator("#people button", { has: named }).click();
    await this.page.locator("#talk-name", { hasText: name }).waitFor();
  }

  /** Writes and sends by Enter. */
  async say(body: string): Promise<void> {
    const field = this.page.getByLabel("Message", { exact: true });
    await field.fill(body);
    await field.press("Enter");
  }

  /** Everything that the open conversation shows, in its order. */
  shown(): Promise<readonly Shown[]> {
    return this.page.locator("#messages").evaluate((list) =>
      [...list.querySelectorAll(".message")].map((element) => ({
        body: element.querySelector(".bubble")?.textContent ?? "",
        out: element.classList.contains("out"),
        mark: element.getAttribute("data-mark"),
      }))
    );
  }
}
