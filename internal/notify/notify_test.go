package notify

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
)

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

// start returns a notifier that runs.
func start(t *testing.T, c Channel) (*Notifier, *logbook) {
	t.Helper()
	log := &logbook{}
	n, err := New(Options{Channels: []Channel{c}, Host: "box", Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		if strings.Contains(log.String(), canary) {
			t.Errorf("the log shows a secret:\n%s", log)
		}
	})
	return n, log
}

func failed(at time.Duration, op string, err error) event.Event {
	return event.Event{Time: noon.Add(at), Kind: event.OperationEnded, Target: "web", Operation: op, Err: err}
}

var errBoot = errors.New("start hook: exit code 1: no such image")

func TestEachServiceGetsWhatItWants(t *testing.T) {
	host, requests := service(t, 200)
	for _, c := range []struct {
		url, path string
		check     func(got) bool
	}{
		{"http://" + host + "/hook/" + canary, "/hook/" + canary, func(g got) bool {
			var m Message
			return json.Unmarshal([]byte(g.body), &m) == nil && m.Kind == Failures && m.Target == "web" && m.Host == "box" && m.ID == g.header.Get("Rouse-Delivery") && strings.Contains(m.Text, "no such image")
		}},
		{"ntfy://:" + canary + "@" + host + "/topic?scheme=http", "/topic", func(g got) bool {
			return g.header.Get("Title") == "web could not be started" && g.header.Get("Authorization") == "Bearer "+canary && g.header.Get("Priority") == "high" && strings.Contains(g.body, "no such image")
		}},
		{"gotify://" + host + "/" + canary + "?scheme=http", "/message", func(g got) bool {
			return g.header.Get("X-Gotify-Key") == canary && strings.Contains(g.body, `"priority":8`)
		}},
		{"slack://" + host + "/services/T/" + canary + "?scheme=http", "/services/T/" + canary, func(g got) bool { return strings.HasPrefix(g.body, `{"text":"web could not be started\n`) }},
		{"discord://" + host + "/api/webhooks/1/" + canary + "?scheme=http", "/api/webhooks/1/" + canary, func(g got) bool {
			return strings.Contains(g.body, `"content":"web could`) && strings.Contains(g.body, `"parse":[]`)
		}},
	} {
		n, _ := start(t, Channel{Name: "phone", URL: c.url})
		n.Sink(failed(0, "start", errBoot))
		if g := <-requests; g.path != c.path || !c.check(g) {
			t.Errorf("%s: %+v", strings.SplitN(c.url, ":", 2)[0], g)
		}
	}
}

func TestAWebhookIsSigned(t *testing.T) {
	host, requests := service(t, 204)
	n, _ := start(t, Channel{Name: "hook", URL: "http://" + host + "/", Key: canary})
	n.Sink(failed(0, "stop", errBoot))
	g := <-requests
	var seconds int64
	if _, err := fmt.Sscanf(g.header.Get("Rouse-Signature"), "t=%d,", &seconds); err != nil {
		t.Fatal(err)
	}
	if want := Sign(canary, time.Unix(seconds, 0), []byte(g.body)); g.header.Get("Rouse-Signature") != want {
		t.Errorf("%s, want %s", g.header.Get("Rouse-Signature"), want)
	}
}

func TestWhatFailsIsTriedAgainAsTheSame(t *testing.T) {
	host, requests := service(t, 503, 500, 200)
	n, log := start(t, Channel{Name: "hook", URL: "http://" + host + "/" + canary})
	n.Sink(failed(0, "start", errBoot))
	first, second, third := <-requests, <-requests, <-requests
	if id := first.header.Get("Rouse-Delivery"); id == "" || second.header.Get("Rouse-Delivery") != id || third.header.Get("Rouse-Delivery") != id {
		t.Error("an attempt has another ID")
	}
	if !strings.Contains(log.String(), "will be tried again") {
		t.Errorf("log: %s", log)
	}
}

func TestWhatIsRefusedIsNotTriedAgain(t *testing.T) {
	for _, code := range []int{400, 401, 404, 302} {
		host, requests := service(t, code, 200)
		n, log := start(t, Channel{Name: "hook", URL: "http://" + host + "/" + canary})
		n.Sink(failed(0, "start", errBoot))
		<-requests
		n.Sink(failed(time.Second, "stop", errBoot)) // within the hush, so not told
		n.Sink(event.Event{Time: noon, Kind: event.CrashLooping, Target: "web", Err: errBoot})
		if g := <-requests; !strings.Contains(g.body, CrashLoop) || g.path == "/elsewhere" {
			t.Errorf("%d: it was tried again, or a redirect was followed: %+v", code, g)
		}
		if !strings.Contains(log.String(), "was not delivered") {
			t.Errorf("%d: log: %s", code, log)
		}
	}
}

func TestMailIsSent(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	mails := make(chan string, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		say := func(s string) { _, _ = io.WriteString(conn, s+"\r\n") }
		say("220 box ESMTP")
		var text strings.Builder
		data := false
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			line := lines.Text()
			text.WriteString(line + "\n")
			switch {
			case data && line == ".":
				data = false
				say("250 ok")
			case data:
			case line == "DATA":
				data = true
				say("354 go on")
			case line == "QUIT":
				say("221 bye")
				mails <- text.String()
				return
			default:
				say("250 ok")
			}
		}
	}()
	n, _ := start(t, Channel{Name: "mail", URL: "smtp://" + ln.Addr().String() + "/?tls=none&from=rouse@example.org&to=me@example.org,you@example.org"})
	n.Sink(failed(0, "start", errBoot))
	text := <-mails
	for _, want := range []string{"MAIL FROM:<rouse@example.org>", "RCPT TO:<you@example.org>", "Subject: rouse: web could not be started", "no such image", "box"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestQuietDefaults(t *testing.T) {
	n, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	told := func(e event.Event) string { group, _, _ := n.judge(e); return group }
	for _, c := range []struct {
		what string
		e    event.Event
		want string
	}{
		{"the first failure", failed(0, "start", errBoot), Failures},
		{"the same again", failed(time.Minute, "start", errBoot), ""},
		{"a stop that is fine", failed(2*time.Minute, "stop", nil), ""},
		{"after hours", failed(7*time.Hour, "start", errBoot), Failures},
		{"it is over", failed(8*time.Hour, "start", nil), Recovered},
		{"and stays so", failed(9*time.Hour, "start", nil), ""},
		{"another failure", failed(9*time.Hour, "start", errBoot), Failures},
		{"a check", failed(9*time.Hour, "check", errBoot), ""},
		{"a budget", event.Event{Time: noon, Kind: event.ClientRefused, Target: "web", Err: fmt.Errorf("x: %w", &gate.Refusal{Gate: gate.Spending, Text: "spent"})}, Budget},
		{"the same budget", event.Event{Time: noon.Add(time.Hour), Kind: event.ClientRefused, Target: "web", Err: &gate.Refusal{Gate: gate.Spending, Text: "spent"}}, ""},
		{"that of another", event.Event{Time: noon, Kind: event.ClientRefused, Target: "db", Err: &gate.Refusal{Gate: gate.Spending, Text: "spent"}}, Budget},
		{"a refusal", event.Event{Time: noon, Kind: event.ClientRefused, Target: "web", Err: errBoot}, Refusals},
		{"a wake", event.Event{Time: noon, Kind: event.OperationBegun, Operation: "start", Target: "web"}, Wakes},
		{"a stop", event.Event{Time: noon, Kind: event.StateChanged, From: "stopping", To: "stopped", Target: "web"}, Stops},
		{"a client", event.Event{Time: noon, Kind: event.ClientServed, Target: "web"}, ""},
	} {
		if got := told(c.e); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

// stuck never answers.
type stuck struct{}

func (stuck) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: r.Context().Err()}
}

func TestAServiceThatNeverAnswersHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logbook{}
		n, err := New(Options{
			Channels: []Channel{{Name: "hook", URL: "http://10.0.0.1/" + canary, Groups: []string{Wakes}}}, Client: &http.Client{Transport: stuck{}},
			Logger: slog.New(slog.NewTextHandler(log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); n.Run(ctx) }()
		began := time.Now()
		for range 3 * mostQueued {
			n.Sink(event.Event{Time: time.Now(), Kind: event.OperationBegun, Operation: "start", Target: "web"})
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("the sink took %v", took)
		}
		time.Sleep(3 * time.Hour)
		for _, want := range []string{"lost=", "was not delivered"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not tell %q:\n%.2000s", want, log)
			}
		}
		cancel()
		<-done
		if strings.Contains(log.String(), canary) {
			t.Error("the log shows a secret")
		}
	})
}

func TestOnlyWhatIsWantedIsTold(t *testing.T) {
	host, requests := service(t, 200)
	n, _ := start(t, Channel{Name: "hook", URL: "http://" + host + "/", Groups: []string{Stops, CrashLoop}, Targets: []string{"db"}})
	n.Sink(failed(0, "start", errBoot))
	n.Sink(event.Event{Time: noon, Kind: event.CrashLooping, Target: "web", Err: errBoot})
	n.Sink(event.Event{Time: noon, Kind: event.CrashLooping, Target: "db", Err: errBoot})
	if g := <-requests; !strings.Contains(g.body, `"target":"db"`) {
		t.Errorf("%+v", g)
	}
}

func FuzzURL(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw string) {
		err := Check(Channel{Name: "x", URL: raw})
		if err != nil && len(raw) > 12 && strings.Contains(err.Error(), raw) {
			t.Errorf("the error shows the URL: %v", err)
		}
	})
}
