import { LegaloneError } from "../../core/errors.ts";
import { quoted } from "../../core/text.ts";
import { isReserved, type Override, parsed, plainValue } from "./yaml-source.ts";

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
  const reserved = path.find(isReserved);
  if (reserved !== undefined)
    throw new LegaloneError("E_USAGE", `--set ${quoted(text)}: no map may have the key \`${reserved}\``, {
      hint: "for example --set stages.midtrain.with.tokens=1e9",
    });
  if (equals < 1 || path.some((part) => part === "")) {
    throw new LegaloneError(
      "E_USAGE",
      `--set is ${quoted(text)}, which is not of the form path.of.key=value`,
      {
        hint: "for example --set stages.midtrain.with.tokens=1e9",
      },
    );
  }
  try {
    const document = parsed(text.slice(equals + 1));
    if (document.errors[0]) throw document.errors[0];
    return { text, path, value: plainValue(document) };
  } catch (cause) {
    throw new LegaloneError(
      "E_USAGE",
      `the value of --set ${quoted(text)} is not YAML: ${(cause as Error).message.slice(0, 160)}`,
      { cause, hint: "Quote it for the shell: --set 'stages.sft.with.name=\"a: b\"'" },
    );
  }
}
