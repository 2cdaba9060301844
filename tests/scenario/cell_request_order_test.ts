/** The order of an account's requests where the shard of the account gets another owner. */
import { equal } from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { CellNodes } from "./cell_nodes.ts";

const NAME = "zoe" as AccountName;

Deno.test("11: what waited for an owner is done before what is asked of a shard that is claimed", () => {
  const cell = new CellNodes(2, 2);
  const { nodes, cell: links } = cell.cluster;
  const owner = nodes.find((n) => n.running.node.owns(NAME))!;
  const asked = nodes.find((n) => n !== owner)!;
  const { node } = asked.running;
  let created = false;
  node.request(NAME, "account.create", { credentials: null }, ({ ok }) => created = ok);
  cell.await("an account", () => created, 3000);
  links!.cut(asked.id, owner.id, true);
  cell.await("the end of their link", () => links!.linkedMs(asked.id, owner.id) === 0, 6000);
  owner.kill();
  const done: string[] = [];
  const disable = (disabled: boolean) =>
    node.request(NAME, "account.setDisabled", { disabled }, (result) => {
      done.push(`${disabled} ${result.ok ? "ok" : result.code}`);
    });
  disable(true);
  cell.await("a claim", () => node.owns(NAME), 9000);
  // Its shard has not even been granted.
  disable(false);
  cell.await("two replies", () => done.length === 2, 9000);
  equal(done.join(), "true ok,false ok");
});
