// How the page asks rouse.

const kept = "rouse-token";

export class Refused extends Error {
  constructor(readonly status: number, text: string) {
    super(text);
  }
}

// takeToken reads the token that the address of the page brings, and takes it out of there.
function takeToken(): string {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(kept, given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(kept) ?? "";
}

let token = takeToken();

export function setToken(given: string): void {
  token = given.trim();
  sessionStorage.setItem(kept, token);
}

export function headers(): Record<string, string> {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function explain(r: Response): Promise<Refused> {
  let text = r.statusText;
  try {
    text = ((await r.json()) as { error?: string }).error ?? text;
  } catch {
    // the status tells what there is to tell
  }
  return new Refused(r.status, text);
}

export async function get<T>(path: string, query: Record<string, string | number> = {}): Promise<T> {
  const q = new URLSearchParams(Object.entries(query).map(([k, v]) => [k, String(v)])).toString();
  const r = await fetch(`/v1/${path}${q ? "?" + q : ""}`, { headers: headers() });
  if (!r.ok) throw await explain(r);
  return (await r.json()) as T;
}

export async function change(method: "POST" | "DELETE", path: string, body?: unknown): Promise<void> {
  const r = await fetch(`/v1/${path}`, {
    method,
    headers: { ...headers(), "X-Rouse": "1", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!r.ok) throw await explain(r);
}

export async function openEvents(last: string, signal: AbortSignal): Promise<Response> {
  const r = await fetch("/v1/events" + (last ? "?after=" + last : ""), { headers: { ...headers(), Accept: "text/event-stream" }, signal });
  if (!r.ok) throw await explain(r);
  return r;
}

export function target(name: string, what = ""): string {
  return "targets/" + encodeURIComponent(name) + (what ? "/" + what : "");
}
