import assert from "node:assert/strict";
import fc from "fast-check";
import { MessageBook } from "../../server/load/message_book.ts";
import { PresenceBook, showOf, SHOWS } from "../../server/load/presence_book.ts";

const RING = { users: 6, contacts: 2 };

/** Watcher 0 with contacts 1 (slot 0) and 5 (slot 1), all online. */
function presence(): PresenceBook {
  const book = new PresenceBook(RING, 0, 6);
  for (let user = 0; user < 6; user++) {
    book.next(user);
    book.signedIn(user, false);
  }
  return book;
}

Deno.test("showOf goes through all shows", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5].map(showOf), [...SHOWS, "online"]);
});

Deno.test("PresenceBook: what is delivered, overtaken and missing adds up to what was changed", () => {
  const versions = fc.uniqueArray(fc.integer({ min: 2, max: 60 }), { maxLength: 30 });
  fc.assert(fc.property(versions, (arriving) => {
    const book = presence();
    book.received(0, 1, 1, true);
    book.received(0, 5, 1, true);
    book.resetCounts();
    for (let i = 0; i < 59; i++) book.next(1);
    for (const version of arriving.sort((a, b) => a - b)) {
      assert.ok(book.received(0, 1, version, true));
    }
    const { delivered, coalesced, backwards, repeated } = book.counts;
    const truth = new Int32Array([1, 60, 1, 1, 1, 1]);
    for (const user of [1, 2, 3, 4, 5]) book.signedOut(user);
    const { missing, stale, compared } = book.compare(truth);
    assert.equal(delivered + coalesced + missing, 59);
    assert.equal(delivered, arriving.length);
    assert.equal(stale, arriving.includes(60) ? 0 : 1);
    assert.deepEqual([backwards, repeated, compared], [0, 0, 2]);
  }));
});

Deno.test("PresenceBook: versions that go back, wrong shows and strangers are distinguished", () => {
  const book = presence();
  assert.ok(book.received(0, 1, 5, true));
  assert.ok(!book.received(0, 1, 5, true));
  assert.ok(!book.received(0, 1, 4, true));
  assert.ok(!book.received(0, 1, 6, false));
  assert.ok(!book.received(0, 3, 1, true));
  book.wentOffline(0, 3, 1);
  const { initial, repeated, backwards, wrong, delivered } = book.counts;
  assert.deepEqual([initial, repeated, backwards, wrong, delivered], [1, 1, 1, 3, 0]);
  book.resetCounts();
  assert.deepEqual([book.counts.backwards, book.counts.wrong, book.counts.initial], [1, 3, 0]);
});

Deno.test("PresenceBook: who returns with the same presence is no news, with another it is", () => {
  const book = presence();
  assert.ok(book.received(0, 1, 5, true));
  book.wentOffline(0, 1, 1000);
  assert.ok(!book.received(0, 1, 5, true));
  book.wentOffline(0, 1, 2000);
  book.wentOffline(0, 1, 3000);
  assert.ok(book.received(0, 1, 6, true));
  assert.equal(book.counts.offline, 3);
  assert.equal(book.counts.initial, 3);
});

Deno.test("PresenceBook.compare: offline contacts are to be offline or unknown, not online", () => {
  const book = presence();
  book.received(0, 1, 1, true);
  for (const user of [1, 2, 3, 4, 5]) book.signedOut(user);
  assert.equal(book.compare(book.truth()).stale, 1);
  book.wentOffline(0, 1, 1);
  assert.deepEqual(book.compare(book.truth()), { compared: 2, missing: 0, stale: 0 });
  // A session that goes on remembers; a new one knows nothing.
  book.received(0, 1, 1, true);
  book.signedIn(0, true);
  assert.equal(book.compare(book.truth()).stale, 1);
  book.signedIn(0, false);
  assert.equal(book.compare(book.truth()).stale, 0);
});

Deno.test("PresenceBook.falseOffline: what a new session is first shown is no change", () => {
  const book = presence();
  book.received(0, 1, 1, true);
  book.signedIn(0, false);
  book.wentOffline(0, 1, 5000);
  const [gone, back] = [new Float64Array(6).fill(4000), new Float64Array(6).fill(9000)];
  assert.equal(book.falseOffline(gone, back, 10_000), 0);
});

Deno.test("PresenceBook.received tells changes from arrivals", () => {
  const book = presence();
  assert.equal(book.received(0, 1, 1, true), "arrival");
  assert.equal(book.received(0, 1, 2, true), "change");
  assert.equal(book.received(0, 1, 2, true), null);
  book.wentOffline(0, 1, 1);
  assert.equal(book.received(0, 1, 3, true), "arrival");
});

Deno.test("PresenceBook.falseOffline: only while away, and only for those back within the grace", () => {
  const book = presence();
  book.received(0, 1, 1, true);
  book.wentOffline(0, 1, 5000);
  const away = (gone: number, back: number) =>
    book.falseOffline(
      new Float64Array([0, gone, 0, 0, 0, 0]),
      new Float64Array([0, back, 0, 0, 0, 0]),
      10_000,
    );
  assert.equal(away(4000, 9000), 1);
  assert.equal(away(4000, 14_000), 0);
  assert.equal(away(6000, 9000), 0);
  assert.equal(away(1000, 4000), 0);
  assert.equal(away(0, 0), 0);
});

Deno.test("PresenceBook.refused takes a version back, unless a newer one was given", () => {
  const book = presence();
  assert.equal(book.next(2), 2);
  book.refused(2, 2);
  assert.equal(book.version(2), 1);
  assert.equal(book.next(2), 2);
  assert.equal(book.next(2), 3);
  book.refused(2, 2);
  assert.equal(book.version(2), 3);
});

/** Two workers' books over one ring, as several processes have them. */
function messages() {
  return [new MessageBook(RING, 0, 3), new MessageBook(RING, 3, 6)] as const;
}

function truthOf(books: readonly MessageBook[]): Int32Array {
  return new Int32Array(books.flatMap((book) => [...book.truth()]));
}

Deno.test("MessageBook: everything accepted and received in order is right, across books", () => {
  const [low, high] = messages();
  // 2 → 3 and 3 → 2 cross from one book to the other.
  for (let i = 1; i <= 5; i++) {
    assert.equal(low.next(2, 0), i);
    low.accepted(2, 0);
    high.received(3, 2, i, i);
    high.next(3, 1);
    high.accepted(3, 1);
    low.received(2, 3, 100 + i, i);
  }
  const truth = truthOf([low, high]);
  assert.deepEqual(low.compare(truth), { accepted: 5, missing: 0, surplus: 0 });
  assert.deepEqual(high.compare(truth), { accepted: 5, missing: 0, surplus: 0 });
  const { received, outOfTurn, skipped, reordered, wrong } = high.counts;
  assert.deepEqual([received, outOfTurn, skipped, reordered, wrong], [5, 0, 0, 0, 0]);
});

Deno.test("MessageBook: losses, repetitions, jumps and strangers are distinguished", () => {
  const [low, high] = messages();
  for (let i = 1; i <= 6; i++) {
    low.next(2, 0);
    low.accepted(2, 0);
  }
  high.received(3, 2, 1, 1);
  high.received(3, 2, 1, 1);
  high.received(3, 2, 4, 4);
  high.received(3, 2, 3, 3);
  high.received(3, 2, 5, 2);
  high.received(3, 0, 1, 1);
  const { received, outOfTurn, skipped, reordered, wrong } = high.counts;
  assert.deepEqual([received, outOfTurn, skipped, reordered, wrong], [3, 2, 2, 1, 1]);
  assert.equal(high.compare(truthOf([low, high])).missing, 3);
});

Deno.test("MessageBook: an undelivered message is not expected to arrive; an unaccepted one is surplus", () => {
  const [low, high] = messages();
  low.next(2, 0);
  low.accepted(2, 0);
  low.undelivered(2, 3);
  assert.deepEqual(high.compare(truthOf([low, high])), { accepted: 0, missing: 0, surplus: 0 });
  assert.equal(low.counts.undelivered, 1);
  high.received(3, 2, 1, 1);
  assert.equal(high.compare(truthOf([low, high])).surplus, 1);
});
