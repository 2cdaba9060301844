// @ts-check
/** The page as an app: its service worker, and the part of the settings that installs it. */
import { byId, setText } from "./dom.js";
import { SERVER } from "./server.js";
import { t } from "./texts.js";

/**
 * What a browser that installs pages hands over to ask the user later.
 * @typedef {Event & { prompt: () => Promise<unknown> }} InstallEvent
 */

/** Starts the service worker of the page's language, or a new version of it. */
export function startWorker() {
  if (!("serviceWorker" in navigator)) return;
  const script = new URL(`worker.${t.language}.js`, SERVER);
  const options = { scope: SERVER.pathname, updateViaCache: /** @type {const} */ ("none") };
  // Without one the page needs the network, as some browsers' private windows do.
  navigator.serviceWorker.register(script, options).catch(() => {});
}

/** See the head of this file. It is to be made early: the browser tells once whether it can. */
export class AppInstall {
  /** @type {InstallEvent | null} */
  #offer = null;
  #button = byId("install", HTMLButtonElement);
  #told = byId("install-told", HTMLElement);

  constructor() {
    addEventListener("beforeinstallprompt", (event) => {
      // Not by itself: the settings have a button for it.
      event.preventDefault();
      this.#offer = /** @type {InstallEvent} */ (event);
      this.show();
    });
    addEventListener("appinstalled", () => this.show());
    this.#button.addEventListener("click", () => this.#install());
    this.show();
  }

  async #install() {
    const offer = this.#offer;
    this.#offer = null;
    await offer?.prompt();
    this.show();
  }

  /** Shows what can be done here. */
  show() {
    const installed = matchMedia("(display-mode: standalone)").matches;
    this.#button.hidden = installed || this.#offer === null;
    setText(this.#told, installed ? t.app.installed : this.#button.hidden ? t.app.how : "");
  }
}
