/** Takes accounts out of a node, page by page. */
import type { AccountName } from "../../shard/name/ids.ts";
import type { Result } from "../../shard/errors.ts";
import type { Router } from "../node/router.ts";
import { accountLines, eventLine, EXPORT_PAGE } from "./lines.ts";
import { fail, ok } from "../../shard/errors.ts";

/** Lines of an export, and where the next ones begin. */
export interface ExportPage {
  readonly lines: readonly string[];
  /** Position of the last event of the lines, or before the first. */
  readonly after: number;
  /** Position of the account's last event, as of its `account` line. */
  readonly upTo: number;
  /** Position from which on no event may be missing, as of that line. */
  readonly first: number;
}

type Asked = Pick<Router, "request">;

/** An account's lines before its events; `credentials`: with the keys of its password. */
export function exportHead(
  router: Asked,
  name: AccountName,
  credentials: boolean,
): Promise<Result<ExportPage>> {
  return new Promise((done) =>
    router.request(name, "export.account", { credentials }, (result) => {
      if (!result.ok) return done(result);
      const { first, keptFrom = first, last } = result.value;
      const lines = accountLines(name, result.value);
      done(ok({ lines, after: keptFrom - 1, upTo: last, first }));
    })
  );
}

/** The next lines after those of `page`; `conflict` where events were dropped meanwhile. */
export function exportEvents(
  router: Asked,
  name: AccountName,
  { after, upTo, first }: Omit<ExportPage, "lines">,
): Promise<Result<ExportPage>> {
  return new Promise((done) =>
    router.request(name, "export.events", { after, upTo, ...EXPORT_PAGE }, (result) => {
      if (!result.ok) return done(result);
      const events = result.value;
      const next = events[0]?.seq ?? upTo + 1;
      if (next > Math.max(after + 1, first)) {
        return done(fail("conflict", `Events of ${name} were dropped meanwhile: export again`));
      }
      done(ok({ lines: events.map(eventLine), after: events.at(-1)?.seq ?? upTo, upTo, first }));
    })
  );
}
