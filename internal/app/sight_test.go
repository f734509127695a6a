package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/admin"
	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/history"
	"github.com/rouse-proxy/rouse/internal/notify"
	"github.com/rouse-proxy/rouse/internal/target"
)

// why returns what is told of web.
func (h *house) why() string {
	h.t.Helper()
	w, err := steered{App: h.app}.Why(h.t.Context(), "web")
	if err != nil {
		h.t.Fatal(err)
	}
	return w.Text
}

// told waits until what is told of web has all of it.
func (h *house) told(wants ...string) {
	h.t.Helper()
	stop := time.Now().Add(20 * time.Second)
	for {
		text, missing := h.why(), ""
		for _, want := range wants {
			if !strings.Contains(text, want) {
				missing = want
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(stop) {
			h.t.Fatalf("nothing is told of %q:\n%s", missing, text)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestWhyTellsTheCauses(t *testing.T) {
	onBothEngines(t, func(t *testing.T, h *house) {
		h.cfg.Targets[0].Cooldown = time.Hour
		h.open(config.Route{To: to("web"), Gate: config.Gate{WakeOn: []config.Shape{{Kind: "ssh"}}, FirstBytes: 5 * time.Second, ConnectFrom: sources("127.0.0.1/32", "127.0.0.2/32")}})
		h.told("It is stopped", "Nothing is known of a start")
		conn := h.from("127.0.0.1", 0)
		if _, err := io.WriteString(conn, "SSH-2.0-x\r\n"); err != nil {
			t.Fatal(err)
		}
		h.entered(conn, "web")
		client := conn.LocalAddr().String()
		h.told("Client "+client+" is connected through "+h.app.Addrs()[0].String(), "because of: client "+client, "its first bytes were ssh")
		h.refused(h.from("127.0.0.9", 0), "hello")
		h.told("127.0.0.9", "gate connect-from")
		if err := (steered{App: h.app}).For("alice").Hold("web", time.Now().Add(time.Hour), "demo"); err != nil {
			t.Fatal(err)
		}
		h.told("It is held by hand, by alice (demo)")
		_ = conn.Close()
		if _, err := h.app.Release("web"); err != nil {
			t.Fatal(err)
		}
		h.told("the cooldown runs")
		if err := h.app.Stop("web", false); err != nil {
			t.Fatal(err)
		}
		h.told("It is stopped", "stopped the last time because of: a person stops it")
	})
}

// TestMaintenanceKeepsNewClientsAway: they are refused, or wait, and wake nothing; who is there stays; and it ends.
func TestMaintenanceKeepsNewClientsAway(t *testing.T) {
	onBothEngines(t, func(t *testing.T, h *house) {
		h.open(config.Route{To: to("web")})
		maintain := func(mode string) {
			t.Helper()
			if err := h.app.Maintain("web", mode, "backup"); err != nil {
				t.Fatal(err)
			}
		}
		maintain("refuse")
		h.refused(h.from("127.0.0.1", 0), "hello")
		maintain("hold")
		waits := h.from("127.0.0.1", 0)
		time.Sleep(300 * time.Millisecond) // whoever is let in by mistake has had time to be
		if got := h.log(); got != "" {
			t.Errorf("the hooks did: %s", got)
		}
		h.told("New clients have to wait, since a person maintains it (backup)")
		maintain("off")
		stays := h.entered(waits, "web")
		maintain("refuse")
		h.refused(h.from("127.0.0.1", 0), "hello")
		h.echoes(stays)
		maintain("off")
		_ = h.entered(h.from("127.0.0.1", 0), "web").Close()
		if err := h.app.Maintain("nobody", "refuse", ""); err == nil {
			t.Error("nobody was maintained")
		}
	})
}

// TestAForcedStopCutsItsClients, and nobody else's.
func TestAForcedStopCutsItsClients(t *testing.T) {
	onBothEngines(t, func(t *testing.T, h *house) {
		h.cfg.Targets = append(h.cfg.Targets, h.target("nas"))
		h.open(config.Route{To: to("web")}, config.Route{To: to("nas")})
		cut, stays := h.entered(h.from("127.0.0.1", 0), "web"), h.entered(h.from("127.0.0.1", 1), "nas")
		if err := h.app.Stop("web", false); err == nil {
			t.Fatal("it was stopped under a client")
		}
		if err := h.app.Stop("web", true); err != nil {
			t.Fatal(err)
		}
		await(t, func() bool { return h.app.Status("web").State == target.Stopped })
		if _, err := cut.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			t.Errorf("its client read %v", err)
		}
		h.echoes(stays)
		_ = h.entered(h.from("127.0.0.1", 0), "web").Close()
	})
}

// TestTheHistoryOutlivesRouse: what one has seen, the next can tell.
func TestTheHistoryOutlivesRouse(t *testing.T) {
	h := newHouse(t, "web")
	h.cfg.OnExit = config.OnExitStop
	h.cfg.Targets[0].Cost = config.Cost{PerHour: 1, Currency: "EUR"}
	h.cfg.Routes = []config.Route{{To: to("web"), Listen: netip.MustParseAddrPort("127.0.0.1:0")}}
	a, err := New(Options{Config: h.cfg})
	if err != nil {
		t.Fatal(err)
	}
	h.app = a
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	conn := h.entered(h.from("127.0.0.1", 0), "web")
	client := conn.LocalAddr().String()
	_ = conn.Close()
	await(t, func() bool { return a.Status("web").Held == 0 })
	end()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r, err := history.OpenReader(t.Context(), h.cfg.State)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	conns, err := r.Connections(t.Context(), history.Query{Target: "web"})
	if err != nil || len(conns) != 1 || conns[0].Client != client || conns[0].Received != int64(len("web:")) || conns[0].Waited == 0 || conns[0].Ended == "" {
		t.Errorf("connections: %+v, %v", conns, err)
	}
	starts, err := r.Starts(t.Context(), history.Query{})
	if err != nil || len(starts) != 1 || !starts[0].OK {
		t.Errorf("starts: %+v, %v", starts, err)
	}
	report, err := Savings(t.Context(), r, h.cfg, "web", time.Now().Add(-time.Hour), time.Now())
	if err != nil || len(report.Targets) != 1 || report.Targets[0].Starts != 1 || report.Targets[0].Awake == 0 || report.Targets[0].Cost == nil {
		t.Errorf("savings: %+v, %v", report, err)
	}
	if _, err := Savings(t.Context(), r, h.cfg, "nobody", time.Now().Add(-time.Hour), time.Now()); err == nil {
		t.Error("nobody has savings")
	}
	facts, err := r.Facts(t.Context(), history.Query{Kind: event.StateChanged})
	if err != nil || len(facts) < 4 || facts[0].To != "stopped" {
		t.Errorf("facts: %+v, %v", facts, err)
	}
}

// TestAnAPIOnTCPNeedsItsToken, which is made once.
func TestAnAPIOnTCPNeedsItsToken(t *testing.T) {
	h := newHouse(t, "web")
	h.cfg.Admin = config.Admin{Listen: netip.MustParseAddrPort("127.0.0.1:0")}
	h.open(config.Route{To: to("web")})
	token, err := admin.ReadToken(admin.TokenPath(h.cfg.State))
	if err != nil {
		t.Fatal(err)
	}
	get := func(path, token string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+h.app.AdminAddr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	for _, path := range []string{"/v1/status", "/metrics"} {
		if code, _ := get(path, ""); code != 401 {
			t.Errorf("%s without a token: %d", path, code)
		}
		if code, text := get(path, token); code != 200 || !strings.Contains(text, "web") {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if code, text := get("/", ""); code != 200 || strings.Contains(text, token) {
		t.Errorf("the page: %d", code)
	}
	if code, text := get("/v1/targets/web/health", token); code != 200 || !strings.Contains(text, `"health":"asleep"`) {
		t.Errorf("a sleeping target: %d %s", code, text)
	}
}

// TestNoSecretIsTold looks for one in everything that rouse says and keeps: the environment of hooks, the URL and the key of a
// notification, the token of the API.
func TestNoSecretIsTold(t *testing.T) {
	const canary = "hunter2-the-canary"
	log := &strings.Builder{}
	h := newHouse(t, "web")
	away := httptest.NewServer(http.NotFoundHandler())
	defer away.Close()
	h.cfg.Targets[0].Hooks.Env = []config.Variable{{Name: "PASSWORD", Value: config.NewSecret(canary)}}
	h.cfg.Notify = []config.Notify{{Name: "hook", URL: config.NewSecret(away.URL + "/" + canary), Key: config.NewSecret(canary), Events: []string{"wakes"}}}
	token := filepath.Join(h.dir, "token")
	if err := os.WriteFile(token, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	h.cfg.Admin = config.Admin{Listen: netip.MustParseAddrPort("127.0.0.1:0"), TokenFile: token}
	h.cfg.Trace = filepath.Join(h.dir, "trace")
	h.cfg.Routes = []config.Route{{To: to("web"), Listen: netip.MustParseAddrPort("127.0.0.1:0")}}
	a, err := New(Options{Config: h.cfg, Logger: loud(log)})
	if err != nil {
		t.Fatal(err)
	}
	h.app = a
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	_ = h.entered(h.from("127.0.0.1", 0), "web").Close()
	var answers strings.Builder
	for _, r := range admin.Routes() {
		if r.Method == "GET" && !r.Stream {
			w := httptest.NewRecorder()
			admin.Handler(ctx, steered{App: a}, admin.Guard{}).ServeHTTP(w, httptest.NewRequest("GET", strings.ReplaceAll(r.Path, "{name}", "web"), nil))
			answers.WriteString(w.Body.String())
		}
	}
	w := httptest.NewRecorder()
	steered{App: a}.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	answers.WriteString(w.Body.String())
	end()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"the log": log.String(), "an answer of the API": answers.String(), "the config, printed": fmt.Sprintf("%+v %#v", *h.cfg, *h.cfg)} {
		if strings.Contains(text, canary) {
			t.Errorf("%s tells a secret:\n%.3000s", what, text)
		}
	}
	if b, err := json.Marshal(h.cfg); err != nil || strings.Contains(string(b), canary) {
		t.Errorf("the config as JSON tells a secret, or %v", err)
	}
	err = filepath.WalkDir(h.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == token {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), canary) {
			t.Errorf("%s has a secret in it", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(answers.String()) < 1000 || log.Len() < 500 {
		t.Error("there was hardly anything to look at")
	}
}

// TestACooldownIsChosen by how the target was used, within its bounds, and told of.
func TestACooldownIsChosen(t *testing.T) {
	h := newHouse(t, "web")
	web := &h.cfg.Targets[0]
	web.Cost, web.Auto = config.Cost{PerHour: 1, Currency: "EUR"}, config.AutoCooldown{On: true, Least: 2 * time.Minute, Most: 2 * time.Hour}
	if err := os.MkdirAll(h.cfg.State, 0o700); err != nil {
		t.Fatal(err)
	}
	before := history.New(history.Options{Path: history.Path(h.cfg.State)})
	now := time.Now()
	before.Sink(event.Event{Time: now.AddDate(0, 0, -20), Kind: event.StateChanged, Target: "web", From: "unknown", To: "stopped", Elapsed: time.Second})
	for day := -20; day < 0; day++ { // three clients a day, an hour apart
		for hour := range 3 {
			at := now.AddDate(0, 0, day).Add(time.Duration(hour) * time.Hour)
			before.Sink(event.Event{Time: at, Kind: event.ClientEnded, Target: "web", Client: "c", Elapsed: time.Minute})
		}
	}
	before.Start()
	await(t, func() bool { return before.Reader() != nil })
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	h.open(config.Route{To: to("web")})
	await(t, func() bool { return h.app.history.Reader() != nil })
	p := h.app.part("web")
	if got := p.cooldown(); got != time.Hour {
		t.Errorf("before: %v", got)
	}
	h.app.tune(t.Context(), p)
	chosen := p.cooldown()
	if chosen == time.Hour || chosen < 2*time.Minute || chosen > 2*time.Hour {
		t.Errorf("chosen: %v", chosen)
	}
	facts, _, _ := h.app.history.Recent(0)
	last := facts[len(facts)-1]
	if last.Kind != event.CooldownChosen || !strings.Contains(last.Text, "cooldown is now") || !strings.Contains(last.Cause, "before: 1h") {
		t.Errorf("told: %+v", last)
	}
	var kept keptCooldown
	if found, err := h.app.store.LoadNote("web", tuneKind, &kept); err != nil || !found || kept.Seconds != chosen.Seconds() {
		t.Errorf("kept: %+v, %v, %v", kept, found, err)
	}
}

// loud logs everything.
func loud(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(&serial{w: w}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// serial lets one write at a time.
type serial struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *serial) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}

// TestTheConfigKnowsWhatPeopleCanBeToldOf: it lists the groups itself, for it imports nothing that sends.
func TestTheConfigKnowsWhatPeopleCanBeToldOf(t *testing.T) {
	known, told := slices.Sorted(slices.Values(config.NotifyEvents)), slices.Sorted(slices.Values(notify.Groups))
	if !slices.Equal(known, told) {
		t.Errorf("the config knows %v, people can be told of %v", known, told)
	}
}
