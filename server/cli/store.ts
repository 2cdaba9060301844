/** `roost store copy`. */
import type { Command } from "commander";
import { type CliHost, counted, sized } from "./host.ts";
import type { CopyProgress } from "../ops/store_copy.ts";

const COPY_HELP = `
FROM and TO are each one of
  a data directory with its own store; TO must be new or empty (but for roost.toml)
  a file (mode 0600) that holds an address like postgres://USER:PASSWORD@HOST:5432/DATABASE
  such an address without a password; TO must be an empty database
All servers of both must be stopped. The original is not changed. The copy is read back and compared
before it can be served. A copy to PostgreSQL that was interrupted is begun anew by the same command;
remove a directory that was not finished. Clients' tokens stay good. Never let the copy and the
original serve the same clients.

Examples:
  roost store copy /srv/roost /etc/roost/store.url
  roost store copy postgres://roost@db.internal/roost /srv/roost`;

/** Rows between two lines of progress. */
const PROGRESS_ROWS = 50_000;

/** Adds `roost store`. */
export function addStoreCommands(program: Command, host: CliHost): void {
  const store = program.command("store").description("move a server's data to another store");
  store.command("copy <from> <to>")
    .description("copy a stopped server's data between its own store and PostgreSQL, and compare")
    .addHelpText("after", COPY_HELP)
    .allowExcessArguments(false)
    .action(async (from: string, to: string) => {
      const copies = await host.storeCopies();
      const [source, target] = [await copies.place(from), await copies.place(to)];
      const { rows, records, bytes } = await copies.copy(source, target, progressOn(host));
      host.out(
        `${counted(rows, "row")} and ${counted(records, "record")} of logs (${sized(bytes)}) ` +
          "are copied and compared.\n",
      );
      const start = target.kind === "dir"
        ? `roost --data ${to}`
        : "roost --data NEW_DIRECTORY --store-file FILE, with the address in that file";
      host.err(`Start the copy with: ${start}\n`);
    });
}

function progressOn(host: CliHost): (at: CopyProgress) => void {
  let said = 0;
  let last: CopyProgress["step"] = "copying";
  return ({ step, rows, bytes, total }) => {
    if (step !== last) said = 0;
    last = step;
    if (rows - said < PROGRESS_ROWS) return;
    said = rows;
    const of = total === null ? "" : ` of ${total}`;
    host.err(`${step}: ${rows}${of} rows, ${sized(bytes)}\n`);
  };
}
