// @ts-check
/** The page's icon with the number of unread messages. */
import { badgeText } from "./badge.js";

/** The icon is drawn in this size (pixels). */
const SIZE = 64;

/** Shows the number on the icon of the installed app too. @param {number} count of unread messages */
export function showAppBadge(count) {
  // Only an installed app has such an icon: elsewhere nothing comes of it.
  navigator.setAppBadge?.(count).catch(() => {});
}

/** See the head of this file. */
export class Favicon {
  #link = document.querySelector("link[rel=icon]");
  #plain = this.#link?.getAttribute("href") ?? "";
  #shown = "";
  /** @type {Promise<HTMLImageElement> | null} */
  #image = null;

  /** @param {number} count of unread messages */
  async show(count) {
    const text = badgeText(count);
    if (text === this.#shown || this.#link === null) return;
    this.#shown = text;
    const href = text === "" ? this.#plain : await this.#draw(text).catch(() => this.#plain);
    // Another number may have come meanwhile.
    if (text === this.#shown) this.#link.setAttribute("href", href);
  }

  /** @param {string} text */
  async #draw(text) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIZE;
    const context = canvas.getContext("2d");
    if (context === null) return this.#plain;
    context.drawImage(await (this.#image ??= this.#load()), 0, 0, SIZE, SIZE);
    const [x, y, radius] = [42, 42, 22];
    context.fillStyle = "#fff";
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
    context.fillStyle = "#c22d20";
    context.beginPath();
    context.arc(x, y, radius - 2, 0, 2 * Math.PI);
    context.fill();
    context.fillStyle = "#fff";
    context.font = `bold ${[34, 28, 20][text.length - 1] ?? 20}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(text, x, y + 2);
    return canvas.toDataURL();
  }

  async #load() {
    const image = new Image(SIZE, SIZE);
    image.src = this.#plain;
    await image.decode();
    return image;
  }
}
