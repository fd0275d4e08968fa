const form = /^legalone:\/\/artifacts\/([0-9a-f]{64})$/;

/**
 * `legalone://artifacts/<sha256>`: the committed artifact of that hash, wherever serve has it. For an output the hash is
 * that of its content, for a checkpoint that of its manifest. Only agents of other machines see such addresses: rows and
 * workers have the file:// address of their own machine.
 */
export function storeUri(sha256: string): string {
  return `legalone://artifacts/${sha256}`;
}

/** The hash that an address of the store names; undefined for every other address. */
export function storedHash(uri: unknown): string | undefined {
  return typeof uri === "string" ? form.exec(uri)?.[1] : undefined;
}
