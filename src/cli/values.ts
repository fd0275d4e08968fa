import type { Argument, Command, Option } from "commander";
import { durationPattern, durationSeconds } from "../core/duration.ts";
import { LegaloneError } from "../core/errors.ts";
import { isNote, isRunName, isTag, labelForms, mostTags } from "../core/labels.ts";
import { mostPlaces } from "../core/rows.ts";
import { quoted } from "../core/text.ts";

// What stands on a command line, read in one place: `checkValues` puts every option and argument behind it.

/** Of paths, names and addresses; no file system and no record takes longer ones. */
const mostCharacters = 4096;
/** Of one `--set`, whose value may be a list. */
const mostOfSet = 65_536;
/** PostgreSQL's integers end here. */
const most = 2_147_483_647;

/** What a parser of this file throws: what was expected. The name of the option and what was seen are added once, below. */
class Unfit extends Error {}

/** An option's value as a whole number above 0. */
export function wholeNumber(text: string): number {
  return between(1, most, "a whole number above 0")(text);
}

/** An option's value as a whole number of PostgreSQL's size, below 0 too. */
export function integer(text: string): number {
  return between(-most, most, `a whole number between -${most} and ${most}`)(text);
}

/** An option's value as a whole number, 0 or more. */
export function count(text: string): number {
  return between(0, most, "a whole number, 0 or more")(text);
}

/** As many as serve takes of one node. */
export function places(text: string): number {
  return between(1, mostPlaces, `a whole number from 1 to ${mostPlaces}`)(text);
}

/** A port to listen on; 0 is a free one. */
export function port(text: string): number {
  return between(0, 65_535, "a port, 0 to 65535")(text);
}

/** A time in seconds that a person would wait. */
export function seconds(text: string): number {
  return between(0, 7 * 86_400, "whole seconds, 0 to 604800")(text);
}

/** A time such as 30d, in milliseconds. */
export function age(text: string): number {
  const parsed = durationPattern.test(text) ? 1000 * durationSeconds(text) : Number.NaN;
  // Before this no clock was ever set.
  if (!(parsed <= 100 * 366 * 86_400_000))
    throw new Unfit("a time such as 30m, 12h, 30d or 4w, at most 100 years");
  return parsed;
}

/** The address of a control plane. */
export function address(text: string): string {
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.hostname === "")
    throw new Unfit("an address such as http://10.0.0.1:7878");
  return text;
}

/** A key that a script makes up: it is compared as it is, so what cannot be seen has no place in it. */
export function key(text: string): string {
  if (text.length > 200 || !/^[\p{L}\p{N}\p{P}\p{S} ]+$/u.test(text) || text.trim() !== text)
    throw new Unfit("at most 200 letters, digits, signs and spaces between them");
  return text;
}

/** A name for a run. */
export function runName(text: string): string {
  if (!isRunName(text)) throw new Unfit(labelForms.name);
  return text;
}

/** Collects tags. */
export function tags(text: string, previous: string[] = []): string[] {
  if (!isTag(text)) throw new Unfit(labelForms.tag);
  if (previous.length >= mostTags) throw new Unfit(`at most ${mostTags} tags`);
  return [...previous, text];
}

/** A note on a run. */
export function note(text: string): string {
  if (!isNote(text)) throw new Unfit(labelForms.note);
  return text;
}

/** Collects an option that may be given several times. Unlike a variadic option it does not swallow the arguments after it. */
export function repeated(value: string, previous: string[] = []): string[] {
  if (value.trim() === "") throw new Unfit("a value that is not empty");
  return [...previous, value];
}

function between(low: number, high: number, expected: string): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (!(value >= low && value <= high)) throw new Unfit(expected);
    return value;
  };
}

/**
 * Puts every value of a command and its subcommands behind one check: none is empty (an unset variable of a script),
 * none is longer than anything it could name, and what a parser refuses is told with its option, what was seen and what
 * was expected.
 * @throws E_USAGE while the command line is read
 */
export function checkValues(command: Command): void {
  for (const option of command.options) {
    // As everywhere: an empty variable counts as unset, as CI systems leave it.
    if (option.envVar !== undefined && process.env[option.envVar] === "")
      delete (option as { envVar?: string }).envVar;
    if (option.required || option.optional) behindCheck(option, option.long ?? option.flags, command);
  }
  for (const argument of command.registeredArguments) behindCheck(argument, `<${argument.name()}>`, command);
  for (const inner of command.commands) checkValues(inner);
}

function behindCheck(value: Option | Argument, name: string, command: Command): void {
  const parse = value.parseArg?.bind(value);
  const form = "flags" in value ? value.flags : `${name}: ${value.description}`;
  const checked = (text: string, previous: unknown): unknown => {
    const variable = "envVar" in value ? value.envVar : undefined;
    const fromVariable = variable !== undefined && text === process.env[variable];
    try {
      const longest = name === "--set" ? mostOfSet : mostCharacters;
      if (text.length > longest) throw new Unfit(`at most ${longest} characters`);
      if (text.includes("\0")) throw new Unfit("text without the character \\0");
      if (text.trim() === "" && parse === undefined) throw new Unfit("a value that is not empty");
      return parse === undefined
        ? text
        : (parse as (text: string, previous: unknown) => unknown)(text, previous);
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      const where = fromVariable ? variable : name;
      throw new LegaloneError("E_USAGE", `${where} is ${quoted(text)}, expected ${error.message}`, {
        hint: `Its form is ${form}; \`legalone ${pathOf(command)} --help\` shows all.`,
      });
    }
  };
  value.parseArg = checked as NonNullable<typeof value.parseArg>;
}

/** The words that call a command. */
function pathOf(command: Command): string {
  const names = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) names.unshift(at.name());
  return names.join(" ");
}
