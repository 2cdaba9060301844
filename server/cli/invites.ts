/** `roost invite …`. */
import type { Command } from "commander";
import { addConfigOptions, type loadConfig } from "./config.ts";
import type { CliHost } from "./host.ts";
import { listed } from "./table.ts";
import { withAdmin } from "./users.ts";

type ConfigOptions = Parameters<typeof loadConfig>[1];
/** Adds `roost invite`. */
export function addInviteCommands(program: Command, host: CliHost): void {
  const invite = program.command("invite").description("manage invites");
  addConfigOptions(invite.command("create"))
    .description("make an invite that one account can be registered with")
    .allowExcessArguments(false)
    .action((options: ConfigOptions) =>
      withAdmin(host, options, async (admin) => {
        const { code, expiresAt, link } = await admin.createInvite();
        host.out(`${code}\n`);
        if (link !== undefined) host.err(`As a link: ${link}\n`);
        host.err(`Valid for one account until ${new Date(expiresAt).toISOString()}.\n`);
      })
    );
  addConfigOptions(invite.command("list"))
    .description("list invites; their codes were shown when they were made")
    .option("--json", "as one JSON array")
    .allowExcessArguments(false)
    .action((options: ConfigOptions & { readonly json?: true }) =>
      withAdmin(host, options, async (admin) => {
        const time = (ms: number) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
        const head = ["ID", "STATE", "MADE", "UNTIL", "USED BY"];
        const invites = await admin.invites();
        host.out(listed(options.json === true, invites, head, (i) => [
          i.id,
          i.state,
          time(i.createdAt),
          time(i.expiresAt),
          i.usedBy ?? "",
        ]));
      })
    );
  addConfigOptions(invite.command("revoke <id>"))
    .description("end an invite that nobody has used")
    .allowExcessArguments(false)
    .action((id: string, options: ConfigOptions) =>
      withAdmin(host, options, async (admin) => {
        await admin.revokeInvite(id);
        host.out("The invite is revoked.\n");
      })
    );
}
