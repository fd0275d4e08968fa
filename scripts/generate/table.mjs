/** Head of every generated page. */
export const notice = "<!-- Made by `npm run generate`; edit its source, not this page. -->\n";

/** A Markdown table. */
export function table(head, rows) {
  const line = (cells) =>
    `| ${cells
      .map((cell) =>
        String(cell)
          .replaceAll("|", "\\|")
          .replaceAll(/\s*\n\s*/g, " "),
      )
      .join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

/** Rows [key, type, default, description] of every property of a JSON Schema, nested ones by dotted path. */
export function propertyRows(schema, path = "", root = schema) {
  const here = dereferenced(schema, root);
  return Object.entries(here.properties ?? {}).flatMap(([key, written]) => {
    const inner = dereferenced(written, root);
    const name = path === "" ? key : `${path}.${key}`;
    const required = (here.required ?? []).includes(key) && inner.default === undefined;
    const row = [
      `\`${name}\``,
      typeOf(inner, root),
      required ? "required" : shownDefault(inner),
      inner.description ?? "",
    ];
    return [row, ...below(inner, name, root)];
  });
}

function below(schema, name, root) {
  if (schema["x-config"]) return [];
  if (schema.properties) return propertyRows(schema, name, root);
  const items = schema.items && dereferenced(schema.items, root);
  if (items?.properties) return propertyRows(items, `${name}[]`, root);
  const values =
    typeof schema.additionalProperties === "object" && dereferenced(schema.additionalProperties, root);
  if (values?.properties) return propertyRows(values, `${name}.<name>`, root);
  const object = (schema.anyOf ?? []).map((one) => dereferenced(one, root)).find((one) => one.properties);
  return object ? propertyRows(object, name, root) : [];
}

function dereferenced(schema, root) {
  if (typeof schema.$ref !== "string") return schema;
  const target = schema.$ref
    .slice(2)
    .split("/")
    .reduce((at, part) => at?.[part], root);
  return { ...target, ...schema };
}

function typeOf(schema, root) {
  if (schema["x-config"]) return `name of a file of configs/${schema["x-config"]}`;
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(" or ");
  if (schema.const !== undefined) return `\`${schema.const}\``;
  const either = schema.anyOf ?? schema.oneOf;
  if (either) return [...new Set(either.map((one) => typeOf(dereferenced(one, root), root)))].join(" or ");
  const words = {
    integer: "whole number",
    object: "map",
    array: "list",
    string: "text",
    boolean: "true or false",
  };
  const type = [schema.type ?? "anything"]
    .flat()
    .map((word) => words[word] ?? word)
    .join(" or ");
  return schema.items ? `list of ${typeOf(dereferenced(schema.items, root), root)}` : type;
}

function shownDefault({ default: value }) {
  if (value === undefined) return "";
  const text = JSON.stringify(value);
  return text.length > 60 ? "see stage.yaml" : `\`${text}\``;
}
