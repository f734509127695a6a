package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/rouse-proxy/rouse/internal/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

const canary = "hunter2"

// logbook is a log that tests read.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// got is a request that a service was sent.
type got struct {
	path, body string
	header     http.Header
}

// service is a web service that answers with codes, the last one for ever.
func service(t *testing.T, codes ...int) (host string, requests chan got) {
	t.Helper()
	requests = make(chan got, 100)
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		code := codes[0]
		if len(codes) > 1 {
			codes = codes[1:]
		}
		mu.Unlock()
		if code == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(code)
		requests <- got{r.URL.Path, string(body), r.Header}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), requests
}

// start returns a notifier that runs, and what ends it.
func start(t *testing.T, o Options) (*Notifier, *logbook, func()) {
	t.Helper()
	log := &logbook{}
	o.Host, o.Logger = "box", log.logger()
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); n.Run(ctx) }()
	end := sync.OnceFunc(func() {
		cancel()
		<-done
		for _, c := range o.Channels {
			for _, part := range append(partsOf(c), canary) {
				if strings.Contains(log.String(), part) {
					t.Errorf("the log shows %q:\n%s", part, log)
				}
			}
		}
	})
	t.Cleanup(end)
	return n, log, end
}

// startOne is start with one channel.
func startOne(t *testing.T, c Channel) (*Notifier, *logbook) {
	t.Helper()
	n, log, _ := start(t, Options{Channels: []Channel{c}})
	return n, log
}

func failed(at time.Duration, op string, err error) event.Event {
	return event.Event{Time: noon.Add(at), Kind: event.OperationEnded, Target: "web", Operation: op, Err: err}
}

func crash(target string) event.Event {
	return event.Event{Time: noon, Kind: event.CrashLooping, Target: target, Err: errBoot}
}

func wake(target string) event.Event {
	return event.Event{Time: noon, Kind: event.OperationBegun, Operation: "start", Target: target, Cause: "client 192.0.2.7"}
}

func state(at time.Duration, from, to string) event.Event {
	return event.Event{Time: noon.Add(at), Kind: event.StateChanged, Target: "web", From: from, To: to}
}

var errBoot = errors.New("start hook: exit code 1: no such image")

func TestOnlyWhatIsWantedIsTold(t *testing.T) {
	host, requests := service(t, 200)
	n, _ := startOne(t, Channel{Name: "phone", URL: "http://" + host + "/", Groups: []string{Stops, CrashLoop}, Targets: []string{"db"}})
	n.Sink(failed(0, "start", errBoot))
	n.Sink(crash("web"))
	n.Sink(crash("db"))
	if g := <-requests; !strings.Contains(g.body, `"target":"db"`) {
		t.Errorf("%+v", g)
	}
}

func TestEachChannelIsToldByItself(t *testing.T) {
	broken, _ := service(t, 500)
	host, requests := service(t, 200)
	n, _, _ := start(t, Options{Channels: []Channel{
		{Name: "broken", URL: "http://" + broken + "/"}, {Name: "fine", URL: "http://" + host + "/"},
	}})
	for i := range 5 {
		n.Sink(crash(fmt.Sprintf("target%d", i)))
		if g := <-requests; !strings.Contains(g.body, fmt.Sprintf(`"target":"target%d"`, i)) {
			t.Errorf("message %d: %+v", i, g)
		}
	}
}

func TestErrorsOfNewShowNoSecret(t *testing.T) {
	for _, c := range []Channel{
		{Name: "x", URL: "telegram://" + canary + "@telegram"},
		{Name: "x", URL: "http://[" + canary},
		{Name: "x", URL: "ntfy://ntfy.example.org/" + canary + "/deeper"},
		{Name: "x", URL: "ntfy://ntfy.example.org/a?token=" + canary},
		{Name: "x", URL: "ntfy://ntfy.example.org/a?scheme=" + canary},
		{Name: "x", URL: "ntfy://ntfy.example.org/topic", Key: canary},
		{Name: "x", URL: "gotify://" + canary},
		{Name: "x", URL: "slack://" + canary},
		{Name: "x", URL: "discord://" + canary + "@discord.com"},
		{Name: "x", URL: "smtp://me:" + canary + "@mail.example.org"},
		{Name: "x", URL: "smtp://me:" + canary + "@mail.example.org/?from=" + canary + "&to=b@example.org"},
		{Name: "x", URL: "smtp://me:" + canary + "@mail.example.org/?from=a@example.org&to=b@example.org&tls=none"},
		{Name: "x", URL: "smtp://me:" + canary + "@mail.example.org:99999/?from=a@example.org&to=b@example.org"},
		{Name: "x", URL: "https://" + canary + ".example.org/", Groups: []string{"everything"}},
	} {
		_, err := New(Options{Channels: []Channel{c}})
		if err == nil || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), `notification "x"`) {
			t.Errorf("%s: %v", strings.ReplaceAll(c.URL, canary, "SECRET"), err)
		}
	}
}

// stuck never answers.
type stuck struct{}

func (stuck) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestAServiceThatNeverAnswersHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, log, _ := start(t, Options{
			Channels: []Channel{{Name: "phone", URL: "http://10.0.0.1/" + canary, Groups: []string{Wakes}}},
			Client:   &http.Client{Transport: stuck{}},
		})
		began := time.Now()
		for i := range 3 * mostQueued {
			n.Sink(wake(fmt.Sprintf("target%d", i)))
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("the sink took %v", took)
		}
		time.Sleep(3 * time.Hour)
		for _, want := range []string{"lost=", "was not delivered", "is tried again"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not tell %q:\n%.2000s", want, log)
			}
		}
	})
}

func TestTheEndTakesSecondsWhateverAServiceDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, log, end := start(t, Options{
			Channels: []Channel{{Name: "phone", URL: "http://10.0.0.1/" + canary}}, Client: &http.Client{Transport: stuck{}},
		})
		for i := range 10 {
			n.Sink(crash(fmt.Sprintf("target%d", i)))
		}
		synctest.Wait()
		began := time.Now()
		end()
		if took := time.Since(began); took > lastTime {
			t.Errorf("the end took %v", took)
		}
		if !strings.Contains(log.String(), "not delivered before the end") || !strings.Contains(log.String(), "failed=10") {
			t.Errorf("log:\n%s", log)
		}
	})
}

func TestNobodyToTellIsFine(t *testing.T) {
	n, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	n.Sink(crash("web"))
	n.Run(t.Context())
}
