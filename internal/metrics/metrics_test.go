package metrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
)

const examples = "../../examples/monitoring"

// busy are metrics of which every series is there.
func busy() *Metrics {
	at := time.Unix(1_800_000_000, 0)
	m := New("1.0", func() []Target {
		return []Target{{Name: "web", State: "ready", Clients: 2, Waiting: 1, Sent: 10, Received: 20, StopAt: at, HoldUntil: at, Maintenance: true}}
	})
	for _, e := range []event.Event{
		{Kind: event.ClientServed, Client: "192.0.2.7:4711", Elapsed: 3 * time.Second},
		{Kind: event.ClientEnded, Client: "192.0.2.7:4711", Elapsed: time.Minute},
		{Kind: event.ClientRefused, Client: "192.0.2.7:4711", Err: fmt.Errorf("x: %w", &gate.Refusal{Gate: gate.Spending, Text: "spent"})},
		{Kind: event.ClientRefused, Client: "192.0.2.7:4711", Err: errors.New("from 192.0.2.7")},
		{Kind: event.ClientLeft, Client: "192.0.2.7:4711"},
		{Kind: event.GateObserved, Client: "192.0.2.7:4711"},
		{Kind: event.StateChanged, From: "starting", To: "ready", Elapsed: 40 * time.Second},
		{Kind: event.OperationEnded, Operation: "start", Elapsed: 40 * time.Second},
		{Kind: event.OperationEnded, Operation: "start", Err: errors.New("no")},
		{Kind: event.OperationEnded, Operation: "stop", Elapsed: time.Second},
		{Kind: event.OperationEnded, Operation: "check", Err: errors.New("no")},
	} {
		e.Target = "web"
		m.Sink(e)
	}
	return m
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestEverythingIsCounted(t *testing.T) {
	text := scrape(t, busy())
	for _, want := range []string{
		`rouse_connections_total{target="web"} 1`, `rouse_clients_refused_total{reason="budget",target="web"} 1`, `rouse_clients_refused_total{reason="target",target="web"} 1`,
		`rouse_starts_total{result="ok",target="web"} 1`, `rouse_starts_total{result="failed",target="web"} 1`, `rouse_target_state{state="ready",target="web"} 1`,
		`rouse_target_state{state="stopped",target="web"} 0`, `rouse_carried_bytes_total{direction="to_clients",target="web"} 20`,
		`rouse_target_stop_timestamp_seconds{target="web"} 1.8e+09`, `rouse_target_state_seconds_total{state="starting",target="web"} 40`,
		`rouse_client_wait_seconds_bucket{target="web",le="5"} 1`, `rouse_build_info{version="1.0"} 1`, `rouse_target_maintenance{target="web"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(text, "192.0.2.7") {
		t.Error("the address of a client is in the metrics")
	}
}

// promtool runs it, or skips.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not here (Debian's package prometheus has it)")
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Stdin = examples, strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtoolFindsNothing(t *testing.T) {
	ours := regexp.MustCompile(`(?m)^(# (HELP|TYPE) )?rouse_.*\n`).FindAllString(scrape(t, busy()), -1)
	promtool(t, strings.Join(ours, ""), "check", "metrics")
}

func TestAlertsRingWhenTheyShould(t *testing.T) {
	promtool(t, "", "check", "rules", "rouse.rules.yaml")
	promtool(t, "", "test", "rules", "rouse.rules.test.yaml")
}

// dashboard is what is looked at of the one for Grafana.
type dashboard struct {
	Panels []struct {
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr string }
	}
}

// TestTheGrafanaDashboardAsksForWhatThereIs has promtool read every expression, and looks for every series.
func TestTheGrafanaDashboardAsksForWhatThereIs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(examples, "grafana-dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	series := scrape(t, busy())
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	n := 0
	for _, p := range d.Panels {
		if p.GridPos.X+p.GridPos.W > 24 || len(p.Targets) == 0 {
			t.Errorf("panel %q does not fit, or shows nothing", p.Title)
		}
		for _, q := range p.Targets {
			for _, name := range regexp.MustCompile(`rouse_\w+`).FindAllString(q.Expr, -1) {
				if !strings.Contains(series, "\n"+name+"{") {
					t.Errorf("panel %q asks for %s, which there is not", p.Title, name)
				}
			}
			expr := strings.NewReplacer("$__rate_interval", "5m", "$target", "web").Replace(q.Expr)
			rules.WriteString(fmt.Sprintf("  - record: panel:%d\n    expr: %q\n", n, expr))
			n++
		}
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(rules.String(), "panel:", "panel:q")), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", file)
}

// TestAlertsAskForWhatThereIs looks for every series of the rules.
func TestAlertsAskForWhatThereIs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(examples, "rouse.rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	series := scrape(t, busy())
	for _, name := range regexp.MustCompile(`rouse_\w+`).FindAllString(string(text), -1) {
		if !strings.Contains(series, "\n"+name+"{") {
			t.Errorf("the rules ask for %s, which there is not", name)
		}
	}
}
