/** Proposals about the homes of names. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { AccountName, CellName } from "../../shard/name/ids.ts";
import { AccountState } from "../../shard/account/account.ts";
import type { Ballot } from "../../shard/federation/caspaxos.ts";
import { HomeRounds, type RoundsHost } from "../../shard/step/home_rounds.ts";
import { Retries } from "../../shard/retry.ts";
import type { ShardTurn } from "../../shard/step/shard_turn.ts";
import type { Cells } from "../../shard/federation/cells.ts";

const SELF = "zz" as CellName;
const VOTERS = ["aa", "bb"] as CellName[];

/** Proposals of a cell that is no voter, about one name, whose register is durable. */
function proposer(account: AccountState) {
  const asked: (readonly [CellName, Ballot])[] = [];
  const host: RoundsHost = {
    say: (_account, cell, message) => {
      if (message.kind === "prepare") asked.push([cell, message.ballot]);
    },
    vote: () => {
      throw new Error("it is no voter");
    },
    set: (_account, register) => void (account.register = register),
    chosen: () => {},
  };
  const retries = new Retries({ leastMs: 0, baseMs: 10, capMs: 20, askedMaxMs: 20 });
  const turn = { now: { mono: 0, wall: 0 }, retries, writable: true } as unknown as ShardTurn;
  const rounds = new HomeRounds(turn, { self: SELF, voters: VOTERS } as unknown as Cells, host);
  return { rounds, asked, go: () => rounds.go(account, () => SELF) };
}

Deno.test("12: a cell that is no voter uses no ballot twice, whatever it forgets", () => {
  const account = new AccountState("anna" as AccountName, 0);
  const used = new Set<number>();
  for (let start = 0; start < 3; start++) {
    const { asked, go } = proposer(account);
    go();
    deepEqual(asked.map(([cell]) => cell), VOTERS);
    for (const [, { cell }] of asked) equal(cell, SELF);
    const { counter } = asked[0]![1];
    ok(!used.has(counter), `${counter} again`);
    used.add(counter);
  }
});

Deno.test("12: a round that was overtaken is followed by one above that", () => {
  const account = new AccountState("anna" as AccountName, 0);
  const { asked, go, rounds } = proposer(account);
  go();
  rounds.overtaken(account, { counter: 7, cell: "aa" as CellName });
  go();
  equal(asked.at(-1)![1].counter, 8);
});
