import { useSignal } from "@preact/signals";
import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { Cards } from "./cards";
import { Connections, Events } from "./events";
import { energy, money } from "./format";
import { HeatMap, SavingsSection, StartTimes, TargetChoice, Throughput } from "./plots";
import { link, live, refresh, savings, status, targets, trouble, unlock } from "./store";
import { theme, toggle } from "./theme";
import { TimelineSection } from "./timeline";

const linkWords = { joining: "connecting", live: "live", lost: "not connected", locked: "locked" };

function Header() {
  return (
    <header class="top">
      <div class="wrap">
        <div class="brand"><img src="/icon.svg" alt="" /><h1 class="brand">rouse</h1><small>{status.value?.version}</small></div>
        <span class="grow" />
        <span class={`link ${link.value}`} role="status" data-testid="link">{linkWords[link.value]}</span>
        <button class="button" onClick={toggle} aria-label={`Switch to the ${theme.value === "dark" ? "light" : "dark"} theme`}>{theme.value === "dark" ? "Light" : "Dark"}</button>
      </div>
    </header>
  );
}

function Figures() {
  const all = targets.value;
  const awake = all.filter((t) => t.health === "up").length;
  const s = savings.value;
  const clients = all.reduce((n, t) => n + t.clients, 0);
  const waiting = all.reduce((n, t) => n + t.waiting, 0);
  return (
    <dl class="figures" aria-label="at a glance">
      <div class="figure"><dt>Awake now</dt><dd data-testid="awake">{awake} <small>of {all.length}</small></dd></div>
      <div class="figure"><dt>Clients</dt><dd>{clients} <small>{waiting} waiting</small></dd></div>
      {(s?.totals ?? []).map((t) => (
        <div class="figure" key={t.currency}><dt>Saved in 30 days</dt><dd data-testid="saved">{money(t.saved, t.currency)} <small>spent {money(t.cost, t.currency)}</small></dd></div>
      ))}
      {s?.energy_saved !== undefined ? <div class="figure"><dt>Energy saved</dt><dd>{energy(s.energy_saved)} <small>in 30 days</small></dd></div> : null}
    </dl>
  );
}

function SignIn() {
  const token = useSignal("");
  const failed = useSignal("");
  const send = async (e: Event) => {
    e.preventDefault();
    failed.value = await unlock(token.value);
  };
  return (
    <main>
      <form class="panel signin" onSubmit={send} data-testid="signin">
        <h2>This rouse wants its token</h2>
        <p class="muted">On the machine where rouse runs, <code>rouse dashboard</code> prints an address that has it.</p>
        <label class="field" style={{ margin: "16px 0" }}>Token
          <input type="password" autocomplete="off" value={token.value} onInput={(e) => (token.value = e.currentTarget.value)} required />
        </label>
        {failed.value ? <p class="notice bad" role="alert">{failed.value}</p> : null}
        <button class="button first" style={{ marginTop: "12px" }}>Open</button>
      </form>
    </main>
  );
}

function Page() {
  if (link.value === "locked") return <><Header /><SignIn /></>;
  return (
    <>
      <a class="skip" href="#targets-title">To the targets</a>
      <Header />
      {link.value === "lost" ? (
        <div class="banner" role="alert" data-testid="banner"><div class="wrap">rouse does not answer{trouble.value ? `: ${trouble.value}` : ""}. Is it running? What you see is from before; the page tries again by itself.</div></div>
      ) : null}
      <main class="wrap">
        {!status.value ? <div class="panel empty"><p>Asking rouse…</p></div> : (
          <>
            <Figures />
            <Cards />
            <TimelineSection />
            {targets.value.length === 0 || !status.value.history ? null : (
              <section aria-labelledby="use-title">
                <div class="row spread"><h2 id="use-title">How it is used</h2><TargetChoice /></div>
                <div style={{ height: "14px" }} />
                <div class="two"><HeatMap /><StartTimes /><Throughput /></div>
              </section>
            )}
            {targets.value.length === 0 || !status.value.history ? null : <SavingsSection />}
            <Events />
            {status.value.history ? <Connections /> : null}
          </>
        )}
      </main>
      <footer class="wrap">rouse {status.value?.version}. What this page shows, rouse status, rouse why and rouse history tell in a terminal.</footer>
    </>
  );
}

render(<Page />, document.getElementById("page")!);
void live();
setInterval(() => { if (document.visibilityState === "visible") void refresh(); }, 30_000);
