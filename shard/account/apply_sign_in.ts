/** What the records of devices, and of where and as whom a user signs in, change. */
import type { AccountState } from "./account.ts";
import type { Entry } from "./records.ts";
import { ofStored, stored } from "./factors.ts";
import { endPush } from "./push_targets.ts";
import { withPlace } from "./known_places.ts";

type SignInEntry = Entry & {
  readonly kind:
    | "device_added"
    | "device_removed"
    | "place_known"
    | "identity_linked"
    | "factors"
    | "passkeys";
};

/** Changes `account` as the record says. */
export function applySignIn(account: AccountState, e: SignInEntry): void {
  switch (e.kind) {
    case "device_added":
      account.devices = account.devices.filter((d) => d.device !== e.device);
      account.devices.push({
        device: e.device,
        label: e.label,
        tokenHash: e.tokenHash,
        createdAt: e.at,
        expiresAt: e.expiresAt,
        usedAt: 0,
      });
      return;
    case "device_removed":
      account.devices = account.devices.filter((d) => d.device !== e.device);
      return endPush(account, e.device);
    case "place_known":
      account.knownPlaces = withPlace(account.knownPlaces, e.place, e.at);
      return;
    case "identity_linked":
      account.identities = [...account.identities.filter((i) => i !== e.identity), e.identity];
      return;
    case "factors":
      account.factors = ofStored({ ...stored(account.factors), ...e.factors });
      return;
    case "passkeys":
      account.factors = ofStored({
        ...stored(account.factors),
        passkeys: e.passkeys,
        used: e.used,
      });
      return;
  }
}
