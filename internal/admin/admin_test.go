package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// script is a daemon that notes what is asked of it, and fails if it is told to.
type script struct {
	asked []string
	fails error
}

func (s *script) Reload(string) (any, error) {
	s.asked = append(s.asked, "reload")
	return map[string]int{"Listeners": 2}, s.fails
}

func (s *script) Targets() []Target { return []Target{{Name: "web", State: "ready", Held: 3}} }

func (s *script) Hold(name string, _ time.Time, why string) error {
	s.asked = append(s.asked, "hold "+name+": "+why)
	return s.fails
}

func (s *script) Wake(string) error { return nil }
func (s *script) Stop(string) error { return Conflict("2 hold it") }
func (s *script) Release(name string) (int, error) {
	s.asked = append(s.asked, "release "+name)
	return 1, s.fails
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
		Serve(ctx, ln, d, slog.New(slog.DiscardHandler))
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
	if all, err := c.Targets(t.Context()); err != nil || len(all) != 1 || all[0].Held != 3 {
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
	d.fails = errors.New("no such target")
	err := c.Hold(t.Context(), "x", Hold{})
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
		{"POST", "/v1/targets/web/hold", `{"why":"` + strings.Repeat("x", mostBody) + `"}`, http.StatusBadRequest},
		{"POST", "/v2/reload", "", http.StatusNotFound},
	} {
		d, w := &script{}, httptest.NewRecorder()
		Handler(d).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body)))
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
	if err := c.Stop(t.Context(), "web"); err == nil || err.Error() != "2 hold it" {
		t.Errorf("got %v", err)
	}
	r := httptest.NewRecorder()
	Handler(&script{}).ServeHTTP(r, httptest.NewRequest(http.MethodPost, "/v1/targets/web/stop", nil))
	if r.Code != http.StatusConflict {
		t.Errorf("the status is %d", r.Code)
	}
	r = httptest.NewRecorder()
	Handler(&script{}).ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/v1/targets/web/stop", nil))
	if r.Code != http.StatusMethodNotAllowed {
		t.Errorf("a GET has the status %d", r.Code)
	}
}
