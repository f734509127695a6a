package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/history"
	"github.com/rouse-proxy/rouse/internal/savings"
)

// script is a daemon that notes what is asked of it, and fails if it is told to.
type script struct {
	mu    sync.Mutex
	asked []string
	who   string
	fails error
	store *history.Store
}

// For notes for whom, if that is known.
func (s *script) For(who string) Daemon {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.who = who
	return s
}

func (s *script) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what)
}

// all returns what was asked of it.
func (s *script) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *script) Reload(string) (any, error) {
	s.note("reload")
	return map[string]int{"Listeners": 2}, s.fails
}

func (s *script) Status() Status {
	return Status{Version: "1", Targets: []Target{{Name: "web", State: "ready", Health: Up, Held: 3}, {Name: "db", State: "failed", Health: Failing}}}
}

func (s *script) Hold(name string, _ time.Time, why string) error {
	s.note("hold " + name + ": " + why)
	return s.fails
}

func (s *script) Wake(name string) error {
	s.note("wake " + name)
	return nil
}

func (s *script) Stop(name string, force bool) error {
	s.note("stop " + name)
	if force {
		return nil
	}
	return Conflict("2 hold it")
}

func (s *script) Maintain(name, mode, why string) error {
	s.note(strings.TrimSpace("maintain " + name + " " + mode + " " + why))
	return s.fails
}

func (s *script) Release(name string) (int, error) {
	s.note("release " + name)
	return 1, s.fails
}

func (s *script) Why(_ context.Context, name string) (Why, error) {
	if name != "web" {
		return Why{}, NotFound("there is no target " + name)
	}
	return Why{Target: name, Text: "because\n", Now: []Reason{}, Wake: []Reason{}, Stay: []Reason{}, Refused: []Reason{}}, nil
}

func (s *script) History() *history.Store {
	if s.store == nil {
		s.store = history.New(history.Options{})
	}
	return s.store
}

func (s *script) Savings(context.Context, string, time.Time, time.Time) (savings.Report, error) {
	return savings.Report{Targets: []savings.Summary{}, Totals: []savings.Total{}}, nil
}

func (s *script) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("rouse_up 1\n")) })
}

// ask is one request to a handler, as the program's own client makes it.
func ask(d Daemon, g Guard, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, path, nil)
	}
	r.Header.Set(changeHeader, "1")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	Handler(context.Background(), d, g).ServeHTTP(w, r)
	return w
}

// serve answers in a directory until the test ends.
func serve(t *testing.T, dir string, d Daemon) {
	t.Helper()
	ln, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Serve(ctx, ln, d, Guard{}, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// shortDir returns a directory whose path leaves room for a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rouse")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestClientAndDaemonUnderstandEachOther(t *testing.T) {
	dir, d := shortDir(t), &script{}
	serve(t, dir, d)
	c := Dial(dir)
	if all, err := c.Targets(t.Context()); err != nil || len(all) != 2 || all[0].Held != 3 {
		t.Errorf("the targets are %+v, %v", all, err)
	}
	var report struct{ Listeners int }
	if err := c.Reload(t.Context(), &report); err != nil || report.Listeners != 2 {
		t.Errorf("the reload is %+v, %v", report, err)
	}
	if err := c.Hold(t.Context(), "a/b c", Hold{Until: time.Now().Add(time.Hour), Why: "work"}); err != nil {
		t.Error(err)
	}
	if n, err := c.Release(t.Context(), "a/b c"); err != nil || n != 1 {
		t.Errorf("released %d, %v", n, err)
	}
	if got, want := strings.Join(d.asked, ", "), "reload, hold a/b c: work, release a/b c"; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
	if u, err := user.Current(); err != nil || runtime.GOOS == "linux" && d.who != u.Username {
		t.Errorf("it was asked by %q, %v", d.who, err)
	}
	d.fails = errors.New("no such target")
	err := c.Hold(t.Context(), "x", Hold{For: 1})
	if _, refused := errors.AsType[Refused](err); !refused || err.Error() != "no such target" {
		t.Errorf("a refusal came as %v", err)
	}
}

func TestSocketIsForItsUserAlone(t *testing.T) {
	dir := shortDir(t)
	serve(t, dir, &script{})
	info, err := os.Stat(SocketPath(dir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info, err)
	}
}

func TestSocketThatWasLeftBehindIsReplaced(t *testing.T) {
	dir := shortDir(t)
	if err := os.WriteFile(SocketPath(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, dir, &script{})
	if _, err := Dial(dir).Targets(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPathThatIsTooLongIsToldOf(t *testing.T) {
	_, err := Listen(filepath.Join(t.TempDir(), strings.Repeat("x", mostPath)))
	if err == nil || !strings.Contains(err.Error(), "shorter path") {
		t.Errorf("got %v", err)
	}
}

func TestNoDaemonIsASentence(t *testing.T) {
	_, err := Dial(shortDir(t)).Targets(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "no rouse runs with the state directory ") {
		t.Errorf("got %v", err)
	}
}

// TestNothingChangesByWhatIsNotUnderstood: neither by GET, nor by a body that is wrong or too long.
func TestNothingChangesByWhatIsNotUnderstood(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/v1/reload", "", http.StatusMethodNotAllowed},
		{"GET", "/v1/targets/web/hold", "", http.StatusMethodNotAllowed},
		{"POST", "/v1/targets/web/hold", "", http.StatusBadRequest},
		{"POST", "/v1/targets/web/hold", `{"forever":true}`, http.StatusBadRequest},
		{"POST", "/v1/targets/web/hold", `{"why":"` + strings.Repeat("x", mostBody) + `"}`, http.StatusRequestEntityTooLarge},
		{"POST", "/v2/reload", "", http.StatusNotFound},
	} {
		d := &script{}
		w := ask(d, Guard{}, c.method, c.path, c.body)
		if w.Code != c.status || len(d.asked) > 0 {
			t.Errorf("%s %s: %d, and %q was done; want %d, and nothing", c.method, c.path, w.Code, d.asked, c.status)
		}
	}
}

func TestAConflictIsTold(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir, &script{})
	c := Dial(dir)
	if err := c.Wake(t.Context(), "web"); err != nil {
		t.Error(err)
	}
	if err := c.Stop(t.Context(), "web", false); err == nil || err.Error() != "2 hold it" {
		t.Errorf("got %v", err)
	}
	if err := c.Stop(t.Context(), "web", true); err != nil {
		t.Errorf("forced: %v", err)
	}
	if r := ask(&script{}, Guard{}, http.MethodPost, "/v1/targets/web/stop", ""); r.Code != http.StatusConflict {
		t.Errorf("the status is %d", r.Code)
	}
	if r := ask(&script{}, Guard{}, http.MethodGet, "/v1/targets/web/stop", ""); r.Code != http.StatusMethodNotAllowed || r.Header().Get("Allow") != "POST" {
		t.Errorf("a GET has the status %d", r.Code)
	}
}

func TestEveryRouteAnswers(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		status             int
		says, asked        string
	}{
		{"GET", "/v1/status", "", 200, `"health":"up"`, ""},
		{"GET", "/v1/targets/web", "", 200, `"name":"web"`, ""},
		{"GET", "/v1/targets/nobody", "", 404, `there is no target`, ""},
		{"GET", "/v1/targets/web/health", "", 200, `"health":"up"`, ""},
		{"GET", "/v1/targets/db/health", "", 503, `"health":"failing"`, ""},
		{"GET", "/v1/targets/web/why", "", 200, `because`, ""},
		{"GET", "/v1/targets/x/why", "", 404, `there is no target x`, ""},
		{"POST", "/v1/targets/web/wake", "", 200, "{}", "wake web"},
		{"POST", "/v1/targets/web/stop?force=yes", "", 200, "{}", "stop web"},
		{"POST", "/v1/targets/web/stop?force=maybe", "", 400, "force is yes or no", ""},
		{"POST", "/v1/targets/web/hold", `{"for":60,"why":"work"}`, 200, "{}", "hold web: work"},
		{"POST", "/v1/targets/web/hold", `{"for":-1}`, 400, "seconds", ""},
		{"POST", "/v1/targets/web/hold", `{}`, 400, "until when", ""},
		{"POST", "/v1/targets/web/hold", `{"for":60}{"for":60}`, 400, "more behind it", ""},
		{"DELETE", "/v1/targets/web/hold", "", 200, "1", "release web"},
		{"POST", "/v1/targets/web/maintenance", `{"mode":"hold","why":"backup"}`, 200, "{}", "maintain web hold backup"},
		{"POST", "/v1/targets/web/maintenance", `{"mode":"off"}`, 400, "refuse", ""},
		{"DELETE", "/v1/targets/web/maintenance", "", 200, "{}", "maintain web off"},
		{"GET", "/v1/history/facts", "", 409, "there is no history", ""},
		{"GET", "/v1/history/timeline", "", 409, "there is no history", ""},
		{"GET", "/v1/savings?since=yesterday", "", 400, "is not a time", ""},
		{"GET", "/v1/savings?since=1h&until=2h", "", 400, "ends before it begins", ""},
		{"GET", "/v1/openapi.json", "", 200, "3.1", ""},
		{"GET", "/v1/nothing", "", 404, "openapi.json", ""},
		{"GET", "/metrics", "", 200, "rouse_up 1", ""},
	} {
		d := &script{}
		w := ask(d, Guard{}, c.method, c.path, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) || strings.Join(d.asked, ", ") != c.asked {
			t.Errorf("%s %s: %d %s, asked %q; want %d %s, asked %q", c.method, c.path, w.Code, w.Body, d.asked, c.status, c.says, c.asked)
		}
	}
}

func TestEventsAreStreamedAndResumed(t *testing.T) {
	dir, d := shortDir(t), &script{}
	serve(t, dir, d)
	d.History().Sink(event.Event{Time: time.Now(), Kind: event.RouseBegan})
	var first int64
	stopped := errors.New("enough")
	c := Dial(dir)
	err := c.Events(t.Context(), "", 1, func(f history.Fact) error { first = f.ID; return stopped })
	if !errors.Is(err, stopped) || first == 0 {
		t.Fatalf("%v, %d", err, first)
	}
	d.History().Sink(event.Event{Time: time.Now(), Kind: event.RouseEnded})
	err = c.Events(t.Context(), "", first, func(f history.Fact) error {
		if f.Kind != event.RouseEnded {
			t.Errorf("told again: %+v", f)
		}
		return stopped
	})
	if !errors.Is(err, stopped) {
		t.Error(err)
	}
}

func TestATokenIsMadeOnceAndKeptFromOthers(t *testing.T) {
	dir := t.TempDir()
	token, made, err := MakeToken(dir)
	if err != nil || !made || len(token) != 64 {
		t.Fatalf("%q %v %v", token, made, err)
	}
	again, made, err := MakeToken(dir)
	if err != nil || made || again != token {
		t.Errorf("%q %v %v", again, made, err)
	}
	if err := os.Chmod(TokenPath(dir), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := MakeToken(dir); err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("a token that others can read: %v", err)
	}
	short := filepath.Join(dir, "short")
	if err := os.WriteFile(short, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadToken(short); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a short token: %v", err)
	}
}

// TestEventsOfARouseBeforeThisOneAreResumed: they are only in the file by then.
func TestEventsOfARouseBeforeThisOneAreResumed(t *testing.T) {
	dir := shortDir(t)
	open := func() *history.Store {
		s := history.New(history.Options{Path: history.Path(dir)})
		s.Start()
		for s.Reader() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		return s
	}
	before := open()
	for i := range 1200 { // more than one page
		before.Sink(event.Event{Time: time.Now(), Kind: event.Steered, Cause: strconv.Itoa(i)})
	}
	facts, _, _ := before.Recent(0)
	seen := facts[0].ID
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	d := &script{store: open()}
	defer d.store.Close()
	serve(t, dir, d)
	d.store.Sink(event.Event{Time: time.Now(), Kind: event.Steered, Cause: "new"})
	want, _ := strconv.Atoi(facts[0].Cause)
	enough := errors.New("enough")
	err := Dial(dir).Events(t.Context(), "", seen, func(f history.Fact) error {
		want++
		switch {
		case f.Cause == "new" && want == 1200:
			return enough
		case f.Cause != strconv.Itoa(want):
			return fmt.Errorf("told of %q, want %d", f.Cause, want)
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}
