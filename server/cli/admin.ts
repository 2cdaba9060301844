/** `roost admin …`: what concerns the admin API itself. */
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { AdminError } from "./client.ts";
import { addConfigOptions, loadConfig } from "./config.ts";
import type { CliHost } from "./host.ts";
import { type Bind, formatBind, isLoopback } from "../config/address.ts";
import { DASHBOARD_PATH } from "../web/dashboard_path.ts";
import { NoServerError } from "../ops/socket.ts";

type ConfigOptions = Parameters<typeof loadConfig>[1];

interface TokenOptions extends ConfigOptions {
  readonly new?: true;
}

const TOKEN_HELP = `
With the setting admin.listen a server offers its admin API and /metrics over the network too:
  curl -H "Authorization: Bearer $(roost admin token)" http://127.0.0.1:8421/metrics
Whoever has the token may do everything that this command line can.`;

/** Tells a server that runs that there is a new token. */
async function reload(host: CliHost, dataDir: string): Promise<void> {
  try {
    const answer = await host.adminSocket(join(dataDir, "admin.sock"))({
      method: "POST",
      path: "/admin/token/reload",
    });
    if (answer.status === 200) return;
    throw new AdminError("unavailable", "The server goes on with the old token: start it again");
  } catch (error) {
    if (!(error instanceof NoServerError)) throw error;
  }
}

/** How to get to the dashboard, from this machine and from another. */
function dashboardHelp(listen: Bind | null, socket: string): string {
  const port = listen === null || listen.port === 0 ? 8421 : listen.port;
  const here = listen !== null && !isLoopback(listen.host)
    ? `https://${formatBind(listen)}${DASHBOARD_PATH}`
    : `http://127.0.0.1:${port}${DASHBOARD_PATH}`;
  const target = listen === null ? socket : `127.0.0.1:${port}`;
  return `${here}
It asks for the token that \`roost admin token\` shows.
` + (listen === null
    ? `admin.listen is not set, so it is behind the socket alone. From another machine:
  ssh -L 127.0.0.1:${port}:${target} HOST
and open the address there. For a browser on this machine set admin.listen = "127.0.0.1:${port}".
`
    : `From another machine: ssh -L 127.0.0.1:${port}:${target} HOST, and open the address there.
`);
}

/** Adds `roost admin`. */
export function addAdminCommands(program: Command, host: CliHost): void {
  const admin = program.command("admin").description("the admin API over the network");
  addConfigOptions(admin.command("token"))
    .description("show the token of the admin API")
    .option("--new", "make a new one; the old one ends at once")
    .addHelpText("after", TOKEN_HELP)
    .allowExcessArguments(false)
    .action(async (options: TokenOptions) => {
      const { config } = await loadConfig(host, options);
      const renew = options.new === true;
      const token = await host.adminToken(config.dataDir, renew);
      if (renew) await reload(host, config.dataDir);
      host.out(`${token}\n`);
    });
  addConfigOptions(admin.command("dashboard"))
    .description("tell where the dashboard is, and how to get there from another machine")
    .allowExcessArguments(false)
    .action(async (options: ConfigOptions) => {
      const { config } = await loadConfig(host, options);
      const { listen } = config.admin;
      host.out(dashboardHelp(listen, resolve(config.dataDir, "admin.sock")));
    });
}
