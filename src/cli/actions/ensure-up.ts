import { up } from "../../services/up.ts";
import { note } from "./output.ts";

/**
 * Makes sure that PostgreSQL, Valkey, the control plane and an agent answer, starting what does not.
 * @throws E_DATABASE, E_QUEUE, E_SERVE or E_NODE when one cannot be reached or started
 */
export async function ensureUp({ json = false }: { json?: boolean | undefined }): Promise<void> {
  const { started, replaced } = await up();
  if (json) return;
  if (started.length > 0) note(`started ${started.join(", ")}`);
  if (replaced.length > 0) note(`replaced ${replaced.join(", ")} of another build; workers went on`);
}
