// @ts-check
/** What a client says of itself: in the first frame or request of a link, and in every request. */

/**
 * @import * as Api from "../client.d.ts"
 * @import { ClientRecord } from "./record.js"
 * @import { Who } from "./types.d.ts"
 */

/**
 * The headers of a request of who is signed in.
 * @param {ClientRecord} record
 * @returns {Record<string, string>}
 */
export function headersOf({ who }) {
  const { token, jwt, device } = /** @type {Who} */ (who);
  const named = jwt === undefined || device === null ? {} : { "roost-device": device };
  return { authorization: `Bearer ${token ?? jwt}`, ...named };
}

/**
 * What a link to `url` opens with: a WebSocket sends `hello`, long-poll `opening` with `headers`.
 * @param {string} url
 * @param {ClientRecord} record
 * @param {{
 *   label: string | undefined,
 *   presence: Api.OwnPresence | null | undefined,
 *   end: string | null
 * }} how
 */
export function greetingOf(url, record, { label, presence, end }) {
  const { token, jwt, device } = /** @type {Who} */ (record.who);
  const { session, cursorText: after } = record;
  const opening = {
    ...(session === null ? {} : { session }),
    ...(after === null ? {} : { after }),
    ...(presence === undefined ? {} : { presence }),
    ...(end === null ? {} : { end }),
  };
  const hello = {
    t: "hello",
    v: 1,
    auth: token === undefined ? { jwt } : { token },
    ...(device === null ? {} : { device }),
    ...(label ? { label } : {}),
    client: "roost-client/1",
    ...opening,
  };
  return { url, hello, headers: headersOf(record), opening };
}
