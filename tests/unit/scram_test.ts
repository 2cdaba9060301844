import assert from "node:assert/strict";
import fc from "fast-check";
import type { ScramKey, ScramMechanism } from "../../shard/ops.ts";
import {
  finishScram,
  hashNameOf,
  keysOf,
  parseClientFinal,
  parseClientFirst,
  startScram,
  startScramWithNonce,
} from "../../server/auth/scram.ts";
import { createScramClient, type ScramReply } from "../../server/auth/scram_client.ts";
import {
  decodeBase64,
  encodeBase64,
  escapeSaslName,
  parseAttributes,
  unescapeSaslName,
} from "../../server/auth/scram_text.ts";
import { syncKdf, syncScramCrypto } from "./sign_in_fixture.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

function makeKey(m: ScramMechanism, password: string, salt: Uint8Array, iterations: number) {
  let key: ScramKey | undefined;
  syncKdf.pbkdf2(hashNameOf(m), utf8(password), salt, iterations, (salted) => {
    key = { salt, iterations, ...keysOf(hashNameOf(m), salted) };
  });
  return key!;
}

/** The examples of RFC 5802 section 5 and RFC 7677 section 3. */
const EXAMPLES = [
  {
    mechanism: "SCRAM-SHA-1",
    clientNonce: "fyko+d2lbbFgONRv9qkxdawL",
    serverNonce: "3rfcNHYJY1ZVvWVs7j",
    salt: "QSXCR+Q6sek8bf92",
    proof: "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    verifier: "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
  },
  {
    mechanism: "SCRAM-SHA-256",
    clientNonce: "rOprNGfwEbeRWgbNEkqO",
    serverNonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
    proof: "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    verifier: "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
  },
] as const;

for (const example of EXAMPLES) {
  const { mechanism, clientNonce, serverNonce } = example;
  const key = makeKey(mechanism, "pencil", decodeBase64(example.salt)!, 4096);
  const nonce = clientNonce + serverNonce;
  const serverFirst = `r=${nonce},s=${example.salt},i=4096`;
  const clientFinal = `c=biws,r=${nonce},p=${example.proof}`;
  const start = () => {
    const first = parseClientFirst(`n,,n=user,r=${clientNonce}`);
    assert.ok(typeof first === "object");
    return startScramWithNonce(first, key, serverNonce);
  };

  Deno.test(`${mechanism}: the server speaks its RFC's example`, () => {
    assert.equal(start().message, serverFirst);
    const end = finishScram(mechanism, start(), key, clientFinal);
    assert.deepEqual(end, { ok: true, serverFinal: `v=${example.verifier}` });
  });

  Deno.test(`${mechanism}: the client speaks its RFC's example`, () => {
    const client = createScramClient(
      { user: "user", password: "pencil", nonce: clientNonce },
      syncScramCrypto(hashNameOf(mechanism)),
    );
    assert.equal(client.first, `n,,n=user,r=${clientNonce}`);
    let reply: ScramReply | null = null;
    client.reply(serverFirst, (r) => reply = r);
    assert.equal(reply!.message, clientFinal);
    assert.ok(reply!.proves(`v=${example.verifier}`));
    assert.ok(!reply!.proves(`v=${example.proof}`));
    assert.ok(!reply!.proves("e=other-error"));
  });

  Deno.test(`${mechanism}: the server refuses every changed part of a final message`, () => {
    const judge = (message: string) => {
      const end = finishScram(mechanism, start(), key, message);
      return end.ok ? "ok" : end.kind;
    };
    assert.equal(judge(clientFinal), "ok");
    const flipped = example.proof.replace(/^./, (c) => c === "A" ? "B" : "A");
    assert.equal(judge(clientFinal.replace(example.proof, flipped)), "wrong");
    // Extensions are signed too.
    assert.equal(judge(clientFinal.replace(",p=", ",x=1,p=")), "wrong");
    assert.equal(judge(clientFinal.replace("c=biws", "c=eSws")), "malformed");
    assert.equal(judge(clientFinal.replace(nonce, clientNonce)), "malformed");
    assert.equal(judge(clientFinal.replace(nonce, nonce + "x")), "malformed");
    assert.equal(judge(clientFinal.replace(",p=", ",m=1,p=")), "malformed");
    assert.equal(judge(clientFinal.replace(/.{5}$/, "")), "malformed");
    assert.equal(judge(clientFinal.replace(/p=.*$/, "p=AAAA")), "malformed");
    assert.equal(judge(clientFinal.replace(/,p=.*$/, "")), "malformed");
    assert.equal(judge(clientFinal + ",x=1"), "malformed");
    assert.equal(judge(""), "malformed");
  });
}

Deno.test("finishScram: only the password that the key was made of fits", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (right, given) => {
      const key = makeKey("SCRAM-SHA-256", right, utf8("salt of the key"), 2);
      const first = parseClientFirst("n,,n=user,r=abc");
      assert.ok(typeof first === "object");
      const start = startScram(first, key, new Uint8Array(18));
      const client = createScramClient(
        { user: "user", password: given, nonce: "abc", iterationsMin: 1 },
        syncScramCrypto("SHA-256"),
      );
      let message = "";
      client.reply(start.message, (reply) => message = reply!.message);
      const end = finishScram("SCRAM-SHA-256", start, key, message);
      assert.equal(end.ok, right === given);
    }),
    { examples: [["same", "same"]], numRuns: 200 },
  );
});

Deno.test("parseClientFirst: table", () => {
  const fault = (text: string) => {
    const parsed = parseClientFirst(text);
    return typeof parsed === "string" ? parsed : "ok";
  };
  const rows: readonly (readonly [string, string])[] = [
    ["n,,n=user,r=abc", "ok"],
    ["y,,n=user,r=abc", "ok"],
    ["n,a=user,n=user,r=abc", "ok"],
    ["n,,n=user,r=abc,x=an extension", "ok"],
    ["n,,n=us=2Cer=3D,r=abc", "ok"],
    ["n,,n=b\u00fccher,r=abc", "ok"],
    ["p=tls-unique,,n=user,r=abc", "binding"],
    ["n,,m=must,n=user,r=abc", "extension"],
    ["", "malformed"],
    ["n", "malformed"],
    ["n,,", "malformed"],
    ["x,,n=user,r=abc", "malformed"],
    ["N,,n=user,r=abc", "malformed"],
    ["n,n=user,r=abc", "malformed"],
    ["n,a=,n=user,r=abc", "malformed"],
    ["n,b=user,n=user,r=abc", "malformed"],
    ["n,,r=abc,n=user", "malformed"],
    ["n,,n=user", "malformed"],
    ["n,,n=,r=abc", "malformed"],
    ["n,,n=user,r=", "malformed"],
    ["n,,n=user,r=a b", "malformed"],
    ["n,,n=user,r=\u00fc", "malformed"],
    ["n,,n=us=er,r=abc", "malformed"],
    ["n,,n=us=2cer,r=abc", "malformed"],
    ["n,,n=user,r=abc,", "malformed"],
    ["n,,n=user,r=abc,extension", "malformed"],
    ["n,,n=us\0er,r=abc", "malformed"],
    ["n,,n=\ud800,r=abc", "malformed"],
    [`n,,n=user,r=${"a".repeat(256)}`, "ok"],
    [`n,,n=user,r=${"a".repeat(257)}`, "malformed"],
    [`n,,n=user,r=abc,x=${"a".repeat(5000)}`, "malformed"],
  ];
  for (const [text, wanted] of rows) assert.equal(fault(text), wanted, text.slice(0, 40));
});

Deno.test("parseClientFirst: gives the parts as they were written", () => {
  assert.deepEqual(parseClientFirst("y,a=o=2Cther,n=us=3Der,r=abc,x=1"), {
    gs2Header: "y,a=o=2Cther,",
    authzid: "o,ther",
    bare: "n=us=3Der,r=abc,x=1",
    user: "us=er",
    nonce: "abc",
  });
});

/** Messages close to valid ones: pieces in any order, with rubbish in between. */
const almost = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.array(
    fc.oneof(
      fc.constantFrom("n", "y", "p=x", "", "n=user", "r=abc", "m=x", "a=b", "c=biws", "p=AAAA"),
      fc.string({ maxLength: 5 }),
    ),
    { maxLength: 7 },
  ).map((parts) => parts.join(",")),
);

Deno.test("SCRAM parsers: never throw, and what they take can be put together again", () => {
  fc.assert(
    fc.property(almost, (text) => {
      const first = parseClientFirst(text);
      if (typeof first === "object") {
        assert.equal(first.gs2Header + first.bare, text);
        assert.ok(first.bare.startsWith(`n=${escapeSaslName(first.user)},r=${first.nonce}`));
      }
      const final = parseClientFinal(text);
      if (final !== null) {
        assert.equal(`${final.withoutProof},p=${encodeBase64(final.proof)}`, text);
      }
      const attributes = parseAttributes(text);
      if (attributes !== null) {
        assert.equal(attributes.map((a) => `${a.name}=${a.value}`).join(","), text);
      }
    }),
    { numRuns: 3000, examples: [["n,,n=user,r=abc"], ["c=biws,r=abc,p=AAAA"]] },
  );
});

Deno.test("unescapeSaslName: is the inverse of escapeSaslName", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", minLength: 1 }), (name) => {
    const escaped = escapeSaslName(name);
    assert.doesNotMatch(escaped, /,/);
    assert.equal(unescapeSaslName(escaped), name.includes("\0") ? null : name);
  }));
});

Deno.test("decodeBase64: takes exactly what encodeBase64 gives", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    assert.deepEqual(decodeBase64(encodeBase64(bytes)), bytes);
  }));
  for (const bad of ["A", "AA", "AA=", "AB==", "A===", "AAA=A", "AA==AA==", " AAAA", "AA-_", "="]) {
    assert.equal(decodeBase64(bad), null, bad);
  }
});

Deno.test("createScramClient: does not answer a server it must not trust", () => {
  const replied = (message: string) => {
    const client = createScramClient(
      { user: "user", password: "pencil", nonce: "abc" },
      syncScramCrypto("SHA-256"),
    );
    let reply: ScramReply | null | undefined;
    client.reply(message, (r) => reply = r);
    return reply !== null && reply !== undefined;
  };
  assert.ok(replied("r=abcd,s=AAAA,i=4096"));
  assert.ok(!replied("r=abcd,s=AAAA,i=4095"), "too few iterations");
  assert.ok(!replied("r=abcd,s=AAAA,i=10000001"), "too many iterations");
  assert.ok(!replied("r=abc,s=AAAA,i=4096"), "no nonce of the server");
  assert.ok(!replied("r=xabcd,s=AAAA,i=4096"), "another nonce");
  assert.ok(!replied("r=abcd,s=A,i=4096"), "no base64");
  assert.ok(!replied("r=abcd,s=AAAA,i=x"), "no number");
  assert.ok(!replied("m=x,r=abcd,s=AAAA,i=4096"), "an extension");
  assert.ok(!replied("e=unknown-user"), "an error");
});
