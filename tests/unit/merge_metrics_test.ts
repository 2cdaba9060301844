import assert from "node:assert/strict";
import { mergeMetrics } from "../../server/ops/merge_metrics.ts";

Deno.test("11: mergeMetrics labels every sample with its node and says once what a series is", () => {
  const text = (value: number) =>
    `# HELP roost_sessions Sessions {now}.
# TYPE roost_sessions gauge
roost_sessions ${value}

# HELP roost_commit_seconds Commits.
# TYPE roost_commit_seconds histogram
roost_commit_seconds_bucket{le="0.1",of="a b"} ${value}
roost_commit_seconds_sum 0.5
`;
  assert.equal(
    mergeMetrics([["n-1", text(1)], ["n-2", text(2)]]),
    `# HELP roost_sessions Sessions {now}.
# TYPE roost_sessions gauge
roost_sessions{node="n-1"} 1
roost_sessions{node="n-2"} 2

# HELP roost_commit_seconds Commits.
# TYPE roost_commit_seconds histogram
roost_commit_seconds_bucket{node="n-1",le="0.1",of="a b"} 1
roost_commit_seconds_sum{node="n-1"} 0.5
roost_commit_seconds_bucket{node="n-2",le="0.1",of="a b"} 2
roost_commit_seconds_sum{node="n-2"} 0.5
`,
  );
});
