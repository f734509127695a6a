// The dashboard in a real browser, beside a real rouse. It is told by its parent (test/dashboard) where that is, talks with it line by line, and
// ends with 0 if all was as it should be.
//
//   node e2e.mjs URL TOKEN CLIENT_PORT OUT
import { mkdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [url, token, port, out] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const limit = 60_000;
mkdirSync(out, { recursive: true });

// ask has the parent do something.
async function ask(what) {
  console.log("ASK " + what);
  const { value } = await lines.next();
  if (value !== "done") throw new Error(`the parent could not ${what}: ${value}`);
}

function check(is, what) {
  if (!is) throw new Error(what);
  console.log("ok   " + what);
}

async function api(path) {
  const r = await fetch(url + "v1/" + path, { headers: { Authorization: `Bearer ${token}` } });
  if (!r.ok) throw new Error(`${path}: ${r.status}`);
  return r.json();
}

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium", headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: "light", locale: "en-GB", reducedMotion: "reduce" });
context.setDefaultTimeout(limit);
const page = await context.newPage();
const faults = [];
let expected = false; // while rouse is away, or the token is wrong, the browser tells of requests that fail
page.on("console", (m) => { if (m.type() === "error" && !expected) faults.push(m.text()); });
page.on("pageerror", (e) => faults.push(String(e)));
page.on("request", (r) => { if (!r.url().startsWith(url) && !r.url().startsWith("data:")) faults.push("asked elsewhere: " + r.url()); });

const by = (id) => page.getByTestId(id);
const points = async (id) => Number(await by(id).getAttribute("data-points"));
const inState = (name, state) => page.waitForSelector(`[data-testid="state-${name}"][data-state="${state}"]`);
const settled = () => page.waitForTimeout(300); // a picture after the last stroke; nothing is decided by it

async function accessible(what) {
  await page.evaluate(axe + "; 0").catch(async () => {
    await page.addScriptTag({ content: axe });
  });
  const found = await page.evaluate(async () => (await globalThis.axe.run(document)).violations.map((v) => ({ impact: v.impact, id: v.id, nodes: v.nodes.slice(0, 3).map((n) => n.html) })));
  const serious = found.filter((v) => v.impact === "serious" || v.impact === "critical");
  if (found.length > 0) console.log("axe " + JSON.stringify(found));
  check(serious.length === 0, `axe finds nothing serious: ${what}`);
}

try {
  // Without a token there is nothing but the question for it.
  expected = true;
  await page.goto(url);
  await by("signin").waitFor();
  check(!(await page.content()).includes("card-web"), "without a token no target is shown");
  await accessible("sign-in");
  await page.getByLabel("Token").fill("0".repeat(64));
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByRole("alert").filter({ hasText: "token" }).waitFor();
  check(true, "a wrong token is told of");
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Open" }).click();
  await by("card-web").waitFor();
  expected = false;

  await inState("web", "stopped");
  check(await by("stop-web").isDisabled(), "a sleeping target cannot be stopped");

  // What is drawn is what the API tells.
  await page.waitForFunction(() => Number(document.querySelector('[data-testid="timeline"]')?.getAttribute("data-points")) > 3);
  await page.getByRole("button", { name: "1 week" }).click();
  await page.getByTestId("choose").selectOption("web");
  await page.waitForFunction(() => Number(document.querySelector('[data-testid="starts-plot"]')?.getAttribute("data-points")) > 3);
  const since = new Date(Date.now() - 168 * 3600e3).toISOString();
  const told = await api("history/timeline?since=" + since);
  const web = told.targets.find((t) => t.name === "web");
  const arrivals = web.arrivals.reduce((a, b) => a + b, 0);
  await page.waitForFunction((n) => Math.abs(Number(document.querySelector('[data-testid="lane-web"]')?.getAttribute("data-arrivals")) - n) <= 2, arrivals);
  check(arrivals > 20, `the timeline shows the ${arrivals} clients of the week`);
  check(Math.abs((await points("lane-web")) - web.intervals.length) <= 2, `and the ${web.intervals.length} states`);
  check((await points("throughput-plot")) === web.sent.length, "the throughput has all bins");
  const week = await api("history/week?target=web&weeks=4");
  const used = week.hours.flat().filter((h) => h > 0).length;
  check(used > 10 && Math.abs((await points("heatmap")) - used) <= 1, `the heat map has ${used} hours of use`);
  const savings = await api("savings?target=web&since=" + new Date(Date.now() - 30 * 86400e3).toISOString());
  check((await points("cost-plot")) === savings.targets[0].per_day.length, "each day has its cost");
  check(/\d/.test(await by("saved").innerText()), "the savings are told: " + (await by("saved").innerText()).replaceAll("\n", " "));
  await page.getByRole("button", { name: "1 day" }).click();

  // A client wakes the target.
  const client = connect(Number(port), "127.0.0.1");
  client.on("error", () => {});
  await inState("web", "starting");
  check(true, "the client wakes it: starting");
  await inState("web", "ready");
  await by("card-web").getByText("1 client connected").waitFor();
  check(true, "it is awake, with one client");
  check(await by("wake-web").isDisabled(), "one that is awake cannot be woken");
  await by("why-web").click();
  await by("why-dialog").getByText(/is connected through/).waitFor();
  check(true, "why tells of the client");
  await accessible("a dialog");
  await page.keyboard.press("Escape");
  await by("why-dialog").waitFor({ state: "detached" });
  await by("stop-web").click();
  await by("stop-dialog").getByText(/1 client is connected/).waitFor();
  await page.getByRole("button", { name: "Leave it" }).click();
  await by("stop-dialog").waitFor({ state: "detached" });
  await by("hold-web").click();
  await page.getByLabel("Reason, for others").fill("demo at ten");
  await by("hold-send").click();
  await by("card-web").getByText(/Held by hand, by 127.0.0.1, until .*demo at ten/).waitFor();
  check(true, "it is held by hand");
  await settled();
  await accessible("light");
  await page.screenshot({ path: `${out}/dashboard-light.png` });
  await page.screenshot({ path: `${out}/whole-light.png`, fullPage: true });
  await page.getByRole("button", { name: /dark theme/ }).click();
  await settled();
  await accessible("dark");
  await page.screenshot({ path: `${out}/dashboard-dark.png` });
  await page.screenshot({ path: `${out}/whole-dark.png`, fullPage: true });
  await page.setViewportSize({ width: 390, height: 844 });
  await settled();
  await accessible("phone");
  const wide = await page.evaluate(() => [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll")).map((e) => e.tagName + "." + e.className).slice(0, 5));
  check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing is wider than a phone: " + wide);
  await page.screenshot({ path: `${out}/dashboard-phone.png` });
  await page.screenshot({ path: `${out}/whole-phone.png`, fullPage: true });
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.getByRole("button", { name: /light theme/ }).click();

  // By keyboard: the button that ends the hold.
  await by("release-web").focus();
  await page.keyboard.press("Enter");
  await by("hold-web").waitFor();
  check(true, "and released by keyboard");

  // Nobody is left: the cooldown runs, and it goes to sleep.
  client.destroy();
  await by("countdown-web").waitFor();
  check(/^\d+:\d\d$/.test(await by("countdown-web").innerText()), "the countdown runs");
  await inState("web", "stopped");
  check(true, "asleep again");
  await by("events").getByText(/ready → stopping: idle for/).first().waitFor();
  check(true, "and the reason is told");
  await page.waitForFunction(() => document.querySelector('[data-testid="connections"]')?.textContent?.includes("127.0.0.1"));
  check(true, "the client is in the list");

  // The buttons.
  await by("wake-web").click();
  await inState("web", "ready");
  check(true, "woken by its button");
  await by("stop-web").click();
  await inState("web", "stopped");
  check(true, "stopped by its button");

  // rouse goes and comes back.
  expected = true;
  await ask("kill");
  await by("banner").waitFor();
  check(true, "it is told that rouse is away");
  await ask("start");
  await by("banner").waitFor({ state: "detached" });
  await inState("web", "stopped");
  check(true, "and the page goes on by itself");
  expected = false;
  check(faults.length === 0, "no fault in the page, nothing from elsewhere: " + JSON.stringify(faults));
} catch (e) {
  await page.screenshot({ path: `${out}/failed.png`, fullPage: true }).catch(() => {});
  console.log(`FAILED ${e}\n${JSON.stringify(faults)}`);
  process.exitCode = 1;
}
await browser.close();
process.exit();
