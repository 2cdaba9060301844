/** The settings of services that pass push messages on. */
import { deepEqual, throws } from "node:assert/strict";
import { configOf } from "../../server/config/config.ts";

const GOOD = { id: "phones", url: "https://push.example.org/notify", secretFile: "secret" };

function configured(...services: readonly object[]) {
  return configOf("/data", { "push.services": JSON.stringify(services) }).push.services;
}

Deno.test("13: push.services takes https, and http on this machine; its files are absolute", () => {
  const [service] = configured(GOOD);
  deepEqual(service, { ...GOOD, secretFile: "/data/secret" });
  configured({ ...GOOD, url: "http://127.0.0.1:9000/notify" });
});

Deno.test("13: push.services refuses what a secret must not travel to, and one id twice", () => {
  const wrong = [
    { ...GOOD, url: "http://push.example.org/notify" },
    { ...GOOD, url: "https://user@push.example.org/notify" },
    { ...GOOD, url: "https://push.example.org/notify?key=1" },
    { ...GOOD, url: "push.example.org" },
    { ...GOOD, id: "With Space" },
    { ...GOOD, secretFile: "" },
    { ...GOOD, more: "fields" },
  ];
  for (const service of wrong) {
    throws(() => configured(service), /push\.services/, JSON.stringify(service));
  }
  throws(() => configured(GOOD, { ...GOOD, secretFile: "other" }), /id phones twice/);
});
