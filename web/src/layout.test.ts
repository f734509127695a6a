import { expect, test } from "vitest";
import { bars, histogram, share, ticks } from "./layout";
import type { Row, Timeline } from "./types";

const row: Row = {
  name: "web",
  intervals: [
    { state: "stopped", since: "2026-01-01T00:00:00Z", until: "2026-01-01T06:00:00Z" },
    { state: "ready", since: "2026-01-01T06:00:00Z", until: "2026-01-01T12:00:00Z" },
  ],
  arrivals: [0, 4, 0, 1], sent: [], received: [],
};
const t: Timeline = { since: "2026-01-01T00:00:00Z", until: "2026-01-01T12:00:00Z", bin: 10800, targets: [row] };

test("bars stand where their time is", () => {
  expect(bars(t, row).map((b) => [b.state, b.x, b.width])).toEqual([["stopped", 0, 0.5], ["ready", 0.5, 0.5]]);
});
test("what lies outside is cut off", () => {
  const late = { ...t, since: "2026-01-01T09:00:00Z" };
  expect(bars(late, row).map((b) => [b.state, b.x, b.width])).toEqual([["ready", 0, 1]]);
  expect(bars({ ...t, until: t.since }, row)).toEqual([]);
});
test("only bins in which somebody came are drawn", () => {
  expect(ticks(t, row).map((k) => [k.x, k.height, k.count])).toEqual([[0.25, 1, 4], [0.75, 0.4375, 1]]);
});
test("shares are of what is known", () => {
  expect(share(row, ["ready"])).toBe(0.5);
  expect(share({ ...row, intervals: [] }, ["ready"])).toBe(0);
});
test("every number is in the histogram", () => {
  const h = histogram([1, 2, 3, 40, 39.9]);
  expect(h.counts.reduce((a, b) => a + b)).toBe(5);
  expect(h.counts.length).toBeLessThanOrEqual(22);
  expect(histogram([])).toEqual({ x: [], counts: [], width: 0 });
  expect(histogram([0, 0]).counts[0]).toBe(2);
});
