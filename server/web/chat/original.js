// @ts-check
/** Finds the message that a reply names, wherever it is. Nothing here touches the page. */
import { t } from "./texts.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Timeline } from "./timeline.js"
 */

/** Pages that are read at most, and the messages of each. */
const PAGES_MAX = 25;
const PAGE = 200;

/**
 * The position of the message that a reply names; what the timeline does not have is looked for in
 * the pages before it. Throws where it is not there any more, or too far up.
 * @param {Pick<Timeline, "named" | "oldest">} timeline
 * @param {Api.Named} of
 * @param {(where: { readonly before?: number, readonly limit: number }) => Promise<Api.Page>} read
 */
export async function positionOf(timeline, of, read) {
  const known = timeline.named(of);
  if (known !== undefined) return known.seq;
  let before = timeline.oldest;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const page = await read({ limit: PAGE, ...(before === undefined ? {} : { before }) });
    const found = page.events.find((event) =>
      event.k === "message" && event.num === of.num && (event.out === true) === (of.out === true)
    );
    if (found !== undefined) return found.seq;
    before = page.events[0]?.seq;
    if (!page.more || before === undefined) break;
  }
  throw new Error(t.message.notFound);
}
