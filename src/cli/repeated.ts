/** Collects an option that may be given several times. Unlike a variadic option it does not swallow the arguments after it. */
export function repeated(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}
