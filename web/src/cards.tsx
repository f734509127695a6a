import { useSignal } from "@preact/signals";
import * as api from "./api";
import { Dialog } from "./dialog";
import { bytes, clock, count, duration, time } from "./format";
import { now, rates, targets } from "./store";
import type { Target, Why } from "./types";

const words: Record<string, string> = {
  stopped: "asleep", starting: "starting", ready: "awake", stopping: "stopping", unknown: "being looked at", failed: "failing",
};

// Mark is a shape for each health: colour alone tells nobody anything who does not see it.
function Mark({ health }: { health: string }) {
  switch (health) {
    case "up": return <svg viewBox="0 0 12 12" aria-hidden="true"><circle cx="6" cy="6" r="5.5" fill="currentColor" /></svg>;
    case "waking": return <svg viewBox="0 0 12 12" aria-hidden="true"><circle cx="6" cy="6" r="5" fill="none" stroke="currentColor" stroke-width="1.5" /><path d="M6 1a5 5 0 0 1 0 10z" fill="currentColor" /></svg>;
    case "failing": return <svg viewBox="0 0 12 12" aria-hidden="true"><path d="M6 .5 11.8 11.3H.2z" fill="currentColor" /></svg>;
    default: return <svg viewBox="0 0 12 12" aria-hidden="true"><circle cx="6" cy="6" r="4.8" fill="none" stroke="currentColor" stroke-width="1.8" /></svg>;
  }
}

function until(at?: string): number {
  return at ? (Date.parse(at) - now.value) / 1000 : 0;
}

function Spark({ name }: { name: string }) {
  const all = rates.value[name] ?? [];
  if (all.length < 2 || all.every((r) => r.rate === 0)) return null;
  const most = Math.max(...all.map((r) => r.rate));
  const first = all[0]!.at;
  const span = Math.max(all[all.length - 1]!.at - first, 1);
  const d = all.map((r, i) => `${i ? "L" : "M"}${(((r.at - first) / span) * 200).toFixed(1)} ${(28 - (r.rate / most) * 26).toFixed(1)}`).join("");
  const last = all[all.length - 1]!.rate;
  return (
    <div>
      <svg class="spark" viewBox="0 0 200 30" preserveAspectRatio="none" role="img" aria-label={`throughput, ${bytes(last)} a second now`}><path d={d} vector-effect="non-scaling-stroke" /></svg>
      <span class="muted count">{bytes(last)}/s</span>
    </div>
  );
}

// Progress is how far a start is, by how long starts usually take.
function Progress({ t }: { t: Target }) {
  const elapsed = t.operation_since ? (now.value - Date.parse(t.operation_since)) / 1000 : 0;
  const part = t.expected ? Math.min(elapsed / t.expected, 0.98) : 0;
  return (
    <div>
      {t.expected ? <div class="meter waking" aria-hidden="true"><i style={{ width: `${part * 100}%` }} /></div> : null}
      <p class="muted count">{words[t.state]} for {duration(elapsed)}{t.expected ? `, usually ready after ${duration(t.expected)}` : ""}</p>
    </div>
  );
}

function Countdown({ t }: { t: Target }) {
  const left = until(t.stop_at);
  const whole = Math.max(t.cooldown, left);
  return (
    <div>
      <div class="meter" aria-hidden="true"><i style={{ width: `${Math.max(0, Math.min(1, left / whole)) * 100}%` }} /></div>
      <p class="muted count">{t.busy ? "it is busy, and asked again in " : "stops in "}<b data-testid={`countdown-${t.name}`}>{clock(left)}</b></p>
    </div>
  );
}

function useAction() {
  const busy = useSignal("");
  const failed = useSignal("");
  const run = async (what: string, action: () => Promise<void>) => {
    busy.value = what;
    failed.value = "";
    try {
      await action();
    } catch (e) {
      failed.value = e instanceof Error ? e.message : String(e);
    }
    busy.value = "";
  };
  return { busy, failed, run };
}

export function Card({ t }: { t: Target }) {
  const { busy, failed, run } = useAction();
  const open = useSignal<"" | "hold" | "why" | "stop" | "maintain">("");
  const used = t.held + t.waiting > 0 || Boolean(t.hold_until);
  const stopWhy = t.state === "stopped" ? "it is asleep" : t.hold_until ? "it is held by hand" : "";
  return (
    <article class="card" data-testid={`card-${t.name}`} aria-label={`target ${t.name}`}>
      <div class="head">
        <h3>{t.name}</h3>
        <span class={`badge ${t.health}`} data-testid={`state-${t.name}`} data-state={t.state} role="status"><Mark health={t.health} />{words[t.state]}</span>
      </div>
      <p class="muted">{t.since ? `since ${time(t.since)} (${duration((now.value - Date.parse(t.since)) / 1000)})` : "not looked at yet"} · {t.address}</p>
      <p class="count">
        <b>{count(t.clients, "client")}</b> connected{t.waiting > 0 ? <>, <b>{t.waiting}</b> waiting</> : null}
        {t.visitors ? <span class="muted">, {count(t.visitors, "visitor")} who may not keep it awake</span> : null}
      </p>
      {t.state === "starting" || t.operation === "start" ? <Progress t={t} /> : null}
      {t.stop_at && t.state === "ready" ? <Countdown t={t} /> : null}
      <Spark name={t.name} />
      {t.hold_until ? <p class="notice">Held by hand{t.hold_by ? `, by ${t.hold_by},` : ""} until {time(t.hold_until)}{t.hold_why ? `: ${t.hold_why}` : ""}</p> : null}
      {t.maintenance ? <p class="notice">{t.maintenance === "hold" ? "New clients have to wait" : "New clients are refused"}{t.maintenance_why ? `: ${t.maintenance_why}` : ""}</p> : null}
      {t.leaving ? <p class="notice">No longer in the config; it goes once it is stopped.</p> : null}
      {t.error ? <p class="notice bad">{t.error}</p> : null}
      {failed.value ? <p class="notice bad" role="alert">{failed.value}</p> : null}
      <div class="row buttons">
        <button class="button first" data-testid={`wake-${t.name}`} disabled={t.state === "ready" || t.state === "starting" || busy.value !== ""}
          aria-label={`Wake ${t.name}`} onClick={() => run("wake", () => api.change("POST", api.target(t.name, "wake")))}>Wake</button>
        {t.hold_until
          ? <button class="button" data-testid={`release-${t.name}`} aria-label={`Release ${t.name}`} onClick={() => run("release", () => api.change("DELETE", api.target(t.name, "hold")))}>Release</button>
          : <button class="button" data-testid={`hold-${t.name}`} aria-label={`Hold ${t.name} awake`} onClick={() => (open.value = "hold")}>Hold…</button>}
        <button class="button" data-testid={`stop-${t.name}`} disabled={stopWhy !== "" || busy.value !== ""} title={stopWhy}
          aria-label={`Stop ${t.name}`}
          onClick={() => (used ? (open.value = "stop") : run("stop", () => api.change("POST", api.target(t.name, "stop"))))}>Stop{used && !stopWhy ? "…" : ""}</button>
        <button class="button" data-testid={`why-${t.name}`} aria-label={`Why is ${t.name} as it is?`} onClick={() => (open.value = "why")}>Why?</button>
        <button class="button" data-testid={`maintain-${t.name}`} aria-label={`Maintain ${t.name}`} onClick={() => (open.value = "maintain")}>Maintain…</button>
      </div>
      {open.value === "hold" ? <HoldDialog t={t} close={() => (open.value = "")} run={run} /> : null}
      {open.value === "why" ? <WhyDialog t={t} close={() => (open.value = "")} /> : null}
      {open.value === "maintain" ? <MaintainDialog t={t} close={() => (open.value = "")} run={run} /> : null}
      {open.value === "stop" ? (
        <Dialog title={`Stop ${t.name} anyway?`} close={() => (open.value = "")} id="stop-dialog">
          <p class="muted">{count(t.clients, "client is", "clients are")} connected and {t.waiting} waiting. They would be cut in the middle of what they do.</p>
          <div class="row" style={{ marginTop: "16px" }}>
            <button class="button bad" data-testid="stop-anyway" onClick={() => { open.value = ""; void run("stop", () => api.change("POST", api.target(t.name, "stop") + "?force=yes")); }}>Cut them and stop it</button>
            <button class="button" onClick={() => (open.value = "")}>Leave it</button>
          </div>
        </Dialog>
      ) : null}
    </article>
  );
}

type Run = (what: string, action: () => Promise<void>) => Promise<void>;

function HoldDialog({ t, close, run }: { t: Target; close: () => void; run: Run }) {
  const hours = useSignal(1);
  const why = useSignal("");
  const send = (e: Event) => {
    e.preventDefault();
    close();
    void run("hold", () => api.change("POST", api.target(t.name, "hold"), { for: hours.value * 3600, why: why.value }));
  };
  return (
    <Dialog title={`Keep ${t.name} awake`} close={close} id="hold-dialog">
      <form onSubmit={send}>
        <label class="field">For
          <select value={hours.value} onChange={(e) => (hours.value = Number(e.currentTarget.value))}>
            {[1, 2, 4, 8, 24, 72].map((h) => <option value={h} key={h}>{count(h, "hour")}</option>)}
          </select>
        </label>
        <label class="field">Reason, for others
          <input type="text" maxLength={200} value={why.value} onInput={(e) => (why.value = e.currentTarget.value)} />
        </label>
        <div><button class="button first" data-testid="hold-send">Hold it awake</button></div>
      </form>
    </Dialog>
  );
}

function MaintainDialog({ t, close, run }: { t: Target; close: () => void; run: Run }) {
  const why = useSignal("");
  const set = (mode: string) => {
    close();
    void run("maintenance", () => mode === "off" ? api.change("DELETE", api.target(t.name, "maintenance")) : api.change("POST", api.target(t.name, "maintenance"), { mode, why: why.value }));
  };
  return (
    <Dialog title={`Maintenance of ${t.name}`} close={close} id="maintain-dialog">
      <form onSubmit={(e) => e.preventDefault()}>
        <p class="muted">For a backup, say. Who is connected stays. New clients neither wake it nor keep it awake.</p>
        <label class="field">Reason, for others
          <input type="text" maxLength={200} value={why.value} onInput={(e) => (why.value = e.currentTarget.value)} />
        </label>
        <div class="row">
          <button class="button" type="button" onClick={() => set("hold")}>New clients wait</button>
          <button class="button" type="button" onClick={() => set("refuse")}>New clients are refused</button>
          {t.maintenance ? <button class="button first" type="button" onClick={() => set("off")}>Let clients in</button> : null}
        </div>
      </form>
    </Dialog>
  );
}

function WhyDialog({ t, close }: { t: Target; close: () => void }) {
  const text = useSignal("Asking…");
  const asked = useSignal(false);
  if (!asked.value) {
    asked.value = true;
    api.get<Why>(api.target(t.name, "why")).then((w) => (text.value = w.text), (e: unknown) => (text.value = String(e)));
  }
  return <Dialog title={`Why is ${t.name} as it is?`} close={close} id="why-dialog"><div class="why" tabIndex={0} role="region" aria-label="the answer">{text}</div></Dialog>;
}

export function Cards() {
  const all = targets.value;
  return (
    <section aria-labelledby="targets-title">
      <h2 id="targets-title">Targets</h2>
      {all.length === 0
        ? <div class="panel empty"><h3>There are no targets</h3><p>Write one below <code>targets:</code> in the config file, and run <code>rouse reload</code>.</p></div>
        : <div class="cards">{all.map((t) => <Card t={t} key={t.name} />)}</div>}
    </section>
  );
}
