/** The command that serves: it starts a server, reads its configuration again, and ends it. */
import type { Cancel } from "../node/ports.ts";
import { shownSettings } from "../config/show.ts";
import { DASHBOARD_PATH } from "../web/dashboard_path.ts";
import { VERSION } from "../config/version.ts";
import { loadConfig, printWarnings } from "./config.ts";
import { type CliHost, EXIT } from "./host.ts";
import { type RunningRoost, StartEnded } from "./launcher.ts";
import { Reloader } from "./reloader.ts";

/**
 * Serves until a signal drains the node; a second signal does not wait. A signal that comes while
 * the node is starting drains it as soon as it serves: somebody may have got in already. One that
 * waits for its role in a standby ends at once.
 */
export async function start(
  host: CliHost,
  options: Parameters<typeof loadConfig>[1],
): Promise<number> {
  // From now on SIGHUP does not end the process.
  const reloader = new Reloader(host, () => loadConfig(host, options));
  let signals = 0;
  let stop: () => void = () => {};
  let ignore: Cancel = () => {};
  let unfeed: Cancel = () => {};
  const ending = new AbortController();
  const { serviceManager } = host;
  try {
    const loaded = await loadConfig(host, options);
    printWarnings(host, loaded);
    await reloader.watch(loaded);
    const { startRoost } = await host.launcher();
    // A place that waits for its role in a standby has started: it may wait for years.
    if (loaded.config.standby.at !== null) {
      serviceManager?.notify("READY=1", "STATUS=waits until it is the primary of its store");
    }
    unfeed = serviceManager?.feedWatchdog() ?? unfeed;
    const stopped = new Promise<number>((resolve) => {
      ignore = host.onSignal((signal) => {
        serviceManager?.notify("STOPPING=1", "STATUS=finishes accepted work");
        if (++signals > 1) return resolve(EXIT.failed);
        host.err(`roost: ${signal}: finishing accepted work; again to stop at once\n`);
        reloader.stop();
        ending.abort();
        stop();
      });
    });
    const { config, effective, input } = loaded;
    const starting = startRoost(config, shownSettings(effective), input, ending.signal);
    const running = await Promise.race([starting, stopped]);
    if (typeof running === "number") return running;
    stop = () => running.stop();
    const status = `STATUS=serves ${config.server.domain} at ${running.url}`;
    serviceManager?.notify("READY=1", status);
    tell(host, config.server.domain, running);
    if (signals > 0) stop();
    else reloader.begin(running, status);
    return await Promise.race([stopped, running.stopped]);
  } catch (error) {
    if (error instanceof StartEnded) return EXIT.ok;
    throw error;
  } finally {
    reloader.stop();
    unfeed();
    ignore();
  }
}

function tell(host: CliHost, domain: string, { admin, invite, url }: RunningRoost): void {
  host.out(`Roost ${VERSION} serves ${domain} at ${url}\n`);
  if (invite !== null) {
    host.out(`Registration needs an invite. The first one, for one account: ${invite}\n`);
  }
  if (admin !== null) {
    host.out(`The admin API listens at ${admin.url}; its token is in ${admin.tokenFile}\n`);
    host.out(`The dashboard is at ${admin.url}${DASHBOARD_PATH}\n`);
  }
}
