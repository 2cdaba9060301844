/** `roost load`: the command line of the load tool. */
import { type Command, Option } from "commander";
import { type CliHost, UsageError } from "../cli/host.ts";
import { type RawLoadOptions, readRequest, WORKER_COMMAND } from "./load_options.ts";
import { SCENARIOS } from "./scenario.ts";

const OPTIONS: readonly (readonly [flags: string, doc: string])[] = [
  ["--url <url>", "the server (http://127.0.0.1:8420)"],
  ["--data <dir>", "the server's data directory, for its admin socket (roost-data; ROOST_DATA)"],
  ["--users <n>", "users that are played"],
  ["--contacts <n>", "mutual contacts of each, an even number (40)"],
  ["--absent <n>", "contacts of each besides, who never come: rosters larger than watched (0)"],
  ["--rate <n>", "operations a second, never slowed by the server (see the scenario)"],
  ["--seconds <time>", "length of the measured part: 30, 90s, 15m, 2h, 7d"],
  ["--online <n>", "login: users who are online before the storm (0)"],
  ["--presence-rate <n>", "login, reconnect, restart: presence changes a second meanwhile"],
  ["--message-rate <n>", "reconnect, restart: messages a second meanwhile"],
  ["--drop <share>", "reconnect: share of the sessions that break (0.933)"],
  ["--over <time>", "reconnect: time over which they return (8s)"],
  ["--auth <way>", "token, password or scram (token)"],
  ["--processes <n>", "processes that play users (as many as the file limit makes necessary)"],
  ["--body-bytes <n>", "length of a message (100)"],
  ["--ack-ms <ms>", "how often clients acknowledge messages, 0 for never (1000)"],
  ["--grace-ms <ms>", "the server's presence.graceMs, to be held to it (10000)"],
  ["--settle <time>", "longest wait for the last deliveries (20s)"],
  ["--provision <way>", "make users over the admin API, as on this machine, or public (slow)"],
  ["--pool <name>", "name of the users, to have several sets of them"],
  ["--state <file>", "where the users' secrets are kept between runs (mode 0600)"],
  ["--remove", "remove the users afterwards; without a scenario: only that"],
  ["--pid <pid>", "the server's process, where it is not found by itself"],
  ["--json <file>", "write the result as JSON; - for standard output"],
  ["--html <file>", "write a report with plots, one file that needs nothing else"],
  ["--quiet", "no progress"],
  ["--i-own-this-server", "allow a server that is not on this machine"],
  ["--dark", "dark launch: a few synthetic users beside real ones, until stopped"],
  ["--objective-ms <ms>", "dark: p99 of deliveries that is to hold (100)"],
  ["--objective-success <percent>", "dark: share that is to arrive within 10 s (99.9)"],
  ["--report <time>", "dark: time between reports (300s)"],
];

function scenarioHelp(): string {
  const lines = SCENARIOS.map(({ name, summary, rateUnit, users }) => {
    const defaults = users === undefined ? "" : ` (${users} users)`;
    const rate = rateUnit === null ? "" : `\n${" ".repeat(13)}--rate: ${rateUnit}`;
    return `  ${name.padEnd(11)}${summary}${defaults}${rate}`;
  });
  return `
Scenarios:
${lines.join("\n")}

Examples:
  roost load presence                         1,000 users with 40 contacts on this machine
  roost load presence --rate 2500 --html storm.html
  roost load login --users 15000 --rate 1500
  roost load login --auth scram --online 500 --presence-rate 250 --rate 100
  roost load reconnect --users 15000 --drop 0.933 --over 8s
  roost load chat --users 2000 --rate 15000 --json - > chat.json
  roost load --dark --seconds 7d --objective-ms 100 --objective-success 99.9
  roost load --dark --remove                  when a dark launch could not clean up

Rates are open-loop: operations come when they are due, and latency counts from then. Every
delivery is checked at its recipient. Users are made once and reused. On IPv4 loopback they
connect from many addresses of 127.0.0.0/8, so that limits per address do not matter; limits
per session do: raise them on the server where the report says so, and for users with more than 60
contacts limits.subscriptionRequestsBurst.
Exit codes: 0 all as promised (dark: the objective held), 1 not so, 2 wrong usage.`;
}

/** Adds `roost load`, and the hidden command that its further processes are started with. */
export function addLoadCommand(
  program: Command,
  host: CliHost,
  exit: (code: number) => void,
): void {
  const command = program.command("load [scenario]")
    .description("put a server under load, or watch it with synthetic users (--dark)")
    .addHelpText("after", scenarioHelp())
    .allowExcessArguments(false);
  for (const [flags, doc] of OPTIONS) command.addOption(new Option(flags, doc));
  command.action(async (scenario: string | undefined, given: RawLoadOptions) => {
    const data = given["data"] ?? host.env["ROOST_DATA"];
    const { filesMax } = host;
    const raw = data === undefined ? given : { ...given, data };
    const request = readRequest(scenario ?? null, raw, { filesMax });
    if ("length" in request) throw new UsageError(...request);
    // Loaded late: other commands should not wait for it.
    const [{ loadPorts }, { perform }] = await Promise.all([
      import("./ports.ts"),
      import("./perform.ts"),
    ]);
    exit(await perform(loadPorts(host, request.quiet), request));
  });
  program.command(WORKER_COMMAND, { hidden: true })
    .allowExcessArguments(false)
    .action(async () => {
      const { runWorker } = await import("./worker_main.ts");
      await runWorker(host);
    });
}
