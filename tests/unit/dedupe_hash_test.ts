import { deepEqual, equal, notDeepEqual } from "node:assert/strict";
import { digestTexts, hashKeyOf, hashText } from "../../shard/message/dedupe_hash.ts";

/** Key 00 01 … 07, and text whose UTF-16 is 00 01 02 …, as in the authors' reference code. */
const KEY = { k0: 0x03020100, k1: 0x07060504 };
const text = (units: number) =>
  String.fromCharCode(...Array.from({ length: units }, (_, i) => 2 * i | (2 * i + 1) << 8));

function hex({ first, second }: { first: number; second: number }): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(0, first, true);
  new DataView(bytes.buffer).setUint32(4, second, true);
  return bytes.toHex();
}

Deno.test("hashText is HalfSipHash-2-4 with 64 bits: the authors' vectors of 0, 2, 4, 6, 8 bytes", () => {
  const vectors = [
    "218d1f59b9b83cc8",
    "06 4f 39 ef 7c 50 eb 57",
    "d5 e7 8a 17 5b e5 2e a1",
    "ce 3e 91 35 8a a2 bc 25",
    "ed fe e8 20 bc e4 85 8c",
  ];
  vectors.forEach((wanted, units) => {
    equal(hex(hashText(KEY, text(units))), wanted.replaceAll(" ", ""), `${units} units`);
  });
});

Deno.test("digestTexts tells where one text ends and the next begins", () => {
  const lists = [["ab", "c", ""], ["a", "bc", ""], ["abc", "", ""], ["", "abc", ""], [
    "",
    "",
    "abc",
  ]];
  const seen = new Set([...lists, ["abc"], ["abc", ""]].map((l) => hex(digestTexts(KEY, l))));
  equal(seen.size, 7);
  deepEqual(digestTexts(KEY, ["a", "b"]), digestTexts(KEY, ["a", "b"]));
});

Deno.test("hashKeyOf gives every account another key", () => {
  const keys = Array.from({ length: 1000 }, (_, i) => hashKeyOf(`account${i}`));
  equal(new Set(keys.map(({ k0, k1 }) => `${k0} ${k1}`)).size, 1000);
  notDeepEqual(hashText(keys[0]!, "m1"), hashText(keys[1]!, "m1"));
});
