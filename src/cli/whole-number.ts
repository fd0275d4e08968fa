import { InvalidArgumentError } from "commander";

/** PostgreSQL's integers end here. */
const most = 2_147_483_647;

/** An option's value as a whole number above 0. */
export function wholeNumber(text: string): number {
  const value = integer(text);
  if (value < 1) throw new InvalidArgumentError("Expected a whole number above 0.");
  return value;
}

/** An option's value as a whole number of PostgreSQL's size, below 0 too. */
export function integer(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || Math.abs(value) > most)
    throw new InvalidArgumentError(`Expected a whole number between -${most} and ${most}.`);
  return value;
}

/** An option's value as a whole number, 0 or more. */
export function count(text: string): number {
  const value = integer(text);
  if (value < 0) throw new InvalidArgumentError("Expected a whole number, 0 or more.");
  return value;
}
