/**
 * Stable topological order of `names`: of those whose needs are met, the first written comes first.
 * Gives the cycle (first name repeated at the end) where there is one. Needs outside `names` are ignored.
 */
export function topologicalOrder(
  names: readonly string[],
  needs: (name: string) => readonly string[],
): { order: string[]; cycle: null } | { order: null; cycle: string[] } {
  const known = new Set(names);
  const order: string[] = [];
  const done = new Set<string>();
  while (order.length < names.length) {
    const next = names.find(
      (name) => !done.has(name) && needs(name).every((need) => done.has(need) || !known.has(need)),
    );
    if (next === undefined) return { order: null, cycle: findCycle(names, needs, done) };
    done.add(next);
    order.push(next);
  }
  return { order, cycle: null };
}

function findCycle(
  names: readonly string[],
  needs: (name: string) => readonly string[],
  done: ReadonlySet<string>,
): string[] {
  const open = names.filter((name) => !done.has(name));
  const walk: string[] = [];
  let here = open[0]!;
  while (!walk.includes(here)) {
    walk.push(here);
    here = needs(here).find((need) => open.includes(need))!;
  }
  return [...walk.slice(walk.indexOf(here)), here];
}

/** Every stage that must end before `name` starts, itself left out. */
export function ancestors(name: string, needs: (name: string) => readonly string[]): Set<string> {
  const found = new Set<string>();
  const open = [...needs(name)];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    open.push(...needs(next));
  }
  return found;
}
