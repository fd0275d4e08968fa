import { appendFileSync, closeSync, openSync, readSync, rmSync, writeFileSync, writeSync } from "node:fs";

/** Text that is held before it goes to disk. */
const held = 1 << 20;

/** JSON arrays that grow together, each in a file of its own until all of them go into one: none is ever held whole. */
export class Columns<Name extends string> {
  private readonly columns: { name: Name; file: string; text: string; empty: boolean }[];

  constructor(prefix: string, names: readonly Name[]) {
    this.columns = names.map((name) => ({ name, file: `${prefix}.${name}`, text: "", empty: true }));
    for (const { file } of this.columns) writeFileSync(file, "");
  }

  add(values: Readonly<Record<Name, unknown>>): void {
    for (const column of this.columns) {
      column.text += `${column.empty ? "" : ","}${JSON.stringify(values[column.name])}`;
      column.empty = false;
      if (column.text.length > held) this.flush(column);
    }
  }

  /** Writes `{"a":[…],"b":[…]}` to an open file and removes the files of the columns. */
  writeTo(descriptor: number): void {
    for (const [i, column] of this.columns.entries()) {
      this.flush(column);
      writeSync(descriptor, `${i === 0 ? "{" : ","}${JSON.stringify(column.name)}:[`);
      copy(column.file, descriptor);
      writeSync(descriptor, "]");
      rmSync(column.file);
    }
    writeSync(descriptor, "}");
  }

  private flush(column: { file: string; text: string }): void {
    appendFileSync(column.file, column.text);
    column.text = "";
  }
}

function copy(file: string, to: number): void {
  const from = openSync(file, "r");
  const bytes = Buffer.alloc(held);
  try {
    for (let read = readSync(from, bytes); read > 0; read = readSync(from, bytes))
      writeSync(to, bytes, 0, read);
  } finally {
    closeSync(from);
  }
}
