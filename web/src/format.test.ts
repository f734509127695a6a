import { expect, test } from "vitest";
import { bytes, clock, count, duration, energy, money, precise, quantile, time } from "./format";

test("durations have two units at most", () => {
  expect([0, 59.6, 61, 3600, 3 * 86400 + 3600, -5].map(duration)).toEqual(["0s", "1m 0s", "1m 1s", "1h 0m", "3d 1h", "0s"]);
});
test("a countdown does not jump", () => {
  expect([0, 4.2, 65, 3729].map(clock)).toEqual(["0:00", "0:05", "1:05", "1:02:09"]);
});
test("short times are precise", () => {
  expect([0.0012, 0.5, 9.9, 12, 75].map(precise)).toEqual(["1 ms", "0.5 s", "9.9 s", "12s", "1m 15s"]);
});
test("bytes have a unit", () => {
  expect([0, 1023, 1024, 150 * 1024, 5 * 2 ** 30].map(bytes)).toEqual(["0 B", "1023 B", "1.0 KiB", "150 KiB", "5.0 GiB"]);
});
test("money has its currency, even one that is not known", () => {
  expect(money(1.5, "EUR")).toContain("1.50");
  expect(money(0.0123, "USD")).toContain("0.012");
  expect(money(2, "not one")).toBe("2.00 not one");
});
test("little energy is in watt-hours", () => {
  expect([0, 0.25, 12.34].map(energy)).toEqual(["0 Wh", "250.0 Wh", "12.3 kWh"]);
});
test("quantiles need no order", () => {
  expect(quantile([3, 1, 2], 0.5)).toBe(2);
  expect(quantile([3, 1, 2], 0.95)).toBe(3);
  expect(quantile([], 0.5)).toBeUndefined();
});
test("another day is named", () => {
  const now = new Date(2026, 10, 27, 12);
  expect(time(new Date(2026, 10, 27, 9, 5, 7), now)).toMatch(/05:07/);
  expect(time(new Date(2026, 10, 26, 9, 5, 7), now)).toMatch(/26/);
});
test("one is one", () => expect([count(1, "client"), count(2, "client"), count(0, "day")]).toEqual(["1 client", "2 clients", "0 days"]));
