/** The commands of protocol v1 about the account itself: its devices, push messages, and sign-ins. */
import type { DeviceId } from "../../shard/name/ids.ts";
import { fail, ok } from "../../shard/errors.ts";
import type { Ops } from "../../shard/ops.ts";
import {
  asJson,
  type CommandContext,
  type Define,
  type Input,
  type Traits,
  WRITE,
} from "./command.ts";
import { fromBase64url } from "../push/p256.ts";

const NO_PUSH = fail("unsupported", "This server sends no push messages");

/** A push subscription as a shard keeps it. */
function targetOf(
  { endpoint, keys, service, token, content }: Input<"push">,
): Ops["push.set"]["in"]["target"] {
  const none = new Uint8Array(0);
  if (service !== undefined) {
    const of = { endpoint: token!, service, content: content ?? "sender" };
    return { ...of, p256dh: none, auth: none };
  }
  const [p256dh, auth] = [fromBase64url(keys!.p256dh)!, fromBase64url(keys!.auth)!];
  return { endpoint: endpoint!, p256dh, auth, content: content ?? "full", service: "" };
}

/** Push messages to devices. */
export function pushCommands(define: Define) {
  const set = "sends push messages to this device from now on";
  return {
    push: define("push", set, { cost: 2, write: true }, (ctx, input, done) => {
      if (ctx.limits.push === null) return done(NO_PUSH);
      const { device } = ctx;
      const target = targetOf(input);
      ctx.router.request(ctx.user, "push.set", { device, target }, asJson(done));
    }),
    unpush: define("unpush", "ends push messages to this device", WRITE, (ctx, _input, done) => {
      ctx.router.request(ctx.user, "push.remove", { device: ctx.device }, asJson(done));
    }),
    pushes: define("pushes", "lists the devices that get push messages", {}, (ctx, _i, done) => {
      ctx.router.request(ctx.user, "push.list", {}, (result) => {
        if (!result.ok) return done(result);
        // Who knows the rest of an endpoint can send to it.
        const shown = result.value.map(({ device, at, endpoint, content, service }) => ({
          device,
          at,
          service: service === "" ? new URL(endpoint).origin : service,
          content,
        }));
        done(ok(JSON.stringify(shown)));
      });
    }),
  };
}

/** Devices, and the ends of sessions. */
export function accountCommands(define: Define) {
  return {
    devices: define("devices", "lists my devices", {}, (ctx, _input, done) => {
      ctx.router.request(ctx.user, "device.list", {}, asJson(done));
    }),
    revoke: define("revoke", "revokes a device's token", WRITE, (ctx, input, done) => {
      const device = input.device as DeviceId;
      ctx.router.request(ctx.user, "device.revoke", { device }, asJson(done));
    }),
    password: define(
      "password",
      "changes the password and signs every other device out",
      { cost: 5, write: true },
      (ctx, input, done) => {
        const { user, address, device: keepDevice } = ctx;
        const change = {
          user,
          oldPassword: input.old,
          newPassword: input.new,
          keepDevice,
          address,
        };
        ctx.signIn.changePassword(change, asJson(done));
      },
    ),
    bye: define("bye", "signs the session out, keeps the token", { ends: true }, (_c, _i, done) => {
      done(ok(null));
    }),
    signout: define(
      "signout",
      "signs the session out and revokes the token",
      { ends: true },
      (ctx, _input, done) => {
        const { device } = ctx;
        ctx.router.request(ctx.user, "device.revoke", { device }, (result) => {
          // A device that signed in by an outside issuer has no token to revoke.
          const gone = result.ok || result.code === "not_found";
          done(gone ? ok(null) : result);
        });
      },
    ),
  };
}

/** Second factors. What they check costs as much as a password. */
export function factorCommands(define: Define) {
  const proves: Traits = { cost: 5, write: true };
  return {
    factors: define("factors", "tells my second factors", {}, (ctx, _input, done) => {
      ctx.signIn.factors.view(ctx.user, asJson(done));
    }),
    totp: define(
      "totp",
      "begins to set an authenticator app up",
      { cost: 5 },
      (ctx, input, done) => {
        ctx.signIn.factors.beginTotp({ ...callerOf(ctx), ...input }, asJson(done));
      },
    ),
    totp_on: define("totp_on", "sets an authenticator app up", proves, (ctx, input, done) => {
      ctx.signIn.factors.confirmTotp({ ...callerOf(ctx), ...input }, asJson(done));
    }),
    totp_off: define("totp_off", "removes the authenticator app", proves, (ctx, input, done) => {
      ctx.signIn.factors.removeTotp({ ...callerOf(ctx), ...input }, asJson(done));
    }),
    recovery: define("recovery", "makes new recovery codes", proves, (ctx, input, done) => {
      ctx.signIn.factors.renewRecovery({ ...callerOf(ctx), ...input }, asJson(done));
    }),
  };
}

/** Passkeys. What they prove costs as much as a password. */
export function passkeyCommands(define: Define) {
  const proves: Traits = { cost: 5, write: true };
  return {
    passkeys: define("passkeys", "lists my passkeys", {}, (ctx, _input, done) => {
      ctx.signIn.passkeys.list(ctx.user, asJson(done));
    }),
    passkey_ask: define(
      "passkey_ask",
      "begins to add a passkey, or to prove a change with one",
      { cost: 5 },
      (ctx, { at, new: isNew = false, ...proof }, done) => {
        const { passkeys } = ctx.signIn;
        if (!isNew) return passkeys.ask(ctx.user, at, asJson(done));
        passkeys.beginAdd({ ...callerOf(ctx), ...proof, at }, asJson(done));
      },
    ),
    passkey_add: define("passkey_add", "adds a passkey", proves, (ctx, input, done) => {
      ctx.signIn.passkeys.add({ ...callerOf(ctx), ...input }, asJson(done));
    }),
    passkey_name: define("passkey_name", "renames a passkey", WRITE, (ctx, input, done) => {
      ctx.signIn.passkeys.rename({ ...callerOf(ctx), ...input }, asJson(done));
    }),
    passkey_remove: define("passkey_remove", "removes a passkey", proves, (ctx, input, done) => {
      ctx.signIn.passkeys.remove({ ...callerOf(ctx), ...input }, asJson(done));
    }),
  };
}

function callerOf({ address, device, user }: CommandContext) {
  return { address, device, user };
}
