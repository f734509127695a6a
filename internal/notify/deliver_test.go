package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// answers is a transport without a network.
type answers struct {
	mu    sync.Mutex
	left  []answer // the last is for ever
	times []time.Time
	sent  []Message
}

type answer struct {
	code  int
	after string
	err   error
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var m Message
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || m.ID != r.Header.Get("Rouse-Delivery") {
		return nil, fmt.Errorf("not a message: %w", err)
	}
	a.times, a.sent = append(a.times, time.Now()), append(a.sent, m)
	now := a.left[0]
	if len(a.left) > 1 {
		a.left = a.left[1:]
	}
	if now.err != nil {
		return nil, now.err
	}
	resp := &http.Response{StatusCode: now.code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(canary)), Request: r}
	if now.after != "" {
		resp.Header.Set("Retry-After", now.after)
	}
	return resp, nil
}

func (a *answers) messages() []Message {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Message(nil), a.sent...)
}

func (a *answers) at() []time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]time.Time(nil), a.times...)
}

const hookURL = "https://example.org/" + canary

// virtual runs f with a notifier of one channel in a time of its own.
func virtual(t *testing.T, c Channel, left []answer, f func(n *Notifier, a *answers, log *logbook, end func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a := &answers{left: left}
		c.Name, c.URL = "phone", hookURL
		n, log, end := start(t, Options{Channels: []Channel{c}, Client: &http.Client{Transport: a}})
		f(n, a, log, end)
		end()
	})
}

func TestWhatFailsIsTriedAgainAsTheSame(t *testing.T) {
	virtual(t, Channel{}, []answer{{code: 503}, {code: 500}, {code: 408}, {code: 425}, {code: 429}, {code: 200}},
		func(n *Notifier, a *answers, log *logbook, _ func()) {
			n.Sink(failed(0, "start", errBoot))
			time.Sleep(time.Hour)
			sent := a.messages()
			if len(sent) != 6 {
				t.Fatalf("tried %d times", len(sent))
			}
			for _, m := range sent {
				if m.ID == "" || m != sent[0] {
					t.Errorf("an attempt with %+v", m)
				}
			}
			for _, want := range []string{"is tried again", "delivered again"} {
				if strings.Count(log.String(), want) != 1 {
					t.Errorf("not once %q:\n%s", want, log)
				}
			}
		})
}

func TestRetryAfterIsHeeded(t *testing.T) {
	virtual(t, Channel{}, []answer{{code: 503, after: "600"}, {code: 200}}, func(n *Notifier, a *answers, _ *logbook, _ func()) {
		n.Sink(crash("web"))
		time.Sleep(time.Hour)
		if at := a.at(); len(at) != 2 || at[1].Sub(at[0]) != 10*time.Minute {
			t.Errorf("tried at %v", at)
		}
	})
	for s, want := range map[string]time.Duration{
		"": 0, "0": 0, "-5": 0, "soon": 0, "90": 90 * time.Second, "99999999999": 0,
		noon.Add(time.Minute).Format(http.TimeFormat): time.Minute, noon.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := retryAfter(s, noon); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

func TestAfterAnHourItIsGivenUp(t *testing.T) {
	virtual(t, Channel{}, []answer{{code: 500}}, func(n *Notifier, a *answers, log *logbook, _ func()) {
		began := time.Now()
		n.Sink(crash("web"))
		n.Sink(crash("db"))
		time.Sleep(3 * time.Hour)
		at, sent := a.at(), a.messages()
		if last := at[len(at)-1].Sub(began); last < 50*time.Minute || last > giveUp || len(at) < 10 || len(at) > 40 {
			t.Errorf("tried %d times, the last after %v", len(at), last)
		}
		if sent[len(sent)-1].Target != "db" {
			t.Error("the second got no attempt")
		}
		if strings.Count(log.String(), "was not delivered") != 2 {
			t.Errorf("log:\n%s", log)
		}
	})
}

func TestWhatIsRefusedIsFinal(t *testing.T) {
	for _, code := range []int{400, 401, 404, 410, 302} {
		virtual(t, Channel{}, []answer{{code: code}, {code: 200}}, func(n *Notifier, a *answers, log *logbook, _ func()) {
			n.Sink(failed(0, "start", errBoot))
			time.Sleep(time.Minute)
			n.Sink(crash("web"))
			time.Sleep(time.Hour)
			if sent := a.messages(); len(sent) != 2 || sent[1].Kind != CrashLoop {
				t.Errorf("%d: sent %+v", code, sent)
			}
			if !strings.Contains(log.String(), "was not delivered") || !strings.Contains(log.String(), "final") {
				t.Errorf("%d: log: %s", code, log)
			}
		})
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	host, requests := service(t, 302, 200)
	n, _ := startOne(t, Channel{Name: "phone", URL: "http://" + host + "/" + canary})
	n.Sink(failed(0, "start", errBoot))
	<-requests
	n.Sink(crash("web"))
	if g := <-requests; g.path == "/elsewhere" || !strings.Contains(g.body, CrashLoop) {
		t.Errorf("%+v", g)
	}
}

func TestTheEndTriesOnceMoreWhatWaitsForItsNextAttempt(t *testing.T) {
	virtual(t, Channel{}, []answer{{code: 503, after: "600"}, {code: 200}}, func(n *Notifier, a *answers, log *logbook, end func()) {
		n.Sink(crash("web"))
		time.Sleep(time.Minute)
		n.Sink(crash("db"))
		end()
		if sent := a.messages(); len(sent) != 3 || sent[1].ID != sent[0].ID || sent[2].Target != "db" {
			t.Errorf("sent %+v", sent)
		}
		if strings.Contains(log.String(), "not delivered before the end") {
			t.Errorf("log:\n%s", log)
		}
	})
}

func TestAFaultOfASenderIsNotOneOfRouse(t *testing.T) {
	virtual(t, Channel{}, []answer{{code: 200}}, func(n *Notifier, _ *answers, log *logbook, _ func()) {
		n.channels[0].sender = faulty{}
		n.Sink(crash("web"))
		time.Sleep(time.Minute)
		if !strings.Contains(log.String(), "a fault of rouse itself") {
			t.Errorf("log:\n%s", log)
		}
	})
}

type faulty struct{ sender }

func TestNoErrorShowsTheURL(t *testing.T) {
	lookup := &net.DNSError{Err: "no such host", Name: "example.org", IsNotFound: true}
	for _, err := range []error{
		&url.Error{Op: "Post", URL: hookURL, Err: errors.New("tls: not " + hookURL)},
		&net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 443}, Err: errors.New("connection refused")},
		&url.Error{Op: "Post", URL: hookURL, Err: &net.OpError{Op: "dial", Err: lookup}},
		errors.New("554 5.7.1 " + canary + " at example.org is unknown"),
	} {
		virtual(t, Channel{}, []answer{{err: err}}, func(n *Notifier, _ *answers, log *logbook, end func()) {
			n.Sink(crash("web"))
			time.Sleep(3 * time.Hour)
			n.Sink(crash("db"))
			end()
			for _, part := range []string{canary, "example.org", "192.0.2.9"} {
				if strings.Contains(log.String(), part) {
					t.Errorf("%q in the log:\n%s", part, log)
				}
			}
			if !strings.Contains(log.String(), "was not delivered") {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}
