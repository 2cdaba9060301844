/** Mutants of takeovers and reshards. */
import { inFile, inTested, type Mutant } from "./mutant.ts";

/** See the head of this file. */
export const TAKEOVER: readonly Mutant[] = [
  ...inFile(
    "shard/table/table.ts",
    [
      "forget the log of a shard that is replaced",
      "if (upTo >= s.start) inherits.push({ log: s.id, upTo });",
      "void upTo;",
    ],
    [
      "number the log of a successor from the beginning",
      "const start = Math.max(...old.map((s) => lastLsn.get(s.id)!)) + 1;",
      "const start = 1;",
    ],
  ),
  ...inFile(
    "server/node/resharder.ts",
    [
      "delete logs that are still needed",
      "if (!shard.writable || !shard.includes(upTo)) needed",
      "if (!shard.writable) needed",
    ],
    [
      "lose what was buffered for shards that are replaced",
      "      dispatch.release(change.shards);\n      const { of, at }",
      "      const { of, at }",
    ],
  ),
  ...inFile(
    "server/store/fences.ts",
    [
      "skip the fence",
      "return fence !== undefined && fence.epoch === epoch && fence.head !== null;",
      "return fence !== undefined && fence.head !== null;",
    ],
  ),
  ...inFile(
    "server/node/takeovers.ts",
    [
      "keep the state of a shard that was fenced",
      "    if (this.#parts.cell === null) this.takeOver(shard, () => {});",
      "    if (this.#parts.cell === null) this.#parts.ownership.takeOver(shard.id, () => true, () => {});",
    ],
    [
      "forget what the former owner of a shard was asked",
      "    this.#repeat(fresh, old.takeBegun());\n",
      "",
    ],
    [
      "begin a request anew that was begun for another account",
      "dispatch.submit(shard, id === undefined ? input : callers.begun(input, id));",
      "dispatch.submit(shard, input);",
    ],
  ),
  ...inFile(
    "shard/step/incoming.ts",
    [
      "tell presence before all sessions are announced",
      "    if (settling.withholdsFrom(input.node)) return settling.withhold(input);\n",
      "",
    ],
  ),
  ...inTested(
    "shard/step/incoming.ts",
    "tests/scenario/shard_waits_test.ts",
    [
      "end an interest before it is registered",
      "    this.#interests.end(input.node, input.watched);\n",
      "",
    ],
    [
      "take an interest for ended that is asked again",
      "    this.#interests.asked(input);\n",
      "",
    ],
  ),
  ...inTested(
    "shard/step/shard.ts",
    "tests/scenario/cell_lost_edges_test.ts",
    [
      "keep what a dead node has asked of a shard that reads its log",
      "this.#recovery.ofEdge(node)];",
      'this.#recovery.ofEdge("" as NodeId)];',
    ],
  ),
  ...inTested("server/node/shares.ts", "tests/scenario/cell_orders_test.ts", [
    "leave shards of an owner that one has met without an owner",
    "if (!this.#hasSpread(clock.monoMs())) this.#met.add(peer);",
    "",
  ]),
  ...inTested("server/node/cell.ts", "tests/scenario/cell_orders_test.ts", [
    "read the row of a node that has just begun with the next beat only",
    "if (this.#members.rowOf(peer) === null) this.#members.read(() => this.#expect());",
    "",
  ]),
  ...inTested(
    "shard/step/incoming.ts",
    "tests/scenario/cell_lost_edges_test.ts",
    [
      "keep the sessions of an edge that does not return",
      "if (attached?.node !== node) return;",
      "if (attached?.node !== node || attached !== null) return;",
    ],
  ),
  ...inTested(
    "server/node/lost_edges.ts",
    "tests/unit/lost_edges_test.ts",
    [
      "go on ending sessions of an edge that has returned",
      "for (const cancels of [this.#edges, this.#ending]) {",
      "for (const cancels of [this.#edges]) {",
    ],
  ),
  ...inTested(
    "server/edge/own_presence.ts",
    "tests/unit/edge_announce_test.ts",
    [
      "leave a session that its shard does not know",
      'set.code === "unauthorized" && this.#unknown()',
      'set.code === "unauthorized" && this.#unknown === null',
    ],
  ),
  ...inTested(
    "server/node/cell.ts",
    "tests/unit/late_unlink_test.ts",
    [
      "keep the sessions of a process whose successor was linked before its link broke",
      "if (this.#stopped || ended && !linked) return;",
      "if (this.#stopped || ended) return;",
    ],
  ),
  ...inTested(
    "shard/step/recovery.ts",
    "tests/scenario/returning_test.ts",
    [
      "let the time pass in which clients may return while a shard does not serve",
      "    this.#turn.presence.serves(this.#turn.now.mono);\n",
      "",
    ],
  ),
  ...inTested(
    "server/node/cluster_orders.ts",
    "tests/unit/cluster_orders_test.ts",
    [
      "forget who has left when its node is taken out again",
      "if (process === null || process.incarnation < before) return rest;",
      "if (process === null) return { ...rest, left: state.left.filter((n) => n.id !== id) };",
    ],
    [
      "let a process leave again that has left",
      "(state) => state.left.some((left) => sameNode(left, node)) ? null : change(state),",
      "change,",
    ],
    [
      "take a node out whose last process is linked and has no row yet",
      "      peer.id === id && peer.incarnation",
      "      peer.id === node?.id && peer.incarnation",
    ],
  ),
  ...inTested(
    "server/node/giving.ts",
    "tests/unit/giving_test.ts",
    [
      "give a shard away while its new owner or the store is busy",
      "if (!slow || tries === REHEARSALS_MAX) return",
      "if (slow || !slow || tries === REHEARSALS_MAX) return",
    ],
    [
      "take rehearsals that are always slow for unusual",
      "Math.max(QUICK_MS, 2 * this.#usualMs)",
      "Math.max(QUICK_MS, 0 * this.#usualMs)",
    ],
  ),
  ...inTested(
    "shard/presence/settling.ts",
    "tests/unit/settling_test.ts",
    [
      "tell presence to a node that returns before it has announced its sessions",
      "return this.#nodes.has(node) || this.withholdsPresence;",
      "return this.withholdsPresence;",
    ],
  ),
  ...inFile(
    "server/edge/packets.ts",
    [
      "forget to announce to a new owner",
      "        else this.#announcer.announce(packet.lo, packet.hi, packet.epoch, packet.lossy === true);\n",
      "",
    ],
  ),
  ...inTested(
    "server/edge/announcer.ts",
    "tests/unit/edge_announce_test.ts",
    [
      "announce sessions, but no interests",
      "    for (const asked of registrations(lo, hi, this.#sessions.all())) {",
      "    for (const asked of registrations(lo, lo, this.#sessions.all())) {",
    ],
  ),
  ...inFile(
    "server/edge/watched.ts",
    [
      "apply the presence of an old epoch",
      "return epoch > this.epoch || (epoch === this.epoch && version > this.version);",
      "return epoch !== this.epoch || version > this.version;",
    ],
    [
      "take the presence of a new epoch for old",
      "return epoch > this.epoch || (epoch === this.epoch && version > this.version);",
      "return version > this.version;",
    ],
  ),
  ...inFile(
    "shard/presence/presence.ts",
    [
      "take who may return after a restart for offline",
      "    return this.#awaited.has(p) || !p.known && this.returning.active;\n",
      "    return this.#awaited.has(p) || p.known && !this.returning.active;\n",
    ],
  ),
  ...inFile(
    "server/edge/own_presence.ts",
    [
      "announce the presence of the time of sign-in",
      "if (set.ok) this.#known = presence;",
      "",
    ],
  ),
  ...inTested(
    "server/edge/own_presence.ts",
    "tests/unit/own_presence_test.ts",
    [
      "ask for a presence while another one is asked for",
      "if (this.#underWay === 0) return",
      "if (this.#underWay >= 0) return",
    ],
    [
      "announce a presence that waits for another one",
      "return this.#underWay > 0 ? this.#said : this.#known;",
      "return this.wanted;",
    ],
  ),
  ...inFile(
    "server/edge/session.ts",
    [
      "miss the events of the time without an owner",
      "    this.feed.heard(out.seq);\n    if (this.#phase",
      "    if (this.#phase",
    ],
    [
      "go on watching whom one may not see since the time without an owner",
      "    else this.#shared.watchers.rewatch(this, out.watch);\n",
      "",
    ],
  ),
  ...inTested(
    "server/node/peer_requests.ts",
    "tests/unit/broken_link_test.ts",
    [
      "take the refusal of one copy of a request for that of all",
      "(!settled || of?.peer !== by)",
      "of?.peer !== by",
    ],
    [
      "wait for replies to copies that a broken link has ended",
      "peers.filter((p) => p !== peer)",
      "peers",
    ],
  ),
  ...inTested(
    "server/node/callers.ts",
    "tests/unit/broken_link_test.ts",
    [
      "refuse as busy what a former owner may have done",
      'new Set(["unauthorized", "busy"])',
      'new Set(["unauthorized"])',
    ],
    [
      "let a caller set the next while a copy of what was done is on its way",
      "if (!result.ok || !mayUndo(op)) return result.ok;",
      "if (request > 0) return result.ok;",
    ],
    [
      "forget that one copy of a request was done where the last one was not",
      "waiting.known ?? last",
      "last",
    ],
  ),
  ...inTested(
    "server/node/remote.ts",
    "tests/unit/broken_link_test.ts",
    [
      "give up a request while a copy of it may be done",
      "if (mayUndo(op) && this.#asked.isUnderWay(request)) return;",
      "",
    ],
    [
      "begin a copy of a request that is under way",
      "if (shard === null || this.#served.joins({ peer: from.key, asked: frame.asked })) return;",
      "if (shard === null) return;",
    ],
  ),
  ...inTested(
    "server/node/served_requests.ts",
    "tests/unit/served_requests_test.ts",
    [
      "reply once to all copies of a request",
      "Array<Served>(copies)",
      "Array<Served>(Math.min(copies, 1))",
    ],
    [
      "reply over the next link before the copy that comes over it",
      "if (served.peer === peer) served.copies = 0;",
      "if (served.peer === peer) served.copies = 1;",
    ],
  ),
];
