import { parse } from "yaml";
import { LegaloneError } from "../../core/errors.ts";
import type { Json } from "../types.ts";
import type { Override } from "./yaml-source.ts";

/**
 * `--set a.b=c` arguments, after those of `LEGALONE_SET` (several are divided by `;`), as overrides of the file.
 * Values are YAML: numbers, lists and maps work. Throws E_USAGE for text of another form.
 */
export function parseOverrides(
  texts: readonly string[],
  environment = process.env.LEGALONE_SET ?? "",
): Override[] {
  const all = [...environment.split(";").map((text) => text.trim()), ...texts].filter((text) => text !== "");
  return all.map(parseOverride);
}

function parseOverride(text: string): Override {
  const equals = text.indexOf("=");
  const path = text.slice(0, equals).trim().split(".");
  if (equals < 1 || path.some((part) => part === "")) {
    throw new LegaloneError("E_USAGE", `--set ${text} is not of the form path.of.key=value`, {
      hint: "for example --set stages.midtrain.with.tokens=1e9",
    });
  }
  try {
    return { text, path, value: parse(text.slice(equals + 1)) as Json };
  } catch (cause) {
    throw new LegaloneError("E_USAGE", `the value of --set ${text} is not YAML`, { cause });
  }
}
