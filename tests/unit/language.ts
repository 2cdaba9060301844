/** The words that comments, docstrings, texts and documents avoid, and what they say instead. */

/** One entry of the style's table. */
export interface Avoided {
  readonly pattern: RegExp;
  readonly instead: string;
}

/** For prose: comments, strings and documents. */
export const AVOIDED_WORDS: readonly Avoided[] = [
  { pattern: /\bwhoever\b|\bwho asks\b/i, instead: "the caller, the client, the peer" },
  { pattern: /(?<!there )\b(?:is|are|was|were) no more\b(?! than)/i, instead: "was deleted" },
  { pattern: /\b(?:is|are) there\b(?=[.,;:)]| already)/i, instead: "exists" },
  { pattern: /\b(?:come|comes|came) back\b/i, instead: "returns, reconnects" },
  {
    pattern: /\b(?:come|comes|came|coming) to rest\b|\bat rest\b/i,
    instead: "quiesces, quiescent",
  },
  { pattern: /\baftermath\b|\b(?:make|makes|made) good\b/i, instead: "replays lost effects" },
  {
    pattern: /\b(?:hold|holds|held|holding) (?:\w+ )?back\b|\blets? go\b(?! on)/i,
    instead: "buffers, flushes, withholds, releases, limits",
  },
  {
    pattern: /\bdoorkeeper|\bfront ?door\b|\blobby\b|\bvisitors?\b/i,
    instead: "AdmissionControl, HttpServer, SignInQueue, entry",
  },
  {
    pattern: /\bnudg(?:e|es|ed)\b|\bseers?\b|\bpatience\b|\bblam(?:e|es|ed)\b|\blast words\b/i,
    instead: "rewatches, watchers, timeout, penalizes, final frame",
  },
  {
    pattern: /\bestrang|\bhaunt|\bstrand(?:s|ed)?\b|\bstunts?\b/i,
    instead: "partition, duplicate, delay, fault injection",
  },
  {
    pattern: /\b(?:a|an|the|one|this|of|each|its|simulated) (?:world|stage)s?\b/i,
    instead: "test cluster, fixture, environment",
  },
  { pattern: /\b(?:is|are|was|were|be|been|gets?) told\b/i, instead: "notified, learns, gets" },
  { pattern: /\b(?:see|sees|seen) to it\b/i, instead: "makes sure" },
  {
    pattern: /(?:; |, | and )answers (?:its|the|whether|what|null|0|true|false|how)\b/i,
    instead: "returns, of a function",
  },
];

/** For names in the code. */
export const AVOIDED_NAMES = /Doorkeeper|FrontDoor|Lobby|Visitor|\bWorld\b|[a-z]World\b|\bStage\b/;
