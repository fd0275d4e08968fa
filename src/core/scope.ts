import { LegaloneError } from "./errors.ts";
import { unknownName } from "./suggest.ts";

interface Named {
  name: string;
  needs: readonly string[];
}

/** Names of the stages that `--from` begins afresh: that one and everything that depends on it; none without one. */
export function stagesFrom(stages: readonly Named[], from: string | undefined): Set<string> {
  const fresh = new Set<string>();
  if (from === undefined) return fresh;
  known(stages, from);
  for (const { name, needs } of stages) {
    if (name === from || needs.some((need) => fresh.has(need))) fresh.add(name);
  }
  return fresh;
}

/**
 * Names of a stage and of all that it needs, or of every stage without one.
 * @throws LegaloneError E_USAGE for a name that is no stage
 */
export function stagesUntil(stages: readonly Named[], until: string | undefined): Set<string> {
  if (until === undefined) return new Set(stages.map(({ name }) => name));
  const wanted = new Set([known(stages, until)]);
  for (const { name, needs } of [...stages].reverse()) {
    if (wanted.has(name)) for (const need of needs) wanted.add(need);
  }
  return wanted;
}

/** @throws LegaloneError E_USAGE when `--until` leaves out the stage that `--from` begins with */
export function checkScope(
  stages: readonly Named[],
  from: string | undefined,
  until: string | undefined,
): void {
  if (from === undefined || stagesUntil(stages, until).has(known(stages, from))) return;
  throw new LegaloneError(
    "E_USAGE",
    `--until ${until} does not need ${from}, so that --from ${from} begins nothing`,
    {
      hint: "name a later stage with --until, or an earlier one with --from",
    },
  );
}

function known(stages: readonly Named[], name: string): string {
  const names = stages.map((stage) => stage.name);
  if (names.includes(name)) return name;
  throw unknownName("E_USAGE", "stage of this pipeline", name, names);
}
