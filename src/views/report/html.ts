/** Text that is already HTML. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

export type Content = string | number | Markup | null | undefined | readonly Content[];

/** Template of HTML: every value is escaped unless it is Markup; arrays are joined, null and undefined are nothing. */
export function html(strings: TemplateStringsArray, ...values: Content[]): Markup {
  return new Markup(strings.reduce((text, part, i) => text + render(values[i - 1]) + part));
}

function render(value: Content): string {
  if (value === null || value === undefined) return "";
  if (value instanceof Markup) return value.text;
  if (typeof value === "object") return value.map(render).join("");
  return escapeHtml(String(value));
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** JSON that may stand inside a script element. */
export function scriptJson(value: unknown): Markup {
  return new Markup(JSON.stringify(value).replaceAll("<", "\\u003c"));
}

export interface HtmlColumn {
  title: string;
  /** Numbers stand to the right and share their width. */
  numeric?: boolean;
}

/**
 * A table that scrolls on its own when it is wider than the page. On a narrow page every row is a block, and each cell
 * has the title of its column before it (style.ts).
 */
export function htmlTable(columns: HtmlColumn[], rows: Content[][]): Markup {
  const cell = (value: Content, i: number) =>
    html`<td data-title="${columns[i]?.title}"${columns[i]?.numeric ? html` class="n"` : ""}>${value}</td>`;
  return html`<div class="scroll"><table><thead><tr>${columns.map((column) =>
    column.numeric ? html`<th class="n">${column.title}</th>` : html`<th>${column.title}</th>`,
  )}</tr></thead><tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>`)}</tbody></table></div>`;
}

/** A share of a whole as a bar with its text beside it. */
export function shareBar(share: number, label: string): Markup {
  const width = Math.max(0, Math.min(1, share)) * 100;
  return html`<span class="share"><i style="width:${width.toFixed(1)}%"></i></span> ${label}`;
}
