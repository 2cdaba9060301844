// @ts-check
/** The part of the settings about notifications while the page is closed. */
import { byId, make, setText } from "./dom.js";
import { CONTENTS } from "./push.js";
import { errorText } from "./text.js";
import { t } from "./texts.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Push } from "./push.js"
 */

/** See the head of this file. */
export class PushSettings {
  #on = byId("push-on", HTMLInputElement);
  #row = byId("push-content-row", HTMLElement);
  #content = byId("push-content", HTMLSelectElement);
  #told = byId("push-told", HTMLElement);
  #push;

  /** @param {Push} push */
  constructor(push) {
    this.#push = push;
    for (const content of CONTENTS) {
      this.#content.append(make("option", { value: content }, t.push[content]));
    }
    this.#on.addEventListener("change", () => this.#choose());
    this.#content.addEventListener("change", () => this.#choose());
  }

  /** Shows what is decided; call it when the settings open. */
  show() {
    const { content, obstacle } = this.#push;
    this.#content.value = content ?? "full";
    this.#render();
    this.#on.disabled = obstacle !== null;
    setText(this.#told, obstacle === null ? "" : t.push[obstacle]);
  }

  #render() {
    this.#on.checked = this.#push.content !== null;
    this.#row.hidden = !this.#on.checked;
  }

  async #choose() {
    const content = CONTENTS.find((each) => each === this.#content.value) ?? "full";
    const wanted = this.#on.checked;
    this.#on.disabled = this.#content.disabled = true;
    setText(this.#told, "");
    try {
      const done = wanted ? await this.#push.begin(content) : await this.#push.end();
      if (done === "refused") setText(this.#told, t.alerts.refused);
      else if (done === "server") setText(this.#told, t.push.server);
    } catch (error) {
      const { name } = /** @type {Error} */ (error);
      setText(this.#told, name === "RoostError" ? errorText(error) ?? "" : t.push.failed);
    }
    this.#on.disabled = this.#content.disabled = false;
    this.#render();
  }
}
