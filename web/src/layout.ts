import type { Interval, Row, Timeline } from "./types";

// Where things are drawn in the timeline, in parts of its width from 0 to 1.

export interface Bar { state: string; x: number; width: number; since: string; until: string }

export function bars(t: Timeline, row: Row): Bar[] {
  const since = Date.parse(t.since);
  const span = Date.parse(t.until) - since;
  if (!(span > 0)) return [];
  return row.intervals.map((i: Interval) => {
    const x = Math.max(0, (Date.parse(i.since) - since) / span);
    return { state: i.state, x, width: Math.max(0, Math.min(1, (Date.parse(i.until) - since) / span) - x), since: i.since, until: i.until };
  }).filter((b) => b.width > 0 && b.x < 1);
}

export interface Tick { x: number; width: number; height: number; count: number }

export function ticks(t: Timeline, row: Row): Tick[] {
  const span = (Date.parse(t.until) - Date.parse(t.since)) / 1000;
  const most = Math.max(1, ...row.arrivals);
  return row.arrivals.map((count, i) => ({ x: (i * t.bin) / span, width: t.bin / span, height: count === 0 ? 0 : 0.25 + (0.75 * count) / most, count })).filter((k) => k.count > 0);
}

// share is how much of the known time was spent in some states.
export function share(row: Row, states: string[]): number {
  let all = 0;
  let some = 0;
  for (const i of row.intervals) {
    const length = Date.parse(i.until) - Date.parse(i.since);
    all += length;
    if (states.includes(i.state)) some += length;
  }
  return all > 0 ? some / all : 0;
}

// histogram puts numbers into bins of one width.
export function histogram(values: number[], bins = 20): { x: number[]; counts: number[]; width: number } {
  if (values.length === 0) return { x: [], counts: [], width: 0 };
  const most = Math.max(...values);
  const raw = Math.max(most / bins, 0.001);
  const scale = 10 ** Math.floor(Math.log10(raw));
  const width = [1, 2, 5, 10].map((m) => m * scale).find((w) => w >= raw)!;
  const n = Math.floor(most / width) + 1;
  const counts = new Array<number>(n).fill(0);
  for (const v of values) counts[Math.min(n - 1, Math.floor(v / width))]!++;
  return { x: counts.map((_, i) => (i + 0.5) * width), counts, width };
}
