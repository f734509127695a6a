import { useComputed } from "@preact/signals";
import uPlot from "uplot";
import { bytes, count, duration, energy, money, precise, quantile, time } from "./format";
import { histogram } from "./layout";
import { Plot } from "./plot";
import { chosen, focus, refresh, savings, starts, targets, timeline, week } from "./store";

const bars = uPlot.paths.bars!;
const days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

// moments names times on an axis: hours within a day, else days.
function moments(_u: uPlot, at: number[]): string[] {
  const step = at.length > 1 ? at[1]! - at[0]! : 0;
  return at.map((s) => {
    const d = new Date(s * 1000);
    return step < 86400 && (d.getHours() !== 0 || d.getMinutes() !== 0)
      ? d.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" })
      : d.toLocaleDateString(undefined, { day: "numeric", month: "short" });
  });
}

export function TargetChoice() {
  return (
    <label class="row muted">Target
      <select value={focus.value} data-testid="choose" onChange={(e) => { chosen.value = e.currentTarget.value; void refresh(); }}>
        {targets.value.map((t) => <option key={t.name} value={t.name}>{t.name}</option>)}
      </select>
    </label>
  );
}

export function HeatMap() {
  const w = week.value;
  const cells = w ? w.hours.flat().filter((h) => h > 0).length : 0;
  return (
    <div class="panel" data-testid="heatmap" data-points={cells}>
      <h3>A week of {focus.value}</h3>
      <p class="muted">How much of each hour somebody was connected, over the last {w ? count(w.weeks, "week") : "weeks"}</p>
      {!w ? <div class="empty"><p>Nothing is known yet.</p></div> : (
        <div class="scroll" tabIndex={0} role="region" aria-label="use by hour and day of the week">
          <table class="heat">
            <caption class="hidden">Share of each hour in which somebody was connected</caption>
            <thead><tr><th scope="col"><span class="hidden">Day</span></th>{Array.from({ length: 24 }, (_, h) => <th key={h} scope="col"><span class="hidden">{h}:00</span><span aria-hidden="true">{h % 3 === 0 ? h : ""}</span></th>)}</tr></thead>
            <tbody>
              {w.hours.map((row, d) => (
                <tr key={d}>
                  <th scope="row">{days[d]}</th>
                  {row.map((share, h) => (
                    <td key={h} title={`${days[d]} ${h}:00: ${Math.round(share * 100)} %, ${count(w.arrivals[d]?.[h] ?? 0, "client")}`}
                      style={share > 0 ? { background: `rgba(var(--heat), ${(0.15 + 0.85 * share).toFixed(2)})` } : undefined}>
                      <span class="hidden">{Math.round(share * 100)} %</span>
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}

export function StartTimes() {
  const took = useComputed(() => (starts.value ?? []).filter((s) => s.ok).map((s) => s.seconds));
  const failed = useComputed(() => (starts.value ?? []).filter((s) => !s.ok).length);
  const drawn = useComputed(() => histogram(took.value));
  const h = drawn.value;
  const data = useComputed<uPlot.AlignedData>(() => [drawn.value.x, drawn.value.counts]);
  const n = took.value.length;
  return (
    <div class="panel" data-testid="starts">
      <h3>How long {focus.value} takes to wake</h3>
      {n === 0 ? <div class="empty"><p>It has not been started in this time.</p></div> : (
        <>
          <p class="muted">{count(n, "start")}, half of them ready within <b>{precise(quantile(took.value, 0.5)!)}</b>, 95 % within <b>{precise(quantile(took.value, 0.95)!)}</b>{failed.value ? `; ${failed.value} failed` : ""}</p>
          <Plot id="starts-plot" label={`distribution of ${count(n, "start")}`} data={data.value} options={(c) => ({
            scales: { x: { time: false, range: [0, (h.x[h.x.length - 1] ?? 1) + h.width / 2] }, y: { range: (_u, _min, max) => [0, Math.max(max, 1) * 1.1] } },
            axes: [{ values: (_u, v) => v.map((s) => precise(s)) }, { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500], size: 44 }],
            series: [{ label: "took" }, { label: "starts", stroke: c.accent, fill: c.accent, paths: bars({ size: [0.9, 60] }), points: { show: false } }],
            legend: { show: false },
          })} />
        </>
      )}
    </div>
  );
}

export function Throughput() {
  const row = useComputed(() => timeline.value?.targets.find((r) => r.name === focus.value));
  const data = useComputed<uPlot.AlignedData>(() => {
    const t = timeline.value;
    const r = row.value;
    if (!t || !r) return [[], [], []];
    const since = Date.parse(t.since) / 1000;
    return [r.sent.map((_, i) => since + i * t.bin), r.received.map((b) => b / t.bin), r.sent.map((b) => b / t.bin)];
  });
  const total = useComputed(() => (row.value ? [...row.value.sent, ...row.value.received].reduce((a, b) => a + b, 0) : 0));
  return (
    <div class="panel wide" data-testid="throughput">
      <h3>Throughput of {focus.value}</h3>
      {total.value === 0 ? <div class="empty"><p>Nothing was carried in this time.</p></div> : (
        <>
          <p class="muted">{bytes(total.value)} in all; averages of {duration(timeline.value!.bin)}</p>
          <Plot id="throughput-plot" label={`throughput, ${bytes(total.value)} in all`} data={data.value} options={(c) => ({
            axes: [{ values: moments }, { values: (_u, v) => v.map((b) => bytes(b) + "/s"), size: 84 }],
            scales: { y: { range: (_u, _min, max) => [0, Math.max(max, 1) * 1.1] } },
            series: [{ label: "time", value: (_u, v) => (v == null ? "–" : time(v * 1000)) }, { label: "to clients", stroke: c.accent, width: 1.5, value: (_u, v) => (v == null ? "–" : bytes(v) + "/s") },
              { label: "from clients", stroke: c.waking, width: 1.5, value: (_u, v) => (v == null ? "–" : bytes(v) + "/s") }],
          })} />
        </>
      )}
    </div>
  );
}

export function SavingsSection() {
  const s = savings.value;
  const mine = useComputed(() => savings.value?.targets.find((t) => t.name === focus.value));
  const data = useComputed<uPlot.AlignedData>(() => {
    const all = mine.value?.per_day.filter((d) => d.cost !== undefined) ?? [];
    return [all.map((d) => Date.parse(d.day + "T12:00:00") / 1000), all.map((d) => (d.cost ?? 0) + Math.max(d.saved ?? 0, 0)), all.map((d) => d.cost ?? 0)];
  });
  const m = mine.value;
  return (
    <section aria-labelledby="savings-title">
      <h2 id="savings-title">What it costs, and what it saves</h2>
      <div class="panel" data-testid="savings">
        {!s || !m || m.observed === 0 ? <div class="empty"><h3>Nothing to reckon with yet</h3><p>After some hours this shows what {focus.value || "a target"} cost, beside what it would have cost always on.</p></div> : (
          <>
            <h3>{focus.value}, last 30 days</h3>
            <p class="muted">Observed for {duration(m.observed)}: awake {duration(m.awake)} ({Math.round((m.awake / m.observed) * 100)} %), asleep {duration(m.asleep)}.
              {" "}{count(m.starts, "cold start")}{m.failed_starts ? `, ${m.failed_starts} of them failed` : ""}; {count(m.waits, "client")} had to wait, {duration(m.waited)} in all, {duration(m.longest_wait)} at most.</p>
            {m.cost === undefined ? <div class="empty"><h3>No prices are known</h3><p>Write what it costs below the target in the config: <code>{"cost: {per-hour: 0.40, currency: EUR}"}</code> and <code>{"power: {watts: 60}"}</code></p></div> : (
              <>
                <p><b>{money(m.saved ?? 0, m.currency)}</b> saved: it cost {money(m.cost, m.currency)}, and always on it would have been {money(m.always_on_cost ?? 0, m.currency)}.
                  {m.energy_saved !== undefined ? ` ${energy(m.energy_saved)} saved.` : ""}</p>
                <Plot id="cost-plot" height={180} label="cost and savings of each day" data={data.value} options={(c) => ({
                  axes: [{ values: moments, incrs: [86400, 2 * 86400, 7 * 86400] }, { values: (_u, v) => v.map((x) => money(x, m.currency)), size: 80 }],
                  scales: { x: { range: (_u, min, max) => [min - 43200, max + 43200] }, y: { range: (_u, _min, max) => [0, (max || 1) * 1.1] } },
                  series: [{ label: "day", value: (_u, v) => (v == null ? "–" : new Date(v * 1000).toLocaleDateString()) },
                    { label: "always on", stroke: c.line, fill: c.line, paths: bars({ size: [0.7, 60] }), points: { show: false }, value: (_u, v) => (v == null ? "–" : money(v, m.currency)) },
                    { label: "spent", stroke: c.accent, fill: c.accent, paths: bars({ size: [0.7, 60] }), points: { show: false }, value: (_u, v) => (v == null ? "–" : money(v, m.currency)) }],
                })} />
              </>
            )}
          </>
        )}
      </div>
    </section>
  );
}
