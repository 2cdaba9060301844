// @ts-check
/** Second factors in the settings: an authenticator app, and recovery codes. */
import { button, byId, make, onSubmit, setAttributes, setText } from "./dom.js";
import { codeErrorText, codeField } from "./second.js";
import { errorText } from "./text.js";
import { t } from "./texts.js";

/**
 * @import * as Api from "../client.d.ts"
 */

const SVG = "http://www.w3.org/2000/svg";

/** A QR code; black on white in every scheme of colours. @param {Api.TotpSetup["qr"]} qr */
function qrImage({ path, size }) {
  const svg = document.createElementNS(SVG, "svg");
  setAttributes(svg, {
    viewBox: `0 0 ${size} ${size}`,
    class: "qr",
    role: "img",
    "aria-label": t.factors.qr,
    "shape-rendering": "crispEdges",
  });
  const dark = document.createElementNS(SVG, "path");
  setAttributes(dark, { d: path });
  svg.append(dark);
  return svg;
}

/** See the head of this file. */
export class FactorsPart {
  #part = byId("factors", HTMLElement);
  #client;

  /** @param {Api.Client} client */
  constructor(client) {
    this.#client = client;
  }

  /** Shows what the account has. `told`: what was just done. */
  async load(told = "") {
    try {
      const factors = await this.#client.factors();
      this.#show(...this.#overview(factors, told));
    } catch (error) {
      // A server of a version before has none.
      const { code } = /** @type {Api.RoostError} */ (error);
      byId("factors-part", HTMLElement).hidden = code === "unsupported" || code === "bad_request";
      this.#show(make("p", { class: "error", role: "alert" }, errorText(error) ?? ""));
    }
  }

  /** @param {...Node} nodes */
  #show(...nodes) {
    this.#part.replaceChildren(...nodes);
  }

  /**
   * @param {Api.Factors} factors
   * @param {string} told
   */
  #overview({ password, recoveryCodes, totp }, told) {
    const say = make("p", { role: "status" }, told);
    if (!totp) {
      return [
        make("p", { class: "quiet" }, t.factors.none),
        say,
        button(t.factors.begin, () => this.#askPassword(password), { id: "totp-begin" }),
      ];
    }
    return [
      make("p", {}, t.factors.on),
      make("p", { class: "quiet" }, t.factors.left(recoveryCodes)),
      say,
      button(t.factors.renew, () => this.#askCode(t.factors.renew, (code) => this.#renew(code))),
      button(t.factors.remove, () => this.#askCode(t.factors.remove, (code) => this.#remove(code))),
    ];
  }

  /**
   * A form with one field in the place of the overview. `run` rejects where the value is not right.
   * @param {{
   *   field: HTMLInputElement, label: HTMLElement, above?: readonly Node[], go: string,
   *   run: (value: string) => Promise<void>, wrong: (error: unknown) => string
   * }} how
   */
  #ask({ above = [], field, go, label, run, wrong }) {
    const error = make("p", { class: "error", role: "alert" });
    const form = make(
      "form",
      {},
      ...above,
      label,
      field,
      error,
      make("button", { type: "submit" }, go),
      button(t.common.cancel, () => this.load()),
    );
    onSubmit(form, async () => {
      setText(error, "");
      try {
        await run(field.value);
      } catch (refused) {
        setText(error, wrong(refused));
        field.focus();
        field.select();
      }
    });
    this.#show(form);
    field.focus();
  }

  /** @param {boolean} has whether the account has a password here */
  #askPassword(has) {
    if (!has) return this.#begin({}).catch((error) => this.load(codeErrorText(error)));
    const field = make("input", {
      id: "factors-password",
      type: "password",
      autocomplete: "current-password",
      maxlength: 1024,
      required: true,
    });
    this.#ask({
      field,
      label: make("label", { for: "factors-password" }, t.settings.passwordOld),
      go: t.factors.go,
      run: (password) => this.#begin({ password }),
      wrong: (error) => {
        const { code } = /** @type {Api.RoostError} */ (error);
        return code === "forbidden" ? t.settings.passwordWrong : errorText(error) ?? "";
      },
    });
  }

  /** @param {{ readonly password?: string }} proof */
  async #begin(proof) {
    const { qr, secret, setup } = await this.#client.beginTotp(proof);
    this.#ask({
      ...codeField("totp-code", t.factors.shown),
      above: [
        make("p", {}, t.factors.scan),
        qrImage(qr),
        make("p", { class: "quiet" }, t.factors.type),
        make("p", {}, make("code", { class: "secret" }, secret.match(/.{1,4}/g)?.join(" ") ?? "")),
      ],
      go: t.factors.confirm,
      run: async (code) => {
        const { recoveryCodes } = await this.#client.confirmTotp({ setup, code: code.trim() });
        this.#showCodes(recoveryCodes);
      },
      wrong: codeErrorText,
    });
  }

  /**
   * @param {string} go
   * @param {(code: string) => Promise<void>} run
   */
  #askCode(go, run) {
    const asked = codeField("factors-code", t.second.code);
    this.#ask({ ...asked, go, run: (code) => run(code.trim()), wrong: codeErrorText });
  }

  /** @param {string} code */
  async #renew(code) {
    const { recoveryCodes } = await this.#client.renewRecoveryCodes({ code });
    this.#showCodes(recoveryCodes);
  }

  /** @param {string} code */
  async #remove(code) {
    await this.#client.removeTotp({ code });
    await this.load(t.factors.removed);
  }

  /** @param {readonly string[]} codes */
  #showCodes(codes) {
    const kept = button(t.factors.kept, () => this.load(), { class: "main" });
    this.#show(
      make("p", { role: "status" }, t.factors.codes),
      make(
        "ul",
        { class: "codes" },
        ...codes.map((code) => make("li", {}, make("code", {}, code))),
      ),
      kept,
    );
    kept.focus();
  }
}
