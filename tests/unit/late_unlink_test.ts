/** A link that breaks after the next process of its node was linked. */
import { deepEqual } from "node:assert/strict";
import { Cell, type CellHost } from "../../server/node/cell.ts";
import type { Members } from "../../server/node/members.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { NodeParts } from "../../server/node/parts.ts";
import { type PeerEvents, peerKey, type PeerLinks } from "../../server/node/peers.ts";

/** A node without shards and the events of its links. */
function fixture() {
  const peer = (incarnation: number) => {
    const ref = { id: "n2" as NodeId, incarnation };
    return { ...ref, key: peerKey(ref) };
  };
  const [former, next] = [peer(1), peer(2)];
  const self = { id: "n1" as NodeId, incarnation: 1 };
  const asked: string[] = [];
  const parts = {
    abroad: null,
    map: { shards: [], table: { shards: [] } },
    ownership: { self },
    options: { id: self.id },
    ports: {
      clock: { monoMs: () => 0 },
      log: { info: () => {}, warn: () => {} },
      timers: { after: () => () => {} },
    },
  } as unknown as NodeParts;
  let events: PeerEvents | null = null;
  const links = {
    address: "n1",
    start: (_: unknown, given: PeerEvents) => events = given,
    send: () => {},
  } as unknown as PeerLinks;
  const members = {
    others: [former],
    leased: true,
    beat: () => {},
    rowOf: () => former,
  } as unknown as Members;
  const cell = new Cell(() => parts, members, links, {} as CellHost);
  cell.start(() => {});
  const { remote } = cell;
  remote.unlinked = (key, gone) => void asked.push(`${key} ${gone}`);
  return { asked, cell, events: events!, former, next };
}

Deno.test("11: sessions of a process end whose link breaks after its successor was linked", () => {
  const { asked, cell, events, former, next } = fixture();
  events.linked(former);
  events.linked(next);
  deepEqual(cell.lost.keys(), []);
  events.unlinked(former, false);
  deepEqual(cell.lost.keys(), [former.key]);
  deepEqual(asked, [`${former.key} true`], "what it was asked is not waited for");
  // As often as it is dialled in vain.
  events.unlinked(former, true);
  deepEqual(asked.length, 1);
});
