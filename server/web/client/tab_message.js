// @ts-check
/** What the tabs of a shared client say to each other. */
import { RoostError } from "./error.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Mirror, Part } from "./mirror.js"
 */

/**
 * Something that the application asked for. `posted`: the leader of that time has it.
 * @typedef {{
 *   method: Method, args: readonly unknown[], posted: boolean,
 *   resolve: (value: never) => void, reject: (error: RoostError) => void
 * }} Call
 * @typedef {Exclude<keyof Api.Client, keyof Mirror | "on" | "close" | "passkeys" | "signInWithPasskey">} Method
 * @typedef {Pick<RoostError, "code" | "message" | "retryAfterMs" | "key" | "to" | "second">} Fault
 */

/**
 * What tabs say to each other; `to` is null for all. `ping` asks whether the leader runs. `term`
 * rises with each leader: what one of an earlier term says, which has slept, counts for nothing.
 * @typedef {{ k: "hello" | "ping", from: string }
 *   | { k: "call", from: string, id: number, method: Method, args: readonly unknown[] }
 *   | Told
 * } Message
 * `seq` is the position of the last event that the leader has shown.
 * @typedef {{ term: number } & Said} Told what a leader says
 * @typedef {{ k: "leader", to: string | null, whole: Part, seq: number }
 *   | { k: "pong" }
 *   | { k: "result", to: string, id: number, value?: unknown, fault?: Fault, part: Part }
 *   | { k: "event", event: keyof Api.Events, detail: unknown, fault?: Fault, part: Part }
 * } Said
 */

/**
 * An error as a message can have it.
 * @param {RoostError} error
 * @returns {Fault}
 */
export const faultOf = ({ code, message, retryAfterMs, key, to, second }) => ({
  code,
  message,
  retryAfterMs,
  key,
  to,
  second,
});

/** The error again. @param {Fault} fault */
export function errorOf({ code, message, retryAfterMs, key, to, second }) {
  return Object.assign(new RoostError(code, message, retryAfterMs), { key, to, second });
}
