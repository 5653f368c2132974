/** Keeps secrets out of logs. */

/**
 * Prepares a request to the native layer for the log: of environment variables of programs and hooks only the names stay, because
 * values often contain passwords.
 */
export function withoutSecrets(request: string): string {
  return JSON.stringify(JSON.parse(request), (key, value: unknown) => {
    if (key === "env" && Array.isArray(value)) return value.map((entry) => `${String(entry).split("=", 1)[0]}=...`);
    // state.json, which is a text in the request.
    if (key === "state" && typeof value === "string" && value.startsWith("{")) return withoutSecrets(value);
    return value;
  });
}
