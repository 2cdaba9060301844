/** Making a token for a device of an account. */
import { type AccountName, type DeviceId, newId } from "../../shard/name/ids.ts";
import { ok, type Result } from "../../shard/errors.ts";
import type { Ports } from "../node/ports.ts";
import type { Router } from "../node/router.ts";
import type { FactorProof, PasswordProof } from "../../shard/ops.ts";
import { hashToken, mintToken } from "./token.ts";
import type { MintedToken } from "./types.ts";

/** What it needs. */
export interface MintDeps extends Pick<Ports, "clock" | "random"> {
  readonly router: Pick<Router, "request">;
}

/** Whose token, for which device, and for how long. */
export interface MintInput {
  readonly user: AccountName;
  /** null: a new random one. */
  readonly device: DeviceId | null;
  readonly label: string;
  readonly lifetimeMs: number;
  readonly proof: PasswordProof;
  /** Is known to the account from then on; null: nothing new is known. */
  readonly place: number | null;
  /** The second factor that was proved. */
  readonly factor?: FactorProof | undefined;
  /** None is needed. */
  readonly exempt?: true | undefined;
}

/** Makes and stores a token; of a device that has one already it takes the place. */
export function mintForDevice(
  { clock, random, router }: MintDeps,
  { user, device: wanted, label, lifetimeMs, proof, place, factor, exempt }: MintInput,
  done: (result: Result<MintedToken>) => void,
): void {
  const device = wanted ?? newId<DeviceId>(random.bytes(12));
  const token = mintToken(user, random);
  const expiresAt = clock.wallMs() + lifetimeMs;
  const tokenHash = hashToken(token);
  const known = place === null ? {} : { place };
  const second = {
    ...(factor === undefined ? {} : { factor }),
    ...(exempt === undefined ? {} : { exempt }),
  };
  const row = { device, label, tokenHash, expiresAt, proof, ...known, ...second };
  router.request(
    user,
    "device.add",
    row,
    (result) => done(result.ok ? ok({ token, device, expiresAt }) : result),
  );
}
