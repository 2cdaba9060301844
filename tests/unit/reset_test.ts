import assert from "node:assert/strict";
import { ok, type Result } from "../../shard/errors.ts";
import { mintReset, parseReset } from "../../server/auth/reset_code.ts";
import { resetMaker } from "../../server/ops/resets.ts";
import type { AccountId } from "../../shard/name/ids.ts";
import { createSignIn } from "../../server/auth/sign_in.ts";
import type { Router } from "../../server/node/router.ts";
import type { Verified } from "../../server/auth/types.ts";
import { NodeFixture } from "../sim/node_fixture.ts";
import {
  ADDRESS,
  answerOf,
  answersOf,
  codeOf,
  countingRandom,
  nameOf,
  openSignIn,
} from "./sign_in_fixture.ts";

const GOOD = "correct horse";

/** A sign-in over a real node, with an account and a link for it. */
function open(validMs = 60_000) {
  const w = new NodeFixture();
  const opened = openSignIn();
  const router: Router = {
    ...opened.deps.router,
    request: (name, op, input, done) => done(w.ask(name, op, input)),
  };
  const { clock, timers } = w.ports;
  const signIn = createSignIn({ ...opened.deps, clock, router, timers }, opened.options);
  const { id } = w.must("bob", "account.create", { credentials: null });
  const link = resetMaker(
    { clock, random: countingRandom() },
    router,
    validMs,
    "https://chat.example",
  );
  const made = answerOf<{ code: string; link?: string | undefined }>((done) =>
    link(nameOf("bob"), done)
  );
  if (!made.ok) throw new Error(made.message);
  const set = (code: string, password = GOOD): Result<null> =>
    answerOf((done) => signIn.resetPassword({ code, password, address: ADDRESS }, done));
  const signInWith = (password: string) => {
    const answers = answersOf<Verified>((done) =>
      signIn.password({ user: "bob", password, address: ADDRESS }, done)
    );
    w.settle(1000);
    return codeOf(answers[0]);
  };
  return { w, id, made: made.value, set, signInWith, link };
}

Deno.test("13: reset: a link sets one password, once", () => {
  const { made, set, signInWith } = open();
  assert.equal(made.link, `https://chat.example/#reset=${made.code}`);
  assert.equal(codeOf(set(made.code, "short")), "bad_request");
  assert.deepEqual(set(made.code), ok(null));
  assert.equal(signInWith(GOOD), "ok");
  assert.deepEqual(set(made.code), ok(null), "a repetition goes on");
  assert.equal(codeOf(set(made.code, "another password")), "forbidden");
  assert.equal(signInWith(GOOD), "ok");
});

Deno.test("13: reset: an old link, a changed one, and one of a former account are refused", () => {
  const late = open();
  late.w.settle(60_000);
  assert.equal(codeOf(late.set(late.made.code)), "forbidden");
  const { w, id, made, set } = open();
  const [, , secret] = made.code.split("_");
  const other = mintReset(nameOf("bob"), id, countingRandom()).replace(/_[^_]+$/, `_${secret}x`);
  for (const bad of ["", "rp1_x_y", made.code + "x", made.code.replace(/^rp1_./, "rp1_Z"), other]) {
    assert.equal(codeOf(set(bad)), "forbidden", bad);
  }
  w.must("bob", "account.remove", {});
  w.must("bob", "account.release", {});
  w.must("bob", "account.create", { credentials: null });
  assert.equal(codeOf(set(made.code)), "forbidden");
});

Deno.test("13: reset: guesses are limited, and only accounts get links", () => {
  const { set, link } = open();
  let codes: string[] = [];
  for (let i = 0; i < 102; i++) codes = [...codes, codeOf(set(`rp1_x_${i}`))];
  assert.equal(codes[0], "forbidden");
  assert.equal(codes.at(-1), "rate_limited");
  const none = answerOf((done: (r: Result<unknown>) => void) => link(nameOf("nobody"), done));
  assert.equal(codeOf(none), "not_found");
});

Deno.test("13: parseReset: reads what mintReset makes, and nothing else", () => {
  const id = "AAAAAAAAAAAAAAAA" as AccountId;
  const code = mintReset(nameOf("bob"), id, countingRandom());
  const read = parseReset(code)!;
  assert.deepEqual([read.user, read.id], ["bob", id]);
  assert.match(read.record, /^\/reset\/[\w-]{43}$/);
  assert.equal(parseReset(`${code}x`), null);
  assert.equal(parseReset("rp1_Ym9i_AAAAAAAAAAAAAAAAAAAAAA"), null, "no account");
});
