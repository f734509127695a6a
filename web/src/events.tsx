import { useSignal } from "@preact/signals";
import { bytes, precise, time } from "./format";
import { connections, facts, targets } from "./store";
import type { Fact } from "./types";

const groups: [string, string][] = [["", "everything"], ["wakes", "wakes"], ["stops", "stops"], ["refused", "clients refused"], ["failures", "failures"], ["people", "what people asked for"]];

export function groupOf(f: Fact): string {
  if (f.kind === "steered") return "people";
  if (f.kind === "client refused" || f.kind === "client left" || f.kind === "gate would refuse") return "refused";
  if (f.error || f.kind === "waiting to try again" || f.to === "failed") return "failures";
  if (f.operation === "start" || f.to === "starting" || f.to === "ready") return "wakes";
  if (f.operation === "stop" || f.to === "stopping" || f.to === "stopped") return "stops";
  return "other";
}

export function Events() {
  const target = useSignal("");
  const group = useSignal("");
  const paused = useSignal<Fact[] | null>(null);
  const all = (paused.value ?? facts.value).filter((f) => (!target.value || f.target === target.value) && (!group.value || groupOf(f) === group.value));
  return (
    <section aria-labelledby="events-title">
      <div class="row spread">
        <h2 id="events-title">What happened, and why</h2>
        <div class="row">
          <label class="row muted">Target
            <select value={target.value} onChange={(e) => (target.value = e.currentTarget.value)}>
              <option value="">all</option>
              {targets.value.map((t) => <option key={t.name}>{t.name}</option>)}
            </select>
          </label>
          <label class="row muted">Show
            <select value={group.value} onChange={(e) => (group.value = e.currentTarget.value)}>
              {groups.map(([v, text]) => <option key={v} value={v}>{text}</option>)}
            </select>
          </label>
          <button class="button" aria-pressed={paused.value !== null} onClick={() => (paused.value = paused.value ? null : facts.value)}>Pause</button>
        </div>
      </div>
      <div class="panel">
        {all.length === 0 ? <div class="empty"><h3>Nothing has happened</h3><p>{target.value || group.value ? "Nothing fits what is chosen above." : "Connect to a listener, and it is told here why its target wakes."}</p></div> : (
          <ul class="events" data-testid="events" data-points={all.length} tabIndex={0} aria-label="events, the newest first">
            {all.slice(0, 150).map((f) => (
              <li key={f.id} class={f.error ? "bad" : ""}>
                <time dateTime={f.at}>{time(f.at)}</time>
                <b>{f.target}</b>
                <span class="what">{f.text}{f.output ? <details><summary>Output of the hook</summary><pre>{f.output.split(" | ").join("\n")}</pre></details> : null}</span>
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

export function Connections() {
  const all = connections.value ?? [];
  return (
    <section aria-labelledby="connections-title">
      <h2 id="connections-title">Who came</h2>
      <div class="panel">
        {all.length === 0 ? <div class="empty"><p>Nobody has been served yet.</p></div> : (
          <div class="scroll tall" tabIndex={0} role="region" aria-label="recent connections">
            <table class="list" data-testid="connections" data-points={all.length}>
              <caption class="hidden">Recent connections, the newest first</caption>
              <thead><tr><th>Time</th><th>Target</th><th>Client</th><th>Through</th><th class="n">Waited</th><th class="n">Lasted</th><th class="n">Sent</th><th class="n">Received</th><th>Ended</th></tr></thead>
              <tbody>
                {all.map((c) => (
                  <tr key={c.id}>
                    <td>{time(c.at)}</td><td>{c.target}</td><td>{c.client}</td><td>{c.route}</td><td class="n">{precise(c.waited)}</td>
                    <td class="n">{c.ended ? precise(c.lasted) : ""}</td><td class="n">{bytes(c.sent)}</td><td class="n">{bytes(c.received)}</td><td>{c.ended || "connected"}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </div>
    </section>
  );
}
