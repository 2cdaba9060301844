/** Ways to break what the nodes of a cell promise each other; each runs on cells of three nodes. */
import { HOLD, inTested, type Mutant } from "./mutant.ts";

type Row = readonly [name: string, file: string, find: string, replace: string];

const ROWS: readonly Row[] = [
  [
    "serve on an expired lease",
    "server/node/members.ts",
    "return this.leaseAgeMs < LEASE_MS;",
    "return this.leaseAgeMs < Infinity;",
  ],
  [
    "renew a lease without a look at the owners",
    "server/node/cell.ts",
    "      this.#look.beat(beganMs);",
    "      this.#members.renew(beganMs);\n      this.#look.look();",
  ],
  [
    "vouch with a fresh lease",
    "server/node/vouching.ts",
    "if (this.#members.leased || !this.#members.hasLooked) return false;",
    "if (!this.#members.hasLooked) return false;",
  ],
  [
    "serve without a lease and without a majority",
    "server/node/vouching.ts",
    "return votes.length >= majorityOf(view.length);",
    "return votes.length > 0;",
  ],
  [
    "name nobody else in one's row",
    "server/node/members.ts",
    "const view = [this.#id, ...this.others.map(({ id }) => id)];",
    "const view = [this.#id];",
  ],
  [
    "take over from a node that others may vouch for",
    "server/node/consents.ts",
    "left.length < majorityOf(row.view.length)",
    "left.length < Infinity",
  ],
  [
    "vouch for a node that this one has agreed to take over",
    "server/node/vouching.ts",
    "if (agreed !== undefined && (this.#members.rowOf(from)?.beat ?? 0) <= agreed) return false;",
    "",
  ],
  [
    "count a vote for ever",
    "server/node/vouching.ts",
    "return node === id || nowMs - (this.#votes.get(node) ?? -Infinity) < VOUCH_MS;",
    "return node === id || this.#votes.has(node);",
  ],
  [
    "conclude an append that waits for the store without its head",
    "server/node/committer.ts",
    "if (head === rows.at(-1)!.lsn) this.#host.committed(shard, batch);",
    "if (rows.length > 0) this.#host.committed(shard, batch);",
  ],
  [
    "take over early",
    "server/node/members.ts",
    "return this.#readMs - seen.silentFromMs < TAKEOVER_MS;",
    "return this.#readMs - seen.silentFromMs < 1;",
  ],
  [
    "keep a shard that another node has claimed",
    "server/node/takeovers.ts",
    "    this.#parts.map.remove(shard);\n    this.#call(shard, null);",
    "    this.#call(shard, null);",
  ],
  [
    "forget to ask for sessions after a link is there again",
    "server/node/shares.ts",
    '      this.#host.send(peer, { kind: "edge", shard, epoch, packet });\n',
    "      void packet;\n",
  ],
  [
    "reuse an incarnation",
    "server/node/ownership.ts",
    "incarnation: last + 1",
    "incarnation: Math.max(1, last)",
  ],
  [
    "apply an old owner",
    "shard/table/table.ts",
    "if (known === undefined || known.epoch < s.epoch) return s;",
    "if (known === undefined) return s;",
  ],
  [
    "drop what waits for an owner",
    "server/node/parked.ts",
    "if (this.#inputs.length < ALL_MAX) {",
    "if (this.#inputs.length < 0 * ALL_MAX) {",
  ],
  [
    "withhold without a bound",
    "server/node/withheld.ts",
    "if (this.#effects.length > withheldMax) this.#tooLoud(this.#loudest());",
    "if (withheldMax === 0) this.#tooLoud(this.#loudest());",
  ],
  [
    "forget what was withheld",
    "server/node/withheld.ts",
    "if (!shard.ended) this.#host.execute(shard, effect);",
    "void [shard, effect];",
  ],
  [
    "keep the interests of a lost edge",
    "server/node/lost_edges.ts",
    'if (watched.length > 0) dispatch.submit(shard, { kind: "uninterest", node: edge, watched });',
    "void watched;",
  ],
  [
    "skip the fence in a cell",
    "server/store/fences.ts",
    "return fence !== undefined && fence.epoch === epoch && fence.head !== null;",
    "return fence !== undefined && epoch > 0 && fence.head !== null;",
  ],
  [
    "skip the fence in a cell, and write over what the next owner has written",
    "server/store/fences.ts",
    "return this.isCurrent(batch) && this.#shards.get(batch.shard)!.head === batch.from - 1;",
    "return this.#shards.get(batch.shard) !== undefined;",
  ],
  [
    "advance the heads of shards whose append was refused with another's",
    "server/store/fenced_store.ts",
    "if (stale.length > 0) return this.#refuse(stale, done);\n    const mutations: Mutation[] = [];",
    `for (const b of stale.length > 0 ? batches : []) {
      if (!stale.includes(b.shard)) this.#fences.get(b.shard)!.head! += b.records.length;
    }
    if (stale.length > 0) return this.#refuse(stale, done);
    const mutations: Mutation[] = [];`,
  ],
  [
    "grant a shard without raising its epoch",
    "server/store/fenced_store.ts",
    "epoch: epoch + 1, owner, head: null",
    "epoch, owner, head: null",
  ],
  [
    "apply an old table",
    "server/node/owner_look.ts",
    "if (stored.version > map.table.version && !this.#seen.writing()) {",
    "if (stored.version !== map.table.version && !this.#seen.writing()) {",
  ],
  [
    "repeat a request for a later account of the name",
    "server/v1/command.ts",
    "return account === undefined ? router : router.forAccount?.(account) ?? router;",
    "return account === undefined ? router : router;",
  ],
  [
    "forget that an edge no longer watches",
    "shard/step/incoming.ts",
    "for (const name of input.watched) presence.removeInterest(name, input.node);",
    "void input;",
  ],
  [
    "serve a shard that was given away",
    "server/node/giving.ts",
    "    this.#host.given(shard);\n    dispatch.release([shard]);",
    "    dispatch.release([shard]);",
  ],
  [
    "ack an append before the process that has the store writes it",
    "server/store/store_server.ts",
    "        return this.#appends.append(request.batches, () => !this.#ended, this.#done(n));",
    `        this.#reply(n, null, { kind: "done", n });
        return this.#appends.append(request.batches, () => !this.#ended, () => {});`,
  ],
  [
    "leave a change of the shards to a coordinator that has died",
    "server/node/coordinator.ts",
    'if (work?.state !== "running" || this.#isLive(work.by)) return;',
    'if (work?.state !== "running" || this.#isLive(work.by) || work.id > 0) return;',
  ],
  [
    "change shards without those of other nodes",
    "server/node/coordinator.ts",
    "const away = rows.find(({ owner }) => !sameNode(owner, target));",
    "const away = rows.find(({ owner }) => owner === null);",
  ],
  [
    "end a change of the shards before its last step",
    "server/node/coordinator.ts",
    "const [step] = stepsTo(table, work.goal);",
    "const [, step] = stepsTo(table, work.goal);",
  ],
  [
    "refute a suspicion as of before",
    "server/gossip/swim.ts",
    "this.#refuted = update.refuted + 1;",
    "this.#refuted = update.refuted;",
  ],
  [
    "forget to announce sessions to a new owner at another node",
    "server/node/takeovers.ts",
    '    cell?.announce(fresh.row, { kind: "announce", lo, hi, epoch });\n',
    "",
  ],
  [
    "reload a shard that another node has taken",
    "server/node/takeovers.ts",
    "!fresh.ended && !stopped() && (cell === null || sameNode(owner, ownership.self));",
    "!fresh.ended && !stopped() && (cell === null || owner !== undefined);",
  ],
  [
    "change a shard between the writes of a large head",
    "shard/step/account_cache.ts",
    "return this.#loading.size === 0 && !this.writing;",
    "return this.#loading.size === 0 && this.#saving.size === 0;",
  ],
  [
    "leave shards at a drained node",
    "server/node/shares.ts",
    "const wanted = live.filter((node) => !control.isDrained(node));",
    "const wanted = live;",
  ],
  [
    "let a node leave with its shards",
    "server/node/cluster_orders.ts",
    "    if (map.table.shards.some(({ owner }) => owner?.id === id)) return false;\n" +
    "    if (id === self.id) return map.shards.length === 0;",
    "    if (id === self.id) return true;",
  ],
  [
    "forget where a shard was moved by order",
    "server/node/shares.ts",
    "wanted.length > 0 ? wanted : live, places)",
    "wanted.length > 0 ? wanted : live)",
  ],
  [
    "ack before the store in a cell",
    "shard/step/shard_turn.ts",
    HOLD,
    `if (effect.kind === "reply") account = null;\n    ${HOLD}`,
  ],
];

const VOTES = "tests/scenario/cell_votes_test.ts";
const LATE = "tests/scenario/cell_late_frames_test.ts";
const GIVEN = "tests/scenario/cell_given_test.ts";

/** What few seeds have: more nodes, and frames that arrive later. */
const TESTED: readonly Mutant[] = [
  ...inTested("server/gossip/swim.ts", "tests/unit/swim_test.ts", [
    "probe for others whom it does not know",
    "if (!this.#members.has(target)) return",
    "if (target === from) return",
  ], [
    "leave it to chance who learns what a node says of itself",
    "    } else if (member !== undefined && member.told !== this.#said) {",
    "    } else if (member !== undefined && member.told < 0) {",
  ], [
    "never state oneself again to a node that was not known",
    "    member.probed = true;\n    member.told = 0;",
    "    member.probed = true;",
  ]),
  ...inTested("server/node/shares.ts", LATE, [
    "take a shard that was given away and claimed again",
    "    if (row.epoch > epoch) return false;\n",
    "    if (row.epoch > epoch) {\n" +
    "      this.#claim([{ ...row, owner: null }], () => {});\n" +
    "      return true;\n    }\n",
  ]),
  ...inTested("server/node/giving.ts", GIVEN, [
    "forget that clients may return to a shard that is given away",
    "if (cell!.lost.keys().length > 0) {",
    "if (cell!.lost.keys().length < 0) {",
  ]),
  ...inTested("server/node/takeovers.ts", GIVEN, [
    "ask the new owner twice for what was held for it",
    "if (id !== undefined) dispatch.route(callers.begun(input, id));",
    "dispatch.route(id === undefined ? input : callers.begun(input, id));",
  ]),
  ...inTested("server/node/dispatch.ts", "tests/unit/repeated_once_test.ts", [
    "ask the new owner twice for what has waited for a lease",
    "    this.elsewhere?.forgetWaiting(shard);\n",
    "",
  ]),
  ...inTested("server/node/remote.ts", LATE, [
    "wait for the reply of a former owner",
    "return row?.owner != null && row.epoch > epoch;",
    "return row === null;",
  ]),
  ...inTested("server/node/remote.ts", "tests/unit/broken_link_test.ts", [
    "forget that a former owner may have done what the next one is asked",
    "    callers.repeats(asked);\n",
    "",
  ], [
    "use the reply of a former epoch",
    "if (repeatable && row?.epoch !== of.epoch) {",
    "if (repeatable && row === undefined) {",
  ]),
  ...inTested("server/node/served_requests.ts", "tests/unit/served_requests_test.ts", [
    "serve what was asked behind a refused request",
    "if (!refused.asked.has(asked) && nowMs - refused.atMs <= WAITS_MS) return true;",
    "",
  ], [
    "wait for a request that nobody asks for any more",
    "      refused.asked.delete(before);\n      if (before === asked) break;",
    "      if (before === asked) refused.asked.delete(before);",
  ]),
  ...inTested("server/node/remote.ts", "tests/unit/broken_link_test.ts", [
    "refuse a request without a word to what keeps their order",
    'if (asked.kind === "request") this.#served.refused(served, asked.name, nowMs);',
    "",
  ], [
    "serve a request before one that was refused",
    "if (isOwner && !waits) return shard;",
    "if (isOwner) return shard;",
  ]),
  ...inTested("server/node/shares.ts", "tests/scenario/cell_request_order_test.ts", [
    "ask a shard that is claimed before what waits for its owner",
    "    this.#host.ownersChanged();\n    const claims",
    "    const claims",
  ]),
  ...inTested("server/node/too_late.ts", "tests/scenario/cell_too_late_test.ts", [
    "send a write that may arrive after its caller's time",
    "return leftMs < WAY_MS &&",
    "return leftMs < 0 &&",
  ]),
  ...inTested("server/node/node.ts", "tests/scenario/cell_late_store_test.ts", [
    "wait at start for shards that others have taken over",
    "    parts.map.onRemoved = () => ports.timers.soon(() => this.#stopped || this.#turnEnded());\n",
    "",
  ]),
  ...inTested("server/node/resharder.ts", "tests/scenario/lone_usurped_test.ts", [
    "take another node's table for one's own",
    ": holder !== undefined && sameNode(holder.owner, ownership.self);",
    ": holder !== undefined;",
  ]),
  ...inTested("server/node/stored_accounts.ts", "tests/scenario/cell_listing_test.ts", [
    "list accounts without those of shards that change hands",
    "if (left.length === 0) return done(missing);",
    "if (left.length >= 0) return done(missing);",
  ]),
  ...inTested("server/node/peer_requests.ts", "tests/scenario/cell_silent_test.ts", [
    "ask a node that replies to nothing all the same",
    "if (state.prompt < SILENT_AT ||",
    "if (state.prompt >= 0 ||",
  ]),
  ...inTested("server/node/consents.ts", VOTES, [
    "take over while the last vote of an ended process counts",
    "this.#nowMs - endedMs >= VOUCH_OVER_MS;",
    "this.#nowMs >= endedMs;",
  ]),
  ...inTested("server/node/vouching.ts", "tests/unit/vouching_test.ts", [
    "forget what a former process has voted for",
    "this.#votedMs.get(key) ?? this.#beganMs ?? this.#nowMs;",
    "this.#votedMs.get(key) ?? -Infinity;",
  ]),
  ...inTested("server/node/members.ts", "tests/unit/vouching_test.ts", [
    "forget the nodes that a row named before owners are looked at",
    "[...before, { view, fromMs }];",
    "[{ view, fromMs }];",
  ]),
  ...inTested("server/node/members.ts", "tests/unit/members_test.ts", [
    "take a late row of an ended process for its next one's",
    "return row.incarnation < member.incarnation && (",
    "return row.incarnation > member.incarnation && (",
  ], [
    "take a process whose row was not read yet for dead",
    "    if (seen === undefined) return this.#isNewer(node, 0);",
    "    if (seen === undefined) return false;",
  ], [
    "take an owner for dead whose row is hidden",
    "return this.#isNewer(node, TAKEOVER_MS);",
    "return this.#isNewer(node, 0);",
  ]),
  ...inTested("server/store/served_store.ts", "tests/unit/served_store_test.ts", [
    "append twice what a lost connection leaves open",
    "    this.#asked = new Map();\n    if (!connected) {",
    "    this.#waiting.unshift(...this.#asked);\n    this.#asked = new Map();\n    if (!connected) {",
  ]),
  ...inTested("server/store/own_claims.ts", "tests/unit/served_store_test.ts", [
    "take every log that was once this process's for its own",
    "const mine = this.#epochs.has(log) && !this.#lost.has(log);",
    "const mine = this.#epochs.has(log);",
  ]),
  ...inTested("server/store/fenced_store.ts", "tests/unit/fenced_store_test.ts", [
    "forget an append that was under way while the claims were read",
    "if (same) fresh.head = fence.head;",
    "if (same && fresh === fence) fresh.head = fence.head;",
  ]),
  ...inTested("server/http/cell_callers.ts", "tests/unit/cell_callers_test.ts", [
    "count the connections of a node that has ended for ever",
    "if (nowMs - atMs < KEPT_MS) count",
    "if (nowMs >= atMs) count",
  ]),
];

/** See the head of this file. */
export const CELL: readonly Mutant[] = [
  ...ROWS.map(([name, file, find, replace]) => ({ name, file, find, replace, nodes: 3 })),
  ...TESTED,
];
