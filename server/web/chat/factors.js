// @ts-check
/** Second factors in the settings: an authenticator app, recovery codes, and the passkeys beside them. */
import { button, byId, make, onSubmit, setAttributes, setText } from "./dom.js";
import { PasskeyPart } from "./passkey_settings.js";
import { codesList, proofForm } from "./proof_form.js";
import { codeErrorText, codeField } from "./second.js";
import { errorText } from "./text.js";
import { t } from "./texts.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { FactorProof, Means, Proof } from "./proof_form.js"
 */

/** A server of a version before refuses what it does not know. */
const UNKNOWN = ["unsupported", "bad_request"];

/** @param {unknown} error */
const isUnknown = (error) => UNKNOWN.includes(/** @type {Api.RoostError} */ (error).code);

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
  #passkeys;
  /** Recovery codes are shown: they stay until the user has them. */
  #keeps = false;
  /** @type {Means} */
  #means = { password: false, totp: false, passkeys: 0 };

  /** @param {Api.Client} client */
  constructor(client) {
    this.#client = client;
    this.#passkeys = new PasskeyPart(client, () => this.load());
  }

  /** Shows what the account has. `told`: what was just done. */
  async load(told = "") {
    const hide = (/** @type {string} */ id, /** @type {boolean} */ hidden) => {
      byId(id, HTMLElement).hidden = hidden;
    };
    try {
      const [factors, passkeys] = await Promise.all([
        this.#client.factors(),
        this.#client.passkeys.list().catch((error) => {
          if (!isUnknown(error)) throw error;
          return null;
        }),
      ]);
      const { password, totp } = factors;
      this.#means = { password, totp, passkeys: passkeys?.length ?? 0 };
      hide("passkeys-part", passkeys === null);
      if (!this.#keeps) this.#show(...this.#overview(factors, told));
      if (passkeys !== null) this.#passkeys.show(this.#means, passkeys);
    } catch (error) {
      hide("factors-part", isUnknown(error));
      if (this.#keeps) return;
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
  #overview({ recoveryCodes, totp }, told) {
    const other = this.#means.passkeys > 0;
    const renew = () => this.#askProof(t.factors.renew, (proof) => this.#renew(proof));
    const remove = () => this.#askProof(t.factors.remove, (proof) => this.#remove(proof));
    const codes = totp || other
      ? [make("p", { class: "quiet" }, t.factors.left(recoveryCodes))]
      : [];
    return [
      totp
        ? make("p", {}, t.factors.on)
        : make("p", { class: "quiet" }, other ? t.factors.also : t.factors.none),
      ...codes,
      make("p", { role: "status" }, told),
      ...(totp ? [] : [button(t.factors.begin, () => this.#askBegin(), { id: "totp-begin" })]),
      ...(codes.length === 0 ? [] : [button(t.factors.renew, renew)]),
      ...(totp ? [button(t.factors.remove, remove)] : []),
    ];
  }

  #askBegin() {
    const { passkeys, password } = this.#means;
    if (passkeys === 0 && !password) {
      return this.#begin({}).catch((error) => this.load(codeErrorText(error)));
    }
    this.#askProof(t.factors.go, (proof) => this.#begin(proof));
  }

  /**
   * @param {string} go
   * @param {(proof: Proof) => Promise<void>} run
   */
  #askProof(go, run) {
    const { focus, form } = proofForm({
      id: this.#means.totp || this.#means.passkeys > 0 ? "factors-code" : "factors-password",
      client: this.#client,
      means: this.#means,
      go,
      run,
      cancel: () => this.load(),
    });
    this.#show(form);
    focus();
  }

  /** @param {Proof} proof */
  async #begin(proof) {
    const { qr, secret, setup } = await this.#client.beginTotp(proof);
    const { field, label } = codeField("totp-code", t.factors.shown);
    const error = make("p", { class: "error", role: "alert" });
    const form = make(
      "form",
      {},
      make("p", {}, t.factors.scan),
      qrImage(qr),
      make("p", { class: "quiet" }, t.factors.type),
      make("p", {}, make("code", { class: "secret" }, secret.match(/.{1,4}/g)?.join(" ") ?? "")),
      label,
      field,
      error,
      make("button", { type: "submit" }, t.factors.confirm),
      button(t.common.cancel, () => this.load()),
    );
    onSubmit(form, async () => {
      setText(error, "");
      try {
        const code = field.value.trim();
        const { recoveryCodes } = await this.#client.confirmTotp({ setup, code });
        this.#showCodes(recoveryCodes);
      } catch (refused) {
        setText(error, codeErrorText(refused));
        field.focus();
        field.select();
      }
    });
    this.#show(form);
    field.focus();
  }

  /** @param {Proof} proof */
  async #renew(proof) {
    const { recoveryCodes } = await this.#client.renewRecoveryCodes(
      /** @type {FactorProof} */ (proof),
    );
    this.#showCodes(recoveryCodes);
  }

  /** @param {Proof} proof */
  async #remove(proof) {
    await this.#client.removeTotp(/** @type {FactorProof} */ (proof));
    await this.load(t.factors.removed);
  }

  /** @param {readonly string[]} codes */
  #showCodes(codes) {
    this.#show(...codesList(codes, () => {
      this.#keeps = false;
      this.load();
    }));
    this.#part.querySelector("button")?.focus();
    this.#keeps = true;
    this.load();
  }
}
