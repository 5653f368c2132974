/** Keeping secrets out of logs. */

/**
 * A request to the native layer as it may be logged: of the environment of programs and hooks the names alone, as passwords
 * are often given there.
 */
export function withoutSecrets(request: string): string {
  return JSON.stringify(JSON.parse(request), (key, value: unknown) => {
    if (key === "env" && Array.isArray(value)) return value.map((entry) => `${String(entry).split("=", 1)[0]}=...`);
    // state.json, as a text in the request.
    if (key === "state" && typeof value === "string" && value.startsWith("{")) return withoutSecrets(value);
    return value;
  });
}
