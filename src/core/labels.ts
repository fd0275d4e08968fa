import { visible } from "./text.ts";

/** What people call a run. It decides nothing: not what runs, not what is taken from the cache, not which run a key means. */
export interface Labels {
  name: string | null;
  /** In the order they were given, each once. */
  tags: string[];
  note: string | null;
}

export const mostTags = 20;

/** What is expected of each, as an error says it. */
export const labelForms = {
  name: "a letter or digit and then at most 59 letters, digits, signs and single spaces; not `latest` and not the id of a run",
  tag: "at most 40 letters, digits and . _ : / = + - without spaces",
  note: "at most 2000 characters, none of them one that a terminal obeys",
} as const;

/** Whether a run can be called so: it stands on command lines in place of an id. */
export function isRunName(text: string): boolean {
  return (
    text.length <= 60 &&
    /^[\p{L}\p{N}][\p{L}\p{N}\p{P}\p{S}]*( [\p{L}\p{N}\p{P}\p{S}]+)*$/u.test(text) &&
    text !== "latest" &&
    !/^r[a-z0-9]{9}(-|$)/.test(text)
  );
}

export function isTag(text: string): boolean {
  return text.length <= 40 && /^[\p{L}\p{N}._:/=+-]+$/u.test(text);
}

export function isNote(text: string): boolean {
  return text.length <= 2000 && text.trim() !== "" && visible(text) === text;
}

/** Each tag once, in the order they came first. */
export function uniqueTags(...lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())];
}
