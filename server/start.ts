/** Wires a node: store, shards, edge, protocols, front door, admin socket; and takes it down. */
import type { Hono } from "hono";
import type { OfflineRoost, RunningRoost } from "./admin/launcher.ts";
import type { Config } from "./config.ts";
import type { EdgePacket } from "../shard/ops.ts";
import { adminDeps } from "./accounts.ts";
import { createAdminApp } from "./admin/api.ts";
import { createFront } from "./front.ts";
import { addProvisionRoute } from "./load/provision_route.ts";
import { listenAdmin } from "./admin/socket.ts";
import { type OpenNode, openNode } from "./open.ts";
import { systemProcess } from "./system/process.ts";

const DAY_MS = 86_400_000;
/** How long the log may take to be written before the process exits all the same (ms). */
const LAST_WORDS_MS = 1000;

function adminApp(config: Config, open: OpenNode): Hono {
  const inviteMs = config.registration.inviteDays * DAY_MS;
  const deps = adminDeps(open.node, open.ports, open.signIn, inviteMs);
  const app = createAdminApp(deps);
  addProvisionRoute(app, deps);
  return app;
}

/** Starts a node; see `Launcher`. */
export async function startRoost(config: Config): Promise<RunningRoost> {
  // The shards' packets find the edge once there is one; before that no session can exist.
  let deliver: (packet: EdgePacket) => void = () => {};
  const options = { makes: true, serves: true };
  const open = await openNode(config, (packet) => deliver(packet), options);
  const process = systemProcess();
  process.onFatal((cause) => {
    const stack = cause instanceof Error ? cause.stack : undefined;
    open.log.error("bug: the process ends", { error: String(cause), stack });
    open.ports.timers.after(LAST_WORDS_MS, () => process.exit(70));
    open.flushLog(() => process.exit(70));
  });
  try {
    const invite = await firstInvite(config, open);
    const front = await createFront(config, open, process);
    deliver = (packet) => front.deliver(packet);
    const admin = adminApp(config, open);
    front.addAdminRoutes(admin);
    const socket = await listenAdmin(admin, open.dir.adminSocketPath);
    open.log.info("serving", { url: front.url, domain: config.server.domain });
    let stopping = false;
    let resolve: (code: number) => void;
    const stopped = new Promise<number>((done) => resolve = done);
    const stop = () => {
      if (stopping) return;
      stopping = true;
      open.log.info("draining", { limitMs: config.timeouts.drainMs });
      front.drain()
        .then(() => socket.close())
        .then(() => open.close())
        .then(() => resolve(0), (error) => {
          open.log.error("drain failed", { error: String(error) });
          resolve(1);
        });
    };
    return { url: front.url, invite, stop, stopped };
  } catch (error) {
    await open.close();
    throw error;
  }
}

/** A server that needs invites prints one at its first start, or nobody could get in. */
async function firstInvite(config: Config, open: OpenNode): Promise<string | null> {
  if (config.registration.mode !== "invite") return null;
  const key = ["meta", "invited"];
  const { store } = open.ports;
  const invited = await new Promise<boolean>((done) =>
    store.read([key], (error, values) => done(error !== null || values[0] !== null))
  );
  if (invited) return null;
  const inviteMs = config.registration.inviteDays * DAY_MS;
  const deps = adminDeps(open.node, open.ports, open.signIn, inviteMs);
  const made = await new Promise<string | null>((done) =>
    deps.createInvite((result) => done(result.ok ? result.value.code : null))
  );
  await new Promise<void>((done) =>
    store.write([{ kind: "set", key, value: new Uint8Array([1]) }], () => done())
  );
  return made;
}

/** Opens the store for the admin API alone; see `Launcher`. */
export async function openOffline(config: Config, makes: boolean): Promise<OfflineRoost> {
  const quiet: Config = { ...config, log: { ...config.log, level: "warn" } };
  const open = await openNode(quiet, () => {}, { makes, serves: false });
  return { admin: adminApp(config, open), domain: open.signIn.domain, close: open.close };
}
