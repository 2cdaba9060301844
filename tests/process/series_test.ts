/** Every series of `/metrics` moves when what it is about happens (issue 9, A17). */
import assert from "node:assert/strict";
import { Drive } from "./series_drive.ts";
import { openMetered } from "./metered_node.ts";
import { STEPS } from "./series_steps.ts";
import { tempDir } from "./server.ts";

const SETTINGS = {
  "server.bind": "127.0.0.1:0",
  "log.level": "error",
  "presence.graceMs": "100",
  "presence.flushIntervalMaxMs": "1000",
  "timeouts.helloTimeoutMs": "300",
  "timeouts.pingIntervalMs": "1000",
  "timeouts.stalledMs": "200",
  "limits.connectionsMax": "60",
  "limits.frameBytesMax": "8192",
  "limits.messageBytesMax": "4096",
  "limits.extBytesMax": "0",
  "limits.statusBytesMax": "1000",
  "limits.signalBytesMax": "4096",
  "limits.receivedBurst": "20000",
  "limits.outboxBytesMax": "16384",
  "limits.sendsPerSecond": "10",
  "limits.sendsBurst": "50",
  "limits.framesPerSecond": "100",
  "limits.framesBurst": "600",
  "limits.presencePerSecond": "1",
  "limits.presenceBurst": "12",
  "limits.signalsPerSecond": "1",
  "limits.signalsBurst": "2",
  "limits.subscriptionRequestsBurst": "3",
  "limits.subscriptionRequestsPerHour": "1",
  "limits.requestsPerAddressPerSecond": "40",
  "registration.perAddressBurst": "9",
  "registration.perAddressPerHour": "1",
  "auth.accountFailuresBurst": "1",
  "auth.passwordQueueMax": "2",
  "auth.passwordConcurrency": "1",
  "admission.signInLagMs": "60000",
  "admission.connectionLagMs": "60000",
  "admission.writeLagMs": "60000",
  "gateway.privateTargets": "true",
  "gateway.requestsPerSecond": "1",
  "gateway.requestsBurst": "20",
  "gateway.webhookEventsMax": "100",
  "gateway.webhookRetryMinMs": "100",
  "gateway.webhookRetryMaxMs": "100",
  "experiments.offlineGrace": "control=50,short=50",
} as const;

/** Series that this test does not move, by the beginning of their names, and why. */
const UNMOVED: Readonly<Record<string, string>> = {
  "roost_build_info": "is always 1",
  "roost_reload": "what is metered has no settings file; reload_test.ts",
  "roost_certificate": "needs an authority; reload_test.ts, acme_test.ts",
  "roost_start_time_seconds": "does not change",
  "process_start_time_seconds": "does not change",
  "process_max_fds": "does not change",
  "roost_messages_refused_total{": "codes that a send of a test cannot get all; too_large moves",
  'roost_messages_silently_refused_total{cause="full"}':
    "needs 20,000 messages at once; silent_refusals_test.ts",
  'roost_messages_silently_refused_total{cause="gone"}':
    "needs messages on their way to an account that is deleted; silent_refusals_test.ts",
  'roost_sessions_ended_total{reason="slow"}': "needs full kernel buffers; hostile_test.ts",
  'roost_connections_bad_total{fault="unread"}': "needs full kernel buffers; ws_flood_test.ts",
  "roost_listener_reopened_total": "needs a process without file descriptors; descriptors_test.ts",
  "roost_retries_total{": "MOVED_PARTS says which move; the rest need a faulty store or shard",
  "roost_sign_ins_total{": "MOVED_PARTS says which kinds and results move",
  "roost_sign_ins_waiting": "needs 64 sign-ins in one turn; sign_in_queue_test.ts",
  "roost_sign_ins_deferred_total": "needs 20,000 sign-ins; sign_in_queue_test.ts",
  'roost_admission_refused_total{kind="connection",reason="overload"}': "admission_test.ts",
  'roost_admission_refused_total{kind="write",reason="overload"}': "admission_test.ts",
  'roost_admission_refused_total{kind="signIn",reason="overload"}': "admission_test.ts",
  'roost_admission_refused_total{kind="signIn",reason="draining"}':
    "a moment of the end; admission_test.ts",
  'roost_admission_refused_total{kind="connection",reason="draining"}':
    "a moment of the end; admission_test.ts",
  'roost_rate_limited_total{limit="searches"}': "needs 16 MiB to be searched; search_test.ts",
  "roost_push_waiting": "needs a push service that is away; push_test.ts",
  "roost_push_services_failing": "needs a push service that is away; push_test.ts",
  "roost_damaged_records_total{": "needs a damaged store; store_damage_test.ts",
  "roost_clock_offset_seconds": "needs a second node; clock_offset_test.ts",
  "roost_ready": "is 0 for a moment while a fenced shard reloads; reload_test.ts",
};

/** Series of which only some move by themselves: these do. */
const MOVED_PARTS: readonly string[] = [
  'roost_messages_refused_total{code="bad_request"}',
  'roost_messages_refused_total{code="too_large"}',
  'roost_messages_refused_total{code="rate_limited"}',
  'roost_retries_total{kind="probe"}',
  'roost_retries_total{kind="webhook"}',
  'roost_sign_ins_total{kind="password",result="ok"}',
  'roost_sign_ins_total{kind="password",result="refused"}',
  'roost_sign_ins_total{kind="password",result="limited"}',
  'roost_sign_ins_total{kind="password",result="busy"}',
  'roost_sign_ins_total{kind="scram",result="ok"}',
  'roost_sign_ins_total{kind="scram",result="refused"}',
  'roost_sign_ins_total{kind="token",result="ok"}',
  'roost_sign_ins_total{kind="token",result="refused"}',
  'roost_sign_ins_total{kind="issuer",result="refused"}',
  'roost_sign_ins_total{kind="register",result="ok"}',
  'roost_sign_ins_total{kind="register",result="refused"}',
  'roost_sign_ins_total{kind="register",result="limited"}',
];

Deno.test("every exported series moves", async () => {
  using dir = tempDir();
  const node = await openMetered(dir.path, SETTINGS);
  const drive = new Drive(node);
  await node.look();
  const failures: string[] = [];
  for (const [name, step] of Object.entries(STEPS)) {
    await step(drive).catch((error) => {
      failures.push(`${name}: ${error}`);
    });
    await node.look();
  }
  await drive.end();
  const unmoved = node.series.unmoved().filter((name) =>
    MOVED_PARTS.includes(name) || !Object.keys(UNMOVED).some((prefix) => name.startsWith(prefix))
  );
  assert.deepEqual({ failures, unmoved }, { failures: [], unmoved: [] });
});
