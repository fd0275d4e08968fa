// Where the time between two stages goes: the calls of one hand-over put in order along its critical path.

/** What comes after what; each segment ends where the next begins. `key` picks the attempt: the old one or the new. */
const path = [
  ["result said -> agent posts it", "ServeClient.events", "old", "from", "result"],
  ["ingest of result (HTTP and transaction)", "ServeClient.events", "old", "to", "result"],
  ["-> exit.json seen by the agent", "ServeClient.exit", "old", "from"],
  ["exit posted -> serve begins to record it", "recordExit", "old", "from"],
  ["exit recorded (transaction)", "recordExit", "old", "to"],
  ["-> look begins", "SnapshotReader.read", "", "from"],
  ["look: snapshot", "SnapshotReader.read", "", "to"],
  ["look: decide, cache looked up", "commitHappenings", "", "from"],
  ["look: commit", "commitHappenings", "", "to"],
  ["bell or sync -> launch read begins", "readLaunch", "new", "from"],
  ["launch read", "readLaunch", "new", "to"],
  ["answer -> engine starts", "ProcessEngine.start", "new", "from"],
  ["engine start (folder, job.json, spawn)", "ProcessEngine.start", "new", "to"],
];

/**
 * Milliseconds of each segment of the hand-over from `old` to `next` (attempt and marks in ns, as run.py writes them), or
 * undefined when a call is missing (its lines came in another batch). `calls` are sorted by begin.
 */
export function segmentsOf(calls, old, next) {
  const said = old.said / 1e6;
  const named = [["commit of the artifact, result said", said - old.end / 1e6]];
  let at = said;
  for (const [title, name, which, edge, type] of path) {
    const key = { old: old.attempt, new: next.attempt }[which];
    // A look that began before the exit was recorded cannot have seen it.
    const call = calls.find(
      (one) =>
        one.name === name &&
        (key === undefined || one.key === key) &&
        (type === undefined || one.extra?.includes(type)) &&
        (edge === "to" || one.from >= at - 0.05 || which !== "") &&
        one.to >= at - 0.05,
    );
    if (call === undefined) return undefined;
    named.push([title, call[edge] - at]);
    at = call[edge];
  }
  named.push(["-> first line of Python", next.born / 1e6 - at]);
  named.push(["Python: imports, started on disk, body begins", (next.begin - next.born) / 1e6]);
  const begun = next.begin / 1e6;
  const ingest = calls.find((one) => one.name === "ingestEvents" && one.key === next.attempt);
  if (ingest) {
    named.push(["(beside: started -> its ingest begins)", ingest.from - begun]);
    named.push(["(beside: ingest of started)", ingest.to - ingest.from]);
  }
  return named;
}
