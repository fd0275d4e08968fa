/** Passwords in URLs and bearer tokens never reach a message, a log or an event. */
export function redact(text: string): string {
  return text
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@/]+@/gi, "$1:***@")
    .replace(/\b(Bearer|token|api[_-]?key)([ =:]+)["']?[A-Za-z0-9._~+/-]{8,}["']?/gi, "$1$2***");
}
