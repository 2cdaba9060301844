/** `roost admin …`: what concerns the admin API itself. */
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { adminCall, AdminError } from "./client.ts";
import type { Config } from "../config/config.ts";
import { addConfigOptions, loadConfig } from "./config.ts";
import type { CliHost } from "./host.ts";
import { formatBind, isLoopback } from "../config/address.ts";
import { DASHBOARD_PATH } from "../web/dashboard_path.ts";
import { NoServerError } from "../ops/socket.ts";

type ConfigOptions = Parameters<typeof loadConfig>[1];

interface TokenOptions extends ConfigOptions {
  readonly new?: true;
}

const TOKEN_HELP = `
With the setting admin.listen a server offers its admin API and /metrics over the network too:
  curl -H "Authorization: Bearer $(roost admin token)" http://127.0.0.1:8421/metrics
The holder of the token may do everything that this command line can.`;

/** Tells a server that runs that there is a new token; where none runs, its next start logs it. */
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
    await host.recordAction(dataDir, "roost admin token --new");
  }
}

/** Where the admin API of the running server listens; `none` where no server runs. */
async function runningListener(host: CliHost, dataDir: string): Promise<string | null | "none"> {
  try {
    const call = adminCall(host.adminSocket(join(dataDir, "admin.sock")));
    return (await call({ method: "GET", path: "/admin/listener" }, LISTENER)).url;
  } catch (error) {
    if (error instanceof NoServerError) return "none";
    throw error;
  }
}

const LISTENER = z.object({ url: z.string().nullable() });
/** Port that examples use where the server has none of its own. */
const PORT_EXAMPLE = 8421;

/**
 * How to get to the dashboard at `url`, or behind the socket alone, from here and from elsewhere.
 */
function dashboardHelp(url: string | null, socket: string): string {
  const token = "It asks for the token that `roost admin token` shows.\n";
  if (url === null) {
    const port = PORT_EXAMPLE;
    return `http://127.0.0.1:${port}${DASHBOARD_PATH}\n${token}` +
      `admin.listen is not set, so it is behind the socket alone. From another machine:
  ssh -L 127.0.0.1:${port}:${socket} HOST
and open the address there. For a browser on this machine set admin.listen = "127.0.0.1:${port}".
`;
  }
  const { port } = new URL(url);
  return `${url}${DASHBOARD_PATH}\n${token}` +
    `From another machine: ssh -L 127.0.0.1:${port}:127.0.0.1:${port} HOST, ` +
    "and open the address there.\n";
}

/** The address that `admin.listen` gives a start; null where it is not set. */
function configuredUrl({ listen }: Config["admin"]): string | null {
  if (listen === null) return null;
  const bind = { ...listen, port: listen.port === 0 ? PORT_EXAMPLE : listen.port };
  return `${isLoopback(listen.host) ? "http" : "https"}://${formatBind(bind)}`;
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
      const running = await runningListener(host, config.dataDir);
      const url = running === "none" ? configuredUrl(config.admin) : running;
      host.out(dashboardHelp(url, resolve(host.cwd, config.dataDir, "admin.sock")));
      if (running === "none") {
        host.err(`No server runs on ${config.dataDir}: this is what a start would have.\n`);
      }
    });
}
