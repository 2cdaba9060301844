/** The steps of what a cell remembers of the members. */
import assert from "node:assert/strict";
import {
  asked,
  founded,
  learned,
  MEMBERS_MAX,
  nextBallot,
  NO_MEMBERS,
  withMember,
  withoutMember,
} from "../../shard/federation/members.ts";
import type { CellName } from "../../shard/name/ids.ts";
import { NO_BALLOT } from "../../shard/federation/caspaxos.ts";

const [A, B] = ["a", "b"] as readonly string[] as readonly [CellName, CellName];

function member(cell: CellName) {
  return { cell, mark: `mark of ${cell}`, witness: false };
}

const FOUNDED = founded(member(A), "f");
const BOTH = withMember(FOUNDED.current, member(B))!;

Deno.test("12: a version adds or removes one cell, within bounds", () => {
  assert.deepEqual(BOTH.cells.map(({ cell }) => cell), [A, B]);
  assert.equal(BOTH.version, 2);
  assert.equal(withMember(BOTH, member(B)), null);
  assert.deepEqual(withoutMember(BOTH, A), { ...BOTH, version: 3, cells: [member(B)] });
  assert.equal(withoutMember(BOTH, "x" as CellName), null);
  assert.equal(withoutMember(FOUNDED.current, A), null);
  let many = FOUNDED.current;
  for (let i = 1; i < MEMBERS_MAX; i++) many = withMember(many, member(`c${i}` as CellName))!;
  assert.equal(withMember(many, member(B)), null);
});

Deno.test("12: a member votes on the version after the one it knows, and on no other", () => {
  const ballot = { counter: 1, cell: B };
  const ask = { kind: "prepare", ballot } as const;
  assert.deepEqual(asked(FOUNDED, A, 1, ask).reply, { kind: "decided", members: FOUNDED.current });
  assert.deepEqual(asked(FOUNDED, A, 3, ask).reply, { kind: "behind" });
  assert.deepEqual(asked(FOUNDED, B, 2, ask), { state: null, reply: { kind: "behind" } });
  const first = asked(FOUNDED, A, 2, ask);
  assert.equal(first.reply.kind, "vote");
  assert.deepEqual(first.state!.voter.promised, ballot);
  const lower = asked(first.state!, A, 2, { kind: "prepare", ballot: { counter: 1, cell: A } });
  assert.deepEqual(lower, {
    state: null,
    reply: {
      kind: "vote",
      vote: { kind: "refused", ballot: { counter: 1, cell: A }, promised: ballot },
    },
  });
});

Deno.test("12: no ballot is used twice, whatever a cell has promised", () => {
  const one = nextBallot(FOUNDED, A, NO_BALLOT);
  const two = nextBallot(one.state, A, NO_BALLOT);
  const three = nextBallot(two.state, A, { counter: 9, cell: B });
  assert.deepEqual([one, two, three].map(({ ballot }) => ballot.counter), [1, 2, 10]);
});

Deno.test("12: what was decided is taken once; a cell that is not in it any more is out", () => {
  const joined = learned(NO_MEMBERS, B, BOTH)!;
  assert.deepEqual([joined.current, joined.out], [BOTH, false]);
  assert.equal(learned(joined, B, BOTH), null);
  assert.equal(learned(joined, B, { ...BOTH, version: 9, federation: "another" }), null);
  const out = learned(joined, B, withoutMember(BOTH, B)!)!;
  assert.equal(out.out, true);
  const further = withMember(out.current, member("c" as CellName))!;
  assert.equal(learned(out, B, further)!.out, true);
  assert.equal(learned(out, B, withMember(out.current, member(B))!)!.out, false);
});
