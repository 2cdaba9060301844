// @ts-check
/** The part of the settings about notifications and their sound. */
import { byId, setText } from "./dom.js";
import { t } from "./texts.js";

/**
 * @import { Alerts } from "./alerts.js"
 */

/** See the head of this file. */
export class AlertSettings {
  #notify = byId("alerts-notify", HTMLInputElement);
  #sound = byId("alerts-sound", HTMLInputElement);
  #told = byId("alerts-told", HTMLElement);
  #alerts;

  /** @param {Alerts} alerts */
  constructor(alerts) {
    this.#alerts = alerts;
    this.#notify.addEventListener("change", () => this.#choose());
    this.#sound.addEventListener("change", () => alerts.choose({ sound: this.#sound.checked }));
  }

  /** Shows what is decided; call it when the settings open. */
  show() {
    this.#notify.checked = this.#alerts.notifies;
    this.#notify.disabled = !("Notification" in globalThis);
    this.#sound.checked = this.#alerts.choice.sound;
    setText(this.#told, this.#notify.disabled ? t.alerts.missing : "");
  }

  async #choose() {
    const wanted = this.#notify.checked;
    const shown = await this.#alerts.choose({ notify: wanted });
    this.#notify.checked = shown;
    setText(this.#told, wanted && !shown ? t.alerts.refused : "");
  }
}
