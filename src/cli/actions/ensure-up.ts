import { LegaloneError } from "../../core/errors.ts";
import { note } from "./output.ts";

const patienceMs = 5_000;

/**
 * Makes sure that PostgreSQL, Valkey, the control plane and an agent answer, starting what does not. With
 * LEGALONE_SERVE_URL the control plane is elsewhere: it is asked, and nothing is started here.
 * @throws E_DATABASE, E_QUEUE, E_SERVE or E_NODE when one cannot be reached or started
 */
export async function ensureUp({ json = false }: { json?: boolean | undefined }): Promise<void> {
  const elsewhere = process.env.LEGALONE_SERVE_URL;
  if (elsewhere) return asksHealth(elsewhere);
  const { up } = await import("../../services/up.ts");
  const { started, replaced } = await up();
  if (json) return;
  if (started.length > 0) note(`started ${started.join(", ")}`);
  if (replaced.length > 0) note(`replaced ${replaced.join(", ")} of another build; workers went on`);
}

async function asksHealth(url: string): Promise<void> {
  let seen: string;
  try {
    const response = await fetch(new URL("/healthz", url), { signal: AbortSignal.timeout(patienceMs) });
    if (response.ok) return;
    seen = `it answered ${response.status}`;
  } catch (error) {
    const { message, cause } = error as Error;
    seen = cause instanceof Error ? cause.message : message;
  }
  throw new LegaloneError("E_SERVE", `the control plane at ${url} cannot be used: ${seen}`, {
    hint: "LEGALONE_SERVE_URL names it; without that variable everything runs on this machine.",
  });
}
