/** Samples of the records of factors, for `record_samples.ts`. */
const AT = 1_700_000_000_123;

/** See the head of this file. */
export const FACTOR_SAMPLES = {
  factors: {
    kind: "factors",
    factors: {
      totp: { secret: new Uint8Array([1, 2, 3]), at: AT, lastStep: 56_666_666 },
      recovery: [new Uint8Array([4, 5]), new Uint8Array([6])],
    },
  },
  "no factors": { kind: "factors", factors: { totp: null, recovery: [] } },
  passkeys: {
    kind: "passkeys",
    passkeys: [{
      id: new Uint8Array([7, 8, 9]),
      publicKey: new Uint8Array([165, 1, 2]),
      counter: 300,
      name: "Al’s key",
      at: AT,
      usedAt: AT + 1,
      rpId: "example.com",
      transports: ["internal", "hybrid"],
      synced: true,
    }],
    used: [{ challenge: new Uint8Array([5, 6]), until: AT + 2 }],
  },
  "no passkeys": { kind: "passkeys", passkeys: [], used: [] },
} as const;
