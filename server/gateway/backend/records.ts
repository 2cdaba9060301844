/** Where it is recorded what services do as users. */
import type { Log, StoreError } from "../../node/ports.ts";

/** One thing that a service has done, or was refused. */
export interface ServiceRecord {
  readonly service: string;
  readonly action: string;
  readonly user: string;
  /** `ok`, or the code of the error. */
  readonly outcome: string;
  readonly contact?: string;
  readonly device?: string;
  /** The cell that the service is of, where that is another one. */
  readonly cell?: string;
}

/** The audit log, as services write to it; see `Audit`. */
export interface ServiceAudit {
  service(input: {
    readonly actor: string;
    readonly action: string;
    readonly outcome: string;
    readonly user?: string | undefined;
    readonly target?: string | undefined;
    readonly device?: string | undefined;
    readonly detail?: string | undefined;
  }): void;
  /** Resolves once all of it is durable; with an error where it may not be. */
  servicesDurable(): Promise<StoreError | null>;
}

/** Records it in the audit log, or where there is none in the log. */
export function recordService(
  { audit, log }: { readonly audit?: ServiceAudit | undefined; readonly log: Pick<Log, "info"> },
  record: ServiceRecord,
): void {
  if (audit === undefined) return log.info("service action", { ...record });
  const { cell, contact, service, ...done } = record;
  const detail = cell === undefined ? undefined : `by cell ${cell}`;
  audit.service({ ...done, actor: `service:${service}`, target: contact, detail });
}
