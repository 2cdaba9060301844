/** How frames of a link that follow each other closely become one write. */
import assert from "node:assert/strict";
import { LinkSide } from "./link_side.ts";
import type { LinkOptions } from "../../server/peer/link.ts";

/** Both sides of an open link, with a clock that the test sets. */
function openLink() {
  let nowMs = 1000;
  const due: { readonly atMs: number; readonly run: () => void }[] = [];
  const given: Partial<LinkOptions> = {
    clock: { wallMs: () => nowMs, monoMs: () => nowMs },
    timers: {
      after: (delayMs, run) => {
        due.push({ atMs: nowMs + delayMs, run });
        return () => {};
      },
      soon: (run) => void due.push({ atMs: nowMs, run }),
    },
  };
  const [dialler, listener] = [new LinkSide("dialler", given), new LinkSide("listener", given)];
  for (let i = 0; i < 2; i++) {
    const said = dialler.said();
    for (const bytes of listener.said()) dialler.take(bytes);
    for (const bytes of said) listener.take(bytes);
  }
  assert.deepEqual([dialler.open, listener.open], [true, true]);
  const advance = (ms: number) => {
    const untilMs = nowMs + ms;
    for (let at; (at = due.findIndex(({ atMs }) => atMs <= untilMs)) >= 0;) {
      const [{ atMs, run }] = due.splice(at, 1) as [typeof due[0]];
      nowMs = Math.max(nowMs, atMs);
      run();
    }
    nowMs = untilMs;
  };
  advance(0);
  dialler.said();
  return { dialler, listener, advance };
}

Deno.test("11: a frame after a pause is written at once, those soon after it together", () => {
  const { dialler, listener, advance } = openLink();
  const send = (version: number) => dialler.link.send({ kind: "table", version });
  send(1);
  advance(0);
  const first = dialler.said();
  assert.equal(first.length, 1);
  for (const version of [2, 3]) {
    advance(0.5);
    send(version);
  }
  advance(0);
  assert.deepEqual(dialler.said(), []);
  advance(3);
  const rest = dialler.said();
  assert.equal(rest.length, 1);
  for (const bytes of [...first, ...rest]) listener.take(bytes);
  assert.deepEqual(listener.frames.map((f) => f.kind === "table" && f.version), [1, 2, 3]);
});
