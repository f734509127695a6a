import { count, time } from "./format";
import { bars, share, ticks } from "./layout";
import { range, refresh, status, timeline } from "./store";
import type { Row, Timeline } from "./types";

const ranges: [number, string][] = [[6, "6 hours"], [24, "1 day"], [168, "1 week"], [720, "30 days"]];

const names: [string, string][] = [["ready", "awake"], ["starting", "starting"], ["stopping", "stopping"], ["stopped", "asleep"], ["failed", "failing"], ["unknown", "looked at"]];

function Lane({ t, row }: { t: Timeline; row: Row }) {
  const awake = Math.round(share(row, ["ready", "starting", "stopping", "unknown"]) * 100);
  const arrivals = row.arrivals.reduce((a, b) => a + b, 0);
  const drawn = bars(t, row);
  return (
    <div class="lane">
      <div class="name" title={row.name}>{row.name}</div>
      <svg viewBox="0 0 1000 54" preserveAspectRatio="none" role="img" data-testid={`lane-${row.name}`} data-points={drawn.length} data-arrivals={arrivals}
        aria-label={`${row.name}: awake ${awake} % of the time, ${count(arrivals, "client")} came`}>
        <rect x="0" y="0" width="1000" height="26" rx="4" fill="var(--ground)" />
        {drawn.map((b, i) => (
          <rect key={i} class={`s-${b.state}`} x={b.x * 1000} y="0" width={Math.max(b.width * 1000, 1)} height="26">
            <title>{`${names.find((n) => n[0] === b.state)?.[1] ?? b.state}: ${time(b.since)} to ${time(b.until)}`}</title>
          </rect>
        ))}
        {ticks(t, row).map((k, i) => (
          <rect key={i} class="arrivals" x={k.x * 1000} y={54 - k.height * 24} width={Math.max(k.width * 1000 - 0.6, 1.5)} height={k.height * 24}><title>{count(k.count, "client came", "clients came")}</title></rect>
        ))}
      </svg>
    </div>
  );
}

// Axis has five times.
function Axis({ t }: { t: Timeline }) {
  const since = Date.parse(t.since);
  const span = Date.parse(t.until) - since;
  const label = (at: number) => {
    const d = new Date(at);
    return span > 36 * 3600e3 ? d.toLocaleDateString(undefined, { month: "short", day: "numeric" }) : d.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  };
  return <div class="axis" aria-hidden="true"><span /><div>{[0, 0.25, 0.5, 0.75, 1].map((p) => <span key={p}>{label(since + p * span)}</span>)}</div></div>;
}

export function TimelineSection() {
  const t = timeline.value;
  const choose = (h: number) => {
    range.value = h;
    void refresh();
  };
  return (
    <section aria-labelledby="timeline-title">
      <div class="row spread">
        <h2 id="timeline-title">When was what awake</h2>
        <div class="segments" role="group" aria-label="range of the plots">
          {ranges.map(([h, text]) => <button key={h} class="button" aria-pressed={range.value === h} onClick={() => choose(h)}>{text}</button>)}
        </div>
      </div>
      <div class="panel" data-testid="timeline" data-points={t ? t.targets.reduce((n, r) => n + r.intervals.length, 0) : 0}>
        {status.value && !status.value.history ? (
          <div class="empty"><h3>There is no history</h3><p>It is turned off (<code>history: days: 0</code>), or its file cannot be read: the log of rouse has more.</p></div>
        ) : !t || t.targets.every((r) => r.intervals.length === 0) ? (
          <div class="empty"><h3>Nothing has happened yet</h3><p>As soon as a target changes its state, it is drawn here.</p></div>
        ) : (
          <>
            {t.targets.map((row) => <Lane key={row.name} t={t} row={row} />)}
            <Axis t={t} />
            <div class="legend">
              {names.map(([s, text]) => <span key={s}><i class={`s-${s}`} />{text}</span>)}
              <span><i class="arrivals" />clients that came</span>
            </div>
            <details>
              <summary class="muted">The same as a table</summary>
              <div class="scroll" tabIndex={0} role="region" aria-label="states as a table">
                <table class="list">
                  <caption class="hidden">States of all targets</caption>
                  <thead><tr><th>Target</th><th>State</th><th>From</th><th>To</th></tr></thead>
                  <tbody>
                    {t.targets.flatMap((row) => row.intervals.slice(-50).map((i, n) => (
                      <tr key={row.name + n}><td>{row.name}</td><td>{names.find((x) => x[0] === i.state)?.[1] ?? i.state}</td><td>{time(i.since)}</td><td>{time(i.until)}</td></tr>
                    )))}
                  </tbody>
                </table>
              </div>
            </details>
          </>
        )}
      </div>
    </section>
  );
}
