/** The admin API's route about settings: those of the node that is asked, and where others differ. */
import type { Asks } from "../node/asks.ts";
import type { Hono } from "hono";
import type { ShownSetting } from "../config/show.ts";
import { ok } from "../../shard/errors.ts";
import { question } from "../node/asks.ts";

/** A setting as a node has it. */
type Value = Pick<ShownSetting, "key" | "value">;

const VALUES = question<null, readonly Value[]>("config.values");

/** Settings that nodes of one cell need not have in common. */
const OWN: ReadonlySet<string> = new Set([
  "server.bind",
  "server.publicUrl",
  "server.tlsCert",
  "server.tlsKey",
  "admin.listen",
  "cell.listen",
  "cell.advertise",
  "cell.publicUrl",
  "cell.secretFile",
  "cells.listen",
  "cells.advertise",
  "cells.secretFile",
]);

function textOf(value: unknown): string {
  return JSON.stringify(value ?? null);
}

/**
 * Adds `GET /admin/config`: `differ` has the settings that another node has with another value.
 * `current` has those of this node, which reloads change.
 */
export function addConfigRoute(
  app: Hono,
  asks: Pick<Asks, "on" | "all">,
  current: () => readonly ShownSetting[],
): void {
  const values = () => current().map(({ key, value }) => ({ key, value }));
  asks.on(VALUES, (_, done) => done(ok(values())));
  app.get(
    "/admin/config",
    () =>
      new Promise<Response>((done) =>
        asks.all(VALUES, null, ({ replies, missing }) => {
          const settings = current();
          const mine = new Map(values().map(({ key, value }) => [key, textOf(value)]));
          const differ = replies.flatMap(({ node, value }) =>
            value.filter(({ key, value }) => {
              const own = mine.get(key);
              return own !== undefined && !OWN.has(key) && own !== textOf(value);
            }).map((setting) => ({ node, ...setting }))
          );
          done(Response.json({ settings, differ, missing }));
        })
      ),
  );
}
