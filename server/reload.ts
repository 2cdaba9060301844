/** Lets a node go on with other settings, and with other certificates and keys. */
import type { Config } from "./config/config.ts";
import type { Front } from "./front_types.ts";
import type { LiveLog } from "./system/logger.ts";
import type { Clock } from "./node/ports.ts";
import type { RecordAction } from "./ops/audit.ts";
import type { Reload, ReloadReport } from "./cli/launcher.ts";
import type { ShownSetting } from "./config/show.ts";
import { type ConfigFiles, openTls, openVerifier } from "./config_files.ts";
import { type InEffect, mergeReload, type ReloadPart } from "./config/reload.ts";
import { type TlsFiles, validityFault } from "./system/config_files.ts";

/** What a reload changes. */
export interface ReloadDeps {
  readonly front: Pick<Front, "change" | "reloads">;
  readonly log: LiveLog;
  readonly clock: Pick<Clock, "wallMs">;
  /** The admin API over the network gets the certificate too. */
  changeTls(tls: TlsFiles): void;
  /** Takes what was read again into the audit log. */
  readonly record: RecordAction;
}

/** What was read again. */
interface ReadAgain {
  readonly files: Partial<ConfigFiles>;
  readonly faults: readonly string[];
  /** Parts whose files cannot be used. */
  readonly bad: readonly ReloadPart[];
}

/** See the head of this file. */
export class NodeReload {
  readonly #deps: ReloadDeps;
  #now: InEffect;

  constructor(deps: ReloadDeps, now: InEffect) {
    this.#deps = deps;
    this.#now = now;
    const { certificate } = deps.front.reloads;
    // At the start it is better than none.
    if (certificate !== null) this.#warn(certificate.expiresAtMs);
  }

  /** The settings in use, as they are shown. */
  get settings(): readonly ShownSetting[] {
    return this.#now.settings;
  }

  /** Serves another certificate, which was ordered. */
  serve(tls: TlsFiles): void {
    const { changeTls, front } = this.#deps;
    front.change(this.#now.config, { tls });
    changeTls(tls);
  }

  /** Takes what can be taken, logs all of it, and counts it. One at a time. */
  async reload(next: Reload): Promise<ReloadReport> {
    const report = next.kind === "faults"
      ? { changed: [], restart: [], faults: next.faults }
      : await this.#take(next);
    const { front: { reloads }, log } = this.#deps;
    const { changed, faults, restart } = report;
    reloads.failing = faults.length > 0;
    if (reloads.failing) reloads.failed++;
    else reloads.done++;
    for (const error of faults) log.error("reload failed: what was in use stays", { error });
    if (restart.length > 0) log.warn("settings need a restart", { settings: restart });
    const expires = reloads.certificate?.expiresAtMs;
    log.info("reloaded", {
      settings: changed,
      ...(expires === undefined ? {} : { certificateExpires: new Date(expires).toISOString() }),
    });
    await this.#deps.record({
      actor: "server",
      action: "reloadSettings",
      target: changed.join(" ") || undefined,
      outcome: faults.length > 0 ? "failed" : "ok",
    });
    return report;
  }

  async #take(next: Extract<Reload, { kind: "config" }>): Promise<ReloadReport> {
    const { front, log } = this.#deps;
    const wanted = mergeReload(this.#now, next);
    const { bad, faults, files } = await this.#read(wanted.config);
    const merged = bad.length === 0 ? wanted : mergeReload(this.#now, next, bad);
    const { changed, config, settings } = merged;
    // What cannot be used needs no restart: that would not help.
    const restart = merged.restart.filter((key) => !wanted.changed.includes(key));
    try {
      front.change(config, files);
      if (files.tls) this.#deps.changeTls(files.tls);
    } catch (cause) {
      faults.push(messageOf(cause));
    }
    if (changed.includes("log.level")) log.setLevel(config.log.level);
    this.#now = { config, settings };
    return { changed, restart, faults };
  }

  async #read(config: Config): Promise<ReadAgain & { readonly faults: string[] }> {
    const faults: string[] = [];
    const bad: ReloadPart[] = [];
    const files: { -readonly [K in keyof ConfigFiles]?: ConfigFiles[K] } = {};
    try {
      files.tls = await this.#readTls(config);
    } catch (cause) {
      bad.push("tls");
      faults.push(messageOf(cause));
    }
    try {
      files.verifier = await openVerifier(config);
    } catch (cause) {
      bad.push("jwt");
      faults.push(messageOf(cause));
    }
    return { files, faults, bad };
  }

  async #readTls(config: Config): Promise<TlsFiles | null> {
    const tls = await openTls(config);
    const fault = tls === null ? null : validityFault(tls, this.#deps.clock.wallMs());
    if (fault === null) return tls;
    throw new Error(`Cannot use server.tlsCert ${config.server.tlsCert}: the certificate ${fault}`);
  }

  #warn(expiresAtMs: number): void {
    const fault = validityFault({ startsAtMs: 0, expiresAtMs }, this.#deps.clock.wallMs());
    if (fault !== null) this.#deps.log.error(`the certificate in use ${fault}`, {});
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
