import { batch, computed, signal } from "@preact/signals";
import * as api from "./api";
import { read } from "./sse";
import type { Connection, Fact, Savings, Start, Status, Target, Timeline, Week } from "./types";

export type Link = "joining" | "live" | "lost" | "locked";

export const link = signal<Link>("joining");
export const status = signal<Status | null>(null);
export const now = signal(Date.now()); // of rouse, ticking
export const facts = signal<Fact[]>([]);
export const trouble = signal("");
export const range = signal(24); // hours
export const chosen = signal(""); // target of the plots that are about one
export const timeline = signal<Timeline | null>(null);
export const week = signal<Week | null>(null);
export const starts = signal<Start[] | null>(null);
export const savings = signal<Savings | null>(null);
export const connections = signal<Connection[] | null>(null);

// rates are bytes a second of each target, over the last minutes.
export const rates = signal<Record<string, { at: number; rate: number }[]>>({});

export const targets = computed<Target[]>(() => status.value?.targets ?? []);
export const focus = computed(() => targets.value.find((t) => t.name === chosen.value)?.name ?? targets.value[0]?.name ?? "");

const mostFacts = 300;
const mostRates = 120;
let last = "";
let ahead = 0; // how far rouse's clock is ahead of this machine's

setInterval(() => (now.value = Date.now() + ahead), 250);

let before: Status | null = null;

export function take(s: Status): void {
  const opened = s.history && !before?.history; // the file may be open only after a moment
  batch(() => {
    ahead = Date.parse(s.now) - Date.now();
    now.value = Date.now() + ahead;
    rates.value = follow(rates.value, before, s);
    before = s;
    status.value = s;
    link.value = "live";
  });
  if (opened) {
    void remember();
    void refresh();
  }
}

// follow adds what was carried between two messages.
export function follow(all: typeof rates.value, then: Status | null, s: Status): typeof rates.value {
  if (!then) return all;
  const seconds = (Date.parse(s.now) - Date.parse(then.now)) / 1000;
  if (seconds < 0.2) return all;
  const next: typeof rates.value = {};
  for (const t of s.targets) {
    const old = then.targets.find((o) => o.name === t.name);
    const carried = old ? Math.max(0, t.sent + t.received - old.sent - old.received) : 0;
    next[t.name] = [...(all[t.name] ?? []), { at: Date.parse(s.now), rate: carried / seconds }].slice(-mostRates);
  }
  return next;
}

// add puts a fact in front of the others, once.
export function add(all: Fact[], f: Fact): Fact[] {
  if (all.some((o) => o.id === f.id)) return all;
  return [f, ...all].sort((a, b) => b.id - a.id).slice(0, mostFacts);
}

let due: ReturnType<typeof setTimeout> | undefined;

function hear(event: string, data: string, id?: string): void {
  if (event === "status") take(JSON.parse(data) as Status);
  if (event === "fact") {
    last = id ?? last;
    const f = JSON.parse(data) as Fact;
    facts.value = add(facts.value, f);
    if (f.kind === "state changed" || f.kind === "operation ended") {
      clearTimeout(due);
      due = setTimeout(() => void refresh(), 2000); // it is in the file by then
    }
  }
}

// live follows what happens, for as long as the page is there.
export async function live(): Promise<void> {
  for (let failures = 0; ; failures++) {
    try {
      const response = await api.openEvents(last, new AbortController().signal);
      failures = 0;
      trouble.value = "";
      await read(response, (m) => hear(m.event, m.data, m.id));
    } catch (e) {
      if (e instanceof api.Refused && e.status === 401) {
        link.value = "locked";
        return;
      }
      trouble.value = e instanceof api.Refused ? e.message : "";
    }
    link.value = "lost";
    await new Promise((done) => setTimeout(done, Math.min(500 * 2 ** failures, 10000) * (0.75 + Math.random() / 2)));
  }
}

export async function unlock(given: string): Promise<string> {
  api.setToken(given);
  try {
    take(await api.get<Status>("status"));
  } catch (e) {
    return e instanceof Error ? e.message : String(e);
  }
  void live();
  return "";
}

// refresh asks for what is drawn from the history.
export async function refresh(): Promise<void> {
  if (!status.value?.history) return; // there is none to be asked for
  const since = new Date(now.value - range.value * 3600e3).toISOString();
  const name = focus.value;
  const ask = <T>(signalOf: { value: T | null }, path: string, query: Record<string, string | number>) =>
    api.get<T>(path, query).then((v) => { signalOf.value = v; }).catch(() => undefined); // what was drawn stays
  await Promise.all([
    ask(timeline, "history/timeline", { since }),
    name ? ask(week, "history/week", { target: name, weeks: 4 }) : undefined,
    api.get<{ starts: Start[] }>("history/starts", { since, limit: 1000, ...(name ? { target: name } : {}) }).then((v) => { starts.value = v.starts; }).catch(() => undefined),
    api.get<{ connections: Connection[] }>("history/connections", { limit: 50 }).then((v) => { connections.value = v.connections; }).catch(() => undefined),
    ask(savings, "savings", { since: new Date(now.value - 30 * 86400e3).toISOString() }),
  ]);
}

// remember fetches what has happened before the page was opened.
export async function remember(): Promise<void> {
  try {
    const old = await api.get<{ facts: Fact[] }>("history/facts", { limit: 100 });
    facts.value = old.facts.reduce(add, facts.value);
  } catch {
    // there is no history; what happens from now on is shown
  }
}
